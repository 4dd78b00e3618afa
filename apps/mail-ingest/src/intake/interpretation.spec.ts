import { mailSigner, parseMail, type ParsedMail } from '#mail';
import fc from 'fast-check';
import { Readable } from 'node:stream';
import { inMessages, interpret, type Interpretation } from './interpretation.js';
import { policyOf, type SenderPolicy } from './sender-policy.js';

const signer = mailSigner('a key of the tests that is long enough');
const ourselves = { addresses: ['support@helpdesk.test'], loopToken: 'loop', signer };
const policy: SenderPolicy = {
  trust: { authservId: 'mx.helpdesk.test', placement: 'above' },
  spam: 'take',
  blocked: ['evil.test', 'eve@mixed.test'],
  allowed: ['good.evil.test'],
  relays: ['forms@helpdesk.test'],
};
const received = {
  inboundId: '0190d3a0-0000-7000-8000-000000000001',
  mailbox: 'support@helpdesk.test',
  aliases: ['help@helpdesk.test'],
  server: 'imap.helpdesk.test',
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
  return interpret(await parsed(headers, body), 'id@customer.test', received, ourselves, policy);
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
      offer: { signedTicketNumber: 1042, bounce: { messageId: ours }, automatic: true, senderIdentified: false },
      sender: null,
    });
    expect(await interpreted(bounce, returned('another@x.test'))).toMatchObject({ disposition: 'rejected' });
  });
});

describe('a message of a calendar', () => {
  const calendar = (method: string, ...more: string[]) =>
    [
      '--b',
      'Content-Type: text/plain',
      '',
      'Accepted',
      '--b',
      `Content-Type: text/calendar; method=${method}`,
      ...more,
      '',
      'BEGIN:VCALENDAR',
      `METHOD:${method}`,
      'BEGIN:VEVENT',
      'UID:u',
      'END:VEVENT',
      'END:VCALENDAR',
      '--b--',
    ].join('\r\n');
  const mixed = { ...human, 'Content-Type': 'multipart/alternative; boundary=b' };

  it.each(['REPLY', 'CANCEL'])('that is a %s opens no ticket and is answered by nobody', async (method) => {
    expect(offerOf(await interpreted(mixed, calendar(method)))).toMatchObject({
      appendOnly: `calendar:${method.toLowerCase()}`,
      automatic: true,
      mayAutoReply: false,
    });
  });

  it('is a ticket when it invites, when it is only attached, and when a person released it', async () => {
    expect(offerOf(await interpreted(mixed, calendar('REQUEST')))).toMatchObject({
      appendOnly: null,
      automatic: false,
    });
    const attached = calendar('REPLY', 'Content-Disposition: attachment; filename=a.ics');
    expect(offerOf(await interpreted(mixed, attached))).toMatchObject({ appendOnly: null, automatic: false });
    const mail = await parsed(mixed, calendar('REPLY'));
    const released = interpret(mail, 'id@x', { ...received, released: true }, ourselves, policy);
    expect(offerOf(released)).toMatchObject({ appendOnly: null, mayAutoReply: false });
  });
});

describe('a mail that goes round in circles', () => {
  const INSIDE = 'Received: from a.test ([10.0.0.1]) by b.test with SMTP id 1';
  const over = (hops: number) => parsed({ ...human, 'X-Way': `1\r\n${Array(hops).fill(INSIDE).join('\r\n')}` });
  const decided = async (mail: ParsedMail, released = false) =>
    interpret(mail, 'id@customer.test', { ...received, released }, ourselves, policy);

  it('is known by more than 30 hops', async () => {
    expect(offerOf(await decided(await over(30)))).toBeDefined();
    expect(await decided(await over(31))).toEqual({
      disposition: 'quarantined',
      rule: 'hops',
      error: expect.stringContaining('31 servers'),
    });
    expect(offerOf(await decided(await over(31), true))).toBeDefined();
  });

  it.each(['mx.helpdesk.test', 'imap.helpdesk.test'])('is known when it comes to %s a third time', async (host) => {
    const arrival = `Received: from mx.customer.test ([198.51.100.7]) by ${host} with ESMTP id 1`;
    const coming = (times: number) =>
      parsed({ ...human, 'X-Way': `1\r\n${INSIDE}\r\n${Array(times).fill(arrival).join('\r\n')}` });
    expect(offerOf(await decided(await coming(2)))).toBeDefined();
    expect(await decided(await coming(3))).toMatchObject({ rule: 'hops', error: `it came to ${host} 3 times: a loop` });
    expect(offerOf(await decided(await coming(3), true))).toBeDefined();
  });

  it('is our own when it has our mark', async () => {
    const mail = await parsed({ ...human, 'X-Helpdesk-Loop': `loop\r\n${Array(40).fill(INSIDE).join('\r\n')}` });
    expect(await decided(mail)).toMatchObject({ disposition: 'own_mail' });
  });
});

