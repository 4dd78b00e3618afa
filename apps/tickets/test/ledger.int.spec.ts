/** Clocks explained and verified: real histories through the service, with time shifted in PostgreSQL. */
import {
  addMessage,
  authenticate,
  createTicket,
  getClocks,
  getTicket,
  getTimeline,
  mergeTicket,
  splitTicket,
  unmergeTicket,
  updateTicket,
  type PersonView,
  type TicketChange,
  type TicketClocks,
  type TicketView,
} from '#contracts';
import { PRIORITIES, RESOLUTION_TYPES } from '#domain';
import { Bus, connectNats, createLogger } from '#platform';
import type { NatsConnection } from '@nats-io/transport-node';
import fc from 'fast-check';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { startWorld, stopWorld, type World } from '../../../test/harness/stack.js';
import { eventually } from '../../../tools/demo/api.js';
import { ACCOUNTS } from '../../../tools/demo/directory.js';

const VERIFY = fileURLToPath(new URL('../../../dist/apps/tickets/src/sla/verify.command.js', import.meta.url));
const HOUR = 3600;

let world: World;
let nats: NatsConnection;
let bus: Bus;
let database: pg.Pool;
let erik: PersonView;
let eva: PersonView;
let zoe: PersonView;
let otto: PersonView;

beforeAll(async () => {
  world = await startWorld({ only: ['tickets'], env: { tickets: { TEST_CLOCK: 'true' } } });
  const log = createLogger('test', { NODE_ENV: 'test', LOG_LEVEL: 'silent' });
  nats = await connectNats(world.stack.natsUrl, 'test', log);
  bus = new Bus(nats, 10_000);
  database = new pg.Pool({ connectionString: world.stack.databaseUrl });
  database.on('error', () => {});
  const logIn = async ({ email }: { email: string }) =>
    (await bus.expect(authenticate, { email, password: world.stack.accountPassword(email) })).person;
  [erik, eva, zoe, otto] = await Promise.all([
    logIn(ACCOUNTS.erik),
    logIn(ACCOUNTS.eva),
    logIn(ACCOUNTS.zoe),
    logIn(ACCOUNTS.otto),
  ]);
});

afterAll(async () => {
  await database?.end();
  await nats?.close();
  await stopWorld(world);
});

async function newTicket(): Promise<TicketView> {
  const ticket = { subject: 'Line down', text: 'Since ten.' };
  return (await bus.expect(createTicket, { actorId: zoe.id, ticket })).ticket;
}

function update(ticket: TicketView, change: TicketChange, actor = erik) {
  return bus.call(updateTicket, { actorId: actor.id, ticketId: ticket.id, change: { comment: 'because', ...change } });
}

async function letPass(seconds: number): Promise<void> {
  await database.query('update tickets.test_clock set shift = shift + make_interval(secs => $1)', [seconds]);
  await eventually('the sweeper is through', async () => {
    const { rows } = await database.query(
      'select count(*)::int as due from tickets.ticket where next_timer_at <= tickets.transaction_time()',
    );
    return rows[0].due === 0 ? true : undefined;
  });
}

interface Line {
  ticket: number;
  field: string;
  stored: unknown;
  recomputed: unknown;
  error?: string;
}

/** With nothing in its environment but the database. */
function verify(...options: string[]): Promise<{ code: number; lines: Line[]; summary: string }> {
  const env = { PATH: process.env['PATH'], DATABASE_URL: world.stack.databaseUrl };
  return new Promise((resolve) => {
    execFile(process.execPath, [VERIFY, ...options], { env }, (error, stdout, stderr) => {
      const lines = stdout.split('\n').filter((line) => line !== '');
      resolve({
        code: error ? Number(error.code) : 0,
        lines: lines.map((line) => JSON.parse(line) as Line),
        summary: stderr,
      });
    });
  });
}

function clocksOf(ticket: TicketView, viewer = erik): Promise<TicketClocks> {
  return bus.expect(getClocks, { viewerId: viewer.id, ticketId: ticket.id });
}

/** Breached, escalated, suspended. */
async function lived(): Promise<TicketView> {
  const ticket = await newTicket();
  await letPass(5 * HOUR);
  await update(ticket, { assignee: eva.id, comment: 'Eva knows the site.' });
  await letPass(HOUR);
  await update(ticket, { priority: 'high', comment: 'Two sites now.' });
  await letPass(5 * HOUR);
  await update(ticket, { status: 'suspended', suspensionCause: 'pending_customer', suspendedSeconds: 90 * HOUR });
  return ticket;
}

