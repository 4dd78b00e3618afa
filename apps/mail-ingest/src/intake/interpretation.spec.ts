import { mailSigner, parseMail, type ParsedMail } from '#mail';
import fc from 'fast-check';
import { Readable } from 'node:stream';
import { inMessages, interpret, type Interpretation } from './interpretation.js';

const signer = mailSigner('a key of the tests that is long enough');
const own = { addresses: ['support@helpdesk.test'], loopToken: 'loop', signer };
const received = {
  inboundId: '0190d3a0-0000-7000-8000-000000000001',
  mailbox: 'support@helpdesk.test',
  rawSha256: 'a'.repeat(64),
  rawSize: 1,
  receivedAt: new Date('2026-03-01T10:00:00Z'),
  defaultOrganisationId: null,
};
/** NATS takes 1 MB (1,048,576 bytes); the envelope needs some of it. */
const MESSAGE_BYTES = 1_000_000;

async function parsed(headers: Record<string, string>, body = 'Hello'): Promise<ParsedMail> {
  const raw = [...Object.entries(headers).map(([name, value]) => `${name}: ${value}`), '', body].join('\r\n');
  return parseMail(Readable.from([Buffer.from(raw)]), {
    onAttachment: async (_meta, content) => {
      let size = 0;
      for await (const chunk of content as AsyncIterable<Buffer>) size += chunk.length;
      return { sha256: 'b'.repeat(64), size };
    },
  });
}

async function interpreted(headers: Record<string, string>, body?: string): Promise<Interpretation> {
  return interpret(await parsed(headers, body), 'id@customer.test', received, own);
}

function offerOf(interpretation: Interpretation) {
  if (!('offer' in interpretation)) throw new Error(`not offered: ${interpretation.disposition}`);
  return interpretation.offer;
}

const human = { From: 'Mara <mara@customer.test>', To: 'support@helpdesk.test', Subject: 'Help' };
const bounce = {
  From: 'MAILER-DAEMON@mx.test',
  'Return-Path': '<>',
  Subject: 'Undelivered Mail Returned to Sender',
  'Content-Type': 'multipart/report; report-type=delivery-status; boundary=b',
};

describe('what a mail means', () => {
  it('says that there are no words, when there are none', async () => {
    expect(offerOf(await interpreted(human, ' '))).toMatchObject({ text: '(no text)', visibleText: '(no text)' });
    const picture = await interpreted({ ...human, 'Content-Type': 'text/html' }, '<img src="cid:x">');
    expect(offerOf(picture)).toMatchObject({ text: '', html: '<img src="cid:x" />' });
  });

  it('is an offer to tickets when a person wrote it', async () => {
    expect(offerOf(await interpreted(human))).toMatchObject({
      inboundId: received.inboundId,
      mailbox: 'support@helpdesk.test',
      from: { name: 'Mara', email: 'mara@customer.test' },
      subject: 'Help',
      messageId: 'id@customer.test',
      signedTicketNumber: null,
      automatic: false,
      mayAutoReply: true,
      receivedAt: '2026-03-01T10:00:00.000Z',
      defaultOrganisationId: null,
    });
  });

  it('is an offer that nobody answers when no sender can be found', async () => {
    const offer = offerOf(await interpreted({ Subject: 'Who am I' }));
    expect(offer).toMatchObject({ from: { name: '', email: null }, mayAutoReply: false });
  });

  it('is an automatic offer when a machine wrote it', async () => {
    const signs = { 'Auto-Submitted': 'auto-replied', 'List-Id': '<l.x.test>', Precedence: 'bulk' };
    for (const [name, value] of Object.entries(signs)) {
      expect(offerOf(await interpreted({ ...human, [name]: value }))).toMatchObject({
        automatic: true,
        mayAutoReply: false,
      });
    }
  });

  it('names the ticket of a signed reply address, only for whom it was made', async () => {
    const To = signer.replyAddress('support@helpdesk.test', 1042, 'mara@customer.test');
    expect(offerOf(await interpreted({ ...human, To })).signedTicketNumber).toBe(1042);
    const stranger = { ...human, From: 'eve@elsewhere.test', To };
    expect(offerOf(await interpreted(stranger)).signedTicketNumber).toBeNull();
  });

  it('is our own mail when it carries our mark', async () => {
    expect(await interpreted({ ...human, 'X-Helpdesk-Loop': 'loop' })).toMatchObject({ disposition: 'own_mail' });
    expect(offerOf(await interpreted({ ...human, 'X-Helpdesk-Loop': "another's" })).automatic).toBe(false);
  });

  it('is a bounce of the ticket whose mail it returns, else nothing', async () => {
    const returned = (id: string) =>
      `--b\r\n\r\nNot delivered.\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <${id}>\r\n\r\nx\r\n--b--\r\n`;
    const ours = signer.messageId(1042, 'entry-1', 'helpdesk.test');
    expect(await interpreted(bounce, returned(ours))).toMatchObject({
      disposition: 'bounce_linked',
      ticketNumber: 1042,
    });
    expect(await interpreted(bounce, returned('another@x.test'))).toMatchObject({ disposition: 'rejected' });
  });
});

describe('the size of an offer', () => {
  it('drops HTML that does not fit, and keeps the text', async () => {
    const mail = { ...(await parsed(human)), html: `<p>${'ü'.repeat(400_000)}</p>` };
    const offer = offerOf(interpret(mail, 'id@x', received, own));
    expect(offer).toMatchObject({ html: null, text: 'Hello' });
  });

  it('fits into one message whatever a mail says', async () => {
    const mail = await parsed(human);
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 8 }), (unit) => {
        const long = unit.toWellFormed().repeat(500_000).slice(0, 500_000).toWellFormed();
        const huge = { ...mail, subject: long, text: long, html: long, from: [{ name: long, address: 'a@x.test' }] };
        const offer = offerOf(interpret(huge, 'id@x', received, own));
        expect(Buffer.byteLength(JSON.stringify(offer))).toBeLessThan(MESSAGE_BYTES);
        expect(JSON.stringify(offer)).not.toMatch(/(?<!\\)\\ud[89ab]/i); // no half of a code point
      }),
      { numRuns: 20 },
    );
  });

  it('decides how many go into one message: all of them, in order', async () => {
    const { offer } = (await interpreted(human)) as Extract<Interpretation, { offer: object }>;
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 700_000 })), (sizes) => {
        const offers = sizes.map((bytes, index) => ({ offer: { ...offer, rawSize: index }, bytes }));
        const parts = inMessages(offers);
        expect(parts.flat()).toEqual(offers.map((one) => one.offer));
        for (const part of parts) {
          expect(part.length).toBeGreaterThan(0);
          expect(part.reduce((sum, { rawSize }) => sum + sizes[rawSize]!, 0)).toBeLessThanOrEqual(700_000);
        }
      }),
    );
  });
});
