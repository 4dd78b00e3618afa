/**
 * Senders who claim to be somebody, or to answer something: through a real IMAP server and the running services, with
 * every row of the ticket that they are after compared to the last byte.
 */
import { Attack, lines, ordinaryMail, type Accounted } from '../harness/hostile.js';
import { eventually } from '../../tools/demo/api.js';
import { ACCOUNTS } from '../../tools/demo/directory.js';

const SERVER = 'mx.helpdesk.test';
const { zoe, otto, erik } = ACCOUNTS;

let attack: Attack;
let support: string;

beforeAll(async () => {
  attack = await Attack.begin({ 'mail-ingest': { TRUSTED_AUTHSERV_ID: SERVER } });
  support = attack.world.stack.mailboxes[0]!.address;
});
afterAll(() => attack?.end());

let ids = 0;
function mail(from: string, headers: string[], ...body: string[]): string {
  return lines(`From: ${from}`, `To: ${support}`, `Message-ID: <${++ids}.e2e@sender.example>`, ...headers, '', ...body);
}

/** As the mailbox's server hands a mail over that came in from outside. */
function received(results: string, raw: string): string {
  const border = `Received: from mail.out.example (mail.out.example [198.51.100.7]) by ${SERVER} with ESMTPS id 1`;
  return lines(`Authentication-Results: ${SERVER}; ${results}`, border, raw);
}

interface Conversation extends Accounted {
  ticketId: string;
  ticketNumber: number;
  subject: string;
  /** Message-ID of the mail that the customer was sent. */
  ourId: string;
  /** Where the customer answers to. */
  replyTo: string;
}

/** A customer's mail became a ticket, and they were told so. */
async function conversation({ email }: { email: string }): Promise<Conversation> {
  const subject = `Printer ${++ids}`;
  const [result] = await attack.receive(mail(email, [`Subject: ${subject}`], 'It does not print.'));
  const { ticketId, ticketNumber } = result!;
  const delivery = await eventually('the acknowledgement', async () => {
    const { rows } = await attack.database.query(
      `select message_id as "ourId", mail ->> 'replyTo' as "replyTo" from notifier.delivery
       where ticket_number = $1 and recipient = $2 and state = 'sent'`,
      [ticketNumber, email],
    );
    return rows[0];
  });
  return { ...result!, ticketId: ticketId!, ticketNumber: ticketNumber!, subject, ...delivery };
}

/** Every row that belongs to a ticket, deliveries included. */
async function rowsOf({ ticketId, ticketNumber }: Conversation): Promise<string> {
  const { rows } = await attack.database.query(
    `select (select t::text from tickets.ticket t where id = $1) as ticket,
       (select array_agg(e::text order by position) from tickets.timeline_entry e where ticket_id = $1) as entries,
       (select array_agg(a::text order by a.id) from tickets.attachment a
          join tickets.timeline_entry e on e.id = a.entry_id where e.ticket_id = $1) as attachments,
       (select array_agg(p::text order by person_id) from tickets.participant p where ticket_id = $1) as participants,
       (select array_agg(payload::text order by id) from tickets.outbox where payload ->> 'subject' = $2) as events,
       (select array_agg(d::text order by id) from notifier.delivery d where ticket_number = $3) as deliveries`,
    [ticketId, String(ticketNumber), ticketNumber],
  );
  return JSON.stringify(rows);
}

/** The mail, and one behind it whose sender is told: by then everybody else was. */
async function receiveAndSettle(raw: string): Promise<Accounted> {
  const [result, behind] = await attack.receive(raw, ordinaryMail());
  await eventually('the delivery behind it', async () => {
    const { rows } = await attack.database.query('select from notifier.delivery where ticket_number = $1', [
      behind!.ticketNumber,
    ]);
    return rows.length > 0 ? true : undefined;
  });
  return result!;
}

async function recipients(): Promise<string[]> {
  const { rows } = await attack.database.query<{ recipient: string }>(
    'select distinct recipient from notifier.delivery',
  );
  return rows.map(({ recipient }) => recipient);
}

async function lastEntry({ ticketId }: { ticketId: string | null }) {
  return (await attack.employee.timeline(ticketId!)).items.at(-1)!;
}

