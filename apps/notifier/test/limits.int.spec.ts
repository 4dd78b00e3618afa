/** The limits on automatic mail, counted by real ledgers in a real PostgreSQL: each rule, and instances at work together. */
import { migrate, poolOf } from '#platform';
import type { MikroORM } from '@mikro-orm/postgresql';
import { randomUUID } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startStack, type Stack } from '../../../tools/stack/stack.js';
import { Ledger } from '../src/delivery/ledger.js';
import { Recorder, type NewDelivery } from '../src/delivery/recorder.js';
import { createOrm } from '../src/orm.js';

const LIMITS = {
  ACKNOWLEDGEMENTS_PER_HOUR: 3,
  ACKNOWLEDGEMENTS_PER_DAY: 10,
  ACKNOWLEDGEMENTS_PER_DOMAIN_HOUR: 5,
  AUTOMATIC_MAILS_PER_TICKET_HOUR: 5,
  AUTOMATIC_MAIL_PER_MINUTE: 1_000_000,
};

let stack: Stack;
let database: pg.Pool;
let orms: MikroORM[] = [];
let ledger: Ledger;
let recorders: [Recorder, Recorder];
let breaking: () => Recorder;

beforeAll(async () => {
  const nowhere = { host: '127.0.0.1', port: 9 };
  stack = await startStack({
    dir: mkdtempSync(join(tmpdir(), 'limits-test-')),
    imap: { ...nowhere, mailboxes: [] },
    smtp: nowhere,
    keepData: false,
  });
  database = new pg.Pool({ connectionString: stack.databaseUrl });
  database.on('error', () => {}); // a closing connection may still hear that its server stops
  const env = { DATABASE_URL: stack.databaseUrl, DATABASE_POOL_SIZE: 8 };
  orms = [await createOrm(env), await createOrm(env)];
  await migrate(orms[0]!, stack.databaseUrl);
  const [one, other] = [await poolOf(orms[0]!), await poolOf(orms[1]!)];
  ledger = new Ledger(one);
  recorders = [new Recorder(one, LIMITS), new Recorder(other, LIMITS)];
  breaking = () => new Recorder(one, { ...LIMITS, AUTOMATIC_MAIL_PER_MINUTE: 4 });
});

afterAll(async () => {
  await Promise.all(orms.map((orm) => orm.close()));
  await database?.end();
  await stack?.stop();
});

beforeEach(async () => {
  await database.query('truncate notifier.delivery, notifier.processed_event');
});

let lastTicket = 1_000;

interface Told {
  recipient?: string;
  ticket?: number;
  subject?: string;
  recorder?: Recorder;
}

async function record(
  deliveries: Pick<NewDelivery, 'recipient' | 'automaticFor' | 'acknowledgedSubject'>[],
  { ticket = (lastTicket += 1), recorder = recorders[0] }: Told,
): Promise<(string | null)[]> {
  const id = randomUUID();
  const mail = {} as NewDelivery['mail'];
  const rows = deliveries.map((one) => ({
    ...one,
    id: randomUUID(),
    role: 'reporter',
    template: 'acknowledgement',
    messageId: `${randomUUID()}@helpdesk.test`,
    mail,
  }));
  const held = await recorder.record({ consumer: 'test', eventId: id, ticketNumber: ticket, sequence: 1 }, rows);
  return rows.map((row) => held.find((one) => one.id === row.id)?.rule ?? null);
}

/** @returns the rule that held it back, or null */
async function acknowledge(told: Told = {}): Promise<string | null> {
  const { recipient = 'zoe@customer.test', subject = randomUUID() } = told;
  return (await record([{ recipient, automaticFor: 'customer', acknowledgedSubject: subject }], told))[0]!;
}

async function tell(automaticFor: 'customer' | 'employee' | null, told: Told): Promise<string | null> {
  const { recipient = 'zoe@customer.test' } = told;
  return (await record([{ recipient, automaticFor, acknowledgedSubject: null }], told))[0]!;
}

/** What is in the ledger was written so much earlier. */
const timePasses = (interval: string) =>
  database.query('update notifier.delivery set created_at = created_at - $1::interval', [interval]);

async function times(count: number, act: (i: number) => Promise<string | null>): Promise<(string | null)[]> {
  const rules = [];
  for (let i = 0; i < count; i++) rules.push(await act(i));
  return rules;
}

