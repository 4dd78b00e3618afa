/** Every accepted change leaves one line of history and one event, and the history is enough to make the ticket again. */
import {
  acceptMail,
  addMessage,
  authenticate,
  createTicket,
  isRefused,
  previewUpdate,
  updateTicket,
  type CloudEvent,
  type PersonView,
  type Recipient,
  type Refused,
  type TicketChange,
  type TicketView,
  type UpdatePreview,
  type UpdateResult,
} from '#contracts';
import { PRIORITIES, replay, RESOLUTION_TYPES, SUSPENSION_CAUSES, type Policy } from '#domain';
import { Bus, connectNats, createLogger } from '#platform';
import type { NatsConnection } from '@nats-io/transport-node';
import fc from 'fast-check';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { startWorld, stopWorld, type World } from '../../../test/harness/stack.js';
import { ACCOUNTS } from '../../../tools/demo/directory.js';
import { instantOf } from '../src/ticket/instant.type.js';
import { factsOf, type TicketRow } from '../src/ticket/ticket.row.js';

const HOUR = 3600;
const TICKETS = 160;
const ROUNDS = 10;
const AT_ONCE = 20;
const PREVIEWS = 80;
/** A slow machine may slip over the end of a second between two requests; what is wrong is wrong every time. */
const ATTEMPTS = 3;
const seed = Date.now() % 2 ** 31;

let world: World;
let nats: NatsConnection;
let bus: Bus;
let database: pg.Pool;
let erik: PersonView;
let eva: PersonView;
let zoe: PersonView;
let infrastructure: string;

beforeAll(async () => {
  world = await startWorld({ only: ['tickets'], instances: 2, env: { tickets: { TEST_CLOCK: 'true' } } });
  const log = createLogger('test', { NODE_ENV: 'test', LOG_LEVEL: 'silent' });
  nats = await connectNats(world.stack.natsUrl, 'test', log);
  bus = new Bus(nats, 20_000);
  database = new pg.Pool({ connectionString: world.stack.databaseUrl });
  database.on('error', () => {}); // a closing connection may still hear that its server stops
  const logIn = async ({ email }: { email: string }) =>
    (await bus.expect(authenticate, { email, password: world.stack.accountPassword(email) })).person;
  [erik, eva, zoe] = await Promise.all([logIn(ACCOUNTS.erik), logIn(ACCOUNTS.eva), logIn(ACCOUNTS.zoe)]);
  const { rows } = await database.query(`select id from tickets.infrastructure where name = 'ham-edge-3'`);
  infrastructure = rows[0].id;
});

afterAll(async () => {
  await database?.end();
  await nats?.close();
  await stopWorld(world);
});

// ------------------------------------------------------------------------------------------------------ random acts

/** A change with names in the place of ids, and a forecast as hours from now. */
interface Asked extends Omit<TicketChange, 'resolutionEta'> {
  etaHours?: number | null;
}

type Act =
  | { change: Asked; by: 'erik' | 'eva' | 'zoe' }
  | { say: 'public' | 'internal'; by: 'erik' | 'eva' | 'zoe' }
  | { mail: { automatic: boolean } };

/** What a random life may miss, for the first ticket; then whoever it is assigned to leaves, and the customer answers. */
const RARE: Act[] = [
  { etaHours: 30 },
  { etaHours: null },
  { infrastructure: null },
  { assignee: 'eva' },
  { assignee: null },
  { status: 'in_progress' },
  { status: 'suspended', suspensionCause: 'pending_third_party' },
  { assignee: 'eva', status: 'closed', resolutionType: 'fixed' },
].map((change) => ({ change: { ...change, comment: 'because' }, by: 'erik' }));

const comment = fc.constant('because');
const assignee = fc.constantFrom('erik', 'eva', null);
const priority = fc.constantFrom(...PRIORITIES);
const working = fc.constantFrom('open', 'in_progress');
const resolutionType = fc.constantFrom(...RESOLUTION_TYPES);
const suspendedSeconds = fc.integer({ min: 1, max: 72 * HOUR });

