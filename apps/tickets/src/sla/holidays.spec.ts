import Holidays from 'date-holidays';
import { withHolidays, type Holiday } from './holidays.js';

const OFFICE = { zone: 'Europe/Berlin', weekly: { mon: [['09:00', '17:00']] as [string, string][] } };
const HOUR_MS = 3_600_000;

function holiday(date: string, hours: number, name = 'Holiday'): Holiday {
  const start = new Date(`${date.slice(0, 10)}T00:00:00Z`);
  return { date, start, end: new Date(start.getTime() + hours * HOUR_MS), name };
}

it('closes on whole days, leaves exceptions that are there, and reports parts of days', () => {
  const calendar = { ...OFFICE, exceptions: { '2026-12-24': [['09:00', '12:00']] as [string, string][] } };
  const { calendar: closed, report } = withHolidays(calendar, [
    holiday('2026-12-24 14:00:00', 10, 'Christmas Eve'),
    holiday('2026-12-24 00:00:00', 24, 'Day before'),
    holiday('2026-12-25 00:00:00', 24, 'Christmas Day'),
    holiday('2026-12-25 00:00:00', 24, 'The same day'),
  ]);
  expect(closed).toEqual({
    ...OFFICE,
    exceptions: { '2026-12-24': [['09:00', '12:00']], '2026-12-25': [] },
  });
  expect(report).toEqual({
    added: [{ date: '2026-12-25', name: 'Christmas Day' }],
    kept: [{ date: '2026-12-24', name: 'Day before' }],
    partial: [{ date: '2026-12-24 14:00:00', name: 'Christmas Eve' }],
  });
});

it('closes on every day of a longer holiday, also where clocks change', () => {
  const { report } = withHolidays(OFFICE, [
    holiday('2026-03-19 00:00:00 -0600', 96, 'Eid'),
    holiday('2027-03-28 00:00:00', 23, 'Easter'),
    holiday('2026-10-25 00:00:00', 25, 'Sunday'),
  ]);
  const dates = ['2026-03-19', '2026-03-20', '2026-03-21', '2026-03-22', '2027-03-28', '2026-10-25'];
  expect(report.added.map(({ date }) => date)).toEqual(dates);
  expect(report.partial).toEqual([]);
});

it('reads what date-holidays says of Bavaria and Sweden', () => {
  const bavaria = new Holidays('DE', 'BY').getHolidays(2026).filter(({ type }) => type === 'public');
  const dates = withHolidays(OFFICE, bavaria).report.added.map(({ date }) => date);
  expect(dates).toEqual(expect.arrayContaining(['2026-01-06', '2026-04-03', '2026-10-03', '2026-11-01', '2026-12-26']));
  const sweden = new Holidays('SE').getHolidays(2026).filter(({ type }) => type === 'optional');
  const { partial } = withHolidays(OFFICE, sweden).report;
  expect(partial.map(({ date }) => date)).toContain('2026-04-30 12:00:00');
});
