/** Time's own deeds with several instances, after a day of nobody looking, and with instances killed in the middle. */
import { updateTicket, type TicketView } from '#contracts';
import { eventually } from '../../../tools/demo/api.js';
import { inGroups, Tickets, type ToldEvent } from './tickets.js';

const HOUR = 3600;
const DAY = 24 * HOUR;
const INSTANCES = 3;

let tickets: Tickets;

beforeAll(async () => {
  tickets = await Tickets.start(INSTANCES);
});

afterAll(async () => {
  await tickets?.stop();
});

/** What time does to a ticket of medium priority under the standard policy, in seconds since its creation. */
type Deeds = [seconds: number, deed: string][];

const assignDeeds = (later = 0): Deeds => [
  [2 * HOUR + later, 'assign warned at 50 %'],
  [3.2 * HOUR + later, 'assign warned at 80 %'],
  [4 * HOUR + later, 'assign breached'],
  [8 * HOUR + later, 'assign overdue by 4 h'],
];

const resolveDeeds = (later = 0): Deeds => [
  [12 * HOUR + later, 'resolve warned at 50 %'],
  [19.2 * HOUR + later, 'resolve warned at 80 %'],
  [24 * HOUR + later, 'resolve breached'],
  [28 * HOUR + later, 'resolve overdue by 4 h'],
];

/** Ways to begin a ticket's life, and what follows from each. A suspension ends counted from its own instant. */
const LIVES: { change: object | null; deeds: (suspendedAfter: number) => Deeds }[] = [
  { change: null, deeds: () => [...assignDeeds(), ...resolveDeeds()] },
  { change: { assignee: 'eva' }, deeds: () => resolveDeeds() },
  {
    change: { status: 'suspended', suspensionCause: 'pending_customer', suspendedSeconds: 7 * HOUR },
    deeds: (after) => [
      [after + 7 * HOUR, 'suspension ended: open'],
      ...assignDeeds(7 * HOUR),
      ...resolveDeeds(7 * HOUR),
    ],
  },
  {
    change: {
      status: 'suspended',
      suspensionCause: 'pending_closed',
      closeResolutionType: 'no_response',
      suspendedSeconds: 5 * HOUR,
    },
    deeds: (after) => [[after + 5 * HOUR, 'suspension ended: closed']],
  },
];

interface Begun {
  ticket: TicketView;
  life: (typeof LIVES)[number];
}

async function begin(count: number): Promise<Begun[]> {
  return inGroups(
    Array.from({ length: count }, (_, index) => LIVES[index % LIVES.length]!),
    async (life) => {
      const created = await tickets.create({ priority: 'medium' });
      if (!life.change) return { life, ticket: created };
      const assigned = 'assignee' in life.change && { assignee: tickets.people.eva.id };
      const change = { ...life.change, ...assigned, comment: 'A life begins.' };
      const { ticket } = await tickets.bus.expect(updateTicket, {
        actorId: tickets.people.erik.id,
        ticketId: created.id,
        change,
      });
      return { life, ticket };
    },
  );
}

/** What must have been told of a ticket within this time of its creation. */
function expectedOf({ ticket, life }: Begun, withinSeconds = Infinity): string[] {
  const createdAt = Date.parse(ticket.createdAt);
  const suspendedAfter = (Date.parse(ticket.updatedAt) - createdAt) / 1000;
  return life
    .deeds(suspendedAfter)
    .toSorted(([a], [b]) => a - b)
    .filter(([seconds]) => seconds < withinSeconds)
    .map(([seconds, deed]) => `${iso(new Date(createdAt + seconds * 1000).toISOString())} ${deed}`);
}

function deedOf({ type, data }: ToldEvent): string {
  if (type === 'ticket.warned.v1') return `${data.clock} warned at ${data.percent} %`;
  if (type === 'ticket.breached.v1') return `${data.clock} breached`;
  if (type === 'ticket.overdue.v1') return `${data.clock} overdue by ${data.overdueSeconds! / HOUR} h`;
  const status = data.changes?.find(({ field }) => field === 'status')?.after;
  return `suspension ended: ${status}`;
}

const iso = (time: string) => time.replace('.000Z', 'Z');

/** By ticket, in the order in which they were written. */
function toldOf(events: ToldEvent[]): Map<string, string[]> {
  const told = new Map<string, string[]>();
  for (const event of events) {
    const { id } = event.data.ticket;
    told.set(id, [...(told.get(id) ?? []), `${iso(event.time)} ${deedOf(event)}`]);
  }
  return told;
}