const goodChange: fc.Arbitrary<Asked> = fc.oneof(
  fc.record({ assignee, comment }),
  fc.record({ priority, comment }),
  fc.record({ status: working, comment }),
  fc.record({ assignee, priority, status: working, comment }),
  fc.record(
    {
      status: fc.constant('suspended'),
      suspensionCause: fc.constantFrom(...SUSPENSION_CAUSES.filter((cause) => cause !== 'pending_closed')),
      suspendedSeconds,
      priority,
      comment,
    },
    { requiredKeys: ['status', 'suspensionCause', 'comment'] },
  ),
  fc.record({
    status: fc.constant('suspended'),
    suspensionCause: fc.constant('pending_closed'),
    closeResolutionType: resolutionType,
    suspendedSeconds,
    comment,
  }),
  fc.record({ status: fc.constant('closed'), resolutionType, comment }),
  fc.record({ infrastructure: fc.constantFrom('known', null), comment }),
  fc.record({ etaHours: fc.constantFrom(1, 30, 200, null), comment }),
);

const badChange: fc.Arbitrary<Asked> = fc.record(
  {
    assignee: fc.constantFrom('zoe', 'nobody'),
    status: fc.constantFrom('closed', 'suspended', 'waiting'),
    suspendedSeconds: fc.constantFrom(-1, 0, 91 * 24 * HOUR),
    etaHours: fc.constantFrom(-1, 1),
    comment: fc.constantFrom('because', ' '),
  },
  { requiredKeys: [] },
);

const change = fc.oneof({ weight: 9, arbitrary: goodChange }, { weight: 1, arbitrary: badChange });
const by = fc.constantFrom('erik' as const, 'eva' as const);
const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ change, by }) },
  { weight: 1, arbitrary: fc.record({ change, by: fc.constant('zoe' as const) }) },
  { weight: 2, arbitrary: fc.record({ say: fc.constantFrom('public' as const, 'internal' as const), by }) },
  { weight: 2, arbitrary: fc.record({ say: fc.constant('public' as const), by: fc.constant('zoe' as const) }) },
  { weight: 1, arbitrary: fc.record({ mail: fc.record({ automatic: fc.boolean() }) }) },
);

async function changeOf({ etaHours, ...asked }: Asked): Promise<TicketChange> {
  const ids: Record<string, string> = { erik: erik.id, eva: eva.id, zoe: zoe.id, known: infrastructure };
  const idOf = (name: string | null) => (name === null ? null : (ids[name] ?? randomUUID()));
  return {
    ...asked,
    ...(asked.assignee !== undefined && { assignee: idOf(asked.assignee) }),
    ...(asked.infrastructure !== undefined && { infrastructure: idOf(asked.infrastructure) }),
    ...(etaHours !== undefined && { resolutionEta: etaHours === null ? null : await inHours(etaHours) }),
  };
}

async function inHours(hours: number): Promise<string> {
  const { rows } = await database.query<{ at: Date }>(
    'select tickets.transaction_time() + make_interval(secs => $1) as at',
    [hours * HOUR],
  );
  return rows[0]!.at.toISOString();
}

/** @returns the id of the ticket that was written to: another one when it was closed too long ago; null when refused */
async function perform(ticket: TicketView, one: Act): Promise<string | null> {
  if ('mail' in one) return mail(ticket, one.mail.automatic);
  const actorId = { erik, eva, zoe }[one.by].id;
  const request = { actorId, ticketId: ticket.id };
  const reply =
    'say' in one
      ? await bus.call(addMessage, { ...request, visibility: one.say, text: 'Words.' })
      : await bus.call(updateTicket, { ...request, change: await changeOf(one.change) });
  return isRefused(reply) ? null : reply.ticket.id;
}

