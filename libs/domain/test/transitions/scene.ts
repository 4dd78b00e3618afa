/** Brings a fresh ticket into the state that a row names, by updates of an employee, as `about` says that it came there. */
import {
  applyUpdate,
  createTicket,
  RESOLUTION_TYPES,
  SUSPENSION_CAUSES,
  type Instant,
  type ResolutionType,
  type SuspensionCause,
  type Ticket,
  type TicketChange,
} from '../../src/index.js';
import type { Facts, Ground } from './ground.js';
import type { Row } from './table.js';
import { duration, instant, isObject, iso, plain } from './words.js';

export interface Scene {
  before: Ticket;
  changedAt: Instant;
  /** Who makes the change where the row does not say. */
  actor: string;
}

const HOUR = 3600;

export function reach(state: string, rows: Row[], ground: Ground): Scene {
  const name = plain(state);
  const has = (word: string) => name.includes(word);
  const facts = { ...ground.facts, ...readOff(state, rows), ...ground.states.get(name) };

  const createdAt = facts.createdAt ?? Date.UTC(2026, 2, 2, 9) / 1000;
  const changedAt = facts.changedAt ?? createdAt + 3 * HOUR;
  const assignedAt = facts.assignedAt ?? Math.floor(createdAt + (changedAt - createdAt) / 3);
  const halfway = Math.floor((assignedAt + changedAt) / 2);
  const assignee = assigneeIn(name, facts, ground, rows);
  const actor = facts.actor ?? actorReadOff(rows) ?? 'emp2';

  const fresh = createTicket(
    {
      id: 'ticket',
      number: 1,
      channel: 'email',
      reporter: { personId: facts.reporter ?? 'cust1', name: 'Reporter', email: 'reporter@example.com' },
      infrastructureId: null,
      priority: facts.priority ?? 'medium',
    },
    ground.policy,
    createdAt,
  );
  return { before: inState(), changedAt, actor };

  function inState(): Ticket {
    if (has('closed') && !has('pending_closed')) return closed();
    if (has('suspended') || has('pending')) return suspended();
    if (has('in_progress')) return taken('in_progress');
    if (has('open') || has('new') || has('assigned')) return taken('open');
    throw new Error(`state: ${state} is no state of a ticket`);
  }

  function taken(status: 'open' | 'in_progress'): Ticket {
    return assignee === null ? fresh : changed(fresh, assignedAt, { assignee, status });
  }

  function closed(): Ticket {
    const resolutionType = RESOLUTION_TYPES.find(has) ?? facts.resolutionType ?? 'fixed';
    return changed(taken('in_progress'), facts.closedAt ?? halfway, { status: 'closed', resolutionType });
  }

  function suspended(): Ticket {
    const at = facts.suspendedAt ?? halfway;
    const cause = SUSPENSION_CAUSES.find(has) ?? facts.suspensionCause ?? 'pending_customer';
    const until = facts.suspendedUntil ?? null;
    const seconds = until === null ? facts.suspendedSeconds : until - at;
    return changed(taken('in_progress'), at, {
      status: 'suspended',
      suspensionCause: cause,
      ...(seconds !== undefined && { suspendedSeconds: seconds }),
      ...(cause === 'pending_closed' && { closeResolutionType: facts.closeResolutionType ?? 'fixed' }),
    });
  }

  function changed(ticket: Ticket, now: Instant, change: TicketChange): Ticket {
    if (now > changedAt) throw new Error(`about: ${iso(now)} comes after the change of ${iso(changedAt)}`);
    const by = ground.people(assignee ?? 'emp1') ?? { id: 'emp1', kind: 'employee' as const, active: true };
    const context = { now, people: ground.people, actor: by };
    const result = applyUpdate(ticket, { comment: 'because', ...change }, ground.policy, context);
    if ('ticket' in result) return result.ticket;
    throw new Error(`state: ${state} cannot be reached: ${result.refusals.map(({ message }) => message).join(' ')}`);
  }

  /** A row of this state that is refused shows the state as it was. */
  function readOff(of: string, table: Row[]): Facts {
    const refused = table.filter((row) => row.state === of && Number(row['http']) >= 400);
    const said = (field: string) => refused.map((row) => row[field]).find((value) => value !== undefined);
    const read: Facts = {};
    const person = said('assignee');
    const clock = said('assignClock');
    if (typeof person === 'string' || person === null) read.assignee = ground.people(person ?? '') ? person : null;
    else if (typeof clock === 'number' || /running|paused|frozen/.test(JSON.stringify(clock) ?? ''))
      read.assignee = null;
    else if (/stopped|met/.test(JSON.stringify(clock) ?? '') && !has('closed')) read.assignee = 'emp1';
    const type = said('resolutionType');
    if ((RESOLUTION_TYPES as readonly unknown[]).includes(type)) read.resolutionType = type as ResolutionType;
    return { ...read, ...suspensionReadOff(said('suspended'), said('suspensionCause')) };
  }

  function suspensionReadOff(value: unknown, named: unknown): Facts {
    const inner = isObject(value) ? (value['seconds'] ?? value['remaining'] ?? value['until']) : value;
    const cause = named ?? (isObject(value) ? (value['cause'] ?? value['suspensionCause']) : value);
    const until = instant(inner);
    const left = typeof inner === 'number' ? inner : typeof inner === 'string' ? duration(inner) : null;
    const now = ground.facts.changedAt ?? Date.UTC(2026, 2, 2, 12) / 1000;
    return {
      ...(until !== null && { suspendedUntil: until }),
      ...(left !== null && { suspendedUntil: now + left }),
      ...((SUSPENSION_CAUSES as readonly unknown[]).includes(cause) && { suspensionCause: cause as SuspensionCause }),
    };
  }
}

function assigneeIn(name: string, facts: Facts, ground: Ground, rows: Row[]): string | null {
  if (name.includes('unassigned')) return null;
  const { assignee } = facts;
  const usual = ground.facts.assignee ?? 'emp1';
  const isOpen = /^(open|new)/.test(name);
  if (name.includes('in_progress') || /(^|_)assigned/.test(name)) return assignee ?? usual;
  if (assignee !== undefined) return assignee;
  // Beside a state called open_unassigned, open is the other one.
  return isOpen && !rows.some(({ state }) => /open.*unassigned/.test(plain(state))) ? null : usual;
}

/** Who makes the changes is who takes work that is nobody's, and is never told of a change. */
function actorReadOff(rows: Row[]): string | undefined {
  const own = rows.filter(
    (row) => row['by'] === undefined && row['actor'] === undefined && row.set['by'] === undefined,
  );
  const taking = own.find(({ fixes }) => Array.isArray(fixes) && fixes.includes('assignee_set_to_actor'));
  if (typeof taking?.['assignee'] === 'string' && taking['assignee'] !== 'actor') return taking['assignee'];
  const told = new Set(own.flatMap(({ notify }) => (Array.isArray(notify) ? (notify as string[]) : [])));
  if ([...told].some((one) => !/^(emp|cust)\d|lead$/.test(one))) return undefined;
  const silent = ['emp1', 'emp2'].filter((id) => !told.has(id));
  return told.size > 0 && silent.length > 0 ? silent[0] : undefined;
}