function expectAllTold(begun: Begun[], events: ToldEvent[], withinSeconds?: number): void {
  const told = toldOf(events);
  expect(Object.fromEntries(begun.map(({ ticket }) => [ticket.number, told.get(ticket.id) ?? []]))).toEqual(
    Object.fromEntries(begun.map((one) => [one.ticket.number, expectedOf(one, withinSeconds)])),
  );
  expect(told.size).toBe(begun.length);
}

async function settledTotal(): Promise<number> {
  const texts = await Promise.all(
    tickets.instances.map(async ({ opsUrl }) => (await fetch(`${opsUrl}/metrics`)).text()),
  );
  const counts = texts.flatMap((text) => [...text.matchAll(/^sla_settled_total\{.*\} (\d+)$/gm)]);
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}

it('tells each deed once and at its own instant while three instances sweep', async () => {
  const begun = await begin(300);
  const before = await tickets.lastEventId();
  const settledBefore = await settledTotal();
  await tickets.forward(2 * DAY);
  await tickets.allSwept();
  const events = await tickets.events(before);
  expectAllTold(begun, events);
  expect((await settledTotal()) - settledBefore).toBe(events.length);
});

it('catches up after a day in the order in which things fell due, whichever ticket they are about', async () => {
  const begun: Begun[] = [];
  for (let group = 0; group < 6; group += 1) {
    begun.push(...(await begin(44)));
    await tickets.forward(17 * 60);
  }
  const before = await tickets.lastEventId();
  await Promise.all(tickets.instances.map((instance) => instance.end('SIGTERM')));
  await tickets.forward(DAY);
  await tickets.instances[0]!.start();
  await tickets.allSwept();

  const events = await tickets.events(before);
  const late = events.filter((event, index) => {
    // that a promise was broken is known a second later: answered exactly when it is due it is kept
    const known = Date.parse(event.time) + (event.type === 'ticket.breached.v1' ? 1000 : 0);
    return events.slice(0, index).some(({ time }) => Date.parse(time) > known);
  });
  expect(late.map((event) => `${event.time} ${deedOf(event)}`)).toEqual([]);
  expect(new Set(events.map((event) => event.data.ticket.id)).size).toBe(begun.length);
  await Promise.all(tickets.instances.slice(1).map((instance) => instance.start()));
  await tickets.forward(2 * DAY);
  await tickets.allSwept();
  expectAllTold(begun, await tickets.events(before));
});

it('neither loses nor doubles anything when it is killed in the middle of a sweep', async () => {
  const [first, second, third] = tickets.instances;
  await third!.end('SIGTERM');
  const begun = await begin(500);
  const before = await tickets.lastEventId();
  // nobody can write an event, so both are caught with their rows changed and not committed
  const gate = await tickets.database.connect();
  try {
    await gate.query('begin');
    await gate.query('lock table tickets.outbox in share mode');
    await tickets.forward(2 * DAY);
    await eventually('both instances are in the middle of a sweep', async () => {
      const { rows } = await tickets.database.query(
        `select from pg_stat_activity where wait_event_type = 'Lock' and query like 'insert into%"outbox"%'`,
      );
      return rows.length === 2 ? true : undefined;
    });
    await Promise.all([first!.end('SIGKILL'), second!.end('SIGKILL')]);
  } finally {
    await gate.query('rollback');
    gate.release();
  }
  expect(await tickets.events(before)).toEqual([]);
  await Promise.all([first!.start(), second!.start()]);
  await eventually('some are done', async () => ((await tickets.lastEventId()) > before ? true : undefined));
  await first!.end('SIGKILL');
  await first!.start();
  await tickets.allSwept();
  expectAllTold(begun, await tickets.events(before));
  await third!.start();
});

