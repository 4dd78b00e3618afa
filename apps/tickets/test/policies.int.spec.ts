/** Policies and calendars as operators edit them, and what becomes of live tickets; on a clock that the spec sets. */
import {
  acceptMail,
  authenticate,
  createTicket,
  getTicket,
  updateTicket,
  type CalendarList,
  type CloudEvent,
  type PersonView,
  type PolicyList,
  type PolicyVersionPage,
  type TicketChange,
  type TicketEventData,
  type TicketView,
} from '#contracts';
import { Bus, connectNats, createLogger } from '#platform';
import type { NatsConnection } from '@nats-io/transport-node';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { startWorld, stopWorld, type World } from '../../../test/harness/stack.js';
import { Api, ApiError, eventually } from '../../../tools/demo/api.js';
import { ACCOUNTS } from '../../../tools/demo/directory.js';

const HOUR = 3_600;
const OFFICE = {
  zone: 'Europe/Zurich',
  weekly: Object.fromEntries(['mon', 'tue', 'wed', 'thu', 'fri'].map((day) => [day, [['09:00', '17:00']]])),
};

let world: World;
let nats: NatsConnection;
let bus: Bus;
let database: pg.Pool;
let directory: string;
let erik: PersonView;
let zoe: PersonView;
let api: Api;
let customersApi: Api;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'helpdesk-policies-'));
  const env = { tickets: { TEST_CLOCK: 'true' } };
  world = await startWorld({ only: ['tickets', 'gateway'], instances: 2, env });
  nats = await connectNats(
    world.stack.natsUrl,
    'test',
    createLogger('test', { NODE_ENV: 'test', LOG_LEVEL: 'silent' }),
  );
  bus = new Bus(nats, 10_000);
  database = new pg.Pool({ connectionString: world.stack.databaseUrl });
  database.on('error', () => {});
  const password = (email: string) => world.stack.accountPassword(email);
  const logIn = async ({ email }: { email: string }) =>
    (await bus.expect(authenticate, { email, password: password(email) })).person;
  [erik, zoe] = await Promise.all([logIn(ACCOUNTS.erik), logIn(ACCOUNTS.zoe)]);
  api = await Api.logIn(world.services.apiUrl, erik.email, password(erik.email));
  customersApi = await Api.logIn(world.services.apiUrl, zoe.email, password(zoe.email));
});

afterAll(async () => {
  await database?.end();
  await nats?.close();
  await stopWorld(world);
  rmSync(directory, { recursive: true });
});

/** Sets the clock; it goes on from there. */
async function setTime(iso: string): Promise<void> {
  await database.query('update tickets.test_clock set shift = $1::timestamptz - now()', [iso]);
}

interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

