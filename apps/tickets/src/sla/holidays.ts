/** A country's holidays as exceptions of a calendar. */
import type { Calendar } from '#domain';

/** As the package date-holidays gives it. */
export interface Holiday {
  /** The local date and time at which it begins, `YYYY-MM-DD hh:mm:ss`, perhaps with a difference to the zone's time. */
  date: string;
  start: Date;
  end: Date;
  name: string;
}

export interface NamedDate {
  /** Local date, `YYYY-MM-DD`. */
  date: string;
  name: string;
}

export interface HolidayReport {
  /** Became an exception without hours. */
  added: NamedDate[];
  /** Had an exception already, which stays as it is. */
  kept: NamedDate[];
  /** Takes only a part of a day: somebody has to decide about its hours. */
  partial: NamedDate[];
}

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

/** @param calendar with hours; whether a date is new depends on its exceptions */
export function withHolidays(
  calendar: Exclude<Calendar, { always: true }>,
  holidays: readonly Holiday[],
): { calendar: Calendar; report: HolidayReport } {
  const report: HolidayReport = { added: [], kept: [], partial: [] };
  const exceptions: NonNullable<typeof calendar.exceptions> = calendar.exceptions ?? {};
  const added = new Set<string>();
  for (const holiday of holidays) {
    const { name } = holiday;
    const dates = wholeDays(holiday);
    if (dates.length === 0) report.partial.push({ date: holiday.date, name });
    for (const date of dates) {
      if (added.has(date)) continue;
      if (Object.hasOwn(exceptions, date)) {
        report.kept.push({ date, name });
      } else {
        added.add(date);
        report.added.push({ date, name });
      }
    }
  }
  const empty = Object.fromEntries([...added].map((date) => [date, []]));
  return { calendar: { ...calendar, exceptions: { ...exceptions, ...empty } }, report };
}

/** The local dates that a holiday takes from midnight to midnight; none when it begins or ends within a day. */
function wholeDays({ date, start, end }: Holiday): string[] {
  const [, first, time] = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)/.exec(date) ?? [];
  const length = end.getTime() - start.getTime();
  const days = Math.round(length / DAY_MS);
  // where clocks change, a day has an hour more or less
  if (first === undefined || time !== '00:00:00' || Math.abs(length - days * DAY_MS) > HOUR_MS) return [];
  return Array.from({ length: days }, (_, day) =>
    new Date(Date.parse(`${first}T00:00:00Z`) + day * DAY_MS).toISOString().slice(0, 10),
  );
}
