/**
 * The worked examples of the service level, played over HTTP, NATS and PostgreSQL with shifted time: what holds for the
 * rules holds for whoever uses the system. The sweeper works meanwhile, as it does in production.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import { Api, ApiError, eventually } from '../../tools/demo/api.js';
import { startWorld, stopWorld, type World } from '../harness/stack.js';

interface Step {
  do: 'create' | 'update' | 'reply' | 'tick' | 'view';
  at: string;
  by?: string;
  priority?: string;
  calendar?: string;
  reporter?: string;
  infrastructure?: string;
  set?: Record<string, unknown>;
  comment?: string;
  version?: number;
  expectedVersion?: number;
}

interface Expected extends Record<string, unknown> {
  view?: Record<string, unknown>;
}

interface Example {
  id: string;
  title: string;
  given: Step[];
  when: Step;
  then: Expected;
}

interface ExampleFile {
  config: {
    targets: Record<string, { assign: number; resolve: number }>;
    defaultSuspend: object;
    maxSuspend: number;
    reopenWindow: number;
  };
  escalationMode: string;
  calendars: Record<string, object>;
  users: Record<string, { type: 'employee' | 'customer'; active: boolean }>;
  examples: Example[];
}

interface TicketAnswer {
  ticket: Record<string, unknown> & { id: string; number: number };
  changed?: boolean;
  fixes?: string[];
  effect?: string;
}

interface OutboxEvent {
  type: string;
  time: string;
  data: { recipients: { role: string; email: string }[]; clock?: string; changes?: { field: string }[] };
}

const EXAMPLES = new URL('../../libs/domain/src/sla-examples.json', import.meta.url);
const IMPORT = fileURLToPath(new URL('../../dist/apps/tickets/src/directory/import.command.js', import.meta.url));
const PASSWORD = 'a password of an example';
const TEAM = 'team@helpdesk.test';
/** A slow machine may slip over the end of a second; an example that is wrong fails every time. */
const ATTEMPTS = 3;

const file = JSON.parse(readFileSync(EXAMPLES, 'utf8')) as ExampleFile;
let world: World;
let database: pg.Pool;
const apis = new Map<string, Api>();
const userOfAddress = new Map<string, string>([[TEAM, 'role:lead']]);
const userOfId = new Map<string, string>();
let infrastructures = new Map<string, string>();
let held = 0;

beforeAll(async () => {
  world = await startWorld({ only: ['tickets', 'gateway'], env: { tickets: { TEST_CLOCK: 'true' } } });
  database = new pg.Pool({ connectionString: world.stack.databaseUrl });
  database.on('error', () => {}); // a closing connection may still hear that its server stops
  await fillDirectory();
  await makePolicies();
});

afterAll(async () => {
  process.stdout.write(`${held} of ${file.examples.length} examples played over HTTP hold\n`);
  await database?.end();
  await stopWorld(world);
});

it.each(file.examples.map((example) => [`${example.id} ${example.title}`, example] as const))(
  '%s',
  async (_, example) => {
    for (let attempt = 1; ; attempt += 1) {
      const actual = await play(example);
      try {
        expect(actual).toEqual(sorted(example.then));
        held += 1;
        return;
      } catch (error) {
        if (attempt === ATTEMPTS) throw error;
      }
    }
  },
);

/** Customers belong to one organisation for each calendar. */
const nameIn = (user: string, calendar: string) =>
  file.users[user]?.type === 'customer' ? `${user}-${calendar}` : user;
const addressOf = (name: string) => `${name}@example.test`;

