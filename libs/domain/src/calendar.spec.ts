import { add, checkCalendar, elapsed, subtract, type Calendar } from './index.js';

const at = (text: string) => Date.parse(text) / 1000;
const HOUR = 3600;

describe('hours', () => {
  const night: Calendar = { zone: 'Europe/Berlin', weekly: { sat: [['22:00', '24:00']], sun: [['00:00', '06:00']] } };

  it('go on over midnight, and are as long as the wall clock makes them', () => {
    expect(elapsed(night, at('2026-03-21T21:00Z'), at('2026-03-22T05:00Z'))).toBe(8 * HOUR);
    expect(elapsed(night, at('2026-03-28T21:00Z'), at('2026-03-29T04:00Z'))).toBe(7 * HOUR);
    expect(elapsed(night, at('2026-10-24T20:00Z'), at('2026-10-25T05:00Z'))).toBe(9 * HOUR);
  });

  it('are not there on a day that a zone left out', () => {
    const samoa: Calendar = { zone: 'Pacific/Apia', weekly: { thu: [['00:00', '24:00']], fri: [['00:00', '24:00']] } };
    expect(elapsed(samoa, at('2011-12-29T10:00Z'), at('2012-01-01T10:00Z'))).toBe(24 * HOUR);
  });

  it('that overlap count once', () => {
    const overlapping: Calendar = {
      zone: 'UTC',
      weekly: {
        mon: [
          ['11:00', '13:00'],
          ['09:00', '12:00'],
        ],
      },
    };
    expect(elapsed(overlapping, at('2026-03-02T00:00Z'), at('2026-03-03T00:00Z'))).toBe(4 * HOUR);
  });

  it('are added over decades in no time, and counted as fast', () => {
    const hours: Calendar = {
      zone: 'America/New_York',
      weekly: {
        wed: [
          ['09:00', '12:00'],
          ['13:00', '17:00'],
        ],
      },
    };
    const from = at('2000-01-01T00:00Z');
    const started = performance.now();
    const far = add(hours, from, 50 * 52 * 7 * HOUR);
    expect(new Date(far * 1000).getUTCFullYear()).toBe(2049);
    expect(elapsed(hours, from, far)).toBe(50 * 52 * 7 * HOUR);
    expect(performance.now() - started).toBeLessThan(5_000);
  });

  it('are found on the other side of a night, wherever it lies in the time line', () => {
    const office: Calendar = { zone: 'UTC', weekly: { wed: [['09:00', '17:00']], thu: [['09:00', '17:00']] } };
    for (let week = 0; week < 60; week += 1) {
      const early = at('2026-01-01T03:00Z') + week * 7 * 24 * HOUR;
      expect(subtract(office, early, 0)).toBe(early - 10 * HOUR);
      expect(subtract(office, early, 1)).toBe(early - 10 * HOUR - 1);
      expect(add(office, early - 11 * HOUR, HOUR)).toBe(early - 10 * HOUR);
      expect(add(office, early - 11 * HOUR, HOUR + 1)).toBe(early + 6 * HOUR + 1);
    }
  });

  it('that never come are a bug of the caller, and end', () => {
    expect(() => add({ zone: 'UTC', weekly: {} }, 0, 1)).toThrow('no hours');
  });
});

describe('the check of a calendar', () => {
  const good: Calendar = {
    zone: 'Asia/Kathmandu',
    weekly: {
      mon: [
        ['00:00', '12:00'],
        ['12:00', '24:00'],
      ],
    },
    exceptions: { '2028-02-29': [], '2026-12-24': [['09:00', '12:00']] },
  };

  it('accepts intervals that touch, 24:00, and holidays', () => {
    expect(checkCalendar(good)).toEqual([]);
    expect(checkCalendar({ always: true, zone: 'UTC' })).toEqual([]);
  });

  it.each<[string, Calendar, string]>([
    ['no hours', { ...good, weekly: { mon: [] } }, 'no hours'],
    ['hours on exceptional days only', { ...good, weekly: {} }, 'no hours'],
    ['an unknown zone', { ...good, zone: 'Europe/Atlantis' }, 'time zone'],
    ['an offset for a zone', { always: true, zone: '+05:45' }, 'time zone'],
    ['an unknown weekday', { ...good, weekly: { ...good.weekly, funday: [] } as typeof good.weekly }, 'weekday'],
    ['an interval over midnight', { ...good, weekly: { mon: [['22:00', '06:00']] } }, 'interval'],
    ['an empty interval', { ...good, weekly: { mon: [['09:00', '09:00']] } }, 'interval'],
    ['a time that is none', { ...good, weekly: { mon: [['9:00', '24:30']] } }, 'interval'],
    ['opening at 24:00', { ...good, weekly: { mon: [['24:00', '24:00']] } }, 'interval'],
    [
      'overlapping intervals',
      {
        ...good,
        weekly: {
          mon: [
            ['12:00', '17:00'],
            ['09:00', '12:01'],
          ],
        },
      },
      'overlaps',
    ],
    ['a date that is none', { ...good, exceptions: { '2026-02-29': [] } }, 'date'],
    ['bad hours of an exception', { ...good, exceptions: { '2026-12-24': [['12:00', '09:00']] } }, 'interval'],
  ])('names %s', (_, calendar, sentence) => {
    expect(checkCalendar(calendar)).toEqual([expect.stringContaining(sentence)]);
  });
});
