import { parse } from './raw-mail.fixture.js';
import { mailSigner } from './reply-token.js';
import { ticketCandidates, withoutSubjectTag, type ThreadClaim } from './thread.js';

const signer = mailSigner('key');
const addresses = ['Support@help.example', 'help@help.example'];
const jane = 'jane@customer.example';
const janes = signer.replyAddress('support@help.example', 7, jane);
const ownId = (ticketNumber: number) => signer.messageId(ticketNumber, 'unique', 'help.example');

async function candidates(sender: string | null, ...headers: string[]) {
  return ticketCandidates(await parse(`From: ${sender ?? 'nobody'}`, ...headers, '', 'body'), signer, {
    sender,
    addresses,
  });
}

async function claims(...headers: string[]): Promise<ThreadClaim[]> {
  return (await candidates(jane, ...headers)).claims;
}

const replied = { ticketNumber: 7, carrier: 'reply-address', direct: true };

describe('the tickets that a mail names', () => {
  it.each(['To', 'Cc', 'Delivered-To', 'X-Original-To', 'Envelope-To'])('by a reply address in %s', async (header) => {
    expect(await claims(`${header}: x@y.example, <${janes}>`)).toEqual([replied]);
    const alias = signer.replyAddress('Help@help.example', 7, jane);
    expect(await claims(`${header}: <${alias}>`)).toEqual([replied]);
  });

  it('not by the reply address of somebody else, at another mailbox, or of a sender whom nobody knows', async () => {
    expect((await candidates('eve@evil.example', `To: ${janes}`)).claims).toEqual([]);
    const foreign = signer.replyAddress('sales@help.example', 7, jane);
    expect(await claims(`To: ${foreign}`)).toEqual([]);
    expect((await candidates(null, `To: ${janes}`)).claims).toEqual([]);
  });

  it('by our own Message-IDs: In-Reply-To first, then References from the newest', async () => {
    expect(await claims(`In-Reply-To: <x@y> <${ownId(1)}>`, `References: <${ownId(2)}> <${ownId(3)}> <z@y>`)).toEqual([
      { ticketNumber: 1, carrier: 'message-id', direct: true },
      { ticketNumber: 3, carrier: 'message-id', direct: false },
      { ticketNumber: 2, carrier: 'message-id', direct: false },
    ]);
  });

  it('reply addresses before ids, ids before the number in the subject', async () => {
    const found = await claims('Subject: Re: [#9] x', `In-Reply-To: <${ownId(1)}>`, `To: ${janes}`);
    expect(found.map(({ carrier, ticketNumber }) => `${carrier} ${ticketNumber}`)).toEqual([
      'reply-address 7',
      'message-id 1',
      'subject-tag 9',
    ]);
  });

  it('never by a forged signature, and of numbers in the subject by the last', async () => {
    const found = await claims(
      'Subject: Re: [#117] other [#42]',
      'To: support+42.aaaaaaaaaaaaaaaa@help.example',
      'In-Reply-To: <t.42.unique.aaaaaaaaaaaaaaaa@help.example>',
    );
    expect(found).toEqual([{ ticketNumber: 42, carrier: 'subject-tag', direct: true }]);
    expect(await claims('Subject: plain 42 [#] [# 42] [#99999999999]')).toEqual([]);
  });

  it('each once, and not without end', async () => {
    const many = Array.from({ length: 90 }, (_, index) => `<${ownId(index + 1)}>`).join(' ');
    expect(await claims(`In-Reply-To: <${ownId(1)}>`, `References: <${ownId(1)}>`)).toHaveLength(1);
    expect(await claims(`References: ${many}`)).toHaveLength(20);
  });

  it('never by what is quoted or enclosed', async () => {
    const mail = await parse(
      `From: ${jane}`,
      'MIME-Version: 1.0',
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b',
      '',
      `> [#42] ${janes} <${ownId(42)}>`,
      '--b',
      'Content-Type: message/rfc822',
      '',
      `References: <${ownId(43)}>`,
      `To: ${janes}`,
      'Subject: Re: [#44]',
      '',
      'inner',
      '--b--',
    );
    expect(ticketCandidates(mail, signer, { sender: jane, addresses })).toEqual({
      claims: [],
      referencedIds: [],
      repliedTo: 0,
      root: null,
    });
  });
});

describe('the conversation of a mail', () => {
  it('is listed with In-Reply-To first, then the newest', async () => {
    const found = await candidates(jane, 'In-Reply-To: <c@x>', 'References: <a@x> <b@x> <c@x>');
    expect(found).toMatchObject({ referencedIds: ['c@x', 'b@x', 'a@x'], repliedTo: 1, root: 'a@x' });
  });

  it('begins with the oldest reference, else with the mail that it answers', async () => {
    expect((await candidates(jane, 'In-Reply-To: <c@x>')).root).toBe('c@x');
    expect((await candidates(jane)).root).toBeNull();
    expect((await candidates(jane, `References: <${ownId(1)}> <b@x>`)).root).toBeNull();
  });
});

it('the tag of another ticket goes out of a subject', () => {
  expect(withoutSubjectTag('Re: [#1042] Line down', 1042)).toBe('Re: Line down');
  expect(withoutSubjectTag('[#1042]', 1042)).toBe('(no subject)');
  expect(withoutSubjectTag('[#1042] x', 104)).toBe('[#1042] x');
});
