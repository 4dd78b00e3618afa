import { wallSeconds } from './hours.js';
import type { Calendar, Interval } from './policy.js';
import { isZone } from './zone.js';

const WEEKDAYS: readonly string[] = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

/** What is wrong with a calendar, one readable sentence each; empty when it can be used. */
export function checkCalendar(calendar: Calendar): string[] {
  const zone = isZone(calendar.zone) ? [] : [`${calendar.zone} is no time zone of the IANA database.`];
  if (calendar.always) return zone;
  const weekly = Object.entries(calendar.weekly);
  return [
    ...zone,
    ...weekly.flatMap(([weekday, intervals]) => [
      ...(WEEKDAYS.includes(weekday) ? [] : [`${weekday} is no weekday: use ${WEEKDAYS.join(', ')}.`]),
      ...checkDay(weekday, intervals),
    ]),
    // Exceptions alone run out some day, and then no clock would ever be due.
    ...(weekly.some(([, intervals]) => intervals.length > 0) ? [] : ['The calendar has no hours in a week.']),
    ...Object.entries(calendar.exceptions ?? {}).flatMap(([date, intervals]) => [
      ...(isDate(date) ? [] : [`${date} is no date: use YYYY-MM-DD.`]),
      ...checkDay(date, intervals),
    ]),
  ];
}

function checkDay(day: string, intervals: readonly Interval[]): string[] {
  const broken = intervals.filter((interval) => !isInterval(interval));
  if (broken.length > 0) {
    return broken.map(
      ([open, close]) => `${day} ${open}-${close} is no interval from HH:MM to a later HH:MM, at most 24:00.`,
    );
  }
  const ordered = intervals.toSorted(([a], [b]) => wallSeconds(a) - wallSeconds(b));
  return ordered.flatMap(([open, close], index) => {
    const next = ordered[index + 1];
    return next && wallSeconds(next[0]) < wallSeconds(close)
      ? [`${day} ${open}-${close} overlaps the next interval.`]
      : [];
  });
}

function isInterval([open, close]: Interval): boolean {
  return isTime(open) && (isTime(close) || close === '24:00') && wallSeconds(open) < wallSeconds(close);
}

function isTime(time: string): boolean {
  return /^([01]\d|2[0-3]):[0-5]\d$/.test(time);
}

function isDate(date: string): boolean {
  const instant = Date.parse(`${date}T00:00:00Z`);
  return /^\d{4}-\d\d-\d\d$/.test(date) && !Number.isNaN(instant) && new Date(instant).toISOString().startsWith(date);
}
