/**
 * Replays worked examples (`given`, then `when`) and compares the reply and the view with `then`.
 * `SLA_EXAMPLES` names another file of the same form; alone: `npm test -- sla-examples`.
 */
import { readFileSync } from 'node:fs';
import { clocksView, createTicket, DEFAULT_POLICY, applyMessage, applyUpdate, checkCalendar, settle } from './index.js';
import type {
  Calendar,
  Channel,
  Instant,
  Person,
  Policy,
  Priority,
  Settlement,
  Ticket,
  TicketChange,
  Told,
} from './index.js';

interface Step {
  do: 'create' | 'update' | 'reply' | 'tick' | 'view';
  at: string;
  by?: string;
  priority?: Priority;
  calendar?: string;
  reporter?: string;
  infrastructure?: string | null;
  assignee?: string | null;
  channel?: Channel;
  automatic?: boolean;
  set?: Record<string, unknown>;
  comment?: string;
  version?: number;
  expectedVersion?: number;
}

interface Expected {
  http?: number;
  changed?: boolean;
  fixes?: string[];
  errors?: string[];
  notify?: string[];
  effect?: string;
  events?: { type: string; at: string; notify: string[] }[];
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
    targets: Record<Priority, { assign: number; resolve: number }>;
    defaultSuspend: Policy['defaultSuspensionSeconds'];
    maxSuspend: number;
    reopenWindow: number;
  };
  escalationMode: Policy['escalationMode'];
  calendars: Record<string, Calendar>;
  users: Record<string, { type: Person['kind']; active: boolean }>;
  examples: Example[];
}

const path = process.env['SLA_EXAMPLES'] ?? new URL('sla-examples.json', import.meta.url);
const file = JSON.parse(readFileSync(path, 'utf8')) as ExampleFile;
let held = 0;

describe('the worked examples of the service level', () => {
  afterAll(() => process.stdout.write(`${held} of ${file.examples.length} examples hold\n`));

  it.each(file.examples.map((example) => [`${example.id} ${example.title}`, example] as const))('%s', (_, example) => {
    const actual = replay(example);
    expect(pick(actual, example.then)).toEqual(sortedLists(example.then));
    held += 1;
  });

  it.each(Object.entries(file.calendars))('accepts the calendar %s', (_, calendar) => {
    expect(checkCalendar(calendar)).toEqual([]);
  });
});

interface Outcome extends Expected {
  ticket: Ticket;
}

function replay(example: Example): Expected {
  const creation = example.given.find((step) => step.do === 'create') ?? example.when;
  const policy = policyOf(creation.calendar ?? 'always');
  let outcome: Outcome = { ticket: created(creation, policy) };
  for (const step of [...example.given, example.when]) {
    if (step.do !== 'create') outcome = play(outcome.ticket, step, policy);
  }
  return { ...outcome, view: viewOf(outcome.ticket, policy, instant(example.when.at)) };
}

function play(ticket: Ticket, step: Step, policy: Policy): Outcome {
  const now = instant(step.at);
  switch (step.do) {
    case 'update':
      return updated(ticket, step, policy, now);
    case 'reply':
      return replied(ticket, step, policy, now);
    case 'tick': {
      const settled = settle(ticket, policy, now, people);
      return { ticket: settled.ticket, events: eventsOf(settled.settlements, ticket) };
    }
    default:
      return { ticket };
  }
}

function created(step: Step, policy: Policy): Ticket {
  const facts = {
    id: 'ticket',
    number: 1,
    channel: step.channel ?? 'email',
    reporter: { personId: step.reporter ?? null, name: 'Reporter', email: 'reporter@example.com' },
    infrastructureId: step.infrastructure ?? null,
    priority: step.priority ?? 'medium',
    assigneeId: step.assignee ?? null,
  };
  return createTicket(facts, policy, instant(step.at));
}

function updated(ticket: Ticket, step: Step, policy: Policy, now: Instant): Outcome {
  const fields = ['assignee', 'status', 'priority', 'suspensionCause', 'suspendedSeconds', 'closeResolutionType'];
  const known = [...fields, 'resolutionType', 'comment'];
  const set = step.set ?? {};
  const expectedVersion = step.expectedVersion ?? step.version;
  const change: TicketChange = {
    ...set,
    ...(step.comment === undefined ? {} : { comment: step.comment }),
    ...(expectedVersion === undefined ? {} : { expectedVersion }),
    unknownFields: Object.keys(set).filter((field) => !known.includes(field)),
  };
  const actor = people(step.by ?? '') ?? { id: 'nobody', kind: 'customer', active: false };
  const result = applyUpdate(ticket, change, policy, { now, people, actor });
  if ('refusals' in result) {
    const errors = [...new Set(result.refusals.map((refusal) => refusal.code))];
    return { ticket, http: statusOf(errors), errors: errors.sort(), fixes: [], notify: [], changed: false };
  }
  return {
    ticket: result.ticket,
    http: 200,
    changed: result.changed,
    fixes: result.fixes.toSorted(),
    notify: names(result.told, ticket),
    events: eventsOf(result.settlements, ticket),
  };
}

