import type { ClockName, Instant, Person, Seconds, Ticket } from './ticket.js';

/** Why a change is refused. A refusal is a value: nothing was applied. */
export const REFUSAL_CODES = [
  'comment_required',
  'version_conflict',
  'actor_not_employee',
  'unknown_field',
  'priority_unknown',
  'status_unknown',
  'assignee_not_registered',
  'assignee_not_employee',
  'assignee_inactive',
  'ticket_closed',
  'reopen_before_suspend',
  'resolution_type_required',
  'resolution_type_without_close',
  'resolution_type_unknown',
  'close_resolution_type_required',
  'suspended_time_without_suspension',
  'suspension_cause_without_suspension',
  'suspended_time_not_positive',
  'suspended_time_too_long',
  'suspension_cause_required',
  'suspension_cause_unknown',
  'infrastructure_not_registered',
  'resolution_eta_invalid',
  'resolution_eta_not_future',
  'resolution_eta_too_late',
  'resolution_eta_with_close',
] as const;
export type RefusalCode = (typeof REFUSAL_CODES)[number];

/** One broken rule: the offending field of the request and one readable sentence. */
export interface Refusal {
  code: RefusalCode;
  field: string;
  message: string;
}

/** A consequence for a field that the caller did not name, repaired and reported. */
export const FIX_CODES = [
  'assign_clock_resumed',
  'assignee_set_to_actor',
  'assignee_set_to_author',
  'inactive_assignee_cleared',
  'resolution_type_cleared',
  'status_set_to_open',
  'suspended_time_defaulted',
  'suspension_cleared',
] as const;
export type FixCode = (typeof FIX_CODES)[number];

/** The field of a change as history and events show it; values are JSON scalars (instants as ISO strings). */
export interface FieldChange {
  field:
    | 'assignee'
    | 'status'
    | 'priority'
    | 'suspensionCause'
    | 'suspendedUntil'
    | 'closeResolutionType'
    | 'resolutionType'
    | 'infrastructure'
    | 'resolutionEta'
    | 'policyVersion';
  before: string | null;
  after: string | null;
}

/**
 * What time alone did to a ticket, stamped with its true instant, whoever noticed when. A warning and a step of the
 * ladder only tell somebody: they are no change, so the version stays.
 */
export interface Settlement {
  type: 'suspension_expired' | `${ClockName}_${'warned' | 'breached' | 'overdue'}`;
  at: Instant;
  /** Of a warning: the share of the budget that is used up. */
  percent?: number;
  /** Of a step of the ladder: how long the clock has been overdue, in business seconds. */
  overdueSeconds?: Seconds;
  /** For an expiry: what became of the ticket. Empty for breaches. */
  changes: FieldChange[];
  told: Told[];
}

/**
 * Somebody who is to be told. `lead` stands for the team when nobody is assigned (and for every breach), `contact` for
 * an address that the policy's ladder names.
 */
export type Told =
  | { role: 'reporter' }
  | { role: 'assignee' | 'former_assignee'; personId: string }
  | { role: 'lead' }
  | { role: 'contact'; email: string };

/** Looks up people that a rule needs to know; undefined when the directory does not know the id. */
export type People = (id: string) => Person | undefined;

export interface Context {
  now: Instant;
  people: People;
  /** Whether a network infrastructure is registered under this id; by default none is. */
  infrastructures?: (id: string) => boolean;
}

export type Refused = { refusals: Refusal[] };

/** An accepted change. `changed` is false for a no-op, and then `ticket` is the settled ticket, nobody is told. */
export interface Accepted {
  ticket: Ticket;
  settlements: Settlement[];
  changed: boolean;
  changes: FieldChange[];
  fixes: FixCode[];
  told: Told[];
}
