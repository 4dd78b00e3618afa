import {
  applyMessage,
  applyUpdate,
  createTicket,
  creationChanges,
  DEFAULT_POLICY,
  settle,
  type Accepted,
  type HistoryEntry,
  type Instant,
  type People,
  type Person,
  type Policy,
  type Priority,
  type Refused,
  type SaidMessage,
  type Settlement,
  type Ticket,
  type TicketChange,
} from '../src/index.js';

const persons: Person[] = [
  { id: 'emp1', kind: 'employee', active: true },
  { id: 'emp2', kind: 'employee', active: true },
  { id: 'emp3', kind: 'employee', active: true },
  { id: 'gone', kind: 'employee', active: false },
  { id: 'cust1', kind: 'customer', active: true },
  { id: 'cust2', kind: 'customer', active: true },
];

export const people: People = (id) => persons.find((one) => one.id === id);

export function person(id: string): Person {
  const found = people(id);
  if (!found) throw new Error(`nobody is called ${id}`);
  return found;
}

export const HOUR = 3600;
export const DAY = 24 * HOUR;

/** Monday, 2 March 2026, 09:00 UTC. */
export const T0: Instant = Date.UTC(2026, 2, 2, 9) / 1000;

export function newTicket(
  facts: { priority?: Priority; assigneeId?: string } = {},
  policy = DEFAULT_POLICY,
  at = T0,
): Ticket {
  return createTicket(
    {
      id: 'ticket',
      number: 1,
      channel: 'email',
      reporter: { personId: 'cust1', name: 'Rosa Customer', email: 'rosa@example.com' },
      infrastructureId: null,
      priority: facts.priority ?? 'medium',
      ...(facts.assigneeId === undefined ? {} : { assigneeId: facts.assigneeId }),
    },
    policy,
    at,
  );
}

export function update(
  ticket: Ticket,
  now: Instant,
  change: TicketChange,
  { by = 'emp1', policy = DEFAULT_POLICY }: { by?: string; policy?: Policy } = {},
): Accepted | Refused {
  return applyUpdate(ticket, { comment: 'because', ...change }, policy, { now, people, actor: person(by) });
}

/** An update that must be accepted. */
export function updated(
  ticket: Ticket,
  now: Instant,
  change: TicketChange,
  options?: { by?: string; policy?: Policy },
): Ticket {
  return accepted(update(ticket, now, change, options)).ticket;
}

export function accepted(result: Accepted | Refused): Accepted {
  if ('refusals' in result) throw new Error(`refused: ${codes(result).join(', ')}`);
  return result;
}

export function codes(result: Accepted | Refused): string[] {
  return 'refusals' in result ? result.refusals.map((refusal) => refusal.code) : [];
}

export function say(ticket: Ticket, now: Instant, message: Partial<SaidMessage>, policy = DEFAULT_POLICY) {
  const human = { author: 'customer', authorId: 'cust1', automatic: false, visibility: 'public' } as const;
  return applyMessage(ticket, { ...human, ...message }, policy, { now, people });
}

// -------------------------------------------------------------------------------------------------- random histories

export type Act = { change: TicketChange; by: string } | { message: SaidMessage } | { tick: true };

export interface Step {
  /** Seconds since the step before. */
  wait: number;
  act: Act;
}

export interface Played {
  ticket: Ticket;
  now: Instant;
  settlements: Settlement[];
  /** What each step did: the ticket after it, and what was refused. */
  trail: { now: Instant; before: Ticket; after: Ticket; result?: Accepted | Refused; settlements: Settlement[] }[];
}

/** Plays a history; the final settling brings the ticket up to the last step. */
export function play(first: Ticket, history: Step[], policy: Policy, start = first.createdAt): Played {
  const trail: Played['trail'] = [];
  let ticket = first;
  let now = start;
  for (const { wait, act } of history) {
    now += wait;
    const before = ticket;
    const done = perform(before, act, now, policy);
    ticket = done.after;
    trail.push({ now, before, ...done });
  }
  const last = settle(ticket, policy, now, people);
  return {
    ticket: last.ticket,
    now,
    settlements: [...trail.flatMap((step) => step.settlements), ...last.settlements],
    trail,
  };
}

function perform(ticket: Ticket, act: Act, now: Instant, policy: Policy) {
  if ('tick' in act) {
    const { ticket: after, settlements } = settle(ticket, policy, now, people);
    return { after, settlements };
  }
  if ('message' in act) {
    const result = applyMessage(ticket, act.message, policy, { now, people });
    if (result.effect === 'follow_up') return { after: ticket, settlements: [] };
    return { after: result.ticket, settlements: result.settlements, result };
  }
  const result = applyUpdate(ticket, act.change, policy, { now, people, actor: person(act.by) });
  if ('refusals' in result) return { after: ticket, settlements: [], result };
  return { after: result.ticket, settlements: result.settlements, result };
}

/** What a shell would have written down. */
export function writtenDown(first: Ticket, trail: Played['trail']): HistoryEntry[] {
  const creation = entry(first.createdAt, creationChanges(first));
  return [
    creation,
    ...trail.flatMap(({ now, result, settlements }) => [
      ...settlements.map(({ at, changes }) => ({ ...entry(at, changes), settled: true })),
      ...(result && 'changed' in result && result.changed ? [entry(now, result.changes, result)] : []),
    ]),
  ];
}

export function entry(at: number, changes: HistoryEntry['changes'], result?: object): HistoryEntry {
  const said = result !== undefined && 'effect' in result;
  const fixes = result !== undefined && 'fixes' in result ? (result.fixes as string[]) : [];
  return { at, changes, fixes, byPersonId: 'emp1', comment: said ? null : 'because', settled: false };
}
