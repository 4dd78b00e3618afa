import type { FieldChange } from './outcome.js';
import type { Instant, Ticket } from './ticket.js';

/** What differs between two states of a ticket, as history and events show it. */
export function changesBetween(before: Ticket, after: Ticket): FieldChange[] {
  const old = shown(before);
  return shown(after).flatMap(([field, value], index) => {
    const previous = old[index]?.[1] ?? null;
    return previous === value ? [] : [{ field, before: previous, after: value }];
  });
}

function shown(ticket: Ticket): [FieldChange['field'], string | null][] {
  return [
    ['assignee', ticket.assigneeId],
    ['status', ticket.status],
    ['priority', ticket.priority],
    ['suspensionCause', ticket.suspension?.cause ?? null],
    ['suspendedUntil', ticket.suspension ? isoInstant(ticket.suspension.until) : null],
    ['closeResolutionType', ticket.suspension?.closeResolutionType ?? null],
    ['resolutionType', ticket.resolutionType],
    ['infrastructure', ticket.infrastructureId],
    ['resolutionEta', ticket.estimate ? isoInstant(ticket.estimate.at) : null],
    ['policyVersion', String(ticket.policyVersion)],
  ];
}

/** @returns e.g. `2026-03-02T13:00:00Z` */
export function isoInstant(instant: Instant): string {
  return new Date(instant * 1000).toISOString().replace('.000Z', 'Z');
}