describe('a stranger with the number of a ticket', () => {
  it('and every id that one could guess, opens a ticket of their own', async () => {
    const target = await conversation(zoe);
    const before = await rowsOf(target);
    const number = target.ticketNumber;
    const guessed = [
      `ticket-${number}@helpdesk.test`,
      `t.${number}.x.aaaaaaaaaaaaaaaa@helpdesk.test`,
      `notify-${number}-1@x`,
    ];
    const forged = `support+${number}.aaaaaaaaaaaaaaaa@helpdesk.test`;
    const result = await receiveAndSettle(
      mail(
        'attacker@evil.example',
        [
          `Cc: evil2@evil.example, ${forged}`,
          `Subject: Re: [#${number}] ${target.subject}`,
          `In-Reply-To: <${guessed[0]}>`,
          `References: ${guessed.map((id) => `<${id}>`).join(' ')}`,
          'MIME-Version: 1.0',
          'Content-Type: multipart/mixed; boundary=b',
        ],
        '--b',
        '',
        'please send the password to me',
        '--b',
        'Content-Type: application/octet-stream; name=tool.exe',
        'Content-Disposition: attachment',
        '',
        'MZ',
        '--b--',
      ),
    );
    expect(result).toMatchObject({ disposition: 'ticket_created', rule: 'follow-up:subject-tag' });
    expect(result.ticketId).not.toBe(target.ticketId);
    expect((await attack.employee.ticket(result.ticketId!)).followUpOf).toBe(number);
    expect(await rowsOf(target)).toBe(before);
    expect(await recipients()).not.toContain('evil2@evil.example');
  });

  it('and nothing else, too', async () => {
    const target = await conversation(zoe);
    const before = await rowsOf(target);
    const result = await receiveAndSettle(
      mail('attacker@evil.example', [`Subject: Re: [#${target.ticketNumber}]`], 'hi'),
    );
    expect(result.disposition).toBe('ticket_created');
    expect(await rowsOf(target)).toBe(before);
  });

  it('and a real mail of ours that was passed on, is not let in by its id or its reply address', async () => {
    const target = await conversation(zoe);
    const before = await rowsOf(target);
    const headers = [`Cc: ${target.replyTo}`, `Subject: Re: ${target.subject}`, `In-Reply-To: <${target.ourId}>`];
    const result = await receiveAndSettle(mail('attacker@evil.example', headers, 'I am Zoë'));
    expect(result).toMatchObject({ disposition: 'ticket_created', rule: 'follow-up:message-id' });
    expect(await rowsOf(target)).toBe(before);
  });
});

describe('a customer', () => {
  it.each(['reply address', 'Message-ID', 'number and subject'])('is recognised by the %s alone', async (carrier) => {
    const own = await conversation(zoe);
    const headers = {
      'reply address': ['Subject: other words', `Cc: ${own.replyTo}`],
      'Message-ID': ['Subject: other words', `In-Reply-To: <${own.ourId}>`],
      'number and subject': [`Subject: AW: [#${own.ticketNumber}] ${own.subject}`],
    }[carrier]!;
    const [result] = await attack.receive(mail(zoe.email, headers, 'It prints again.'));
    expect(result).toMatchObject({ disposition: 'appended', ticketId: own.ticketId });
    const rules = { 'reply address': 'reply-address', 'Message-ID': 'message-id', 'number and subject': 'subject-tag' };
    expect(result!.rule).toBe(rules[carrier as keyof typeof rules]);
    expect(await lastEntry(own)).toMatchObject({ visibleText: 'It prints again.', senderVerification: 'unverified' });
  });

  it('who names two tickets, their own and that of somebody else, writes on their own', async () => {
    const [own, foreign] = [await conversation(zoe), await conversation(otto)];
    const before = await rowsOf(foreign);
    const orders = [
      [`References: <${own.ourId}> <${foreign.ourId}>`, `In-Reply-To: <${foreign.ourId}>`],
      [`Cc: ${own.replyTo}`, `In-Reply-To: <${foreign.ourId}>`],
    ];
    for (const headers of orders) {
      const result = await receiveAndSettle(
        mail(zoe.email, [`Subject: Re: ${own.subject}`, ...headers], 'Still broken.'),
      );
      expect(result).toMatchObject({ disposition: 'appended', ticketId: own.ticketId });
    }
    expect(await rowsOf(foreign)).toBe(before);
  });

  it('who copies a stranger in, makes nobody a participant and has nobody told', async () => {
    const own = await conversation(zoe);
    const headers = [`Subject: Re: ${own.subject}`, `In-Reply-To: <${own.ourId}>`, 'Cc: stranger@else.example'];
    const result = await receiveAndSettle(mail(zoe.email, headers, 'For your information.'));
    expect(result).toMatchObject({ disposition: 'appended', ticketId: own.ticketId });
    const { rows } = await attack.database.query('select from tickets.participant where ticket_id = $1', [
      own.ticketId,
    ]);
    expect(rows).toHaveLength(0);
    expect(await recipients()).not.toContain('stranger@else.example');
    expect((await attack.database.query(`select from tickets.person where email like 'stranger@%'`)).rows).toHaveLength(
      0,
    );
  });
});

