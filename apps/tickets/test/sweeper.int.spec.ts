/** Time's deeds are told each at its own instant, once, in order: by several sweepers, late, and killed in the middle. */
import { authenticate, createTicket } from '#contracts';
import { Bus, connectNats, createLogger } from '#platform';
import type { NatsConnection } from '@nats-io/transport-node';
import pg from 'pg';
import { startWorld, stopWorld, type World } from '../../../test/harness/stack.js';
import { eventually } from '../../../tools/demo/api.js';
import { ACCOUNTS } from '../../../tools/demo/directory.js';

let world: World;
let nats: NatsConnection;
let database: pg.Pool;
/** A ticket of medium priority (4 h to assign, 24 h to resolve) that others are copied from; it is taken out of the way. */
let model: string;

beforeAll(async () => {
  world = await startWorld({ only: ['tickets'], instances: 3, env: { tickets: { TEST_CLOCK: 'true' } } });
  nats = await connectNats(
    world.stack.natsUrl,
    'test',
    createLogger('test', { NODE_ENV: 'test', LOG_LEVEL: 'silent' }),
  );
  database = new pg.Pool({ connectionString: world.stack.databaseUrl });
  database.on('error', () => {}); // a closing connection may still hear that its server stops
  const bus = new Bus(nats, 10_000);
  const { email } = ACCOUNTS.zoe;
  const { person } = await bus.expect(authenticate, { email, password: world.stack.accountPassword(email) });
  const { ticket } = await bus.expect(createTicket, { actorId: person.id, ticket: { subject: 'S', text: 'T' } });
  model = ticket.id;
});

afterAll(async () => {
  await database?.end();
  await nats?.close();
  await stopWorld(world);
});

beforeEach(async () => {
  await database.query(`update tickets.test_clock set shift = '0'`);
  await database.query(`update tickets.ticket set next_timer_at = null`);
});

/** Open tickets that nobody is assigned to, opened now and each `apart` seconds after the one before. */
async function open(count: number, apart = 0, facts: object = {}): Promise<Date> {
  const { rows } = await database.query<{ opened: Date }>(
    `with start as (select date_trunc('second', tickets.transaction_time()) as at)
     insert into tickets.ticket
     select copy.* from start, tickets.ticket t, generate_series(0, $2::int - 1) i,
       lateral (select start.at + make_interval(secs => i * $3::int) as opened) o,
       lateral jsonb_populate_record(t, jsonb_build_object(
         'id', gen_random_uuid(), 'number', nextval('tickets.ticket_number'), 'event_sequence', 0, 'version', 1,
         'created_at', opened, 'updated_at', opened, 'assign_running_since', opened, 'resolve_running_since', opened,
         'next_timer_at', opened + interval '2 hours') || $4) copy
     where t.id = $1 returning created_at as opened`,
    [model, count, apart, JSON.stringify(facts)],
  );
  return rows.map(({ opened }) => opened).sort((a, b) => a.getTime() - b.getTime())[0]!;
}

interface Told {
  number: string;
  type: string;
  /** Hours since the first of the tickets was opened. */
  hours: number;
}

interface Payload {
  subject: string;
  type: string;
  time: string;
  data: { clock?: string; percent?: number };
}

let lastSeen = 0n;

/** The events since the last call, in the order in which they will be published. */
async function told(since: Date): Promise<Told[]> {
  const { rows } = await database.query<{ id: string; payload: Payload }>(
    'select id, payload from tickets.outbox where id > $1 order by id',
    [String(lastSeen)],
  );
  lastSeen = BigInt(rows.at(-1)?.id ?? lastSeen);
  return rows.map(({ payload: { subject, type, time, data } }) => ({
    number: subject,
    type: [type.split('.')[1], data.clock, data.percent].filter((one) => one !== undefined).join(' '),
    hours: (Date.parse(time) - since.getTime()) / 3_600_000,
  }));
}

async function hoursPass(hours: number): Promise<void> {
  await database.query('update tickets.test_clock set shift = shift + make_interval(secs => $1)', [hours * 3600]);
}

async function allSwept(): Promise<void> {
  await eventually('nothing is due', async () => {
    const { rows } = await database.query(
      'select from tickets.ticket where next_timer_at <= tickets.transaction_time() limit 1',
    );
    return rows.length === 0 ? true : undefined;
  });
}

