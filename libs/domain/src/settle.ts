/**
 * What time alone does to a ticket: a promise breaks when its due time has passed, a suspension ends at its instant.
 *
 * Each takes effect, and is stamped, at its own instant, whoever notices when. Looking late, often or twice gives the
 * same ticket and the same settlements; each grows the version by one.
 */
import { breach, dueAt } from './clock.js';
import { changesBetween } from './changes.js';
import type { People, Settlement } from './outcome.js';
import type { Policy } from './policy.js';
import { close, resumeWork, workingStatus } from './steps.js';
import type { Instant, Ticket } from './ticket.js';
import { toldOfBreach, toldOfExpiry } from './told.js';

export interface Settled {
  ticket: Ticket;
  settlements: Settlement[];
}

/** Brings the ticket up to now. Settlements come in the order of their instants. */
export function settle(ticket: Ticket, policy: Policy, now: Instant, people: People): Settled {
  const settlements: Settlement[] = [];
  let settled = ticket;
  for (let next = nextEvent(settled, policy); next && next.noticedFrom <= now; next = nextEvent(settled, policy)) {
    const before = settled;
    settled = { ...happened(before, next, policy), version: before.version + 1 };
    const told = next.type === 'suspension_expired' ? toldOfExpiry : toldOfBreach;
    settlements.push({
      type: next.type,
      at: next.at,
      changes: changesBetween(before, settled),
      told: told(settled, people),
    });
  }
  return { ticket: settled, settlements };
}

/** The first instant at which settling does something, unless the ticket is changed before; null when it never will. */
export function nextTimerAt(ticket: Ticket, policy: Policy): Instant | null {
  return nextEvent(ticket, policy)?.noticedFrom ?? null;
}

interface TimedEvent {
  type: Settlement['type'];
  at: Instant;
  /** The whole second from which it is a fact: a promise answered exactly at its due time is kept. */
  noticedFrom: Instant;
}

function nextEvent(ticket: Ticket, policy: Policy): TimedEvent | null {
  // While suspended both clocks stand still, so nothing can break before the suspension ends.
  if (ticket.suspension) {
    const { until } = ticket.suspension;
    return { type: 'suspension_expired', at: until, noticedFrom: until };
  }
  const assignDueAt = ticket.assignClock.breached ? null : dueAt(ticket.assignClock, policy.calendar);
  const resolveDueAt = ticket.resolveClock.breached ? null : dueAt(ticket.resolveClock, policy.calendar);
  if (assignDueAt !== null && (resolveDueAt === null || assignDueAt <= resolveDueAt)) {
    return { type: 'assign_breached', at: assignDueAt, noticedFrom: assignDueAt + 1 };
  }
  if (resolveDueAt !== null) return { type: 'resolve_breached', at: resolveDueAt, noticedFrom: resolveDueAt + 1 };
  return null;
}

function happened(ticket: Ticket, event: TimedEvent, policy: Policy): Ticket {
  switch (event.type) {
    case 'assign_breached':
      return { ...ticket, assignClock: breach(ticket.assignClock) };
    case 'resolve_breached':
      return { ...ticket, resolveClock: breach(ticket.resolveClock) };
    case 'suspension_expired': {
      const closeAs = ticket.suspension?.closeResolutionType ?? null;
      if (closeAs !== null) return close(ticket, closeAs, policy, event.at);
      return resumeWork(ticket, workingStatus(ticket), event.at);
    }
  }
}