async function mail({ number }: TicketView, automatic: boolean): Promise<string> {
  const { accepted } = await bus.expect(acceptMail, {
    mails: [
      {
        inboundId: randomUUID(),
        mailbox: 'support@helpdesk.test',
        from: { name: zoe.name, email: zoe.email },
        subject: 'Re: Line down',
        text: 'Words.',
        visibleText: 'Words.',
        html: null,
        attachments: [],
        messageId: `${randomUUID()}@sender.test`,
        referencedIds: [],
        signedTicketNumber: number,
        automatic,
        mayAutoReply: !automatic,
        rawSha256: '0'.repeat(64),
        rawSize: 10,
        receivedAt: new Date().toISOString(),
      },
    ],
  });
  return accepted[0]!.ticketId!;
}

async function newTicket(): Promise<TicketView> {
  const ticket = { subject: 'Line down', text: 'Since ten.', reporter: { personId: zoe.id } };
  return (await bus.expect(createTicket, { actorId: erik.id, ticket })).ticket;
}

async function setActive({ id }: PersonView, active: boolean): Promise<void> {
  await database.query('update tickets.person set active = $1 where id = $2', [active, id]);
}

async function inGroups<T>(items: readonly T[], work: (item: T, index: number) => Promise<void>): Promise<void> {
  for (let start = 0; start < items.length; start += AT_ONCE) {
    await Promise.all(items.slice(start, start + AT_ONCE).map((item, index) => work(item, start + index)));
  }
}

// ------------------------------------------------------------------------------------------------- what was written

interface Entry {
  kind: string;
  at: string;
  author_person_id: string | null;
  text: string | null;
  changes: { field: string; before: string | null; after: string | null }[];
  fixes: string[];
  settled: boolean;
}

interface Written {
  row: TicketRow & { event_sequence: number };
  entries: Entry[];
  events: CloudEvent<{ changes?: object[]; recipients: Recipient[] }>[];
}

async function written(where = 'true', values: unknown[] = []): Promise<Written[]> {
  const { rows } = await database.query<Written>(
    `select to_jsonb(t) as row,
       (select jsonb_agg(to_jsonb(e) order by position) from tickets.timeline_entry e where ticket_id = t.id) as entries,
       (select jsonb_agg(payload order by id) from tickets.outbox
        where payload ->> 'subject' = t.number::text) as events
     from tickets.ticket t where ${where}`,
    values,
  );
  return rows;
}

async function policies(): Promise<(version: number) => Policy> {
  const { rows } = await database.query<{ policy: Policy }>(
    `select v.terms || jsonb_build_object('version', v.number, 'calendar', c.hours) as policy
     from tickets.policy_version v join tickets.calendar c on (c.name, c.version) = (v.calendar, v.calendar_version)`,
  );
  return (version) => rows.find(({ policy }) => policy.version === version)!.policy;
}

/** The ticket as its row says and as its history makes it. */
function expectReplayed({ row, entries }: Written, policyOf: (version: number) => Policy): void {
  const facts = factsOf(row);
  const history = entries.map((entry) => ({
    at: instantOf(entry.at),
    byPersonId: entry.author_person_id,
    comment: entry.kind === 'change' ? entry.text : null,
    changes: entry.changes,
    fixes: entry.fixes,
    settled: entry.settled,
  }));
  expect(facts).toMatchObject(replay(facts, history, policyOf, facts.updatedAt).ticket);
}

/** Everything of a ticket that an update could touch; whether an event has left the house is the relay's business. */
async function bytesOf({ id, number }: TicketView): Promise<string> {
  const { rows } = await database.query(
    `select (select t::text from tickets.ticket t where id = $1) as row,
       (select string_agg(e::text, E'\\n' order by position) from tickets.timeline_entry e where ticket_id = $1) as entries,
       (select string_agg(o.id || o.subject || o.payload, E'\\n' order by id) from tickets.outbox o
        where payload ->> 'subject' = $2) as events`,
    [id, String(number)],
  );
  return JSON.stringify(rows[0]);
}

// ------------------------------------------------------------------------------------------------------------- tests