function replied(ticket: Ticket, step: Step, policy: Policy, now: Instant): Outcome {
  const author = people(step.by ?? '');
  const message = {
    author: author?.kind ?? 'customer',
    authorId: author?.id ?? null,
    automatic: step.automatic ?? false,
    visibility: 'public',
  } as const;
  const result = applyMessage(ticket, message, policy, { now, people });
  if (result.effect === 'follow_up') return { ticket, effect: 'follow_up_ticket_created', notify: [], fixes: [] };
  return {
    ticket: result.ticket,
    effect: result.effect,
    fixes: result.fixes.toSorted(),
    notify: names(result.told, ticket),
    events: eventsOf(result.settlements, ticket),
  };
}

function viewOf(ticket: Ticket, policy: Policy, now: Instant): Record<string, unknown> {
  const view = clocksView(ticket, policy, now);
  return {
    ...view,
    reporter: ticket.reporter.personId,
    infrastructure: ticket.infrastructureId,
    assignee: view.assigneeId,
    priority: ticket.priority,
    assignDueAt: iso(view.assignDueAt),
    resolveDueAt: iso(view.resolveDueAt),
    resolutionEta: iso(view.resolutionEta),
    suspendedUntil: iso(view.suspendedUntil),
    closedAt: iso(view.closedAt),
  };
}

function eventsOf(settlements: Settlement[], ticket: Ticket) {
  return settlements.map(({ type, at, told }) => ({ type, at: iso(at) ?? '', notify: names(told, ticket) }));
}

function names(told: Told[], ticket: Ticket): string[] {
  return told
    .map((one) => {
      if (one.role === 'lead') return 'role:lead';
      if (one.role === 'contact') return one.email;
      return one.role === 'reporter' ? (ticket.reporter.personId ?? 'reporter') : one.personId;
    })
    .sort();
}

function statusOf(errors: string[]): number {
  if (errors.includes('ticket_closed') || errors.includes('version_conflict')) return 409;
  return errors.includes('actor_not_employee') ? 403 : 422;
}

function policyOf(calendar: string): Policy {
  const { config } = file;
  const targets = Object.entries(config.targets).map(([priority, { assign, resolve }]) => [
    priority,
    { assignSeconds: assign, resolveSeconds: resolve },
  ]);
  return {
    ...DEFAULT_POLICY,
    calendar: calendarNamed(calendar),
    targets: Object.fromEntries(targets) as Policy['targets'],
    defaultSuspensionSeconds: config.defaultSuspend,
    maxSuspensionSeconds: config.maxSuspend,
    reopenWindowSeconds: config.reopenWindow,
    escalationMode: file.escalationMode,
    // the examples speak of breaches only
    warningPercents: [],
    ladder: [],
  };
}

function calendarNamed(name: string): Calendar {
  const calendar = file.calendars[name];
  if (!calendar) throw new Error(`the file has no calendar ${name}`);
  return calendar;
}

function people(id: string): Person | undefined {
  const user = file.users[id];
  return user && { id, kind: user.type, active: user.active };
}

/** Of what happened only what the example speaks of. */
function pick(actual: Expected, expected: Expected): Expected {
  const entries = Object.keys(expected).map((key) => {
    const value = actual[key as keyof Expected];
    if (key !== 'view') return [key, value] as const;
    return [
      key,
      Object.fromEntries(Object.keys(expected.view ?? {}).map((field) => [field, actual.view?.[field]])),
    ] as const;
  });
  return Object.fromEntries(entries);
}

function sortedLists(expected: Expected): Expected {
  const sorted = { ...expected };
  if (sorted.fixes) sorted.fixes = sorted.fixes.toSorted();
  if (sorted.errors) sorted.errors = sorted.errors.toSorted();
  if (sorted.notify) sorted.notify = sorted.notify.toSorted();
  if (sorted.events) sorted.events = sorted.events.map((event) => ({ ...event, notify: event.notify.toSorted() }));
  return sorted;
}

function instant(text: string): Instant {
  return Math.floor(Date.parse(text) / 1000);
}

function iso(at: Instant | null): string | null {
  return at === null ? null : new Date(at * 1000).toISOString().replace('.000Z', 'Z');
}