describe('the explanation', () => {
  it('agrees with the view and names who did what', async () => {
    const ticket = await lived();
    const { assign, resolve } = await clocksOf(ticket);
    const { ticket: view } = await bus.expect(getTicket, { viewerId: erik.id, ticketId: ticket.id });
    expect(resolve).toMatchObject({
      state: 'paused',
      budgetSeconds: 8 * HOUR,
      remainingSeconds: view.remainingResolveSeconds,
      gainSeconds: view.resolveGainSeconds,
      omittedLines: 0,
    });
    expect(assign).toMatchObject({ state: 'stopped', outcome: 'missed', gainSeconds: null });
    const told = (lines: TicketClocks['assign']['lines']) =>
      lines.map(({ fact, segment, by, comment }) => [fact?.type ?? segment?.state, by?.name ?? 'time', comment]);
    expect(told(assign.lines)).toEqual([
      ['started', ACCOUNTS.zoe.name, null],
      ['warned', 'time', null],
      ['warned', 'time', null],
      ['breached', 'time', null],
      ['running', ACCOUNTS.zoe.name, null],
      ['stopped', ACCOUNTS.erik.name, 'Eva knows the site.'],
    ]);
    expect(told(resolve.lines)).toEqual([
      ['started', ACCOUNTS.zoe.name, null],
      ['running', ACCOUNTS.zoe.name, null],
      ['reset', ACCOUNTS.erik.name, 'Two sites now.'],
      ['warned', 'time', null],
      ['running', ACCOUNTS.erik.name, 'Two sites now.'],
      ['paused', ACCOUNTS.erik.name, 'because'],
    ]);
    const breach = assign.lines.find(({ fact }) => fact?.type === 'breached')!.fact!;
    expect(Date.parse(breach.at) - Date.parse(ticket.createdAt)).toBe(4 * HOUR * 1000);
  });

  it('tells a customer neither names nor comments nor what the house tells itself', async () => {
    const ticket = await lived();
    const seen = await clocksOf(ticket, zoe);
    expect(JSON.stringify(seen)).not.toMatch(/Erik|Eva|Zoë|Two sites|because|[Ww]arned/);
    expect(seen.assign.lines.map(({ fact }) => fact?.type ?? 'segment')).toEqual([
      'started',
      'breached',
      'segment',
      'stopped',
    ]);
    expect(
      seen.resolve.lines.every(({ by, segment }) => by === null && (segment?.policyVersion ?? null) === null),
    ).toBe(true);
    const strange = await bus.call(getClocks, { viewerId: otto.id, ticketId: ticket.id });
    expect(strange).toMatchObject({ refusals: [{ code: 'ticket_unknown' }] });
  });
});

