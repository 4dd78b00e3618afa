import { parse } from './raw-mail.fixture.js';
import { mailSigner } from './reply-token.js';
import { ticketCandidates } from './thread.js';

const signer = mailSigner('key');
const ours = ['Support@help.example'];
const janes = signer.replyAddress('support@help.example', 7, 'jane@customer.example');
const ownId = (ticketNumber: number) => signer.messageId(ticketNumber, 'unique', 'help.example');

async function candidates(...headers: string[]) {
  const from = headers.some((header) => /^From:/i.test(header)) ? [] : ['From: jane@customer.example'];
  return ticketCandidates(await parse(...from, ...headers, '', 'body'), signer, ours);
}

describe('the ticket of a mail', () => {
  it.each(['To', 'Cc', 'Delivered-To', 'X-Original-To', 'Envelope-To'])('by a reply address in %s', async (header) => {
    expect((await candidates(`${header}: x@y.example, <${janes}>`)).signed).toEqual({
      ticketNumber: 7,
      rule: 'reply-address',
    });
  });

  it('not by the reply address of somebody else, or at a mailbox that is not ours', async () => {
    expect((await candidates('From: eve@evil.example', `To: ${janes}`)).signed).toBeNull();
    const foreign = signer.replyAddress('support@other.example', 7, 'jane@customer.example');
    expect((await candidates(`To: ${foreign}`)).signed).toBeNull();
    expect((await candidates('From: nobody', `To: ${janes}`)).signed).toBeNull();
  });

  it('by our own Message-ID: In-Reply-To first, then References from the newest', async () => {
    expect((await candidates(`In-Reply-To: <x@y> <${ownId(1)}>`, `References: <${ownId(2)}>`)).signed).toEqual({
      ticketNumber: 1,
      rule: 'message-id',
    });
    expect((await candidates(`References: <${ownId(1)}> <${ownId(2)}> <x@y>`)).signed?.ticketNumber).toBe(2);
  });

  it('a reply address goes before ids', async () => {
    expect((await candidates(`To: ${janes}`, `In-Reply-To: <${ownId(1)}>`)).signed?.rule).toBe('reply-address');
  });

  it('never by forged signatures or a number in the subject', async () => {
    const found = await candidates(
      'Subject: Re: [#117] other [#42]',
      'To: support+42.aaaaaaaaaaaaaaaa@help.example',
      'In-Reply-To: <t.42.unique.aaaaaaaaaaaaaaaa@help.example>',
    );
    expect(found).toMatchObject({ signed: null, subjectTag: 42 });
    expect((await candidates('Subject: plain 42 [#] [# 42]')).subjectTag).toBeNull();
  });

  it('lists the ids to look up, In-Reply-To first, then the newest', async () => {
    const found = await candidates('In-Reply-To: <c@x>', 'References: <a@x> <b@x> <c@x>');
    expect(found.referencedIds).toEqual(['c@x', 'b@x', 'a@x']);
  });
});
