import { Temporal } from 'temporal-polyfill';
import type { Instant, Seconds } from './ticket.js';

/** A stretch of time `[from, to)` during which a zone's wall clock is ahead of UTC by one and the same offset. */
export interface OffsetPeriod {
  from: Instant;
  to: Instant;
  offset: Seconds;
}

/** Cuts `[from, to)` at the zone's clock changes. Throws a RangeError for an unknown zone. */
export function offsetPeriods(zone: string, from: Instant, to: Instant): OffsetPeriod[] {
  const periods: OffsetPeriod[] = [];
  let start = from;
  let here: Temporal.ZonedDateTime | null = Temporal.Instant.fromEpochMilliseconds(from * 1000).toZonedDateTimeISO(
    zone,
  );
  while (here && start < to) {
    const offset = here.offsetNanoseconds / 1e9;
    here = here.getTimeZoneTransition('next');
    const end = here ? Math.min(here.epochMilliseconds / 1000, to) : to;
    periods.push({ from: start, to: end, offset });
    start = end;
  }
  return periods;
}

/** Whether the zone has a name in the IANA database; a bare offset such as +05:45 is no zone. */
export function isZone(zone: string): boolean {
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(zone);
    return /^[A-Za-z]/.test(zone);
  } catch {
    return false;
  }
}

const WEEKDAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];
// prettier-ignore
const MONTHS = [
  'January', 'February', 'March', 'April', 'May', 'June',
  'July', 'August', 'September', 'October', 'November', 'December',
];

/**
 * An instant as the zone's wall clock shows it, e.g. `Mon 2 March 2026, 09:00`, with seconds unless they are zero; and how
 * far that is ahead of UTC, e.g. `+02:00`.
 */
export function wallTime(zone: string, at: Instant): { text: string; offset: string } {
  const local = Temporal.Instant.fromEpochMilliseconds(at * 1000).toZonedDateTimeISO(zone);
  const time = [local.hour, local.minute, ...(local.second === 0 ? [] : [local.second])];
  const clock = time.map((part) => String(part).padStart(2, '0')).join(':');
  const date = `${WEEKDAYS[local.dayOfWeek - 1]} ${local.day} ${MONTHS[local.month - 1]} ${local.year}`;
  return { text: `${date}, ${clock}`, offset: local.offset };
}