function byTicket(events: Told[]): string[][] {
  const tickets = Map.groupBy(events, ({ number }) => number);
  return [...tickets.values()].map((ones) => ones.map(({ type, hours }) => `${hours} h ${type}`));
}

const TO_ASSIGN = ['2 h warned assign 50', '3.2 h warned assign 80', '4 h breached assign'];
const TO_RESOLVE = ['12 h warned resolve 50', '19.2 h warned resolve 80', '24 h breached resolve'];

it('three sweepers tell each deed of 300 tickets once, at its instant', async () => {
  await told(new Date());
  const since = await open(300);
  await hoursPass(5);
  await allSwept();
  const events = byTicket(await told(since));
  expect(events).toHaveLength(300);
  for (const deeds of events) expect(deeds).toEqual(TO_ASSIGN);
});

it('warnings, breaches and the ladder come in their order; of a suspension only its end', async () => {
  await told(new Date());
  const suspension = (cause: string, closeAs: string | null, until: Date) => ({
    status: 'suspended',
    suspension_cause: cause,
    suspension_until: until,
    suspension_close_resolution_type: closeAs,
    next_timer_at: until,
    assign_state: 'paused',
    assign_running_since: null,
    resolve_state: 'paused',
    resolve_running_since: null,
  });
  const since = await open(1);
  const inSixHours = new Date(since.getTime() + 6 * 3_600_000);
  await open(1, 0, suspension('pending_closed', 'fixed', inSixHours));
  await hoursPass(30);
  await allSwept();
  const [running, closing] = byTicket(await told(since)).sort((a, b) => b.length - a.length);
  expect(running).toEqual([...TO_ASSIGN, '8 h overdue assign', ...TO_RESOLVE, '28 h overdue resolve']);
  expect(closing).toEqual(['6 h updated']);
  const { rows } = await database.query(
    `select status, resolution_type, closed_at from tickets.ticket where resolution_type = 'fixed'`,
  );
  expect(rows).toEqual([{ status: 'closed', resolution_type: 'fixed', closed_at: inSixHours }]);
});

it('a sweep that was down for a day catches up in order, across tickets', async () => {
  const [first, ...others] = world.services.of('tickets');
  await Promise.all([first!, ...others].map((one) => one.end('SIGTERM')));
  await told(new Date());
  const since = await open(450, 37);
  await hoursPass(24);
  await first!.start();
  await allSwept();
  const events = await told(since);
  expect(byTicket(events)).toHaveLength(450);
  for (const deeds of byTicket(events)) {
    const types = deeds.map((deed) => deed.replace(/^\S+ h /, ''));
    expect(types.slice(0, 4)).toEqual(['warned assign 50', 'warned assign 80', 'breached assign', 'overdue assign']);
  }
  // a breach is a fact one second after its instant, so it may stand behind another ticket's deed of that second
  const steps = events.map(({ hours }, index) => (hours - (events[index - 1]?.hours ?? hours)) * 3600);
  expect(Math.min(...steps)).toBeGreaterThanOrEqual(-1);
  await Promise.all(others.map((one) => one.start()));
});

it('a sweeper that is killed in the middle loses nothing and doubles nothing', async () => {
  await told(new Date());
  const since = await open(500);
  const victim = world.services.of('tickets')[0]!;
  await hoursPass(5);
  await eventually('the sweep is under way', async () => {
    const { rows } = await database.query('select from tickets.outbox where id > $1 limit 1', [String(lastSeen)]);
    return rows.length > 0 ? true : undefined;
  });
  await victim.end('SIGKILL');
  await allSwept();
  const events = byTicket(await told(since));
  expect(events).toHaveLength(500);
  for (const deeds of events) expect(deeds).toEqual(TO_ASSIGN);
  await victim.start();
});

