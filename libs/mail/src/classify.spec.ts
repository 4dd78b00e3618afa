import { classify, mayAutoReply } from './classify.js';
import { fallbackMail } from './fields.js';
import { parse } from './raw-mail.fixture.js';

const own = {
  addresses: ['support@help.example'],
  loopToken: 'loop-1',
  isOwnMessageId: (id: string) => id.endsWith('@own.example'),
};

async function judge(...headers: string[]) {
  const from = headers.some((header) => /^From:/i.test(header)) ? [] : ['From: Jane <jane@customer.example>'];
  const mail = await parse(...from, ...headers, '', 'body');
  const classification = classify(mail, own);
  return { ...classification, mayAutoReply: mayAutoReply(mail, classification) };
}

describe('classes', () => {
  it.each<[string[], string, string]>([
    [['Subject: My router'], 'human', 'no-machine-sign'],
    [['Auto-Submitted: no'], 'human', 'no-machine-sign'],
    [['X-Auto-Response-Suppress: OOF, AutoReply'], 'human', 'no-machine-sign'],
    [['From: postmaster@customer.example', 'Subject: DNS question'], 'human', 'no-machine-sign'],
    [['Auto-Submitted: auto-replied; owner-email="x"'], 'automatic', 'auto-submitted'],
    [['Auto-Submitted: Auto-Generated (rejected)'], 'automatic', 'auto-submitted'],
    [['Return-Path: <>'], 'automatic', 'null-return-path'],
    [['Precedence: BULK'], 'automatic', 'precedence'],
    [['X-Precedence: auto_reply'], 'automatic', 'precedence'],
    [['Precedence: list'], 'list', 'precedence'],
    [['List-Id: <x.example>'], 'list', 'list-header'],
    [['List-Unsubscribe: <mailto:x@y.example>', 'Precedence: bulk'], 'list', 'list-header'],
    [['X-Autoreply: yes'], 'automatic', 'auto-reply-header'],
    [['X-FC-MachineGenerated: true'], 'automatic', 'auto-reply-header'],
    [['Delivered-To: autoresponder'], 'automatic', 'auto-reply-header'],
    [['Subject: Automatische Antwort: Ticket'], 'automatic', 'absence-subject'],
    [['Subject: =?utf-8?B?6Ieq5YuV5b+c562U?='], 'automatic', 'absence-subject'],
    [['From: no-reply@shop.example'], 'automatic', 'sender-no-reply'],
    [['From: NoReply-42@shop.example'], 'automatic', 'sender-no-reply'],
    [['From: <mailer-daemon@mx.example>', 'Subject: hello'], 'automatic', 'sender-daemon'],
    [['From: support@help.example'], 'automatic', 'own-address'],
    [['X-Helpdesk-Loop: loop-1', 'Auto-Submitted: auto-replied'], 'own', 'own-loop-header'],
    [['X-Helpdesk-Loop: another-desk'], 'human', 'no-machine-sign'],
    [['Message-ID: <t.1@own.example>'], 'own', 'own-message-id'],
    [['Content-Type: multipart/report; report-type=delivery-status; boundary=B'], 'bounce', 'delivery-status'],
    [['Content-Type: multipart/report; report-type=feedback-report; boundary=B'], 'complaint', 'feedback-report'],
    [
      ['Content-Type: multipart/report; report-type=disposition-notification; boundary=B'],
      'receipt',
      'disposition-notification',
    ],
    [['Return-Path: <>', 'Subject: Undeliverable: your mail'], 'bounce', 'bounce-signs'],
    [['From: MAILER-DAEMON (Mail System)', 'Subject: Returned mail: user unknown'], 'bounce', 'bounce-signs'],
    [['From: postmaster@mx.example', 'X-Failed-Recipients: x@y.example'], 'bounce', 'bounce-signs'],
    [['Subject: Delivery failed again, please help'], 'human', 'no-machine-sign'],
  ])('%j: %s by %s', async (headers, expected, rule) => {
    expect(await judge(...headers)).toMatchObject({ class: expected, rule });
  });

  it('a delivery-status part anywhere is a bounce', async () => {
    const mail = await parse(
      'From: x@y.example',
      'Content-Type: multipart/mixed; boundary=M',
      '',
      '--M',
      'Content-Type: message/delivery-status',
      '',
      'Reporting-MTA: dns; y.example',
      '--M--',
    );
    expect(classify(mail, own)).toEqual({ class: 'bounce', rule: 'delivery-status' });
  });

  it('one soft sign and one of our mails enclosed is a bounce', async () => {
    const enclosed = (id: string) =>
      parse(
        'From: x@y.example',
        'Subject: Undeliverable',
        'Content-Type: multipart/mixed; boundary=M',
        '',
        '--M',
        'Content-Type: message/rfc822',
        '',
        `Message-ID: <${id}>`,
        '',
        'x',
        '--M--',
      );
    expect(classify(await enclosed('t.1@own.example'), own)).toEqual({ class: 'bounce', rule: 'returned-own-mail' });
    expect(classify(await enclosed('other@x.example'), own).class).toBe('human');
  });

  it('unreadable mail has a class too', () => {
    expect(classify(fallbackMail(Buffer.from('Precedence: junk\r\n\r\n'), 1, 'x'), own).class).toBe('automatic');
  });
});

describe('an auto-reply', () => {
  it('may go to a person who asks for help', async () => {
    expect((await judge('Subject: My router')).mayAutoReply).toBe(true);
  });

  it.each([
    [['X-Auto-Response-Suppress: All']],
    [['X-Auto-Response-Suppress: DR, OOF']],
    [['Return-Path: <>']],
    [['List-Id: <x>']],
    [['From: nobody']],
    [['From: postmaster@customer.example']],
    [['From: abuse@customer.example']],
    [['From: a@customer.example', 'From: b@customer.example']],
    [['From: a@customer.example, b@customer.example']],
    [['Reply-To: no-reply@customer.example']],
    [['From: support@help.example']],
    [['Content-Type: text/calendar; method=REPLY', '', 'BEGIN:VCALENDAR']],
    [['Content-Type: text/calendar; method=cancel', '', 'BEGIN:VCALENDAR']],
  ])('must not answer %j', async (headers) => {
    expect((await judge(...headers)).mayAutoReply).toBe(false);
  });
});
