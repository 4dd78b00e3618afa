import { createTransport } from 'nodemailer';
import { SMTPServer } from 'smtp-server';
import type { AddressInfo } from 'node:net';
import { classify } from './classify.js';
import { composeMail, type OutgoingMail } from './compose.js';
import { take } from './raw-mail.fixture.js';
import { mailSigner } from './reply-token.js';

const signer = mailSigner('key');
const id = signer.messageId(7, 'u1', 'help.example');
const outgoing: OutgoingMail = {
  from: { name: 'Support Köln', address: 'support@help.example' },
  to: { name: 'Jane', address: 'jane@customer.example' },
  replyTo: signer.replyAddress('support@help.example', 7, 'jane@customer.example'),
  subject: 'Re: Router [#7]',
  ticketNumber: 7,
  messageId: id,
  inReplyTo: 'm1@customer.example',
  references: ['m0@customer.example', 'm1@customer.example'],
  autoSubmitted: null,
  loopToken: 'loop-1',
  text: 'Hello Jane,\n\nit is <fixed>: https://x.example/1.',
};

async function bytesOf(mail: OutgoingMail): Promise<Buffer> {
  const sent = await createTransport({ streamTransport: true, buffer: true }).sendMail(composeMail(mail));
  return sent.message as Buffer;
}
const headOf = (raw: Buffer) =>
  raw
    .toString('latin1')
    .split('\r\n\r\n')[0]!
    .replace(/\r\n[ \t]/g, ' ');
const fieldNames = (raw: Buffer) =>
  headOf(raw)
    .split('\r\n')
    .map((line) => line.split(':')[0]);

describe('a composed mail', () => {
  it('arrives with its threading, text and HTML', async () => {
    const raw = await bytesOf(outgoing);
    const { mail } = await take(raw);
    expect(mail).toMatchObject({
      messageId: id,
      inReplyTo: ['m1@customer.example'],
      references: ['m0@customer.example', 'm1@customer.example'],
      from: [{ name: 'Support Köln', address: 'support@help.example' }],
      to: [{ name: 'Jane', address: 'jane@customer.example' }],
      replyTo: [{ address: outgoing.replyTo }],
      subject: 'Re: Router [#7]',
      text: 'Hello Jane,\n\nit is <fixed>: https://x.example/1.',
    });
    expect(mail.html).toContain('<p>it is &lt;fixed&gt;: <a href="https://x.example/1"');
    expect(headOf(raw)).toMatch(/^X-Helpdesk-Ticket: 7$/m);
    expect(fieldNames(raw)).not.toContain('Auto-Submitted');
    expect(fieldNames(raw)).not.toContain('Precedence');
  });

  it('says when it is automatic', async () => {
    const replied = headOf(await bytesOf({ ...outgoing, autoSubmitted: 'auto-replied' }));
    expect(replied).toMatch(/^Auto-Submitted: auto-replied$/m);
    expect(replied).toMatch(/^X-Auto-Response-Suppress: All$/m);
    expect(replied).toMatch(/^Precedence: bulk$/m);
    const generated = headOf(await bytesOf({ ...outgoing, autoSubmitted: 'auto-generated' }));
    expect(generated).toMatch(/^Auto-Submitted: auto-generated$/m);
    expect(generated).not.toMatch(/^Precedence/m);
  });

  it('is recognised as our own when it comes back', async () => {
    const own = { addresses: [], isOwnMessageId: (one: string) => signer.verifyMessageId(one) !== null };
    const { mail } = await take(await bytesOf(outgoing));
    expect(classify(mail, { ...own, loopToken: 'loop-1' }).rule).toBe('own-loop-header');
    expect(classify(mail, { ...own, loopToken: 'other' }).rule).toBe('own-message-id');
  });

  it('sends the first and the last 19 references', () => {
    const references = Array.from({ length: 50 }, (_, i) => `r${i}@x`);
    const sent = String(composeMail({ ...outgoing, references }).references).split(' ');
    expect([sent.length, sent[0], sent[1], sent.at(-1)]).toEqual([20, '<r0@x>', '<r31@x>', '<r49@x>']);
  });

  it('lets nothing into its headers', async () => {
    const evil = 'x\r\nBcc: eve@evil.example\r\n\r\nbody\0';
    const raw = await bytesOf({
      ...outgoing,
      from: { name: evil, address: 'support@help.example' },
      to: { name: evil, address: 'jane@customer.example' },
      subject: evil,
      messageId: evil,
      inReplyTo: `<${evil}>`,
      references: [evil, 'good@x', 'a> <b'],
      loopToken: evil,
    });
    expect(fieldNames(raw)).not.toContain('Bcc');
    const { mail } = await take(raw);
    expect(mail).toMatchObject({ inReplyTo: [], references: ['good@x'], cc: [] });
    expect(mail.to.map(({ address }) => address)).toEqual(['jane@customer.example']);
    expect(mail.text).toContain('Hello Jane');
  });

  it.each(['', 'x', 'a@b.example\r\nBcc: c@d.example', 'a@b.example, c@d.example', '<a@b.example>'])(
    'is refused to %j',
    (address) => {
      expect(() => composeMail({ ...outgoing, to: { name: 'x', address } })).toThrow(RangeError);
    },
  );
});

it('an auto-reply leaves with the null path, everything else with our address', async () => {
  const paths: string[] = [];
  const server = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    onMailFrom(address, _session, done) {
      paths.push(address.address);
      done();
    },
    onData(stream, _session, done) {
      stream.resume();
      stream.once('end', () => done());
    },
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const { port } = server.server.address() as AddressInfo;
  const transport = createTransport({ host: '127.0.0.1', port, ignoreTLS: true });
  await transport.sendMail(composeMail({ ...outgoing, autoSubmitted: 'auto-replied' }));
  await transport.sendMail(composeMail({ ...outgoing, autoSubmitted: 'auto-generated' }));
  transport.close();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  expect(paths).toEqual(['', 'support@help.example']);
});