async function fillDirectory(): Promise<void> {
  const calendars = Object.keys(file.calendars);
  const people = Object.entries(file.users).flatMap(([user, { type, active }]) =>
    (type === 'employee' ? [null] : calendars).map((calendar) => ({
      kind: type,
      name: calendar === null ? user : nameIn(user, calendar),
      email: addressOf(calendar === null ? user : nameIn(user, calendar)),
      password: PASSWORD,
      active,
      ...(calendar !== null && { organisation: calendar }),
      user,
    })),
  );
  const names = [...new Set(file.examples.flatMap(({ given, when }) => [...given, when]).map((s) => s.infrastructure))];
  const directory = {
    organisations: calendars.map((name) => ({ name })),
    infrastructures: calendars.flatMap((organisation) =>
      names.filter((name) => name !== undefined).map((name) => ({ name, organisation })),
    ),
    people: people.map(({ user: _user, ...person }) => person),
  };
  const folder = await mkdtemp(join(tmpdir(), 'helpdesk-examples-'));
  try {
    const path = join(folder, 'directory.json');
    await writeFile(path, JSON.stringify(directory));
    const { databaseUrl: DATABASE_URL, natsUrl: NATS_URL } = world.stack;
    const env = { PATH: process.env['PATH'], DATABASE_URL, NATS_URL, SUPPORT_ADDRESS: 'support@helpdesk.test' };
    await promisify(execFile)(process.execPath, [IMPORT, path], { env });
  } finally {
    await rm(folder, { recursive: true });
  }
  const { rows } = await database.query<{ id: string; email: string }>('select id, email from tickets.person');
  for (const { user, email, name, active } of people) {
    userOfAddress.set(email, user);
    userOfId.set(rows.find((row) => row.email === email)!.id, user);
    if (active) apis.set(name, await Api.logIn(world.services.apiUrl, email, PASSWORD));
  }
  const known = await database.query<{ id: string; key: string }>(
    `select i.id, i.name || ' ' || o.name as key from tickets.infrastructure i
     join tickets.organisation o on o.id = i.organisation_id`,
  );
  infrastructures = new Map(known.rows.map(({ id, key }) => [key, id]));
}

async function makePolicies(): Promise<void> {
  const targets = Object.entries(file.config.targets).map(([priority, { assign, resolve }]) => [
    priority,
    { assignSeconds: assign, resolveSeconds: resolve },
  ]);
  const terms = {
    targets: Object.fromEntries(targets) as object,
    defaultSuspensionSeconds: file.config.defaultSuspend,
    maxSuspensionSeconds: file.config.maxSuspend,
    reopenWindowSeconds: file.config.reopenWindow,
    escalationMode: file.escalationMode,
    warningPercents: [],
    ladder: [],
  };
  for (const [name, hours] of Object.entries(file.calendars)) {
    await database.query(
      `with c as (insert into tickets.calendar (name, version, hours) values ('example ' || $1, 1, $2)),
         p as (insert into tickets.policy (name) values ('example ' || $1)),
         o as (update tickets.organisation set policy = 'example ' || $1 where name = $1)
       insert into tickets.policy_version (policy, terms, calendar, calendar_version, effective_at)
       values ('example ' || $1, $3, 'example ' || $1, 1, 'epoch')`,
      [name, JSON.stringify(hours), JSON.stringify(terms)],
    );
  }
  // the service looks for new policies when it is asked and a second has passed
  await eventually('the policies are in force', async () => {
    const probe = await create({ do: 'create', at: new Date().toISOString() }, Object.keys(file.calendars)[1]!);
    const { rows } = await database.query(
      `select from tickets.ticket t join tickets.policy_version v on v.number = t.policy_version
       where t.id = $1 and policy <> 'standard'`,
      [probe.ticket.id],
    );
    return rows.length === 1 ? true : undefined;
  });
}

async function play(example: Example): Promise<Expected> {
  const creation = [...example.given, example.when].find((step) => step.do === 'create')!;
  const calendar = creation.calendar ?? 'always';
  await setClock(creation.at);
  const { ticket } = await create(creation, calendar);
  let outcome: Expected = {};
  // an example that only looks does not change anything: the sweeper would
  for (const step of [...example.given.filter((one) => one.do !== 'view'), example.when]) {
    if (step.do === 'create') continue;
    outcome = await perform(step, ticket.id, calendar);
  }
  const { ticket: last } = await employee().request<TicketAnswer>('GET', `/tickets/${ticket.id}`);
  const actual: Expected = { ...outcome, view: viewOf(last) };
  return Object.fromEntries(
    Object.entries(example.then).map(([key, value]) => [
      key,
      key === 'view' ? pick(actual.view!, Object.keys(value as object)) : actual[key],
    ]),
  );
}

function employee(): Api {
  return apis.get('emp2')!;
}

function create(step: Step, calendar: string): Promise<TicketAnswer> {
  const reporter = addressOf(nameIn(step.reporter ?? 'cust1', calendar));
  return employee().request<TicketAnswer>('POST', '/tickets', {
    subject: 'An example',
    text: 'As it was worked out.',
    reporter: { email: reporter },
    channel: 'phone',
    ...(step.priority && { priority: step.priority }),
    ...(step.infrastructure && { infrastructureId: infrastructures.get(`${step.infrastructure} ${calendar}`) }),
  });
}

