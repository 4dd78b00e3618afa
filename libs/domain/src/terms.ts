import { changesBetween } from './changes.js';
import { changeTerms } from './clock.js';
import type { FieldChange, People, Settlement } from './outcome.js';
import type { Policy } from './policy.js';
import { settle } from './settle.js';
import type { Instant, Ticket } from './ticket.js';

export interface Moved {
  ticket: Ticket;
  settlements: Settlement[];
  changes: FieldChange[];
}

/**
 * Puts a ticket under another version of its policy: settled under the old one up to now, what was consumed so far
 * counted by the old calendar, the rest by the new one, and the difference of the targets added to what is left.
 * Stopped clocks stay as they are. Grows the version by one.
 */
export function moveToPolicy(ticket: Ticket, from: Policy, to: Policy, now: Instant, people: People): Moved {
  const { ticket: settled, settlements } = settle(ticket, from, now, people);
  const moved = { ...underTerms(settled, from, to, now), version: settled.version + 1 };
  return { ticket: moved, settlements, changes: changesBetween(settled, moved) };
}

export function underTerms(ticket: Ticket, from: Policy, to: Policy, now: Instant): Ticket {
  const before = from.targets[ticket.priority];
  const after = to.targets[ticket.priority];
  return {
    ...ticket,
    policyVersion: to.version,
    assignClock: changeTerms(ticket.assignClock, from.calendar, now, {
      oldSeconds: before.assignSeconds,
      newSeconds: after.assignSeconds,
    }),
    resolveClock: changeTerms(ticket.resolveClock, from.calendar, now, {
      oldSeconds: before.resolveSeconds,
      newSeconds: after.resolveSeconds,
    }),
  };
}
