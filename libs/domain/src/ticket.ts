/**
 * The ticket as plain data. Every rule of this library is a pure function over these shapes, with the time handed in.
 *
 * Lifecycle
 *
 *     open ⇄ in_progress ⇄ suspended → closed → (reopened) open | in_progress
 *
 * Glossary
 * - reporter: the person for whom the ticket exists. Need not be known to the system, so it is a name and an address.
 * - actor: the person who did something. Never the same field as the reporter.
 * - assign clock: creation → first assignment to an employee (or closing). resolve clock: creation → closed.
 * - suspension: work is blocked from outside until a set instant; both clocks stand still.
 */

/** Whole seconds since 1970-01-01T00:00:00Z. The shell cuts sub-second parts off before it calls the domain. */
export type Instant = number;

/** A duration in whole seconds. For clocks: business seconds of the ticket's calendar. For suspensions: wall seconds. */
export type Seconds = number;

export const STATUSES = ['open', 'in_progress', 'suspended', 'closed'] as const;
export type Status = (typeof STATUSES)[number];

/** From least to most urgent: a change towards the end of this list is an escalation. */
export const PRIORITIES = ['low', 'medium', 'high', 'critical'] as const;
export type Priority = (typeof PRIORITIES)[number];

export const SUSPENSION_CAUSES = [
  'pending_change',
  'pending_customer',
  'pending_third_party',
  'pending_closed',
] as const;
export type SuspensionCause = (typeof SUSPENSION_CAUSES)[number];

export const RESOLUTION_TYPES = [
  'fixed',
  'workaround',
  'duplicate',
  'spam',
  'not_reproducible',
  'wont_fix',
  'no_response',
  'not_an_issue',
] as const;
export type ResolutionType = (typeof RESOLUTION_TYPES)[number];

export const CHANNELS = ['email', 'phone', 'portal', 'api'] as const;
export type Channel = (typeof CHANNELS)[number];

export const PERSON_KINDS = ['employee', 'customer'] as const;
export type PersonKind = (typeof PERSON_KINDS)[number];

/** Somebody whom the directory knows. */
export interface Person {
  id: string;
  kind: PersonKind;
  active: boolean;
}

/** For whom the ticket exists. `email` is null only when a mail had no usable sender. */
export interface Reporter {
  personId: string | null;
  name: string;
  email: string | null;
}

export type ClockName = 'assign' | 'resolve';
export type ClockState = 'running' | 'paused' | 'stopped';
export type ClockOutcome = 'met' | 'missed';

/** One service-level promise of one ticket. `remaining = budget − consumed − B(runningSince, now)`. */
export interface Clock {
  budgetSeconds: Seconds;
  consumedSeconds: Seconds;
  /** Set if and only if the state is running. */
  runningSince: Instant | null;
  state: ClockState;
  /** The present promise is broken. An escalation makes a new promise. */
  breached: boolean;
  /** Some promise of this clock was broken; never cleared. */
  everBreached: boolean;
  /** Nobody is warned again of this share of the budget or of a smaller one, in percent; 0 when nobody was warned. */
  warnedPercent: number;
  /** How many steps of the policy's ladder have been taken since the present promise broke. */
  rungsTaken: number;
  /** Set when the clock stops. */
  outcome: ClockOutcome | null;
}

export interface Suspension {
  cause: SuspensionCause;
  until: Instant;
  /** With `pending_closed`: the resolution type that the ticket will close with. Otherwise null. */
  closeResolutionType: ResolutionType | null;
}

/** An employee's own forecast of the resolution, shown instead of the computed one while it lies in the future. */
export interface ResolutionEstimate {
  at: Instant;
  reason: string;
  byPersonId: string;
}

export interface Ticket {
  id: string;
  number: number;
  /** Grows by one with each change. */
  version: number;
  createdAt: Instant;
  closedAt: Instant | null;
  channel: Channel;
  reporter: Reporter;
  infrastructureId: string | null;
  assigneeId: string | null;
  status: Status;
  priority: Priority;
  /** Set if and only if the status is suspended. */
  suspension: Suspension | null;
  /** Set if and only if the status is closed. */
  resolutionType: ResolutionType | null;
  assignClock: Clock;
  resolveClock: Clock;
  /** Σ over escalations of the resolve time granted beyond the retroactive count. */
  resolveGainSeconds: Seconds;
  estimate: ResolutionEstimate | null;
  /** The version of the policy that the ticket runs on. */
  policyVersion: number;
}
