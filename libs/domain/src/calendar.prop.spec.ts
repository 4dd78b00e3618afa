import fc from 'fast-check';
import { RUNS } from '../test/arbitraries.js';
import { ODD_CALENDARS } from '../test/calendars.js';
import { add, elapsed, subtract, type Calendar, type Instant } from './index.js';

const FROM = Date.UTC(2023, 0, 1) / 1000;
const TO = Date.UTC(2029, 0, 1) / 1000;
const instant = fc.integer({ min: FROM, max: TO });
const amount = fc.oneof(
  fc.integer({ min: 1, max: 40 }).map((hours) => hours * 3600),
  fc.integer({ min: 0, max: 4_000_000 }),
);

const calendars: [string, Calendar][] = [['24×7', { always: true, zone: 'UTC' }], ...Object.entries(ODD_CALENDARS)];

describe.each(calendars)('the calendar of %s', (_, calendar) => {
  it('counts exactly the seconds whose wall clock lies in the hours of its date', () => {
    const isOpen = openByWallClock(calendar);
    fc.assert(
      fc.property(fc.oneof(instant, nearClockChange(calendar)), (at) => {
        expect(elapsed(calendar, at, at + 1)).toBe(isOpen(at) ? 1 : 0);
      }),
      RUNS,
    );
  });

  it('is additive and bounded', () => {
    fc.assert(
      fc.property(instant, instant, instant, (x, y, z) => {
        const [a = 0, b = 0, c = 0] = [x, y, z].sort((one, other) => one - other);
        expect(elapsed(calendar, a, b) + elapsed(calendar, b, c)).toBe(elapsed(calendar, a, c));
        expect(elapsed(calendar, a, b)).toBeGreaterThanOrEqual(0);
        expect(elapsed(calendar, a, b)).toBeLessThanOrEqual(b - a);
        expect(elapsed(calendar, b, a) + elapsed(calendar, a, b)).toBe(0);
      }),
      RUNS,
    );
  });

  it('adds what it counts, and finds the earliest such instant', () => {
    fc.assert(
      fc.property(instant, amount, (from, seconds) => {
        const at = add(calendar, from, seconds);
        expect(elapsed(calendar, from, at)).toBe(seconds);
        expect(at === from || elapsed(calendar, from, at - 1) === seconds - 1).toBe(true);
        const back = subtract(calendar, from, seconds);
        expect(elapsed(calendar, back, from)).toBe(seconds);
        expect(elapsed(calendar, back - 1, back)).toBe(1);
      }),
      RUNS,
    );
  });

  it('adds monotonically, and two amounts one after the other like their sum', () => {
    fc.assert(
      fc.property(instant, fc.integer({ min: 0, max: 1_000_000 }), amount, amount, (from, later, first, second) => {
        expect(add(calendar, from + later, first)).toBeGreaterThanOrEqual(add(calendar, from, first));
        expect(add(calendar, from, first + second)).toBeGreaterThanOrEqual(add(calendar, from, first));
        expect(add(calendar, add(calendar, from, first), second)).toBe(add(calendar, from, first + second));
      }),
      RUNS,
    );
  });
});

describe('hours', () => {
  it('one more holiday never makes a due time earlier', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.values(ODD_CALENDARS)),
        instant,
        amount,
        instant,
        (calendar, from, seconds, holiday) => {
          const date = new Date(holiday * 1000).toISOString().slice(0, 10);
          const shorter = { ...calendar, exceptions: { ...calendar.exceptions, [date]: [] } };
          const wasHolidayWithHours = (calendar.exceptions?.[date] ?? []).length > 0;
          fc.pre(!wasHolidayWithHours);
          expect(add(shorter, from, seconds)).toBeGreaterThanOrEqual(add(calendar, from, seconds));
        },
      ),
      RUNS,
    );
  });

  it('are the same a whole number of weeks later where clocks never change', () => {
    const { exceptions: _, ...calendar } = ODD_CALENDARS['Kathmandu: 05:45 and no changes']!;
    fc.assert(
      fc.property(instant, amount, fc.integer({ min: -200, max: 200 }), (from, seconds, weeks) => {
        const shift = weeks * 7 * 86_400;
        expect(add(calendar, from + shift, seconds)).toBe(add(calendar, from, seconds) + shift);
      }),
      RUNS,
    );
  });
});

/** The definition, word for word, by the wall clock of Intl. */
function openByWallClock(calendar: Calendar): (at: Instant) => boolean {
  if (calendar.always) return () => true;
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone: calendar.zone,
    hourCycle: 'h23',
    weekday: 'short',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  });
  return (at) => {
    const part = Object.fromEntries(format.formatToParts(at * 1000).map(({ type, value }) => [type, value]));
    const weekday = (part['weekday'] ?? '').slice(0, 3).toLowerCase() as keyof typeof calendar.weekly;
    const time = `${part['hour']}:${part['minute']}`;
    const date = `${part['year']}-${part['month']}-${part['day']}`;
    const hours = calendar.exceptions?.[date] ?? calendar.weekly[weekday] ?? [];
    return hours.some(([open, close]) => open <= time && time < close);
  };
}

/** Instants within two hours of a change of the zone's offset. */
function nearClockChange(calendar: Calendar): fc.Arbitrary<Instant> {
  const changes: Instant[] = [];
  for (let at = FROM; at < TO; at += 1800) {
    if (offset(calendar.zone, at) !== offset(calendar.zone, at + 1800)) changes.push(at + 1800);
  }
  if (changes.length === 0) return instant;
  return fc.tuple(fc.constantFrom(...changes), fc.integer({ min: -7200, max: 7200 })).map(([at, near]) => at + near);
}

const offsets = new Map<string, Intl.DateTimeFormat>();

function offset(zone: string, at: Instant): string {
  const format = offsets.get(zone) ?? new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'longOffset' });
  offsets.set(zone, format);
  return format.formatToParts(at * 1000).find(({ type }) => type === 'timeZoneName')?.value ?? '';
}
