import { add } from './calendar.js';
import { dueAt, isAlive, remaining } from './clock.js';
import type { Policy } from './policy.js';
import { settle } from './settle.js';
import type {
  Clock,
  ClockOutcome,
  Instant,
  ResolutionType,
  Seconds,
  Status,
  SuspensionCause,
  Ticket,
} from './ticket.js';

/** The facts of a ticket that depend on the time. Instants are epoch seconds. */
export interface ClocksView {
  version: number;
  status: Status;
  assigneeId: string | null;
  closedAt: Instant | null;
  /** Null once assigned or closed; negative when overdue. */
  remainingAssignSeconds: Seconds | null;
  /** Null once closed; negative when overdue. */
  remainingResolveSeconds: Seconds | null;
  /** Null unless the clock runs. */
  assignDueAt: Instant | null;
  resolveDueAt: Instant | null;
  /** When it is expected to be resolved; null when it is overdue and nobody has said. */
  resolutionEta: Instant | null;
  resolutionEtaSource: 'computed' | 'employee' | null;
  /** The resolve promise is broken and the ticket not closed. */
  overdue: boolean;
  /** Wall seconds; above zero if and only if suspended, else null. */
  remainingSuspendedSeconds: Seconds | null;
  suspensionCause: SuspensionCause | null;
  suspendedUntil: Instant | null;
  resolutionType: ResolutionType | null;
  assignOutcome: ClockOutcome | null;
  resolveOutcome: ClockOutcome | null;
  assignEverBreached: boolean;
  resolveEverBreached: boolean;
  resolveGainSeconds: Seconds;
}

/** The ticket as it is at this instant, whether or not anybody has settled the stored one yet. */
export function clocksView(ticket: Ticket, policy: Policy, now: Instant): ClocksView {
  const settled = settle(ticket, policy, now, () => undefined).ticket;
  const { assignClock, resolveClock, suspension } = settled;
  const eta = resolutionEta(settled, policy, now);
  return {
    version: settled.version,
    status: settled.status,
    assigneeId: settled.assigneeId,
    closedAt: settled.closedAt,
    remainingAssignSeconds: remainingIfAlive(assignClock, policy, now),
    remainingResolveSeconds: remainingIfAlive(resolveClock, policy, now),
    assignDueAt: dueAt(assignClock, policy.calendar),
    resolveDueAt: dueAt(resolveClock, policy.calendar),
    resolutionEta: eta?.at ?? null,
    resolutionEtaSource: eta?.source ?? null,
    overdue: isOverdue(resolveClock),
    remainingSuspendedSeconds: suspension ? suspension.until - now : null,
    suspensionCause: suspension?.cause ?? null,
    suspendedUntil: suspension?.until ?? null,
    resolutionType: settled.resolutionType,
    assignOutcome: assignClock.outcome,
    resolveOutcome: resolveClock.outcome,
    assignEverBreached: assignClock.everBreached,
    resolveEverBreached: resolveClock.everBreached,
    resolveGainSeconds: settled.resolveGainSeconds,
  };
}

function remainingIfAlive(clock: Clock, policy: Policy, now: Instant): Seconds | null {
  return isAlive(clock) ? remaining(clock, policy.calendar, now) : null;
}

function isOverdue(clock: Clock): boolean {
  return isAlive(clock) && clock.breached;
}

function resolutionEta(
  ticket: Ticket,
  policy: Policy,
  now: Instant,
): { at: Instant; source: 'computed' | 'employee' } | null {
  const { estimate } = ticket;
  if (estimate && estimate.at > now && ticket.status !== 'closed') return { at: estimate.at, source: 'employee' };
  const at = computedEta(ticket, policy, now);
  return at === null ? null : { at, source: 'computed' };
}

function computedEta({ closedAt, suspension, resolveClock }: Ticket, policy: Policy, now: Instant): Instant | null {
  if (closedAt !== null) return closedAt;
  if (suspension?.cause === 'pending_closed') return suspension.until;
  const left = remaining(resolveClock, policy.calendar, now);
  if (isOverdue(resolveClock) || left < 0) return null;
  return suspension ? add(policy.calendar, suspension.until, left) : dueAt(resolveClock, policy.calendar);
}