it('tells those whom the ladder names, step by step', async () => {
  const ladder = [
    { overdueSeconds: HOUR, tell: ['assignee', 'lead'] },
    { overdueSeconds: 3 * HOUR, tell: ['assignee', 'chief@helpdesk.test', 'lead'] },
  ];
  await tickets.database.query(
    `with p as (insert into tickets.policy (name) values ('climbing') returning name),
       o as (update tickets.organisation set policy = 'climbing' where name = 'Weiß Logistik')
     insert into tickets.policy_version (policy, terms, calendar, calendar_version, effective_at)
     select 'climbing', terms || $1, calendar, calendar_version, 'epoch' from tickets.policy_version where number = 1`,
    [JSON.stringify({ ladder, warningPercents: [90] })],
  );
  const reporter = { email: tickets.people.otto.email };
  const ticket = await eventually('the policy is in force', async () => {
    const created = await tickets.create({ reporter, priority: 'critical' });
    const { rows } = await tickets.database.query(
      `select from tickets.ticket t join tickets.policy_version v on v.number = t.policy_version
       where t.id = $1 and policy = 'climbing'`,
      [created.id],
    );
    return rows.length === 1 ? created : undefined;
  });
  const change = { assignee: tickets.people.eva.id, comment: 'Yours.' };
  await tickets.bus.expect(updateTicket, { actorId: tickets.people.erik.id, ticketId: ticket.id, change });
  await tickets.forward(DAY);
  await tickets.allSwept();
  const events = (await tickets.events()).filter(({ data }) => data.ticket.id === ticket.id).slice(2);
  const createdAt = Date.parse(ticket.createdAt);
  const eva = 'assignee eva@helpdesk.test';
  const team = 'lead team@helpdesk.test';
  expect(
    events.map((event) => [
      (Date.parse(event.time) - createdAt) / HOUR / 1000,
      deedOf(event),
      event.data.recipients.map(({ role, email }) => `${role} ${email}`),
    ]),
  ).toEqual([
    [3.6, 'resolve warned at 90 %', [eva]],
    [4, 'resolve breached', [eva, team]],
    [5, 'resolve overdue by 1 h', [eva, team]],
    [7, 'resolve overdue by 3 h', [eva, 'contact chief@helpdesk.test', team]],
  ]);
});

it('sets a timer anew that goes off for nothing', async () => {
  const ticket = await tickets.create({ priority: 'medium' });
  const before = await tickets.lastEventId();
  await tickets.database.query(`update tickets.ticket set next_timer_at = created_at where id = $1`, [ticket.id]);
  await tickets.allSwept();
  const { rows } = await tickets.database.query(
    'select version, extract(epoch from next_timer_at - created_at)::integer as seconds from tickets.ticket where id = $1',
    [ticket.id],
  );
  expect(rows).toEqual([{ version: 1, seconds: 2 * HOUR }]);
  expect(await tickets.events(before)).toEqual([]);
});

describe('with 20,000 open tickets of which none is due', () => {
  beforeAll(async () => {
    const { id } = await tickets.create();
    await tickets.database.query(
      `insert into tickets.ticket select (jsonb_populate_record(t, jsonb_build_object('id', gen_random_uuid(),
         'number', 1000000 + n, 'next_timer_at', tickets.transaction_time() + interval '30 days'))).*
       from tickets.ticket t, generate_series(1, 20000) n where t.id = $1`,
      [id],
    );
    await tickets.database.query('vacuum analyze tickets.ticket');
  });

  it('asks for due tickets by their index', async () => {
    const gate = await tickets.database.connect();
    let statement: string;
    try {
      await gate.query('begin');
      await gate.query('lock table tickets.ticket in access exclusive mode');
      statement = await eventually('a sweep waits for the table', async () => {
        const { rows } = await tickets.database.query<{ query: string }>(
          `select query from pg_stat_activity where wait_event_type = 'Lock' and query like '%skip locked%'`,
        );
        return rows[0]?.query;
      });
    } finally {
      await gate.query('rollback');
      gate.release();
    }
    const { rows } = await tickets.database.query(`explain (generic_plan, format json) ${statement}`);
    const plan = JSON.stringify(rows[0]['QUERY PLAN']);
    expect(plan).toContain('"Index Name":"ticket_next_timer"');
    expect(plan).toContain('"Index Cond":"(next_timer_at <= ');
    expect(plan).not.toContain('Seq Scan');
    expect(plan).not.toContain('Bitmap');
  });

  it('reads what is due and nothing else', async () => {
    interface Reads {
      sweeps: number;
      entries: number;
      scanned: number;
    }
    const reads = async (): Promise<Reads> => {
      const { rows } = await tickets.database.query<Reads>(
        `select i.idx_scan::integer as sweeps, i.idx_tup_read::integer as entries, t.seq_tup_read::integer as scanned
         from pg_stat_user_indexes i join pg_stat_user_tables t using (relid)
         where i.indexrelname = 'ticket_next_timer'`,
      );
      return rows[0]!;
    };
    const before = await reads();
    const begun = await begin(10);
    await tickets.forward(3 * HOUR);
    const after = await eventually('a hundred sweeps', async () => {
      const now = await reads();
      return now.sweeps >= before.sweeps + 100 ? now : undefined;
    });
    expect(
      toldOf(await tickets.events())
        .get(begun[0]!.ticket.id)
        ?.at(-1),
    ).toContain('assign warned at 50 %');
    expect(after.scanned - before.scanned).toBe(0);
    expect(after.entries - before.entries).toBeLessThan(2_000);
  });
});
