/**
 * `node dist/apps/tickets/src/sla/holidays.command.js --calendar NAME --country DE [--state BY] --from 2027 --to 2029
 * [--types public,bank] [--dry-run]` — closes a calendar on a country's holidays, as a new version of it. Dates that have
 * an exception already stay as they are; holidays that take a part of a day are only reported.
 */
import type { HolidaysTypes } from 'date-holidays';
import { parseArgs } from 'node:util';
import type { Violation } from '#platform';
import { withHolidays, type Holiday, type HolidayReport } from './holidays.js';
import type { PolicyChange } from './policy-file.js';
import type { Present } from './policy-plan.js';
import { runPolicyCommand } from './run-policy-command.js';

const USAGE = `usage: holidays.command.js --calendar NAME --country DE [--state BY] --from 2027 --to 2029 \
[--types public,bank] [--dry-run]`;
const TYPES: readonly string[] = [
  'public',
  'bank',
  'optional',
  'school',
  'observance',
] satisfies HolidaysTypes.HolidayType[];
const MAX_YEARS = 20;

const { values } = parseArgs({
  options: {
    calendar: { type: 'string' },
    country: { type: 'string' },
    state: { type: 'string' },
    from: { type: 'string' },
    to: { type: 'string' },
    types: { type: 'string', default: 'public' },
    'dry-run': { type: 'boolean', default: false },
  },
});
const { calendar: name, country, state } = values;
const [from, to] = [Number(values.from), Number(values.to ?? values.from)];
const types = values.types.split(',');
if (name === undefined || country === undefined || !(from >= 1970 && to >= from && to < from + MAX_YEARS))
  end(USAGE, 2);
if (types.some((type) => !TYPES.includes(type))) end(`--types: must be some of ${TYPES.join(', ')}`, 2);

const holidays = await readHolidays(country);
let report: HolidayReport | undefined;
await runPolicyCommand({
  name: 'calendar:holidays',
  source: `holidays of ${country}`,
  read: (present) => close(present, name),
  dryRun: values['dry-run'],
  report: () => ({ holidays: report }),
});

async function readHolidays(ofCountry: string): Promise<Holiday[]> {
  const { default: Holidays } = await import('date-holidays').catch(() =>
    end('The package date-holidays is not installed here: run this command where the development dependencies are.', 1),
  );
  const known = new Holidays();
  if (!Object.hasOwn(known.getCountries(), ofCountry)) end(`--country: ${ofCountry} is not known`, 1);
  if (state !== undefined && !Object.hasOwn(known.getStates(ofCountry) ?? {}, state)) {
    end(`--state: ${state} is not known in ${ofCountry}`, 1);
  }
  const calendar = state === undefined ? new Holidays(ofCountry) : new Holidays(ofCountry, state);
  const years = Array.from({ length: to - from + 1 }, (_, index) => from + index);
  return years.flatMap((year) => calendar.getHolidays(year)).filter((holiday) => types.includes(holiday.type));
}

function close(present: Present, calendar: string): { change: PolicyChange; violations: Violation[] } {
  const change: PolicyChange = { calendars: new Map(), policies: new Map(), organisations: new Map() };
  const hours = present.calendars.get(calendar)?.hours;
  const field = `calendars.${calendar}`;
  if (!hours || hours.always) {
    const violation = hours
      ? { field, rule: 'calendar_always', message: 'a calendar that is always open has no holidays' }
      : { field, rule: 'calendar_unknown', message: `there is no calendar "${calendar}"` };
    return { change, violations: [violation] };
  }
  const closed = withHolidays(hours, holidays);
  report = closed.report;
  change.calendars.set(calendar, closed.calendar);
  return { change, violations: [] };
}

function end(sentence: string, code: number): never {
  process.stderr.write(`${sentence}\n`);
  process.exit(code);
}
