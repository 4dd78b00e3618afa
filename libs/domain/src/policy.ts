import type { Priority, Seconds, SuspensionCause } from './ticket.js';

/** Local opening hours `[open, close)` as `HH:MM`; `24:00` closes at the end of the day. */
export type Interval = readonly [open: string, close: string];

export type Weekday = 'mon' | 'tue' | 'wed' | 'thu' | 'fri' | 'sat' | 'sun';

/** The hours in which a clock counts: always, or the hours of an IANA time zone's wall clock. */
export type Calendar =
  | { always: true; zone: string }
  | {
      always?: false;
      zone: string;
      weekly: Partial<Record<Weekday, readonly Interval[]>>;
      /** By local date `YYYY-MM-DD`; an empty list is a holiday. */
      exceptions?: Readonly<Record<string, readonly Interval[]>>;
    };

/**
 * What an escalation does to a clock that is still alive:
 * reset: the full new target from now; reset_capped: that, but never more than what was left;
 * retroactive: the new target counted from the start.
 */
export type EscalationMode = 'reset' | 'reset_capped' | 'retroactive';

export interface Targets {
  assignSeconds: Seconds;
  resolveSeconds: Seconds;
}

/** A step of the ladder after a broken promise. */
export interface Rung {
  /** Business seconds that the clock has been overdue. */
  overdueSeconds: Seconds;
  /** Who is told then: the `assignee`, the team's `lead`, or somebody by address. */
  tell: readonly string[];
}

/** The service-level policy: what is promised, and the choices that the product keeps configurable. */
export interface Policy {
  version: number;
  calendar: Calendar;
  targets: Readonly<Record<Priority, Targets>>;
  defaultSuspensionSeconds: Readonly<Record<SuspensionCause, Seconds>>;
  maxSuspensionSeconds: Seconds;
  /** A customer's message reopens a ticket closed at most this long ago. */
  reopenWindowSeconds: Seconds;
  escalationMode: EscalationMode;
  /** Shares of a clock's budget, in percent and ascending, at which the assignee is warned. */
  warningPercents: readonly number[];
  /** Whom to tell of a promise that stays broken, ascending; of the breach itself assignee and lead hear in any case. */
  ladder: readonly Rung[];
}

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const DEFAULT_POLICY: Policy = {
  version: 1,
  calendar: { always: true, zone: 'UTC' },
  targets: {
    critical: { assignSeconds: 15 * MINUTE, resolveSeconds: 4 * HOUR },
    high: { assignSeconds: HOUR, resolveSeconds: 8 * HOUR },
    medium: { assignSeconds: 4 * HOUR, resolveSeconds: 24 * HOUR },
    low: { assignSeconds: 8 * HOUR, resolveSeconds: 40 * HOUR },
  },
  defaultSuspensionSeconds: {
    pending_customer: 3 * DAY,
    pending_third_party: 5 * DAY,
    pending_change: 7 * DAY,
    pending_closed: 3 * DAY,
  },
  maxSuspensionSeconds: 90 * DAY,
  reopenWindowSeconds: 14 * DAY,
  escalationMode: 'reset',
  warningPercents: [50, 80],
  ladder: [{ overdueSeconds: 4 * HOUR, tell: ['lead'] }],
};