function run(command: string, ...args: string[]): Promise<Ran> {
  const script = fileURLToPath(new URL(`../../../dist/apps/tickets/src/sla/${command}.command.js`, import.meta.url));
  const env = {
    PATH: process.env['PATH'],
    DATABASE_URL: world.stack.databaseUrl,
    NATS_URL: world.stack.natsUrl,
    SUPPORT_ADDRESS: 'support@helpdesk.test',
  };
  return new Promise((resolve) => {
    execFile(process.execPath, [script, ...args], { env }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

function tryToApply(file: object, ...args: string[]): Promise<Ran> {
  const path = join(directory, `${randomUUID()}.json`);
  writeFileSync(path, JSON.stringify(file));
  return run('apply-policies', ...args, path);
}

interface AppliedPolicy {
  name: string;
  version: number;
  replaces: number | null;
  effectiveAt: string;
  liveTickets: number;
}

async function apply(file: object): Promise<{ policies: AppliedPolicy[]; calendars: object[] }> {
  const { code, stdout, stderr } = await tryToApply(file);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}

/** Applies what gives one policy a new version. */
async function applyOne(file: object): Promise<AppliedPolicy & { effective: number }> {
  const { policies } = await apply(file);
  expect(policies).toHaveLength(1);
  return { ...policies[0]!, effective: seconds(policies[0]!.effectiveAt) };
}

function targets(assign: string, resolve: string) {
  const standard = { critical: { assign: '15m', resolve: '4h' }, high: { assign: '1h', resolve: '8h' } };
  return { ...standard, medium: { assign, resolve }, low: { assign: '8h', resolve: '40h' } };
}

async function newTicket(): Promise<TicketView> {
  return (await bus.expect(createTicket, { actorId: zoe.id, ticket: { subject: 'Down', text: 'Since ten.' } })).ticket;
}

async function update(ticket: TicketView, change: TicketChange): Promise<TicketView> {
  const request = { actorId: erik.id, ticketId: ticket.id, change: { comment: 'So it is.', ...change } };
  return (await bus.expect(updateTicket, request)).ticket;
}

async function view(ticket: TicketView): Promise<TicketView> {
  return (await bus.expect(getTicket, { viewerId: erik.id, ticketId: ticket.id })).ticket;
}

const COLUMNS = `version, policy_version, status, assign_state, assign_budget_seconds, assign_consumed_seconds,
  resolve_state, resolve_budget_seconds, resolve_consumed_seconds,
  extract(epoch from resolve_running_since)::integer as resolve_running_since`;

async function rowOf(ticket: TicketView) {
  const { rows } = await database.query(`select ${COLUMNS} from tickets.ticket where id = $1`, [ticket.id]);
  return rows[0];
}

async function rowAsText(ticket: TicketView): Promise<string> {
  const { rows } = await database.query('select t::text as row from tickets.ticket t where id = $1', [ticket.id]);
  return rows[0].row;
}

async function movedTo(version: number, ...tickets: TicketView[]): Promise<void> {
  await eventually('move', async () => {
    const rows = await Promise.all(tickets.map(rowOf));
    return rows.every((row) => row.policy_version === version) || undefined;
  });
}

/** The history's moves: `from → to @ instant`. */
async function moveEntries(ticket: TicketView): Promise<{ before: string; after: string; at: number }[]> {
  const { rows } = await database.query(
    `select change->>'before' as before, change->>'after' as after, extract(epoch from at)::integer as at
     from tickets.timeline_entry, jsonb_array_elements(changes) change
     where ticket_id = $1 and change->>'field' = 'policyVersion' and change->>'before' is not null order by position`,
    [ticket.id],
  );
  return rows;
}

async function moveEvents(ticket: TicketView): Promise<CloudEvent<TicketEventData>[]> {
  const { rows } = await database.query(
    `select payload from tickets.outbox where payload->>'subject' = $1 and payload->>'type' = 'ticket.updated.v1'
       and payload->'data'->'changes' @> '[{"field": "policyVersion"}]' order by id`,
    [String(ticket.number)],
  );
  return rows.map(({ payload }) => payload);
}

async function currentPolicy(name: string) {
  const { items } = await api.request<PolicyList>('GET', '/policies');
  const policy = items.find((one) => one.name === name);
  if (!policy) throw new Error(`there is no policy ${name}`);
  return policy;
}

function seconds(iso: string | null): number {
  return Math.floor(Date.parse(iso!) / 1000);
}

describe('a file', () => {
  it('is refused as a whole, with everything that is wrong', async () => {
    const everything = `select (select count(*) from tickets.policy_version) + (select count(*) from tickets.calendar)
      + (select count(*) from tickets.policy) as count`;
    const before = await database.query(everything);
    const { code, stdout, stderr } = await tryToApply({
      calendars: { good: OFFICE, bad: { zone: 'Mars/Base', weekly: {} } },
      policies: { new: { targets: targets('4h', '2h') } },
      organisations: { Nobody: 'new', 'Weiß Logistik': 'none' },
    });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    const lines = stderr.trimEnd().split('\n');
    expect(lines.map((line) => line.replace(/^.*?\.json: /, ''))).toEqual([
      'calendars.bad: Mars/Base is no time zone of the IANA database. (calendar_unusable)',
      'calendars.bad: The calendar has no hours in a week. (calendar_unusable)',
      'policies.new.targets.medium.resolve: must not be shorter than assign (resolve_before_assign)',
      'organisations.Nobody: there is no organisation "Nobody" (organisation_unknown)',
      'organisations.Weiß Logistik: there is no policy "none" (policy_unknown)',
    ]);
    expect((await database.query(everything)).rows).toEqual(before.rows);
  });

  it('says in a dry run what it would make, and makes nothing', async () => {
    const ticket = await newTicket();
    const { code, stdout } = await tryToApply({ policies: { standard: { warningPercents: [60] } } }, '--dry-run');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      dryRun: true,
      policies: [{ name: 'standard', version: null, replaces: 1, liveTickets: 1 }],
    });
    expect((await currentPolicy('standard')).current.version).toBe(1);
    await update(ticket, { status: 'closed', resolutionType: 'fixed' });
  });
});

describe('live tickets', () => {
  let running: TicketView;
  let assigned: TicketView;
  let suspended: TicketView;
  let closed: TicketView;
  let untouched: string;
  /** The second version of the policy: fewer hours, and only those of the office. */
  let second: Awaited<ReturnType<typeof applyOne>>;

  beforeAll(async () => {
    await setTime('2030-03-04T08:00:00Z'); // Monday 09:00 in Zurich
    [running, assigned, suspended, closed] = await Promise.all([newTicket(), newTicket(), newTicket(), newTicket()]);
    assigned = await update(assigned, { assignee: erik.id });
    suspended = await update(suspended, {
      status: 'suspended',
      suspensionCause: 'pending_customer',
      suspendedSeconds: 72 * HOUR,
    });
    closed = await update(closed, { status: 'closed', resolutionType: 'fixed' });
    untouched = await rowAsText(closed);

    await setTime('2030-03-04T09:30:00Z'); // 10:30
    second = await applyOne({
      calendars: { office: OFFICE },
      policies: { standard: { calendar: 'office', targets: targets('6h', '15h') } },
    });
    await movedTo(second.version, running, assigned, suspended);
  });

  it('keep what they have consumed around the clock, and count the rest in office hours', async () => {
    expect(second).toMatchObject({ name: 'standard', replaces: 1, liveTickets: 3 });
    const created = seconds(running.createdAt);
    const late = created - seconds('2030-03-04T08:00:00Z');
    expect(await rowOf(running)).toEqual({
      version: 2,
      policy_version: second.version,
      status: 'open',
      assign_state: 'running',
      assign_budget_seconds: 6 * HOUR,
      assign_consumed_seconds: second.effective - created,
      resolve_state: 'running',
      resolve_budget_seconds: 15 * HOUR,
      resolve_consumed_seconds: second.effective - created,
      resolve_running_since: second.effective,
    });
    // One hour and a half is gone. Monday has six and a half left, so seven are for Tuesday: until 16:00.
    const { assignDueAt, resolveDueAt } = await view(running);
    expect(seconds(resolveDueAt)).toBe(seconds('2030-03-05T15:00:00Z') + late);
    expect(seconds(assignDueAt)).toBe(seconds('2030-03-04T14:00:00Z') + late);
  });

  it('have one line of history and one event that tells nobody', async () => {
    const change = { field: 'policyVersion', before: '1', after: String(second.version) };
    for (const ticket of [running, assigned, suspended]) {
      expect(await moveEntries(ticket)).toEqual([{ before: change.before, after: change.after, at: second.effective }]);
      const events = await moveEvents(ticket);
      expect(events).toMatchObject([{ data: { changes: [change], recipients: [], actor: { name: 'System' } } }]);
      expect(seconds(events[0]!.time)).toBe(second.effective);
    }
    const [event] = await moveEvents(running);
    const consumed = second.effective - seconds(running.createdAt);
    expect(event!.data.ticket.remainingResolveSeconds).toBe(15 * HOUR - consumed);
  });

  it('keep a stopped clock as it is', async () => {
    expect(await rowOf(assigned)).toMatchObject({
      version: 3,
      assign_state: 'stopped',
      assign_budget_seconds: 4 * HOUR,
      resolve_budget_seconds: 15 * HOUR,
      resolve_consumed_seconds: second.effective - seconds(assigned.createdAt),
    });
  });

  it('stay suspended with what was left, which then counts in office hours', async () => {
    const created = seconds(suspended.createdAt);
    const since = seconds(suspended.suspendedUntil) - 72 * HOUR;
    expect(await rowOf(suspended)).toMatchObject({
      status: 'suspended',
      resolve_state: 'paused',
      resolve_budget_seconds: 15 * HOUR,
      resolve_consumed_seconds: since - created,
      resolve_running_since: null,
    });
    // From Thursday 09:00 on: eight hours on Thursday, seven on Friday.
    const { suspendedUntil, resolutionEta } = await view(suspended);
    expect(suspendedUntil).toBe(suspended.suspendedUntil);
    expect(seconds(resolutionEta)).toBe(seconds('2030-03-08T15:00:00Z') + created - seconds('2030-03-04T08:00:00Z'));
  });

  it('show how far they have come', async () => {
    const policy = await eventually('end of the move', async () => {
      const now = await currentPolicy('standard');
      return now.moves[0]?.finishedAt ? now : undefined;
    });
    expect(policy).toMatchObject({
      isDefault: true,
      current: {
        version: second.version,
        calendar: { name: 'office', version: 1 },
        terms: { targets: { medium: { assignSeconds: 6 * HOUR, resolveSeconds: 15 * HOUR } } },
      },
      liveTickets: [{ version: second.version, count: 3 }],
      moves: [{ fromVersion: 1, toVersion: second.version, total: 3, moved: 3 }],
    });
    expect(seconds(policy.current.effectiveAt)).toBe(second.effective);
    expect(seconds(policy.moves[0]!.requestedAt)).toBe(second.effective);
  });

  it('leave closed ones alone until they are reopened', async () => {
    expect(await rowAsText(closed)).toBe(untouched);
    await setTime('2030-03-04T10:00:00Z'); // 11:00
    const reopened = await update(closed, { status: 'open' });
    await movedTo(second.version, reopened);
    const at = seconds(reopened.updatedAt);
    const consumed = seconds(closed.closedAt) - seconds(closed.createdAt);
    expect(await moveEntries(closed)).toEqual([{ before: '1', after: String(second.version), at }]);
    expect(await rowOf(closed)).toMatchObject({
      version: 4,
      resolve_budget_seconds: 15 * HOUR,
      resolve_consumed_seconds: consumed,
      resolve_running_since: at,
    });
    // Six hours are left of Monday, Tuesday has eight, so one is for Wednesday: until 10:00.
    const due = seconds('2030-03-06T09:00:00Z') + (at - seconds('2030-03-04T10:00:00Z')) - consumed;
    expect(seconds((await view(closed)).resolveDueAt)).toBe(due);
  });

  it('follow a changed calendar', async () => {
    await setTime('2030-03-04T10:40:00Z'); // 11:40
    const third = await applyOne({ calendars: { office: { ...OFFICE, exceptions: { '2030-03-05': [] } } } });
    expect(third).toMatchObject({ replaces: second.version, liveTickets: 4 });
    await movedTo(third.version, running, assigned, suspended, closed);
    const created = seconds(running.createdAt);
    expect(await rowOf(running)).toMatchObject({
      version: 3,
      resolve_budget_seconds: 15 * HOUR,
      resolve_consumed_seconds: third.effective - created,
    });
    // What was for Tuesday is now for Wednesday.
    const late = created - seconds('2030-03-04T08:00:00Z');
    expect(seconds((await view(running)).resolveDueAt)).toBe(seconds('2030-03-06T15:00:00Z') + late);
    const { items } = await api.request<CalendarList>('GET', '/calendars');
    expect(items).toEqual([
      { name: 'always', version: 1, zone: 'UTC', always: true, weekly: {}, exceptions: {} },
      { name: 'office', version: 2, always: false, ...OFFICE, exceptions: { '2030-03-05': [] } },
    ]);
  });

  it('take every step at its own instant, however late somebody takes it', async () => {
    for (const instance of world.services.of('tickets')) await instance.end('SIGTERM');
    await setTime('2030-03-04T10:50:00Z');
    const fourth = await applyOne({ policies: { standard: { targets: targets('6h', '20h') } } });
    await setTime('2030-03-04T10:58:00Z');
    const fifth = await applyOne({ policies: { standard: { calendar: 'always', targets: targets('6h', '10h') } } });
    for (const instance of world.services.of('tickets')) await instance.start();
    await movedTo(fifth.version, assigned);
    expect((await moveEntries(assigned)).slice(-2)).toEqual([
      { before: String(fourth.replaces), after: String(fourth.version), at: fourth.effective },
      { before: String(fourth.version), after: String(fifth.version), at: fifth.effective },
    ]);
    expect(await rowOf(assigned)).toMatchObject({
      resolve_budget_seconds: 10 * HOUR,
      resolve_consumed_seconds: fifth.effective - seconds(assigned.createdAt),
    });
    const { items, next } = await api.request<PolicyVersionPage>('GET', '/policies/standard/versions?limit=2');
    expect(items.map(({ version }) => version)).toEqual([fifth.version, fourth.version]);
    const rest = await api.request<PolicyVersionPage>('GET', `/policies/standard/versions?after=${next}`);
    expect(rest.items.map(({ version }) => version)).toEqual([fourth.replaces, second.version, 1]);
  });

  it('get one order of versions from two applies at once', async () => {
    const both = await Promise.all(
      ['11h', '12h'].map((resolve) => applyOne({ policies: { standard: { targets: targets('6h', resolve) } } })),
    );
    const [first, last] = both.sort((a, b) => a.version - b.version);
    expect(last!.replaces).toBe(first!.version);
    expect(last!.effective).toBeGreaterThanOrEqual(first!.effective);
    await movedTo(last!.version, running, assigned, suspended, closed);
  });
});

describe("an organisation's policy", () => {
  it('holds for tickets opened from then on', async () => {
    const before = await newTicket();
    const made = await apply({
      policies: { gold: { targets: targets('1h', '5h') } },
      organisations: { 'Käserei Müller AG': 'gold' },
    });
    expect(made).toMatchObject({
      policies: [{ name: 'gold', replaces: null, calendar: 'always', liveTickets: 0 }],
      organisations: [{ name: 'Käserei Müller AG', policy: 'gold' }],
    });
    await eventually('a ticket of the new policy', async () => {
      const { remainingResolveSeconds } = await newTicket();
      return remainingResolveSeconds === 5 * HOUR || undefined;
    });
    const standard = await currentPolicy('standard');
    expect((await rowOf(before)).policy_version).toBe(standard.current.version);
    expect(await currentPolicy('gold')).toMatchObject({
      isDefault: false,
      organisations: ['Käserei Müller AG'],
      moves: [],
    });
    expect(await apply({ organisations: { 'Käserei Müller AG': null } })).toMatchObject({ policies: [] });
  });

  it('is shown to employees only, and only where there is one', async () => {
    for (const path of ['/policies', '/policies/gold/versions', '/calendars']) {
      await expect(customersApi.request('GET', path)).rejects.toMatchObject({ status: 403 });
    }
    await expect(api.request('GET', '/policies/none/versions')).rejects.toThrow(ApiError);
    await expect(api.request('GET', '/policies/none/versions')).rejects.toMatchObject({ status: 404 });
  });
});

describe('public holidays', () => {
  const args = ['--calendar', 'office', '--country', 'DE', '--state', 'BY', '--from', '2030', '--to', '2030'];

  it('close a calendar once, and leave what is there as it is', async () => {
    const exceptions = { '2030-10-03': [['10:00', '12:00']] };
    await apply({ calendars: { office: { ...OFFICE, exceptions } } });
    const first = JSON.parse((await run('holidays', ...args)).stdout);
    expect(first.calendars).toEqual([{ name: 'office', version: 4 }]);
    expect(first.holidays.kept).toEqual([{ date: '2030-10-03', name: 'Tag der Deutschen Einheit' }]);
    const { items } = await api.request<CalendarList>('GET', '/calendars');
    const office = items.find(({ name }) => name === 'office');
    expect(office!.exceptions).toMatchObject({ ...exceptions, '2030-01-06': [], '2030-12-25': [] });
    const again = JSON.parse((await run('holidays', ...args)).stdout);
    expect(again).toMatchObject({ calendars: [], policies: [], holidays: { added: [] } });
  });

  it('are refused for a calendar without hours, and for a country that nobody knows', async () => {
    const always = await run('holidays', ...args.with(1, 'always'));
    expect(always).toMatchObject({ code: 1, stdout: '' });
    expect(always.stderr).toContain('(calendar_always)');
    const nowhere = await run('holidays', ...args.with(3, 'XX'));
    expect(nowhere).toMatchObject({ code: 1, stdout: '', stderr: '--country: XX is not known\n' });
  });
});

it('moves two thousand tickets once each, though an instance is killed in the middle', async () => {
  const ids: string[] = [];
  for (let batch = 0; batch < 10; batch++) {
    const { accepted } = await bus.expect(acceptMail, { mails: Array.from({ length: 200 }, newMail) });
    ids.push(...accepted.map((one) => (one as { ticketId: string }).ticketId));
  }
  expect(new Set(ids).size).toBe(2_000);
  const { version } = await applyOne({ policies: { standard: { targets: targets('6h', '30h') } } });
  const left = async () => {
    const { rows } = await database.query(
      'select count(*)::integer as count from tickets.ticket where id = any($1) and policy_version <> $2',
      [ids, version],
    );
    return rows[0].count as number;
  };
  await eventually('some moved tickets', async () => (await left()) < 2_000 || undefined);
  const [killed] = world.services.of('tickets');
  await killed!.end('SIGKILL');
  expect(await left()).toBeGreaterThan(0);
  await eventually('all moved tickets', async () => (await left()) === 0 || undefined, 60_000);

  const { rows: tickets } = await database.query(
    `with events as (
       select payload->>'subject' as number, count(*)::integer as count from tickets.outbox
       where payload->>'type' = 'ticket.updated.v1' group by 1)
     select version, resolve_budget_seconds, events.count as events,
       (select count(*)::integer from tickets.timeline_entry where ticket_id = t.id and not settled) as entries,
       count(*)::integer as tickets
     from tickets.ticket t left join events on events.number = t.number::text where id = any($1) group by 1, 2, 3, 4`,
    [ids],
  );
  expect(tickets).toEqual([{ version: 2, resolve_budget_seconds: 30 * HOUR, entries: 2, events: 1, tickets: 2_000 }]);
  const move = await eventually('end of the move', async () => {
    const [latest] = (await currentPolicy('standard')).moves;
    return latest?.finishedAt ? latest : undefined;
  });
  expect(move).toMatchObject({ toVersion: version, moved: move.total });
  await killed!.start();
});

function newMail() {
  return {
    inboundId: randomUUID(),
    mailbox: 'support@helpdesk.test',
    from: { name: 'Somebody', email: `${randomUUID()}@sender.test` },
    subject: 'Mail',
    text: 'words',
    visibleText: 'words',
    html: null,
    attachments: [],
    messageId: `${randomUUID()}@sender.test`,
    referencedIds: [],
    signedTicketNumber: null,
    automatic: false,
    mayAutoReply: true,
    rawSha256: '0'.repeat(64),
    rawSize: 10,
    receivedAt: new Date().toISOString(),
  };
}