describe(`random lives (seed ${seed})`, () => {
  const accepted = new Map<string, number>();
  const count = (id: string) => accepted.set(id, (accepted.get(id) ?? 0) + 1);
  let all: Written[];

  beforeAll(async () => {
    const tickets: TicketView[] = [];
    await inGroups(Array.from({ length: TICKETS }), async () => {
      tickets.push(await newTicket());
    });
    for (const { id } of tickets) count(id);
    const live = async (ticket: TicketView, one: Act) => {
      const id = await perform(ticket, one);
      if (id !== null) count(id);
    };
    for (const one of RARE) await live(tickets[0]!, one);
    await setActive(eva, false);
    await live(tickets[0]!, { say: 'public', by: 'zoe' });
    const acts = fc.sample(act, { seed, numRuns: TICKETS * ROUNDS });
    const waits = fc.sample(fc.integer({ min: 0, max: 60 * HOUR }), { seed, numRuns: ROUNDS });
    for (const [round, seconds] of waits.entries()) {
      // somebody leaves, and comes back: what they were assigned to is reopened without them
      await setActive(eva, round % 5 < 3);
      await database.query('update tickets.test_clock set shift = shift + make_interval(secs => $1)', [seconds]);
      await inGroups(tickets, (ticket, index) => live(ticket, acts[round * TICKETS + index]!));
    }
    await setActive(eva, true);
    all = await written();
  }, 180_000);

  it('meet everything that can happen to a ticket', () => {
    const entries = all.flatMap((one) => one.entries);
    const met = new Set(entries.flatMap(({ changes }) => changes.map(({ field, after }) => `${field} ${after}`)));
    const statuses = ['open', 'in_progress', 'suspended', 'closed'];
    const fields = ['resolutionEta null', 'infrastructure null', 'assignee null', 'resolutionType null'];
    expect([...met]).toEqual(expect.arrayContaining([...statuses.map((status) => `status ${status}`), ...fields]));
    expect(entries.some(({ settled }) => settled)).toBe(true);
    expect(entries.some(({ fixes }) => fixes.includes('inactive_assignee_cleared'))).toBe(true);
    expect(entries.length).toBeGreaterThan(TICKETS * ROUNDS);
  });

  it('have one line of history for each accepted request, and one event for each line', () => {
    for (const { row, entries, events } of all) {
      expect(entries.filter(({ settled }) => !settled)).toHaveLength(accepted.get(row.id) ?? 0);
      expect(events.map(({ sequence }) => sequence)).toEqual(entries.map((_, index) => index + 1));
      expect(events.map(({ time }) => Date.parse(time))).toEqual(entries.map(({ at }) => Date.parse(at)));
      expect(row.event_sequence).toBe(entries.length);
    }
  });

  it('are made again by replaying their histories', async () => {
    const policyOf = await policies();
    expect(all.length).toBeGreaterThanOrEqual(TICKETS);
    for (const one of all) expectReplayed(one, policyOf);
  });
});

describe('writers at the same time', () => {
  it('that name the version they have seen: one is done, one hears of the other', async () => {
    const ticket = await newTicket();
    const write = (wanted: string) =>
      bus.call(updateTicket, {
        actorId: erik.id,
        ticketId: ticket.id,
        expectedVersion: 1,
        change: { priority: wanted, comment: 'Race.' },
      });
    const replies = await Promise.all([write('high'), write('low')]);
    expect(replies.filter((reply) => !isRefused(reply))).toHaveLength(1);
    const refused = replies.find(isRefused)!;
    expect(refused.currentVersion).toBe(2);
    expect(refused.refusals.map(({ code }) => code)).toEqual(['version_conflict']);
  });

  it('that name none come one after the other, without a gap', async () => {
    const policyOf = await policies();
    const cases = fc.sample(fc.array(goodChange, { minLength: 10, maxLength: 10 }), { seed, numRuns: 8 });
    for (const changes of cases) {
      const ticket = await newTicket();
      const replies = await Promise.all(
        changes.map(async (asked, index) => {
          const words = { ...(await changeOf(asked)), comment: `Writer ${index}.` };
          return bus.call(updateTicket, { actorId: erik.id, ticketId: ticket.id, change: words });
        }),
      );
      const done = replies.filter((reply): reply is UpdateResult => !isRefused(reply));
      const versions = done.map((reply) => reply.ticket.version).sort((a, b) => a - b);
      expect(versions).toEqual(done.map((_, index) => index + 2));
      const [now] = await written('t.id = $1', [ticket.id]);
      // each line stands where its writer's version says: the order of the history is the order that it happened in
      const lines = now!.entries.slice(1).map(({ text }) => text);
      const byVersion = replies.flatMap((reply, index) =>
        isRefused(reply) ? [] : [{ version: reply.ticket.version, text: `Writer ${index}.` }],
      );
      expect(lines).toEqual(byVersion.sort((a, b) => a.version - b.version).map(({ text }) => text));
      expectReplayed(now!, policyOf);
    }
  });
});