describe('whose mails a mail is counted among', () => {
  const counted = async (headers: Record<string, string>, released = false) => {
    const found = interpret(await parsed(headers), 'id@x.test', { ...received, released }, ourselves, policy);
    return 'offer' in found ? found.sender : undefined;
  };

  it('is its author', async () => {
    expect(await counted({ ...human, From: 'Mara <MARA@Customer.TEST>' })).toBe('mara@customer.test');
    expect(await counted({ ...human, From: 'forms@helpdesk.test', 'Reply-To': 'lina@form.test' })).toBe(
      'lina@form.test',
    );
    expect(await counted({ Subject: 'Who am I' })).toBe('<>');
  });

  it('is nobody when the sender is allowed, or a person has released it', async () => {
    expect(await counted({ ...human, From: 'alarm@good.evil.test' })).toBeNull();
    expect(await counted(human, true)).toBeNull();
  });
});

/** The fields of a server that took the mail in from outside and says what it found. */
function vouched(results: string) {
  return {
    'Authentication-Results': `mx.helpdesk.test; ${results}`,
    Received:
      'from mail.customer.test (mail.customer.test [198.51.100.7]) by mx.helpdesk.test (Postfix) with ESMTPS id 1',
  };
}

describe('who wrote a mail', () => {
  it('is what From says, verified when the receiving server vouches for it', async () => {
    expect(offerOf(await interpreted(human))).toMatchObject({
      senderIdentified: true,
      senderVerification: 'unverified',
      threadClaims: [],
      threadRoot: null,
      repliedTo: 0,
      spam: null,
    });
    const passed = { ...vouched('dmarc=pass header.from=customer.test'), ...human };
    expect(offerOf(await interpreted(passed)).senderVerification).toBe('verified');
  });

  it('is nobody with rights or answers when its domain denies it, or From names two, or encodes an address', async () => {
    const reply = { To: signer.replyAddress('support@helpdesk.test', 7, 'mara@customer.test') };
    for (const headers of [
      { ...vouched('dmarc=fail header.from=customer.test'), ...human, ...reply },
      { ...human, ...reply, From: 'mara@customer.test, eve@elsewhere.test' },
      { ...human, ...reply, From: '=?utf-8?Q?mara?=@customer.test' },
      {
        ...vouched('dmarc=pass header.from=customer.test'),
        ...human,
        ...reply,
        From: 'eve@x.test <mara@customer.test>',
      },
      { ...human, ...reply, From: 'Team: mara@customer.test;' },
    ]) {
      expect(offerOf(await interpreted(headers))).toMatchObject({
        senderIdentified: false,
        mayAutoReply: false,
        signedTicketNumber: null,
        threadClaims: [],
      });
    }
    const denied = offerOf(await interpreted({ ...vouched('dmarc=fail'), ...human }));
    expect(denied).toMatchObject({ senderVerification: 'failed', from: { email: 'mara@customer.test' } });
  });

  it('is who is in Reply-To of a relay, whom it does not vouch for; elsewhere Reply-To is only shown', async () => {
    const form = { ...human, From: 'Web form <forms@helpdesk.test>', 'Reply-To': 'Mara <mara@customer.test>' };
    const relayed = { ...vouched('dmarc=pass header.from=helpdesk.test'), ...form };
    expect(offerOf(await interpreted(relayed))).toMatchObject({
      from: { name: 'Mara', email: 'mara@customer.test' },
      senderIdentified: true,
      senderVerification: 'unverified',
      replyTo: null,
    });
    for (const disputed of ['eve@elsewhere.test <mara@customer.test>', 'mara@customer.test, eve@elsewhere.test']) {
      const offer = offerOf(await interpreted({ ...form, 'Reply-To': disputed }));
      expect(offer).toMatchObject({ senderIdentified: false, mayAutoReply: false });
    }
    const other = offerOf(await interpreted({ ...human, 'Reply-To': 'eve@elsewhere.test' }));
    expect(other).toMatchObject({ from: { email: 'mara@customer.test' }, replyTo: 'eve@elsewhere.test' });
  });

  it('is us when the mailbox writes to itself, but not when another writes as it', async () => {
    const own = { ...human, From: 'Support <Support@helpdesk.test>' };
    const itself = interpret(await parsed(own), 'x@helpdesk.test', received, ourselves, policy);
    expect(itself).toMatchObject({ disposition: 'own_mail', rule: 'own-address' });
    const other = interpret(await parsed(own), 'x@elsewhere.test', received, ourselves, policy);
    expect(offerOf(other)).toMatchObject({ automatic: true });
    const released = interpret(
      await parsed(own),
      'x@helpdesk.test',
      { ...received, released: true },
      ourselves,
      policy,
    );
    expect(offerOf(released)).toMatchObject({ subject: 'Help' });
  });
});

