import type { Calendar, Interval, Weekday } from '../src/index.js';

const WEEK: Weekday[] = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

function weekly(days: Weekday[], ...hours: Interval[]) {
  return Object.fromEntries(days.map((day) => [day, hours]));
}

/** Zones whose clocks do unusual things, each with hours that meet them. */
export const ODD_CALENDARS: Record<string, Exclude<Calendar, { always: true }>> = {
  'Lord Howe: half an hour': {
    zone: 'Australia/Lord_Howe',
    weekly: weekly(WEEK, ['00:00', '08:00'], ['13:15', '17:00']),
  },
  'Cairo: changes at midnight on Thursday': {
    zone: 'Africa/Cairo',
    weekly: weekly(['sun', 'mon', 'tue', 'wed', 'thu', 'fri'], ['00:00', '02:00'], ['22:00', '24:00']),
  },
  'Santiago: midnight is skipped and repeated': {
    zone: 'America/Santiago',
    weekly: weekly(['mon', 'wed', 'fri', 'sat', 'sun'], ['00:00', '01:30'], ['09:00', '13:00'], ['23:00', '24:00']),
  },
  'Kathmandu: 05:45 and no changes': {
    zone: 'Asia/Kathmandu',
    weekly: weekly(['sun', 'mon', 'tue', 'wed', 'thu'], ['10:00', '17:00']),
    exceptions: { '2026-03-08': [], '2026-03-14': [['08:00', '12:00']] },
  },
  'Berlin: nights': { zone: 'Europe/Berlin', weekly: weekly(WEEK, ['00:00', '06:00'], ['22:00', '24:00']) },
  'New York: lunch': {
    zone: 'America/New_York',
    weekly: weekly(['mon', 'tue', 'wed', 'thu', 'fri'], ['09:00', '12:00'], ['13:00', '18:00']),
    exceptions: { '2026-07-03': [], '2026-11-26': [], '2026-11-27': [['09:00', '12:00']] },
  },
  'Casablanca: two changes a month apart': { zone: 'Africa/Casablanca', weekly: weekly(WEEK, ['01:30', '03:30']) },
};