const known = async (recipient: string) => {
  await tell(null, { recipient });
  await timePasses('25 hours');
};

it('what is held back is in the ledger with its rule, not due, and not told again for an event seen before', async () => {
  await acknowledge({ subject: 'line down' });
  const event = { consumer: 'test', eventId: randomUUID(), ticketNumber: 7, sequence: 1 };
  const delivery: NewDelivery = {
    id: randomUUID(),
    recipient: 'zoe@customer.test',
    role: 'reporter',
    template: 'acknowledgement',
    messageId: 'second@helpdesk.test',
    mail: {} as NewDelivery['mail'],
    automaticFor: 'customer',
    acknowledgedSubject: 'line down',
  };
  const rule = 'repeated-subject';
  expect(await recorders[0].record(event, [delivery])).toEqual([
    { id: delivery.id, recipient: delivery.recipient, rule },
  ]);
  expect(await recorders[0].record(event, [{ ...delivery, id: randomUUID() }])).toEqual([]);
  const { rows } = await database.query(
    'select id, state, suppressed_by, due_at from notifier.delivery where ticket_number = 7',
  );
  expect(rows).toEqual([{ id: delivery.id, state: 'suppressed', suppressed_by: rule, due_at: null }]);
  expect((await ledger.claim(10)).map((one) => one.ticketNumber)).not.toContain(7);
});

describe('an acknowledgement', () => {
  it('of the same subject goes to an address once in 24 hours; to others as well', async () => {
    const subject = 'we got your request';
    expect(await times(3, () => acknowledge({ subject }))).toEqual([null, 'repeated-subject', 'repeated-subject']);
    expect(await acknowledge({ subject, recipient: 'otto@customer.test' })).toBeNull();
    await timePasses('25 hours');
    expect(await acknowledge({ subject })).toBeNull();
  });

  it('goes to an address 3 times an hour, and what was held back does not count', async () => {
    const hour = [null, null, null, 'recipient-hour', 'recipient-hour'];
    expect(await times(5, () => acknowledge())).toEqual(hour);
    await timePasses('61 minutes');
    expect(await times(5, () => acknowledge())).toEqual(hour);
  });

  it('goes to an address 10 times a day', async () => {
    const sent = await times(12, async () => {
      await timePasses('61 minutes');
      return acknowledge();
    });
    expect(sent).toEqual([...Array<null>(10).fill(null), 'recipient-day', 'recipient-day']);
  });

  it('goes to 5 newcomers of a domain an hour; whom we knew before gets theirs, and so do other domains', async () => {
    await known('zoe@customer.test');
    const sent = await times(7, (i) => acknowledge({ recipient: `ticket-${i}@customer.test` }));
    expect(sent).toEqual([null, null, null, null, null, 'domain-hour', 'domain-hour']);
    expect(await acknowledge({ recipient: 'zoe@customer.test' })).toBeNull();
    expect(await acknowledge({ recipient: 'zoe@other.test' })).toBeNull();
    await timePasses('61 minutes');
    expect(await acknowledge({ recipient: 'ticket-8@customer.test' })).toBeNull();
  });

  it('that was only held back makes nobody known', async () => {
    await times(6, (i) => acknowledge({ recipient: `ticket-${i}@customer.test` }));
    await timePasses('25 hours');
    const again = await times(6, (i) => acknowledge({ recipient: `ticket-${5 + i}@customer.test` }));
    expect(again.at(-1)).toBe('domain-hour');
  });
});

describe('on one ticket', () => {
  it('a customer gets 5 automatic mails an hour, each customer for themselves, on each ticket', async () => {
    const ticket = 42;
    expect(await times(6, () => tell('customer', { ticket }))).toEqual([null, null, null, null, null, 'ticket-hour']);
    expect(await tell('customer', { ticket, recipient: 'paul@customer.test' })).toBeNull();
    expect(await tell('customer', { ticket: 43 })).toBeNull();
    await timePasses('61 minutes');
    expect(await tell('customer', { ticket })).toBeNull();
  });

  it('an employee gets 20', async () => {
    const sent = await times(21, () => tell('employee', { ticket: 42, recipient: 'eva@helpdesk.test' }));
    expect(sent.filter((rule) => rule === null)).toHaveLength(20);
    expect(sent.at(-1)).toBe('employee-ticket-hour');
  });

  it('words of a person always go', async () => {
    await times(6, () => tell('customer', { ticket: 42 }));
    expect(await times(30, () => tell(null, { ticket: 42 }))).toEqual(Array(30).fill(null));
  });
});

