/**
 * The table "reject or fix": rows of a state, a change and what must come of it, each played on a fresh ticket.
 * `SLA_TRANSITIONS` names another file of the same form; alone: `npm test -- sla-transitions`.
 *
 * `about` tells in words which ticket the rows are played on; instants that it names first and last are taken as the
 * opening and the change. Whose the ticket was and how it was closed is read off a row of that state that is refused, for
 * that leaves it as it was. A row is compared in the fields that it has. What cannot be understood fails with the row's
 * name and the field: nothing is passed over.
 */
import { readFileSync } from 'node:fs';
import {
  applyUpdate,
  clocksView,
  createTicket,
  DEFAULT_POLICY,
  RESOLUTION_TYPES,
  SUSPENSION_CAUSES,
  type Clock,
  type ClockName,
  type Instant,
  type Person,
  type Ticket,
  type TicketChange,
  type Told,
} from './index.js';

type Json = Record<string, unknown>;

interface Row extends Json {
  state: string;
  change: string;
  set: Json;
}

const path = process.env['SLA_TRANSITIONS'] ?? new URL('sla-transitions.json', import.meta.url);
const { about, rows } = JSON.parse(readFileSync(path, 'utf8')) as { about: unknown; rows: Row[] };

const HOUR = 3600;
const instants = [...JSON.stringify(about).matchAll(/\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?Z/g)].map(([at]) => seconds(at));
const OPENED: Instant = instants[0] ?? seconds('2026-03-02T09:00:00Z');
const CHANGED: Instant = instants.length > 1 ? instants.at(-1)! : OPENED + 3 * HOUR;
const ASSIGNED = OPENED + Math.floor((CHANGED - OPENED) / 3);
const HALTED = OPENED + Math.floor(((CHANGED - OPENED) * 2) / 3);

const people = (id: string): Person | undefined => {
  if (/^emp\d+$/.test(id)) return { id, kind: 'employee', active: id !== 'emp3' };
  return /^cust\d+$/.test(id) ? { id, kind: 'customer', active: true } : undefined;
};
const named = JSON.stringify(about).match(/\bby (emp\d+)/)?.[1] ?? 'emp2';

let held = 0;

describe('the table of transitions', () => {
  afterAll(() => process.stdout.write(`${held} of ${rows.length} transitions hold\n`));

  it('has rows', () => {
    expect(rows.length).toBeGreaterThan(0);
  });

  it.each(rows.map((row, index) => [`${index + 1} ${row.state}: ${row.change}`, row] as const))('%s', (_, row) => {
    const { expected, actual } = compare(row);
    expect(actual).toEqual(expected);
    held += 1;
  });
});

/** Fields that say how a row is played or what it is, not what comes of it. */
const INPUTS = new Set(['id', 'title', 'state', 'change', 'set', 'by', 'actor', 'comment', 'basis', 'note']);

function compare(row: Row): { expected: Json; actual: Json } {
  const before = ticketIn(row.state);
  const { ticket, ...reply } = played(before, row);
  const view = clocksView(ticket, DEFAULT_POLICY, CHANGED);
  const expected: Json = {};
  const actual: Json = {};
  for (const [field, value] of Object.entries(row)) {
    if (INPUTS.has(field)) continue;
    expected[field] = Array.isArray(value) ? (value as string[]).toSorted() : value;
    actual[field] = actualOf(field, value);
  }
  return { expected, actual };

  function actualOf(field: string, value: unknown): unknown {
    switch (field) {
      case 'http':
      case 'errors':
      case 'fixes':
      case 'notify':
      case 'changed':
        return reply[field];
      case 'status':
      case 'resolutionType':
        return view[field];
      case 'assignee':
        return view.assigneeId;
      case 'priority':
        return ticket.priority;
      case 'assignClock':
      case 'resolveClock':
        return clockAs(value, ticket, field === 'assignClock' ? 'assign' : 'resolve', `${row.change}, ${field}`);
      case 'suspended':
        if (typeof value === 'boolean') return view.status === 'suspended';
        return typeof value === 'string' ? iso(view.suspendedUntil) : view.remainingSuspendedSeconds;
      default:
        throw new Error(`${row.state}, ${row.change}: the field ${field} means nothing here`);
    }
  }
}

