import { bounceKindOf } from './bounce-kind.js';
import { bounceResults } from './bounce.js';
import { parse } from './raw-mail.fixture.js';

const bounced = async (...lines: string[]) =>
  bounceResults(await parse('From: MAILER-DAEMON@mx.example', 'To: support@help.example', ...lines));

function report(...groups: string[][]): string[] {
  return [
    'Content-Type: multipart/report; report-type=delivery-status; boundary=b',
    '',
    '--b',
    '',
    'Your message could not be delivered.',
    '--b',
    'Content-Type: message/delivery-status',
    '',
    'Reporting-MTA: dns; mx.example',
    ...groups.flatMap((group) => ['', ...group]),
    '--b--',
    '',
  ];
}

describe('a standard report', () => {
  it('says it of each recipient', async () => {
    const results = await bounced(
      ...report(
        [
          'Final-Recipient: rfc822; zoe@customer.example',
          'Action: failed',
          'Status: 5.1.1',
          'Diagnostic-Code: smtp; 550 5.1.1 <zoe@customer.example>:',
          ' Recipient address rejected: User unknown',
        ],
        ['Final-Recipient: rfc822;otto@other.example', 'Action: delayed', 'Status: 4.4.1 (no answer)'],
        ['Original-Recipient: rfc822; ada@third.example', 'Action: delivered', 'Status: 2.0.0'],
      ),
    );
    expect(results).toEqual([
      {
        recipient: 'zoe@customer.example',
        action: 'failed',
        status: '5.1.1',
        kind: 'userunknown',
        hard: true,
        diagnostic: '550 5.1.1 <zoe@customer.example>: Recipient address rejected: User unknown',
      },
      expect.objectContaining({ recipient: 'otto@other.example', action: 'delayed', status: '4.4.1', hard: false }),
      expect.objectContaining({ recipient: 'ada@third.example', action: 'delivered', kind: 'delivered' }),
    ]);
  });

  it('believes the far server more than the report, and any code more than none', async () => {
    const [answered, general] = await bounced(
      ...report(
        [
          'Final-Recipient: rfc822; a@x.example',
          'Action: failed',
          'Status: 5.1.1',
          'Diagnostic-Code: smtp; 552 5.2.2 Over quota',
        ],
        [
          'Final-Recipient: rfc822; b@x.example',
          'Action: failed',
          'Status: 5.0.0',
          'Diagnostic-Code: smtp; 550 (5.7.1) no',
        ],
      ),
    );
    expect(answered).toMatchObject({ status: '5.2.2', kind: 'mailboxfull', hard: false });
    expect(general).toMatchObject({ status: '5.7.1' });
  });
});

describe('words without fields', () => {
  it('are read for address, code and reason', async () => {
    const [result] = await bounced(
      'Subject: failure notice',
      '',
      'Hi. I was not able to deliver your message.',
      '',
      '<zoe@customer.example>:',
      '192.0.2.1 does not like recipient.',
      'Remote host said: 550 5.1.1 no such user here',
      '',
      '--- Below this line is a copy of the message.',
      '',
      'To: somebody@else.example',
    );
    expect(result).toMatchObject({ recipient: 'zoe@customer.example', action: 'failed', status: '5.1.1', hard: true });
  });

  it('are cut between characters', async () => {
    const [result] = await bounced(
      'Subject: failure notice',
      'Content-Type: text/plain; charset=utf-8',
      'Content-Transfer-Encoding: 8bit',
      '',
      '<zoe@customer.example>:',
      Buffer.from(`550 5.1.1 ${'🔥'.repeat(300)}`).toString('latin1'),
    );
    expect(result!.diagnostic!.length).toBeGreaterThan(400);
    expect(result!.diagnostic!.isWellFormed()).toBe(true);
  });

  it('name several recipients, each with its own reason', async () => {
    const results = await bounced(
      'Subject: Undelivered Mail',
      '',
      'I am sorry.',
      '',
      '<zoe@customer.example>: host mx.customer.example said: 552 5.2.2 mailbox full',
      '',
      '<otto@other.example>: Host or domain name not found. Name service error',
    );
    expect(results.map(({ recipient, kind }) => [recipient, kind])).toEqual([
      ['zoe@customer.example', 'mailboxfull'],
      ['otto@other.example', 'hostunknown'],
    ]);
  });

  it('name nobody when the only addresses are those of the report itself', async () => {
    const [result] = await bounced(
      'Subject: error',
      '',
      'MAILER-DAEMON@mx.example could not deliver for support@help.example',
    );
    expect(result).toMatchObject({ recipient: null, kind: expect.any(String) });
  });
});

it.each([
  ['5.1.1', '550 5.1.1 nobody here', 'userunknown'],
  ['5.2.2', '552 5.2.2 full', 'mailboxfull'],
  [null, '550 Message rejected: considered spam', 'spamdetected'],
  [null, '554 Client host blocked using zen list', 'blocked'],
  [null, '552 Message size exceeds limit', 'mesgtoobig'],
  [null, 'Connection timed out', 'expired'],
  [null, 'Host not found', 'hostunknown'],
  ['4.7.1', 'SPF check failed', 'authfailure'],
  [null, '', 'undefined'],
])('status %s and %j mean %s', (status, words, kind) => {
  expect(bounceKindOf(status, words, '')).toBe(kind);
});

it('reads endless words in bounded time', () => {
  for (const unit of ['user ', 'a@b.example ', '(', '<<<', 'mailbox not ', '550 5.1.1 ']) {
    const words = unit.repeat(Math.ceil(65_536 / unit.length));
    const begun = performance.now();
    bounceKindOf(null, words, words);
    expect(performance.now() - begun).toBeLessThan(5_000);
  }
});

it('has nothing in it that a database refuses', async () => {
  const [result] = await bounced(
    ...report(['Final-Recipient: rfc822; zoe@customer.example', 'Diagnostic-Code: smtp; 550 no\0body \x01here']),
  );
  expect(result?.diagnostic).toBe('550 no body here');
});
