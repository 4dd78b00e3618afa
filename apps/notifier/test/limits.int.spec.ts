/** Limits on automatic mail, counted by PostgreSQL for all instances. */
import type { BouncedRecipient } from '#contracts';
import { migrate } from '#platform';
import { randomUUID } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startStack, type Stack } from '../../../tools/stack/stack.js';
import { Ledger, type NewDelivery, type RecordedEvent } from '../src/delivery/ledger.js';
import type { Limits } from '../src/delivery/limits.js';
import { createOrm } from '../src/orm.js';

const DEFAULTS: Limits = {
  ACKNOWLEDGEMENTS_PER_HOUR: 3,
  ACKNOWLEDGEMENTS_PER_DAY: 10,
  ACKNOWLEDGEMENTS_PER_DOMAIN_HOUR: 5,
  AUTOMATIC_MAILS_PER_TICKET_HOUR: 5,
  AUTOMATIC_MAILS_PER_MINUTE: 0,
};

let stack: Stack;
let database: pg.Pool;
let ledger: Ledger;
let ticketNumber = 1_000;

beforeAll(async () => {
  const nowhere = { host: '127.0.0.1', port: 1 };
  stack = await startStack({
    dir: mkdtempSync(join(tmpdir(), 'limits-test-')),
    imap: { ...nowhere, mailboxes: [] },
    smtp: nowhere,
    keepData: false,
  });
  const orm = await createOrm({ DATABASE_URL: stack.databaseUrl, DATABASE_POOL_SIZE: 2 });
  await migrate(orm, stack.databaseUrl);
  await orm.close();
  database = new pg.Pool({ connectionString: stack.databaseUrl });
  database.on('error', () => {}); // a closing connection may still hear that its server stops
  ledger = new Ledger(database);
});

afterAll(async () => {
  await database?.end();
  await stack?.stop();
});

function delivery(recipient: string, change: Partial<NewDelivery> = {}): NewDelivery {
  const id = randomUUID();
  const mail = {
    from: { name: 'Support', address: 'support@helpdesk.test' },
    to: { name: '', address: recipient },
    replyTo: 'support@helpdesk.test',
    subject: 'S',
    text: 'T',
    html: '<p>T</p>',
    autoSubmitted: change.automatic === null ? null : ('auto-replied' as const),
    references: [],
  };
  const automatic = { recipient, acknowledges: `subject ${id}` };
  return { id, recipient, role: 'reporter', template: 'acknowledgement', messageId: id, mail, automatic, ...change };
}

function event(deliveries: NewDelivery[], number = (ticketNumber += 1)): RecordedEvent {
  return { eventId: randomUUID(), ticketNumber: number, sequence: 1, deliveries };
}

async function record(...deliveries: NewDelivery[]): Promise<(string | null)[]> {
  const rules: (string | null)[] = [];
  for (const one of deliveries) {
    const [held] = await ledger.record('test', [event([one])], DEFAULTS);
    rules.push(held?.rule ?? null);
  }
  return rules;
}

const row = async (id: string) =>
  (await database.query('select state, suppressed_by, due_at from notifier.delivery where id = $1', [id])).rows[0];

it('what is over a limit stays in the ledger with the rule, and is never due', async () => {
  const mails = Array.from({ length: 5 }, () => delivery('mara@one.test'));
  expect(await record(...mails)).toEqual([null, null, null, 'recipient-hour', 'recipient-hour']);
  expect(await row(mails[0]!.id)).toMatchObject({ state: 'pending', suppressed_by: null });
  expect(await row(mails[4]!.id)).toEqual({ state: 'suppressed', suppressed_by: 'recipient-hour', due_at: null });
  const taken = await ledger.claim(100);
  expect(taken.map(({ id }) => id)).not.toContain(mails[4]!.id);
  await database.query(
    `update notifier.automatic_mail set at = at - interval '2 hours' where recipient = 'mara@one.test'`,
  );
  expect(await record(delivery('mara@one.test'))).toEqual([null]);
});

it('a day has its own limit, and a subject is acknowledged once in it', async () => {
  const same = { automatic: { recipient: 'dana@two.test', acknowledges: 'line down' } };
  expect(await record(delivery('dana@two.test', same), delivery('dana@two.test', same))).toEqual([
    null,
    'repeated-subject',
  ]);
  await database.query(
    `insert into notifier.automatic_mail (at, recipient, domain, acknowledges, to_stranger)
     select now() - interval '3 hours', 'dana@two.test', 'two.test', 'earlier ' || n, false from generate_series(1, 9) as n`,
  );
  expect(await record(delivery('dana@two.test'))).toEqual(['recipient-day']);
  await database.query(
    `update notifier.automatic_mail set at = at - interval '1 day' where recipient = 'dana@two.test'`,
  );
  expect(await record(delivery('dana@two.test', same))).toEqual([null]);
});