describe('the breaker', () => {
  it('holds back what is too much for a minute, also within one event, until the minute is over', async () => {
    const customers = Array.from({ length: 6 }, (_, i) => ({
      recipient: `customer-${i}@c${i}.test`,
      automaticFor: 'customer' as const,
      acknowledgedSubject: null,
    }));
    const employee = { recipient: 'eva@helpdesk.test', automaticFor: 'employee' as const, acknowledgedSubject: null };
    const rules = await withinOneMinute(async () => {
      const recorder = breaking();
      return [
        await record([employee, ...customers], { recorder }),
        await acknowledge({ recorder, recipient: 'another@d.test' }),
        await tell('employee', { recorder, recipient: 'eva@helpdesk.test' }),
        await tell(null, { recorder }),
        await acknowledge({ recorder: breaking(), recipient: 'another@d.test' }), // by an instance that has just started
      ];
    });
    expect(rules).toEqual([[null, null, null, null, null, 'breaker', 'breaker'], 'breaker', null, null, 'breaker']);
    await timePasses('61 seconds');
    expect(await acknowledge({ recorder: breaking(), recipient: 'another@d.test' })).toBeNull();
  });

  async function withinOneMinute<T>(act: () => Promise<T>): Promise<T> {
    const minute = async () =>
      (await database.query(`select date_trunc('minute', now())::text as minute`)).rows[0].minute;
    const before = await minute();
    const result = await act();
    if ((await minute()) === before) return result;
    await database.query('truncate notifier.delivery');
    return act();
  }
});

describe('an address that does not exist', () => {
  const recipient = 'gone@customer.test';

  /** A mail of ours was sent, and came back after a minute. */
  async function bounced(action: string, status: string, kind: string): Promise<void> {
    const messageId = `${randomUUID()}@helpdesk.test`;
    await database.query(
      `insert into notifier.delivery
         (id, event_id, ticket_number, sequence, recipient, role, template, message_id, mail, state, due_at, sent_at)
       values ($1, $1, 1, 1, $2, 'reporter', 'message', $3, '{}', 'sent', null, now() - interval '1 minute')`,
      [randomUUID(), recipient, messageId],
    );
    const result = { recipient, action, status, kind, diagnostic: null, hard: true };
    await ledger.recordBounce(messageId, new Date().toISOString(), [result as never]);
  }

  async function sent(): Promise<void> {
    await tell(null, { recipient });
    await database.query(
      `update notifier.delivery set state = 'sent', due_at = null, sent_at = now() where state = 'pending'`,
    );
  }

  it('gets nothing automatic, but the words of a person; once these have arrived, everything', async () => {
    await bounced('failed', '5.1.1', 'userunknown');
    expect(await acknowledge({ recipient })).toBe('undeliverable');
    expect(await tell('customer', { recipient })).toBe('undeliverable');
    expect(await tell('employee', { recipient })).toBe('undeliverable');
    expect(await acknowledge({ recipient: 'zoe@customer.test' })).toBeNull();
    await sent();
    expect(await acknowledge({ recipient })).toBeNull();
    await bounced('failed', '5.1.1', 'userunknown');
    expect(await acknowledge({ recipient })).toBe('undeliverable');
  });

  it('is given another chance after 60 days', async () => {
    await bounced('failed', '5.1.1', 'userunknown');
    await database.query(`update notifier.delivery set bounced_at = now() - interval '61 days'`);
    expect(await acknowledge({ recipient })).toBeNull();
  });

  it.each([
    ['5.2.2', 'mailboxfull'],
    ['5.7.1', 'spamdetected'],
    ['4.1.1', 'userunknown'],
  ])('is not one of which the last report says: %s %s', async (status, kind) => {
    await bounced('failed', '5.1.1', 'userunknown');
    await database.query(`update notifier.delivery set bounced_at = now() - interval '2 days'`);
    await bounced('failed', status, kind);
    expect(await acknowledge({ recipient })).toBeNull();
  });

  it('is not one to which mail is only delayed', async () => {
    await bounced('delayed', '4.4.1', 'expired');
    expect(await acknowledge({ recipient })).toBeNull();
  });
});