/** What a clock is, in the words of the expectation: a state, an outcome, the seconds left, or all of them. */
function clockAs(expected: unknown, ticket: Ticket, name: ClockName, where: string): unknown {
  const clock: Clock = name === 'assign' ? ticket.assignClock : ticket.resolveClock;
  const view = clocksView(ticket, DEFAULT_POLICY, CHANGED);
  const left = name === 'assign' ? view.remainingAssignSeconds : view.remainingResolveSeconds;
  if (expected === null || typeof expected === 'number') return left;
  if (typeof expected === 'object') {
    const facts: Json = { state: clock.state, remaining: left, outcome: clock.outcome, breached: clock.breached };
    return Object.fromEntries(
      Object.keys(expected).map((key) => {
        if (!(key in facts)) throw new Error(`${where}: ${key} of a clock means nothing here`);
        return [key, facts[key]];
      }),
    );
  }
  if (expected === 'met' || expected === 'missed') return clock.outcome;
  if (expected === 'frozen') return clock.state === 'paused' ? 'frozen' : clock.state;
  if (['running', 'paused', 'stopped'].includes(expected as string)) return clock.state;
  throw new Error(`${where}: ${JSON.stringify(expected)} is no state of a clock`);
}

function ticketIn(name: string): Ticket {
  const words = name.toLowerCase().replaceAll(/[\s,-]+/g, '_');
  const has = (word: string) => words.includes(word);
  const fresh = createTicket(
    {
      id: 'ticket',
      number: 1,
      channel: 'email',
      reporter: { personId: 'cust1', name: 'Reporter', email: 'reporter@example.com' },
      infrastructureId: null,
      priority: 'medium',
    },
    DEFAULT_POLICY,
    OPENED,
  );
  const refused = rows.find(({ state, http }) => state === name && Number(http) >= 400);
  const cause = SUSPENSION_CAUSES.find(has) ?? 'pending_customer';
  const type = (refused?.['resolutionType'] ?? RESOLUTION_TYPES.find(has) ?? 'fixed') as string;
  const isOpen = has('open') || has('new');
  const isSomebodys = isOpen ? has('assigned') && !has('unassigned') : !has('unassigned');
  const assignee = refused?.['assignee'] === undefined ? (isSomebodys ? 'emp1' : null) : refused['assignee'];
  const taken = (status: 'open' | 'in_progress') =>
    typeof assignee === 'string' ? changed(fresh, ASSIGNED, { assignee, status }) : fresh;

  if (has('closed') && !has('pending_closed')) {
    return changed(taken('in_progress'), HALTED, { status: 'closed', resolutionType: type });
  }
  if (has('suspended') || has('pending')) {
    const closing = cause === 'pending_closed' ? { closeResolutionType: type } : {};
    return changed(taken('in_progress'), HALTED, { status: 'suspended', suspensionCause: cause, ...closing });
  }
  if (has('in_progress')) return taken('in_progress');
  if (isOpen) return taken('open');
  throw new Error(`${name} is no state of a ticket`);
}

function changed(ticket: Ticket, now: Instant, change: TicketChange): Ticket {
  const actor = people('emp1')!;
  const result = applyUpdate(ticket, { comment: 'because', ...change }, DEFAULT_POLICY, { now, people, actor });
  if ('refusals' in result) throw new Error(`the state cannot be reached: ${JSON.stringify(result.refusals)}`);
  return result.ticket;
}

const FIELDS = [
  'assignee',
  'status',
  'priority',
  'suspensionCause',
  'suspendedSeconds',
  'closeResolutionType',
  'resolutionType',
  'comment',
];

function played(ticket: Ticket, row: Row) {
  const { version, expectedVersion = version, ...set } = row.set;
  const by = [row['by'], row['actor']].find((one) => typeof one === 'string') ?? named;
  const comment = row['comment'] ?? 'because';
  const change = {
    comment,
    ...set,
    ...(expectedVersion !== undefined && { expectedVersion }),
    unknownFields: Object.keys(set).filter((field) => !FIELDS.includes(field)),
  } as TicketChange;
  const actor = people(by) ?? { id: 'nobody', kind: 'customer' as const, active: false };
  const result = applyUpdate(ticket, change, DEFAULT_POLICY, { now: CHANGED, people, actor });
  if ('refusals' in result) {
    const errors = [...new Set(result.refusals.map(({ code }) => code as string))].sort();
    return { ticket, http: statusOf(errors), errors, fixes: [], notify: [], changed: false };
  }
  const notify = result.told.map((told) => nameOf(told, ticket)).sort();
  return {
    ticket: result.ticket,
    http: 200,
    errors: [],
    fixes: result.fixes.toSorted(),
    notify,
    changed: result.changed,
  };
}

function nameOf(told: Told, ticket: Ticket): string {
  if (told.role === 'lead') return 'role:lead';
  if (told.role === 'contact') return told.email;
  return told.role === 'reporter' ? (ticket.reporter.personId ?? 'reporter') : told.personId;
}

function statusOf(errors: string[]): number {
  if (errors.includes('ticket_closed') || errors.includes('version_conflict')) return 409;
  return errors.includes('actor_not_employee') ? 403 : 422;
}

function seconds(isoInstant: string): Instant {
  return Math.floor(Date.parse(isoInstant) / 1000);
}

function iso(at: Instant | null): string | null {
  return at === null ? null : new Date(at * 1000).toISOString().replace('.000Z', 'Z');
}