describe('who says to be an employee', () => {
  const answer = (own: Conversation) => [`Subject: Re: ${own.subject}`, `In-Reply-To: <${own.ourId}>`];

  it('and brings results of their own along, is not verified: an internal note', async () => {
    const own = await conversation(zoe);
    const forged = `Authentication-Results: ${SERVER}; dmarc=pass header.from=helpdesk.test`;
    const relayed = 'Received: from x (x [203.0.113.4]) by evil.example';
    // the same words for the third time would be taken for a machine's
    const plain = (account: number) => mail(erik.email, [forged, ...answer(own)], `Please pay to account ${account}.`);
    const brought = [
      plain(1),
      lines(relayed, plain(2)),
      received('spf=pass smtp.mailfrom=evil.example; dmarc=none', lines(relayed, plain(3))),
    ];
    for (const raw of brought) {
      expect(await receiveAndSettle(raw)).toMatchObject({ disposition: 'appended', ticketId: own.ticketId });
      expect(await lastEntry(own)).toMatchObject({ kind: 'note', senderVerification: 'unverified' });
    }
  });

  it('and is denied by the domain, is nobody: a ticket of its own that says so, and no answer', async () => {
    const own = await conversation(zoe);
    const before = await rowsOf(own);
    const raw = received('dmarc=fail header.from=helpdesk.test', mail(erik.email, answer(own), 'Close it.'));
    const result = await receiveAndSettle(raw);
    expect(result).toMatchObject({ disposition: 'ticket_created', rule: 'follow-up:message-id' });
    expect(await attack.employee.ticket(result.ticketId!)).toMatchObject({
      tags: ['dmarc-fail'],
      reporter: { personId: null, email: erik.email },
    });
    expect(await rowsOf(own)).toBe(before);
    const { rows } = await attack.database.query('select from notifier.delivery where ticket_number = $1', [
      result.ticketNumber,
    ]);
    expect(rows).toHaveLength(0);
  });

  it('and is one, answers the customer', async () => {
    const own = await conversation(zoe);
    const words = [
      'Try another cable.',
      '',
      'On Monday Support wrote:',
      '> -- Please write your reply above this line --',
      '> secret',
    ];
    const raw = received('dmarc=pass header.from=helpdesk.test', mail(erik.email, answer(own), ...words));
    expect(await receiveAndSettle(raw)).toMatchObject({ disposition: 'appended', ticketId: own.ticketId });
    expect(await lastEntry(own)).toMatchObject({
      kind: 'message',
      text: 'Try another cable.',
      senderVerification: 'verified',
    });
    const told = await eventually('the answer', async () => {
      const { rows } = await attack.database.query(
        `select recipient, mail ->> 'text' as text from notifier.delivery where ticket_number = $1 order by sequence desc`,
        [own.ticketNumber],
      );
      return rows[0].text.includes('cable') ? rows[0] : undefined;
    });
    expect(told.recipient).toBe(zoe.email);
    expect(told.text).not.toContain('secret');
  });
});

it('headers that would command the help desk say nothing', async () => {
  const own = await conversation(zoe);
  const raw = mail(
    zoe.email,
    [
      `Subject: Re: ${own.subject}`,
      `In-Reply-To: <${own.ourId}>`,
      'X-Helpdesk-Priority: critical',
      `X-Helpdesk-Owner: ${erik.email}`,
      `X-Helpdesk-Customer: ${otto.email}`,
      'X-Helpdesk-Ticket: 1000',
      'X-Helpdesk-Status: closed',
    ],
    'words',
  );
  const before = await attack.employee.ticket(own.ticketId);
  expect(await receiveAndSettle(raw)).toMatchObject({ disposition: 'appended', ticketId: own.ticketId });
  const { priority, assignee, reporter, status } = await attack.employee.ticket(own.ticketId);
  expect({ priority, assignee, reporter, status }).toEqual({
    priority: before.priority,
    assignee: before.assignee,
    reporter: before.reporter,
    status: before.status,
  });
});

it('a mail from the mailbox to itself is set aside as our own', async () => {
  const raw = lines(
    `From: ${support}`,
    `To: ${support}`,
    'Message-ID: <1.loop@helpdesk.test>',
    'Subject: loop',
    '',
    'x',
  );
  expect(await attack.receiveOne(raw)).toMatchObject({ disposition: 'own_mail', ticketId: null });
});

it('what an enclosed mail answers, this one does not', async () => {
  const own = await conversation(zoe);
  const before = await rowsOf(own);
  const result = await receiveAndSettle(
    mail(
      zoe.email,
      ['Subject: Something else', 'MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=b'],
      '--b',
      '',
      'See what I was sent.',
      '--b',
      'Content-Type: message/rfc822',
      '',
      `From: ${erik.email}`,
      `To: ${own.replyTo}`,
      `References: <${own.ourId}>`,
      'Auto-Submitted: auto-replied',
      'X-Helpdesk-Loop: helpdesk.test',
      `Subject: Re: [#${own.ticketNumber}] ${own.subject}`,
      '',
      'inner',
      '--b--',
    ),
  );
  expect(result).toMatchObject({ disposition: 'ticket_created', rule: 'new' });
  expect(await attack.employee.ticket(result.ticketId!)).toMatchObject({ reporter: { email: zoe.email } });
  const { rows } = await attack.database.query('select template from notifier.delivery where ticket_number = $1', [
    result.ticketNumber,
  ]);
  expect(rows).toHaveLength(1);
  expect(await rowsOf(own)).toBe(before);
});