describe('two instances that write at once', () => {
  const passed = async (rules: Promise<string | null>[]) =>
    (await Promise.all(rules)).filter((rule) => rule === null).length;
  const both = (count: number, act: (recorder: Recorder, i: number) => Promise<string | null>) =>
    passed(Array.from({ length: count }, (_, i) => act(recorders[i % 2]!, i)));

  it('exceed no limit of acknowledgements', async () => {
    expect(await both(30, (recorder) => acknowledge({ recorder, subject: 'same' }))).toBe(1);
    expect(await both(30, (recorder) => acknowledge({ recorder, recipient: 'otto@other.test' }))).toBe(3);
    expect(await both(30, (recorder, i) => acknowledge({ recorder, recipient: `new-${i}@partner.test` }))).toBe(5);
  });

  it('exceed no limit of a ticket', async () => {
    expect(await both(30, (recorder) => tell('customer', { recorder, ticket: 42 }))).toBe(5);
    const employee = { ticket: 42, recipient: 'eva@helpdesk.test' };
    expect(await both(40, (recorder) => tell('employee', { recorder, ...employee }))).toBe(20);
  });
});

describe('events that are written together', () => {
  it('are not spoilt by one that cannot be written', async () => {
    const results = await Promise.allSettled([
      acknowledge({ recipient: 'a@a.test' }), // on its way alone; the others wait for it and go together
      acknowledge({ recipient: 'b@b.test' }),
      acknowledge({ recipient: 'UPPER@CASE.test' }),
      acknowledge({ recipient: 'c@c.test' }),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    const { rows } = await database.query('select recipient from notifier.delivery order by recipient');
    expect(rows.map(({ recipient }) => recipient)).toEqual(['a@a.test', 'b@b.test', 'c@c.test']);
  });

  it('are written once when one is there twice, and the second raises no alarm', async () => {
    const event = { consumer: 'test', eventId: randomUUID(), ticketNumber: 9, sequence: 1 };
    const delivery = () => ({
      id: randomUUID(),
      recipient: 'zoe@customer.test',
      role: 'reporter',
      template: 'acknowledgement',
      messageId: `${event.eventId}@helpdesk.test`,
      mail: {} as NewDelivery['mail'],
      automaticFor: 'customer' as const,
      acknowledgedSubject: 'line down',
    });
    const [, ...held] = await Promise.all([
      acknowledge({ recipient: 'a@a.test' }),
      ...Array.from({ length: 3 }, () => recorders[0].record(event, [delivery()])),
    ]);
    expect(held).toEqual([[], [], []]);
    const { rows } = await database.query('select state from notifier.delivery where ticket_number = 9');
    expect(rows).toEqual([{ state: 'pending' }]);
  });
});

it('counting needs no look through the whole ledger', async () => {
  await database.query(
    `insert into notifier.delivery (id, event_id, ticket_number, sequence, recipient, role, template, message_id, mail,
       state, due_at, sent_at, created_at, automatic_for, acknowledged_subject, newcomer_domain)
     select gen_random_uuid(), gen_random_uuid(), i, 1, 'sender' || i % 2000 || '@customer.test', 'reporter',
       'acknowledgement', 'bulk-' || i, '{}', 'sent', null, now(), now() - i * interval '10 seconds', 'customer',
       'subject ' || i, case when i % 10 = 0 then 'customer.test' end
     from generate_series(1, 100000) as i`,
  );
  await database.query('analyze notifier.delivery');
  const before = await blocksRead();
  for (let i = 0; i < 20; i++) await acknowledge({ recipient: `sender${i}@customer.test` });
  const perMail = ((await blocksRead()) - before) / 20;
  expect(perMail).toBeGreaterThan(1);
  expect(perMail).toBeLessThan(200); // of some thousand
});

/** Blocks of the ledger's table that the first instance's only connection in use has read, from memory or not. */
async function blocksRead(): Promise<number> {
  const pool = await poolOf(orms[0]!);
  await pool.query('select pg_stat_force_next_flush()');
  const { rows } = await pool.query<{ blocks: string }>(
    `select heap_blks_read + heap_blks_hit as blocks from pg_statio_user_tables
     where schemaname = 'notifier' and relname = 'delivery'`,
  );
  return Number(rows[0]!.blocks);
}
