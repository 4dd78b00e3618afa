import { start, stop } from './clock.js';
import type { Policy } from './policy.js';
import type { Channel, Instant, Priority, Reporter, Ticket } from './ticket.js';

export interface NewTicket {
  id: string;
  number: number;
  channel: Channel;
  reporter: Reporter;
  infrastructureId: string | null;
  priority: Priority;
  /** An active employee, checked by the caller. */
  assigneeId?: string | null;
}

/** A new ticket is open and both its clocks run, unless it is born assigned: then the assign promise is kept already. */
export function createTicket(facts: NewTicket, policy: Policy, now: Instant): Ticket {
  const { assignSeconds, resolveSeconds } = policy.targets[facts.priority];
  const assigneeId = facts.assigneeId ?? null;
  const assignClock = start(assignSeconds, now);
  return {
    id: facts.id,
    number: facts.number,
    version: 1,
    createdAt: now,
    closedAt: null,
    channel: facts.channel,
    reporter: facts.reporter,
    infrastructureId: facts.infrastructureId,
    assigneeId,
    status: 'open',
    priority: facts.priority,
    suspension: null,
    resolutionType: null,
    assignClock: assigneeId === null ? assignClock : stop(assignClock, policy.calendar, now),
    resolveClock: start(resolveSeconds, now),
    resolveGainSeconds: 0,
    estimate: null,
    policyVersion: policy.version,
  };
}
