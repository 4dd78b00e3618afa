import { instantAfter, openSeconds } from './hours.js';
import type { Calendar } from './policy.js';
import type { Instant, Seconds } from './ticket.js';

/**
 * The measure B of the service level: how many of the seconds in `[a, b)` lie in the calendar's hours.
 * Signed: when b lies before a, the result is the negative of the measure of `[b, a)`.
 */
export function elapsed(calendar: Calendar, a: Instant, b: Instant): Seconds {
  if (calendar.always) return b - a;
  return a <= b ? openSeconds(calendar, a, b) : -openSeconds(calendar, b, a);
}

/** The earliest instant t from `from` on with `elapsed(from, t) = seconds`, which are not negative. */
export function add(calendar: Calendar, from: Instant, seconds: Seconds): Instant {
  if (calendar.always) return from + seconds;
  return seconds === 0 ? from : instantAfter(calendar, from, seconds);
}

/** The earliest instant t with `elapsed(t, until) = seconds`, which are not negative: out of hours, none leads to closing time. */
export function subtract(calendar: Calendar, until: Instant, seconds: Seconds): Instant {
  return calendar.always ? until - seconds : instantAfter(calendar, until, -seconds);
}