it('new addresses of one domain share a limit; whom we wrote to before has none of it', async () => {
  const strangers = Array.from({ length: 7 }, (_, index) => delivery(`new${index}@three.test`));
  expect(await record(...strangers)).toEqual([null, null, null, null, null, 'domain-hour', 'domain-hour']);
  await database.query(
    `insert into notifier.correspondent (address, first_mail_at) values ('old@three.test', now() - interval '2 days')`,
  );
  expect(await record(delivery('old@three.test'))).toEqual([null]);
});

it('whose mail was only held back is not known by that', async () => {
  const strangers = Array.from({ length: 6 }, (_, index) => delivery(`held${index}@fourteen.test`));
  expect((await record(...strangers)).at(-1)).toBe('domain-hour');
  await database.query(
    `update notifier.automatic_mail set at = at - interval '25 hours' where domain = 'fourteen.test'`,
  );
  await database.query(`update notifier.correspondent set first_mail_at = first_mail_at - interval '25 hours'`);
  const more = Array.from({ length: 5 }, (_, index) => delivery(`other${index}@fourteen.test`));
  expect(await record(...more)).toEqual([null, null, null, null, null]);
  expect(await record(delivery('held5@fourteen.test'))).toEqual(['domain-hour']);
  expect(await record(delivery('held0@fourteen.test'))).toEqual([null]);
});

it('a ticket tells a customer of so many changes in an hour', async () => {
  const change = () =>
    delivery('eve@four.test', { template: 'change', automatic: { recipient: 'eve@four.test', acknowledges: null } });
  const rules: (string | null)[] = [];
  for (let i = 0; i < 7; i++) {
    const [held] = await ledger.record('test', [event([change()], 77)], DEFAULTS);
    rules.push(held?.rule ?? null);
  }
  expect(rules).toEqual([null, null, null, null, null, 'ticket-hour', 'ticket-hour']);
  expect(await ledger.record('test', [event([change()], 78)], DEFAULTS)).toEqual([]);
});

it('the circuit breaks when everything together is too much', async () => {
  await database.query('delete from notifier.automatic_mail');
  const mails = Array.from({ length: 6 }, (_, index) => event([delivery(`somebody@place${index}.test`)]));
  const held = await ledger.record('test', mails, { ...DEFAULTS, AUTOMATIC_MAILS_PER_MINUTE: 4 });
  expect(held.map(({ rule, recipient }) => [rule, recipient])).toEqual([
    ['breaker', 'somebody@place4.test'],
    ['breaker', 'somebody@place5.test'],
  ]);
});

it('words of a person and mail to employees are not limited', async () => {
  const words = Array.from({ length: 20 }, () => delivery('ina@five.test', { template: 'message', automatic: null }));
  expect(await record(...words)).toEqual(words.map(() => null));
});

it('instances that count at the same time never go over a limit together', async () => {
  const others = Array.from({ length: 3 }, () => new Ledger(database));
  const held = await Promise.all(
    Array.from({ length: 60 }, (_, index) =>
      others[index % 3]!.record('test', [event([delivery(`many${index}@six.test`)])], DEFAULTS),
    ),
  );
  expect(held.flat()).toHaveLength(55);
  const { rows } = await database.query(
    `select count(*)::int as n from notifier.delivery where recipient like '%@six.test' and state <> 'suppressed'`,
  );
  expect(rows[0].n).toBe(5);
});

it('an event that is seen again neither counts nor says anything', async () => {
  const first = event([delivery('ruth@seven.test')]);
  await ledger.record('test', [first], DEFAULTS);
  const again = { ...first, deliveries: [delivery('ruth@seven.test')] };
  for (let i = 0; i < 5; i++) expect(await ledger.record('test', [again, again], DEFAULTS)).toEqual([]);
  const { rows } = await database.query(
    `select (select count(*) from notifier.delivery where recipient = 'ruth@seven.test')::int as deliveries,
       (select count(*) from notifier.automatic_mail where recipient = 'ruth@seven.test')::int as counted`,
  );
  expect(rows).toEqual([{ deliveries: 1, counted: 1 }]);
});

it('an event that is seen again takes no place from another one that comes with it', async () => {
  const limits = { ...DEFAULTS, AUTOMATIC_MAILS_PER_TICKET_HOUR: 2 };
  const change = () =>
    event([delivery('rosa@ten.test', { automatic: { recipient: 'rosa@ten.test', acknowledges: null } })], 79);
  const [first, second] = [change(), change()];
  expect(await ledger.record('test', [first], limits)).toEqual([]);
  expect(await ledger.record('test', [first, second], limits)).toEqual([]);
  expect(await row(second.deliveries[0]!.id)).toMatchObject({ state: 'pending' });
});

