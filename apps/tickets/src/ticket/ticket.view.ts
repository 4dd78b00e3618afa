import type { Reference, TicketView } from '#contracts';
import { clocksView, type Instant, type Policy, type Ticket as TicketState } from '#domain';
import { isoInstant } from './instant.type.js';

/** A ticket with what only the shell knows of it: names, subject, links. */
export interface TicketFacts extends TicketState {
  subject: string;
  tags: string[];
  updatedAt: Instant;
  followUpOf: number | null;
  mergedInto: number | null;
  organisation: Reference | null;
  infrastructure: Reference | null;
  assignee: Reference | null;
}

/** The ticket as employees see it at `now`, settled up to then whether or not the sweeper was there; see `shownTo`. */
export function ticketView(facts: TicketFacts, policy: Policy, now: Instant): TicketView {
  const clocks = clocksView(facts, policy, now);
  return {
    id: facts.id,
    number: facts.number,
    version: clocks.version,
    subject: facts.subject,
    tags: facts.tags,
    channel: facts.channel,
    reporter: facts.reporter,
    organisation: facts.organisation,
    infrastructure: facts.infrastructure,
    assignee: clocks.assigneeId === facts.assignee?.id ? facts.assignee : null,
    status: clocks.status,
    priority: facts.priority,
    remainingAssignSeconds: clocks.remainingAssignSeconds,
    remainingResolveSeconds: clocks.remainingResolveSeconds,
    assignDueAt: isoOrNull(clocks.assignDueAt),
    resolveDueAt: isoOrNull(clocks.resolveDueAt),
    resolutionEta: isoOrNull(clocks.resolutionEta),
    resolutionEtaSource: clocks.resolutionEtaSource,
    overdue: clocks.overdue,
    remainingSuspendedSeconds: clocks.remainingSuspendedSeconds,
    suspensionCause: clocks.suspensionCause,
    suspendedUntil: isoOrNull(clocks.suspendedUntil),
    resolutionType: clocks.resolutionType,
    assignOutcome: clocks.assignOutcome,
    resolveOutcome: clocks.resolveOutcome,
    assignEverBreached: clocks.assignEverBreached,
    resolveEverBreached: clocks.resolveEverBreached,
    resolveGainSeconds: clocks.resolveGainSeconds,
    followUpOf: facts.followUpOf,
    mergedInto: facts.mergedInto,
    createdAt: isoInstant(facts.createdAt),
    updatedAt: isoInstant(facts.updatedAt),
    closedAt: isoOrNull(clocks.closedAt),
  };
}

function isoOrNull(instant: Instant | null): string | null {
  return instant === null ? null : isoInstant(instant);
}