async function perform(step: Step, ticketId: string, calendar: string): Promise<Expected> {
  // counted before time goes on: the sweeper may be faster than the step
  const before = (await eventsOf(ticketId)).length;
  await setClock(step.at);
  const api = apis.get(nameIn(step.by ?? 'emp1', calendar))!;
  if (step.do === 'update') return update(api, step, ticketId, before);
  if (step.do === 'reply') {
    const said = await api.request<TicketAnswer>('POST', `/tickets/${ticketId}/replies`, { text: 'An example.' });
    return { effect: said.effect, fixes: said.fixes?.toSorted(), ...(await toldSince(ticketId, before)) };
  }
  if (step.do === 'tick') {
    await eventually('the sweeper has been there', async () => {
      const { rows } = await database.query(
        'select from tickets.ticket where id = $1 and next_timer_at <= tickets.transaction_time()',
        [ticketId],
      );
      return rows.length === 0 ? true : undefined;
    });
  }
  return toldSince(ticketId, before);
}

async function update(api: Api, { set = {}, comment, ...step }: Step, ticketId: string, before: number) {
  const version = step.expectedVersion ?? step.version;
  const idOf = (user: unknown) => [...userOfId].find(([, name]) => name === user)?.[0] ?? user;
  const body = { ...set, ...(typeof set['assignee'] === 'string' && { assignee: idOf(set['assignee']) }), comment };
  const headers: Record<string, string> = version === undefined ? {} : { 'if-match': `"${version}"` };
  try {
    const done = await api.request<TicketAnswer>('PATCH', `/tickets/${ticketId}`, body, headers);
    const told = await toldSince(ticketId, before);
    return {
      http: 200,
      changed: done.changed,
      fixes: done.fixes?.toSorted(),
      ...told,
      notify: done.changed ? told.notify : [],
    };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const { errors } = error.problem as { errors: { code: string }[] };
    const codes = [...new Set(errors.map(({ code }) => code))].sort();
    return { http: error.status, errors: codes, changed: false, fixes: [], notify: [] };
  }
}

/** What time did since, and who was told of what was done last. */
async function toldSince(ticketId: string, before: number): Promise<{ events: object[]; notify: string[] }> {
  const events = (await eventsOf(ticketId)).slice(before);
  const byTime = events.flatMap((event) => {
    const notify = recipients(event);
    const at = event.time.replace('.000Z', 'Z');
    if (event.type === 'ticket.breached.v1') return [{ type: `${event.data.clock}_breached`, at, notify }];
    const expired = event.type === 'ticket.updated.v1' && event.actor.name === 'System';
    return expired ? [{ type: 'suspension_expired', at, notify }] : [];
  });
  const done = events.findLast((event) => event.actor.name !== 'System');
  return { events: byTime, notify: done ? recipients(done) : [] };
}

async function eventsOf(ticketId: string) {
  const { rows } = await database.query<{ payload: OutboxEvent & { data: { actor: { name: string } } } }>(
    `select payload from tickets.outbox where payload -> 'data' -> 'ticket' ->> 'id' = $1 order by id`,
    [ticketId],
  );
  return rows.map(({ payload }) => ({ ...payload, actor: payload.data.actor }));
}

function recipients({ data }: OutboxEvent): string[] {
  return data.recipients.map(({ email }) => userOfAddress.get(email) ?? email).sort();
}

function viewOf(ticket: Record<string, unknown>): Record<string, unknown> {
  const named = (field: string, key: string) => (ticket[field] as Record<string, unknown> | null)?.[key] ?? null;
  const instants = ['assignDueAt', 'resolveDueAt', 'resolutionEta', 'suspendedUntil', 'closedAt'];
  return {
    ...ticket,
    ...Object.fromEntries(
      instants.map((field) => [field, (ticket[field] as string | null)?.replace('.000Z', 'Z') ?? null]),
    ),
    reporter: userOfId.get(named('reporter', 'personId') as string) ?? null,
    assignee: userOfId.get(named('assignee', 'id') as string) ?? null,
    infrastructure: named('infrastructure', 'name'),
  };
}

/** A little into the second, so that there is time to act before it ends. */
async function setClock(at: string): Promise<void> {
  await database.query(`update tickets.test_clock set shift = $1::timestamptz + interval '50 ms' - now()`, [at]);
}

function pick(record: Record<string, unknown>, keys: string[]): Record<string, unknown> {
  return Object.fromEntries(keys.map((key) => [key, record[key]]));
}

function sorted(expected: Expected): Expected {
  const lists = ['fixes', 'errors', 'notify'].filter((key) => Array.isArray(expected[key]));
  const events = expected['events'] as { notify: string[] }[] | undefined;
  return {
    ...expected,
    ...Object.fromEntries(lists.map((key) => [key, (expected[key] as string[]).toSorted()])),
    ...(events && { events: events.map((event) => ({ ...event, notify: event.notify.toSorted() })) }),
  };
}