describe('an address that a mail server does not know', () => {
  const nobody = (change: Partial<BouncedRecipient> = {}): BouncedRecipient[] => [
    {
      recipient: 'gone@eight.test',
      action: 'failed',
      status: '5.1.1',
      kind: 'userunknown',
      hard: true,
      diagnostic: null,
      ...change,
    },
  ];
  const bounce = async (results: BouncedRecipient[]) => {
    const sent = delivery('gone@eight.test', { template: 'message', automatic: null });
    await record(sent);
    await ledger.recordBounce(sent.messageId, new Date().toISOString(), results);
  };

  it('gets nothing automatic until a person writes there again', async () => {
    await bounce(nobody());
    expect(await record(delivery('gone@eight.test'))).toEqual(['undeliverable']);
    expect(await record(delivery('gone@eight.test', { template: 'message', automatic: null }))).toEqual([null]);
    expect(await record(delivery('gone@eight.test'))).toEqual([null]);
    await bounce(nobody());
    await database.query(`update notifier.correspondent set undeliverable_at = now() - interval '61 days'`);
    expect(await record(delivery('gone@eight.test'))).toEqual([null]);
  });

  it('is not blocked again by a report that is only seen again', async () => {
    const sent = delivery('gone@eight.test', { template: 'message', automatic: null });
    await record(sent);
    const at = new Date().toISOString();
    await ledger.recordBounce(sent.messageId, at, nobody());
    await record(delivery('gone@eight.test', { template: 'message', automatic: null }));
    await ledger.recordBounce(sent.messageId, at, nobody());
    expect(await record(delivery('gone@eight.test'))).toEqual([null]);
  });

  it.each([
    ['is full', { status: '5.2.2', kind: 'mailboxfull', hard: false }],
    ['may come back', { status: '4.1.1', hard: false }],
    ['is late', { action: 'delayed' as const, hard: false }],
    ['is somebody else, whom it was passed on to', { recipient: 'other@nine.test' }],
  ])('is not one that %s', async (_what, change) => {
    await bounce(nobody(change));
    const { rows } = await database.query(
      `select undeliverable_at from notifier.correspondent where address = 'gone@eight.test'`,
    );
    expect(rows).toEqual([{ undeliverable_at: null }]);
  });
});

it('what no limit counts any more is forgotten', async () => {
  await database.query(`update notifier.automatic_mail set at = at - interval '26 hours'`);
  await ledger.forget();
  expect((await database.query('select from notifier.automatic_mail')).rows).toEqual([]);
});

it('leases are prolonged while results are written down, without a deadlock', async () => {
  const recipients = Array.from({ length: 400 }, (_, index) => `lease${index}@twelve.test`);
  const events = recipients.map((to) => event([delivery(to, { template: 'message', automatic: null })]));
  await ledger.record('test', events, DEFAULTS);
  const taken = await ledger.claim(10_000);
  const ids = taken.map(({ id }) => id);
  for (let round = 0; round < 30; round++) {
    const attempts = 1 + round;
    const results = taken.toReversed().map(({ id }) => ({
      id,
      attempts,
      state: 'pending' as const,
      delayMs: 0,
      response: null,
      error: null,
    }));
    const all = Promise.all([ledger.settle(results), ledger.prolong(ids), ledger.prolong(ids)]);
    await expect(all).resolves.toHaveLength(3);
    await database.query(`update notifier.delivery set state = 'sending', attempts = $2 where id = any($1)`, [
      ids,
      attempts + 1,
    ]);
  }
});

function shuffled<T>(list: T[]): T[] {
  return list
    .map((one) => ({ one, place: Math.random() }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ one }) => one);
}

it('instances that meet the same new addresses in different orders do not stop each other', async () => {
  const words = (to: string) => event([delivery(to, { template: 'message', automatic: null })]);
  for (let round = 0; round < 60; round++) {
    const addresses = Array.from({ length: 60 }, (_, index) => `r${round}n${index}@thirteen.test`);
    const some = (count: number) => shuffled(addresses).slice(0, count).map(words);
    const all = [16, 60, 30].map((count) => new Ledger(database).record('test', some(count), DEFAULTS));
    await expect(Promise.all(all)).resolves.toEqual([[], [], []]);
  }
});

it('instances that are given the same events in different orders do not stop each other', async () => {
  for (let round = 0; round < 60; round++) {
    const events = Array.from({ length: 60 }, (_, index) =>
      event([delivery(`s${index}@fifteen.test`, { template: 'message', automatic: null })]),
    );
    const some = (count: number) => shuffled(events).slice(0, count);
    const all = [16, 60, 30].map((count) => new Ledger(database).record('test', some(count), DEFAULTS));
    await expect(Promise.all(all)).resolves.toEqual([[], [], []]);
  }
});
