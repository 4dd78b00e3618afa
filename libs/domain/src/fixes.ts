import type { FixCode, People } from './outcome.js';
import type { Ticket } from './ticket.js';

/** The fields that the caller named, as far as a fix depends on it. A message names none. */
export interface Named {
  assignee?: unknown;
  status?: unknown;
  suspendedSeconds?: unknown;
}

/** What an event repaired in fields that nobody named, read off the ticket before and after it. */
export function fixesBetween(
  before: Ticket,
  after: Ticket,
  named: Named,
  people: People,
  assigneeSetTo: 'actor' | 'author',
): FixCode[] {
  const reopened = before.status === 'closed' && after.status !== 'closed';
  const assigneeFixed = named.assignee === undefined && before.assigneeId !== after.assigneeId;
  return [
    ...when(before.assignClock.state === 'stopped' && after.assignClock.state !== 'stopped', 'assign_clock_resumed'),
    ...when(reopened && assigneeFixed && !isActive(before.assigneeId, people), 'inactive_assignee_cleared'),
    ...when(assigneeFixed && after.assigneeId !== null, `assignee_set_to_${assigneeSetTo}`),
    ...when(before.resolutionType !== null && after.resolutionType === null, 'resolution_type_cleared'),
    ...when(
      before.status === 'in_progress' && after.status === 'open' && named.status === undefined,
      'status_set_to_open',
    ),
    ...when(
      before.suspension === null && after.suspension !== null && named.suspendedSeconds === undefined,
      'suspended_time_defaulted',
    ),
    ...when(before.suspension !== null && after.suspension === null, 'suspension_cleared'),
  ];
}

/** True for nobody: an absent assignee is no inactive one. */
export function isActive(personId: string | null, people: People): boolean {
  return personId === null || people(personId)?.active === true;
}

function when(repaired: boolean, code: FixCode): FixCode[] {
  return repaired ? [code] : [];
}
