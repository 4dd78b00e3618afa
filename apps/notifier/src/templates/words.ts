/** Codes and instants as people say them. */
import type { FixCode, Priority, ResolutionType, Status, SuspensionCause } from '#domain';

const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const;
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
] as const;

/** @param instant ISO 8601 @returns e.g. `Mon 2 March 2026, 13:00 UTC` */
export function readableInstant(instant: string): string {
  const date = new Date(instant);
  const day = `${WEEKDAYS[date.getUTCDay()]} ${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
  return `${day}, ${date.toISOString().slice(11, 16)} UTC`;
}

export const STATUS_WORDS: Record<Status, string> = {
  open: 'open',
  in_progress: 'in progress',
  suspended: 'suspended',
  closed: 'closed',
};

export const PRIORITY_WORDS: Record<Priority, string> = {
  low: 'low',
  medium: 'medium',
  high: 'high',
  critical: 'critical',
};

export const SUSPENSION_WORDS: Record<SuspensionCause, string> = {
  pending_change: 'waiting for a change',
  pending_customer: 'waiting for the customer',
  pending_third_party: 'waiting for a third party',
  pending_closed: 'waiting to be closed',
};

export const RESOLUTION_WORDS: Record<ResolutionType, string> = {
  fixed: 'fixed',
  workaround: 'workaround',
  duplicate: 'duplicate',
  spam: 'spam',
  not_reproducible: 'not reproducible',
  wont_fix: "won't fix",
  no_response: 'no response',
  not_an_issue: 'not an issue',
};

/** The reason for closing, as a customer is told it. */
export const RESOLUTION_FOR_CUSTOMERS: Record<ResolutionType, string> = {
  fixed: 'the problem is fixed',
  workaround: 'there is a workaround',
  duplicate: 'it is handled in another ticket',
  spam: 'it was taken for unwanted mail',
  not_reproducible: 'we could not reproduce the problem',
  wont_fix: 'we will not change this',
  no_response: 'we have not heard from you',
  not_an_issue: 'everything works as intended',
};

export const FIX_WORDS: Record<FixCode, string> = {
  assign_clock_resumed: 'The time to assign runs again.',
  assignee_set_to_actor: 'Whoever made the change became the assignee.',
  assignee_set_to_author: 'The author of the answer became the assignee.',
  inactive_assignee_cleared: 'The former assignee is no longer active, so nobody is assigned.',
  resolution_type_cleared: 'The resolution was cleared, because the ticket is open again.',
  status_set_to_open: 'The status went back to open, because nobody is assigned.',
  suspended_time_defaulted: 'The end of the suspension was set to the usual time for its cause.',
  suspension_cleared: 'The suspension ended.',
};
