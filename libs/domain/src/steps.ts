/**
 * The steps that changes of a ticket are made of. Each expects a settled ticket and a valid change, keeps both clocks
 * in line with the new state, and returns a new ticket. Versions are the callers' business.
 */
import { deEscalate, escalate, freeze, isAlive, pause, remaining, resume, stop } from './clock.js';
import type { Policy } from './policy.js';
import {
  PRIORITIES,
  type Instant,
  type Priority,
  type ResolutionType,
  type Suspension,
  type Ticket,
} from './ticket.js';

export function assign(ticket: Ticket, personId: string, policy: Policy, now: Instant): Ticket {
  return { ...ticket, assigneeId: personId, assignClock: stop(ticket.assignClock, policy.calendar, now) };
}

/** The assign promise is open again with its remainder: frozen while suspended, and of a closed ticket on reopening. */
export function unassign(ticket: Ticket, now: Instant): Ticket {
  const unassigned = { ...ticket, assigneeId: null };
  if (ticket.status === 'closed') return unassigned;
  const frozen = ticket.status === 'suspended';
  return { ...unassigned, assignClock: frozen ? freeze(ticket.assignClock) : resume(ticket.assignClock, now) };
}

/** Answers both promises, also the assign promise of a ticket that nobody was assigned to. */
export function close(ticket: Ticket, resolutionType: ResolutionType, policy: Policy, now: Instant): Ticket {
  return {
    ...ticket,
    status: 'closed',
    closedAt: now,
    resolutionType,
    suspension: null,
    assignClock: stop(ticket.assignClock, policy.calendar, now),
    resolveClock: stop(ticket.resolveClock, policy.calendar, now),
  };
}

/** Takes up what closing stopped. The assign clock was stopped by the assignment unless nobody is assigned. */
export function reopen(ticket: Ticket, status: 'open' | 'in_progress', now: Instant): Ticket {
  return {
    ...ticket,
    status,
    closedAt: null,
    resolutionType: null,
    assignClock: ticket.assigneeId === null ? resume(ticket.assignClock, now) : ticket.assignClock,
    resolveClock: resume(ticket.resolveClock, now),
  };
}

export function suspend(ticket: Ticket, suspension: Suspension, policy: Policy, now: Instant): Ticket {
  return {
    ...ticket,
    status: 'suspended',
    suspension,
    assignClock: pause(ticket.assignClock, policy.calendar, now),
    resolveClock: pause(ticket.resolveClock, policy.calendar, now),
  };
}

/** The end of a suspension: clocks that are alive go on. */
export function resumeWork(ticket: Ticket, status: 'open' | 'in_progress', now: Instant): Ticket {
  return {
    ...ticket,
    status,
    suspension: null,
    assignClock: isAlive(ticket.assignClock) ? resume(ticket.assignClock, now) : ticket.assignClock,
    resolveClock: resume(ticket.resolveClock, now),
  };
}

/** The status of work that goes on by itself. */
export function workingStatus(ticket: Ticket): 'open' | 'in_progress' {
  return ticket.assigneeId === null ? 'open' : 'in_progress';
}

export function changePriority(ticket: Ticket, priority: Priority, policy: Policy, now: Instant): Ticket {
  const before = policy.targets[ticket.priority];
  const after = policy.targets[priority];
  const assignTarget = { oldSeconds: before.assignSeconds, newSeconds: after.assignSeconds };
  const resolveTarget = { oldSeconds: before.resolveSeconds, newSeconds: after.resolveSeconds };

  if (PRIORITIES.indexOf(priority) <= PRIORITIES.indexOf(ticket.priority)) {
    return {
      ...ticket,
      priority,
      assignClock: deEscalate(ticket.assignClock, policy.calendar, now, assignTarget),
      resolveClock: deEscalate(ticket.resolveClock, policy.calendar, now, resolveTarget),
    };
  }
  const resolveClock = escalate(ticket.resolveClock, policy.calendar, now, resolveTarget, policy.escalationMode);
  return {
    ...ticket,
    priority,
    assignClock: escalate(ticket.assignClock, policy.calendar, now, assignTarget, policy.escalationMode),
    resolveClock,
    resolveGainSeconds: ticket.resolveGainSeconds + gain(),
  };

  /** What the escalation granted beyond counting the new target from the start. */
  function gain() {
    if (!isAlive(ticket.resolveClock)) return 0;
    const retroactive =
      remaining(ticket.resolveClock, policy.calendar, now) + resolveTarget.newSeconds - resolveTarget.oldSeconds;
    return remaining(resolveClock, policy.calendar, now) - retroactive;
  }
}