it('a kill between the changes and their commit leaves nothing behind', async () => {
  const [spare, ...victims] = world.services.of('tickets');
  await spare!.end('SIGTERM');
  await told(new Date());
  const since = await open(500);
  const gate = await database.connect();
  try {
    await gate.query('begin');
    await gate.query('lock table tickets.outbox in share mode'); // nobody can write an event
    await hoursPass(5);
    await eventually('both sweepers are about to write their events', async () => {
      const { rows } = await database.query(
        `select from pg_stat_activity where wait_event_type = 'Lock' and query like 'insert into%"outbox"%'`,
      );
      return rows.length === 2 ? true : undefined;
    });
    await Promise.all(victims.map((one) => one.end('SIGKILL')));
  } finally {
    await gate.query('rollback');
    gate.release();
  }
  expect(await told(since)).toEqual([]);
  await Promise.all([spare!, ...victims].map((one) => one.start()));
  await allSwept();
  const events = byTicket(await told(since));
  expect(events).toHaveLength(500);
  for (const deeds of events) expect(deeds).toEqual(TO_ASSIGN);
});

it('the ladder tells whom it names, step by step', async () => {
  const ladder = [
    { overdueSeconds: 3600, tell: ['lead'] },
    { overdueSeconds: 3 * 3600, tell: ['chief@helpdesk.test', 'assignee', 'lead'] },
  ];
  const { rows: versions } = await database.query(
    `with climbing as (insert into tickets.policy (name) values ('climbing') returning name)
     insert into tickets.policy_version (policy, terms, calendar, calendar_version, effective_at)
     select name, terms || $1, calendar, calendar_version, 'epoch' from climbing, tickets.policy_version
     where number = 1 returning number`,
    [JSON.stringify({ ladder })],
  );
  const { rows: people } = await database.query('select id from tickets.person where email = $1', [ACCOUNTS.eva.email]);
  await told(new Date());
  const after = String(lastSeen);
  const since = await open(1, 0, {
    policy_version: versions[0].number,
    assignee_id: people[0].id,
    assign_state: 'stopped',
    assign_running_since: null,
    assign_outcome: 'met',
    next_timer_at: new Date(Date.now() + 12 * 3_600_000),
  });
  await hoursPass(30);
  await allSwept();
  const [deeds] = byTicket(await told(since));
  expect(deeds).toEqual([...TO_RESOLVE, '25 h overdue resolve', '27 h overdue resolve']);
  const { rows } = await database.query<{ payload: { data: { recipients: { role: string; email: string }[] } } }>(
    `select payload from tickets.outbox where id > $1 and payload ->> 'type' = 'ticket.overdue.v1' order by id`,
    [after],
  );
  const recipients = rows.map(({ payload }) => payload.data.recipients.map(({ role, email }) => `${role} ${email}`));
  const lead = 'lead team@helpdesk.test';
  expect(recipients).toEqual([[lead], ['contact chief@helpdesk.test', `assignee ${ACCOUNTS.eva.email}`, lead]]);
});

it('a timer that goes off for nothing is set anew', async () => {
  await told(new Date());
  const since = await open(1, 0, { next_timer_at: new Date(Date.now() - 3_600_000) });
  await allSwept();
  const { rows } = await database.query(
    'select version, next_timer_at from tickets.ticket where created_at = $1 and next_timer_at is not null',
    [since],
  );
  expect(rows).toEqual([{ version: 1, next_timer_at: new Date(since.getTime() + 2 * 3_600_000) }]);
  expect(await told(since)).toEqual([]);
});

/** The statement that looks for due tickets, as the database hears it. */
async function sweepersStatement(): Promise<string> {
  const gate = await database.connect();
  try {
    await gate.query('begin');
    await gate.query('lock table tickets.ticket in access exclusive mode');
    return await eventually('a sweeper waits for the table', async () => {
      const { rows } = await database.query<{ query: string }>(
        `select query from pg_stat_activity
         where wait_event_type = 'Lock' and query like '%next_timer_at%skip locked'`,
      );
      return rows[0]?.query;
    });
  } finally {
    await gate.query('rollback');
    gate.release();
  }
}

it('looks at what is due, however much is open', async () => {
  await open(20_000);
  await database.query('analyze tickets.ticket');
  const { rows } = await database.query<{ 'QUERY PLAN': string }>(
    `explain (analyze, buffers off, timing off, summary off) ${await sweepersStatement()}`,
  );
  const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
  expect(plan).toContain('Index Scan using ticket_next_timer');
  expect(plan).toMatch(/ticket_next_timer on ticket.*rows=0/);
  expect(plan).toContain('Index Cond: (next_timer_at <= ');
});