describe('a mail that passes another on', () => {
  const forwarded = (author: string) =>
    lines(
      'Please look at it.',
      '',
      '---------- Forwarded message ---------',
      `From: ${author}`,
      'Date: Mon, 23 Nov 2026 at 10:00',
      'Subject: Line down',
      'To: <erik@helpdesk.test>',
      '',
      'No light.',
    );
  const lines = (...text: string[]) => text.join('\r\n');

  it('says whose request it is and what the forwarder said', async () => {
    const headers = { ...human, From: 'erik@helpdesk.test', Subject: 'Fwd: Line down' };
    const offer = offerOf(await interpreted(headers, forwarded('Petra <petra@customer.test>')));
    expect(offer.forwarded).toEqual({
      from: { name: 'Petra', email: 'petra@customer.test' },
      subject: 'Line down',
      comment: 'Please look at it.',
      text: 'No light.',
      messageIds: [],
    });
  });

  it('has no other author when it is one of ours', async () => {
    const headers = { ...human, From: 'erik@helpdesk.test', Subject: 'Fwd: [#1042] Line down' };
    const offer = offerOf(await interpreted(headers, forwarded('Support <support@helpdesk.test>')));
    expect(offer.forwarded).toMatchObject({ from: null });
  });
});

it("a mailbox's own settings go before those of all", () => {
  const { spam: _, ...settings } = policy;
  expect(policyOf(settings, { spamPolicy: 'quarantine', trustedAuthservId: 'mx.own.test' })).toEqual({
    ...settings,
    spam: 'quarantine',
    trust: { authservId: 'mx.own.test', placement: 'above' },
  });
  expect(policyOf(settings, { spamPolicy: 'take', trustedAuthservId: null })).toEqual(policy);
});

describe('unwanted mail', () => {
  const from = (From: string, more: Record<string, string> = {}) => ({ ...human, From, ...more });

  it('of a blocked address or domain is rejected, of an allowed one not', async () => {
    for (const sender of ['x@evil.test', 'x@sub.evil.test', 'EVE@mixed.test']) {
      expect(await interpreted(from(sender))).toEqual({ disposition: 'rejected', rule: 'blocked-sender' });
    }
    for (const sender of ['x@good.evil.test', 'x@notevil.test', 'ada@mixed.test']) {
      expect(offerOf(await interpreted(from(sender))).from.email).toBe(sender);
    }
  });

  it('that the server takes for spam is answered by nobody', async () => {
    const offer = offerOf(await interpreted({ ...human, 'X-Spam-Flag': 'YES' }));
    expect(offer).toMatchObject({ spam: 'x-spam-flag', mayAutoReply: false });
    expect(offerOf(await interpreted(from('x@good.evil.test', { 'X-Spam-Flag': 'YES' }))).spam).toBeNull();
  });

  it('goes into quarantine where that is wanted, unless it answers us or a person released it', async () => {
    const strict: SenderPolicy = { ...policy, spam: 'quarantine' };
    const spam = await parsed({ ...human, 'X-Spam-Status': 'Yes, score=12' });
    const told = interpret(spam, 'id@x', received, ourselves, strict);
    expect(told).toMatchObject({ disposition: 'quarantined', rule: 'spam:x-spam-status', error: expect.any(String) });
    const released = interpret(spam, 'id@x', { ...received, released: true }, ourselves, strict);
    expect(offerOf(released).spam).toBeNull();
    const To = signer.replyAddress('support@helpdesk.test', 7, 'mara@customer.test');
    const reply = await parsed({ ...human, To, 'X-Spam-Status': 'Yes, score=12' });
    expect(offerOf(interpret(reply, 'id@x', received, ourselves, strict)).signedTicketNumber).toBe(7);
  });
});

describe('the size of an offer', () => {
  it('drops HTML that does not fit, and keeps the text', async () => {
    const mail = { ...(await parsed(human)), html: `<p>${'ü'.repeat(400_000)}</p>` };
    const offer = offerOf(interpret(mail, 'id@x', received, ourselves, policy));
    expect(offer).toMatchObject({ html: null, text: 'Hello' });
  });

  it('fits into one message whatever a mail says', async () => {
    const mail = await parsed(human);
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 8 }), (unit) => {
        const long = unit.toWellFormed().repeat(500_000).slice(0, 500_000).toWellFormed();
        const huge = { ...mail, subject: long, text: long, html: long, from: [{ name: long, address: 'a@x.test' }] };
        const offer = offerOf(interpret(huge, 'id@x', received, ourselves, policy));
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