describe('a preview', () => {
  async function previewThenUpdate(asked: Asked[]): Promise<[UpdatePreview, UpdateResult | Refused, TicketView]> {
    await database.query(
      `update tickets.test_clock set shift = shift + (interval '1050 ms' -
         (tickets.transaction_time() - date_trunc('second', tickets.transaction_time())))`,
    );
    const ticket = await newTicket();
    const request = { actorId: erik.id, ticketId: ticket.id };
    for (const earlier of asked.slice(0, -1)) {
      await bus.call(updateTicket, { ...request, change: await changeOf(earlier) });
    }
    const last = { ...request, change: await changeOf(asked.at(-1)!) };
    const before = await bytesOf(ticket);
    const preview = await bus.expect(previewUpdate, last);
    expect(await bytesOf(ticket)).toBe(before);
    return [preview, await bus.call(updateTicket, last), ticket];
  }

  it(`says what the update then does, and changes nothing (seed ${seed})`, async () => {
    const cases = fc.sample(fc.array(change, { minLength: 1, maxLength: 4 }), { seed, numRuns: PREVIEWS });
    const seen = { refused: 0, unchanged: 0, changed: 0 };
    for (const asked of cases) {
      for (let attempt = 1; ; attempt += 1) {
        const [preview, reply, ticket] = await previewThenUpdate(asked);
        try {
          if (isRefused(reply)) {
            expect(preview).toMatchObject({ accepted: false, changed: false, changes: [], fixes: [], recipients: [] });
            expect(preview.refusals).toEqual(reply.refusals);
            expect(preview.after).toEqual(preview.before);
            seen.refused += 1;
          } else {
            expect(preview).toMatchObject({ accepted: true, changed: reply.changed, fixes: reply.fixes, refusals: [] });
            expect(preview.after).toEqual(reply.ticket);
            const { data } = (await written('t.id = $1', [ticket.id]))[0]!.events.at(-1)!;
            expect(preview.changes).toEqual(data.changes ?? []);
            expect(preview.recipients).toEqual(data.recipients);
            seen[reply.changed ? 'changed' : 'unchanged'] += 1;
          }
          break;
        } catch (error) {
          if (attempt === ATTEMPTS) throw error;
        }
      }
    }
    expect(Math.min(seen.refused, seen.unchanged, seen.changed)).toBeGreaterThan(0);
  });

  it('lists all refusals, as the update does', async () => {
    const ticket = await newTicket();
    const request = {
      actorId: erik.id,
      ticketId: ticket.id,
      expectedVersion: 7,
      change: { assignee: zoe.id, priority: 'urgent', status: 'suspended', suspendedSeconds: 0, comment: ' ' },
      unknownFields: ['colour'],
    };
    const before = await bytesOf(ticket);
    const preview = await bus.expect(previewUpdate, request);
    const refused = (await bus.call(updateTicket, request)) as Refused;
    expect(preview.refusals.map(({ code }) => code).sort()).toEqual([
      'assignee_not_employee',
      'comment_required',
      'priority_unknown',
      'suspended_time_not_positive',
      'suspension_cause_required',
      'unknown_field',
      'version_conflict',
    ]);
    expect(refused.refusals).toEqual(preview.refusals);
    expect(await bytesOf(ticket)).toBe(before);
  });
});