describe('every row', () => {
  const inAYear = new Date(Date.now() + 365 * 86_400_000).toISOString();
  const change: fc.Arbitrary<TicketChange> = fc.record(
    {
      assignee: fc.constantFrom('erik', 'eva', null),
      priority: fc.constantFrom(...PRIORITIES),
      status: fc.constantFrom('open', 'in_progress', 'suspended', 'closed'),
      suspensionCause: fc.constantFrom('pending_change', 'pending_customer', 'pending_closed'),
      suspendedSeconds: fc.integer({ min: 1, max: 40 * HOUR }),
      closeResolutionType: fc.constantFrom('fixed', 'duplicate'),
      resolutionType: fc.constantFrom(...RESOLUTION_TYPES),
      resolutionEta: fc.constantFrom(inAYear, inAYear, null),
      comment: fc.constantFrom('because', 'for another reason'),
    },
    { requiredKeys: [] },
  );
  /** Mostly accepted: fields that only go with a status are left out without it. */
  const sensible = change.map(
    ({ suspensionCause, suspendedSeconds, closeResolutionType, resolutionType, ...rest }) => ({
      ...rest,
      ...(rest.status === 'suspended' && {
        suspensionCause: suspensionCause ?? 'pending_change',
        ...(suspendedSeconds !== undefined && { suspendedSeconds }),
        ...(suspensionCause === 'pending_closed' && { closeResolutionType: closeResolutionType ?? 'fixed' }),
      }),
      ...(rest.status === 'closed' && { resolutionType: resolutionType ?? 'fixed', resolutionEta: undefined }),
    }),
  );

  it('equals its replay after random updates, messages, hours and a new policy', async () => {
    const seed = Date.now() % 2 ** 31;
    const tickets: TicketView[] = [];
    for (let i = 0; i < 12; i++) tickets.push(...(await Promise.all(Array.from({ length: 10 }, newTicket))));
    const acts = fc.sample(fc.record({ change: sensible, message: fc.nat(5), by: fc.nat(2), ticket: fc.nat(119) }), {
      seed,
      numRuns: 1000,
    });
    let changed = 0;
    for (let from = 0; from < acts.length; from += 35) {
      if (from === 350) await publishOfficeHours();
      await Promise.all(
        acts.slice(from, from + 35).map(async ({ change: asked, message, by, ticket: index }) => {
          const ticket = tickets[index]!;
          const assignee = { erik: erik.id, eva: eva.id }[asked.assignee ?? ''] ?? null;
          if (message < 2) {
            const actor = [zoe, erik, eva][by]!;
            const visibility = message === 1 && actor !== zoe ? 'internal' : 'public';
            await bus.expect(addMessage, { actorId: actor.id, ticketId: ticket.id, visibility, text: 'words' });
            return;
          }
          const named = { ...asked, ...(asked.assignee !== undefined && { assignee }) };
          const reply = await update(ticket, JSON.parse(JSON.stringify(named)) as TicketChange, by === 0 ? eva : erik);
          if (!('refusals' in reply) && reply.changed) changed += 1;
        }),
      );
      await letPass((from % 7) * HOUR + 17);
    }
    expect(changed).toBeGreaterThan(200);
    await relate(tickets.slice(0, 20));
    const { rows } = await database.query(`select policy_version as v, count(*)::int from tickets.ticket group by 1`);
    expect(rows.length).toBe(2);
    const { rows: backwards } = await database.query(
      `select number from tickets.ticket t where updated_at < (
         select max(at) from tickets.timeline_entry e where e.ticket_id = t.id)`,
    );
    expect({ seed, backwards }).toEqual({ seed, backwards: [] });
    const result = await verify('--all');
    expect({ seed, ...result }).toMatchObject({ seed, code: 0, lines: [] });
    expect(result.summary).toContain(', 0 differences in 0 of them, 0 repaired, 0 histories that cannot be replayed');
    expect(Number(/(\d+) tickets compared/.exec(result.summary)?.[1])).toBeGreaterThanOrEqual(120);
  }, 180_000);

  /** In pairs: makes a message of one a ticket of its own, and merges the other into it, some only for a while. */
  async function relate(some: TicketView[]): Promise<void> {
    const comment = 'the same';
    for (let index = 0; index < some.length; index += 2) {
      const [one, other] = [some[index]!, some[index + 1]!];
      const { items } = await bus.expect(getTimeline, { viewerId: erik.id, ticketId: other.id, limit: 1 });
      const split = { entryId: items[0]!.id, comment };
      await bus.expect(splitTicket, { actorId: eva.id, ticketId: other.id, split });
      const merge = { into: other.id, comment };
      await bus.expect(mergeTicket, { actorId: erik.id, ticketId: one.id, merge });
      await letPass(index * 600);
      if (index % 4 === 0) await bus.expect(unmergeTicket, { actorId: erik.id, ticketId: one.id, comment });
    }
  }

  async function publishOfficeHours(): Promise<void> {
    const weekly = Object.fromEntries(['mon', 'tue', 'wed', 'thu', 'fri'].map((day) => [day, [['08:00', '17:00']]]));
    await database.query(`insert into tickets.calendar (name, version, hours) values ('office', 1, $1)`, [
      JSON.stringify({ zone: 'Europe/Berlin', weekly }),
    ]);
    await database.query(
      `insert into tickets.policy_version (policy, terms, calendar, calendar_version, effective_at)
       select policy, terms || '{"warningPercents": [25, 75], "escalationMode": "retroactive"}', 'office', 1,
         date_trunc('second', tickets.transaction_time())
       from tickets.policy_version order by number limit 1`,
    );
  }
});

describe('verify', () => {
  it('finds exactly what was corrupted, mends it, and then finds nothing', async () => {
    const [clock, flag, timer, person, whole] = await Promise.all(Array.from({ length: 5 }, newTicket));
    await update(person!, { assignee: erik.id });
    await update(whole!, { status: 'closed', resolutionType: 'fixed' });
    const corrupt = async (ticket: TicketView, set: string) =>
      database.query(`update tickets.ticket set ${set} where id = $1`, [ticket.id]);
    await corrupt(clock!, `resolve_consumed_seconds = resolve_consumed_seconds + 600, resolve_gain_seconds = 7`);
    await corrupt(flag!, `assign_ever_breached = true`);
    await corrupt(timer!, `next_timer_at = next_timer_at + interval '1 hour'`);
    await corrupt(person!, `assignee_id = '${eva.id}', priority = 'low'`);
    await corrupt(whole!, `resolve_outcome = 'missed'`);

    const found = await verify();
    const live: [number, string, unknown, unknown][] = [
      [clock!.number, 'resolveClock.consumedSeconds', 600, 0],
      [clock!.number, 'resolveGainSeconds', 7, 0],
      [flag!.number, 'assignClock.everBreached', true, false],
      [timer!.number, 'nextTimerAt', expect.any(String), expect.any(String)],
      [person!.number, 'assignee', eva.id, erik.id],
      [person!.number, 'priority', 'low', 'medium'],
    ];
    const asLines = (lines: Line[]) => lines.map((one) => [one.ticket, one.field, one.stored, one.recomputed]);
    expect(found.code).toBe(1);
    expect(asLines(found.lines)).toHaveLength(live.length);
    expect(asLines(found.lines)).toEqual(expect.arrayContaining(live));
    expect(found.summary).toContain('6 differences in 4 of them');
    const closed = [whole!.number, 'resolveClock.outcome', 'missed', 'met'];
    expect(asLines((await verify('--all')).lines)).toContainEqual(closed);

    const repaired = await verify('--all', '--repair');
    expect(repaired).toMatchObject({ code: 0, lines: { length: 7 } });
    expect(repaired.summary).toContain('5 repaired');
    expect(await verify('--all')).toMatchObject({ code: 0, lines: [] });

    const { items } = await bus.expect(getTimeline, { viewerId: erik.id, ticketId: person!.id, limit: 50 });
    expect(items.at(-1)).toMatchObject({
      kind: 'change',
      author: { name: 'System' },
      changes: [
        { field: 'repaired.assignee', before: eva.id, after: erik.id },
        { field: 'repaired.priority', before: 'low', after: 'medium' },
      ],
    });
    const forZoe = await bus.expect(getTimeline, { viewerId: zoe.id, ticketId: person!.id, limit: 50 });
    expect(JSON.stringify(forZoe)).not.toContain('repaired');
    const { rows } = await database.query(
      `select payload from tickets.outbox where payload->>'subject' = $1 order by id desc limit 1`,
      [String(person!.number)],
    );
    expect(rows[0].payload).toMatchObject({ type: 'ticket.updated.v1', data: { recipients: [] } });
  });

  it('reports a history that cannot be replayed, and leaves it alone', async () => {
    const ticket = await newTicket();
    await database.query(`update tickets.timeline_entry set changes = '[]' where ticket_id = $1`, [ticket.id]);
    const row = async () =>
      (await database.query('select t::text as row from tickets.ticket t where id = $1', [ticket.id])).rows[0].row;
    const before = await row();
    const result = await verify('--repair');
    expect(result.code).toBe(1);
    expect(result.lines).toEqual([
      expect.objectContaining({ ticket: ticket.number, field: 'history', error: 'a history begins with a creation' }),
    ]);
    expect(await row()).toBe(before);
    await database.query('delete from tickets.timeline_entry where ticket_id = $1', [ticket.id]);
    await database.query('delete from tickets.ticket where id = $1', [ticket.id]);
  });

  it('says how it is used', async () => {
    expect(await verify('--mend')).toMatchObject({ code: 2, summary: expect.stringContaining('usage:') });
  });
});

it('explains a ticket that was changed thousands of times within the limit of a message', async () => {
  const ticket = await newTicket();
  await database.query(
    `insert into tickets.timeline_entry (id, ticket_id, kind, at, author_name, text, changes)
     select gen_random_uuid(), $1, 'change', t.created_at + n * interval '1 second', 'Erik', repeat(E'é"\\x01', 1000),
       jsonb_build_array(jsonb_build_object('field', 'priority', 'before', null,
         'after', case n % 2 when 0 then 'high' else 'critical' end))
     from tickets.ticket t, generate_series(1, 5000) n where t.id = $1 order by n`,
    [ticket.id],
  );
  await letPass(2 * HOUR);
  const clocks = await clocksOf(ticket);
  expect(clocks.resolve.omittedLines).toBeGreaterThan(5000);
  expect(clocks.resolve.lines.at(-1)).toMatchObject({ segment: { open: true, priority: 'high' } });
  expect(Buffer.byteLength(JSON.stringify(clocks))).toBeLessThan(900_000);
});
