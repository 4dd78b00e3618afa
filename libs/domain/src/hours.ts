/**
 * A calendar's hours as stretches on the time line, so that counting them is a look-up.
 *
 * - day: a local date as days since 1970-01-01.
 * - opening: a stretch `[start, end)` of instants whose wall clock lies in the hours of its local date. It is found per
 *   period of one zone offset, so it is exact where clocks change: a skipped hour is not there, a repeated one is there
 *   twice, whatever the time of the change and its size.
 * - block: a fixed stretch of about a year with its openings and their running sum, kept per calendar once it was asked.
 */
import type { Calendar, Interval, Weekday } from './policy.js';
import type { Instant, Seconds } from './ticket.js';
import { offsetPeriods } from './zone.js';

export type CalendarWithHours = Exclude<Calendar, { always: true }>;

const DAY = 86_400;
const BLOCK = 366 * DAY;
/** A calendar that is closed this many blocks in a row has slipped through its check. */
const MAX_EMPTY_BLOCKS = 100;
/** 1970-01-01 was a Thursday. */
const WEEKDAYS: readonly Weekday[] = ['thu', 'fri', 'sat', 'sun', 'mon', 'tue', 'wed'];

/** Open seconds in `[a, b)`; a is not after b. */
export function openSeconds(calendar: CalendarWithHours, a: Instant, b: Instant): Seconds {
  const hours = hoursOf(calendar);
  const last = blockIndex(b);
  let sum = openUntil(blockAt(hours, last), b) - openUntil(blockAt(hours, blockIndex(a)), a);
  for (let index = blockIndex(a); index < last; index += 1) sum += blockAt(hours, index).total;
  return sum;
}

/** The earliest of all instants that are this many open seconds after `from`, or before it when negative. */
export function instantAfter(calendar: CalendarWithHours, from: Instant, seconds: Seconds): Instant {
  const hours = hoursOf(calendar);
  let index = blockIndex(from);
  let block = blockAt(hours, index);
  let empty = 0;
  // Where the instant lies, in open seconds since the start of the block.
  let place = openUntil(block, from) + seconds;
  while (place > block.total || place <= 0) {
    const forward = place > block.total;
    if (forward) place -= block.total;
    index += forward ? 1 : -1;
    block = blockAt(hours, index);
    if (!forward) place += block.total;
    empty = block.total === 0 ? empty + 1 : 0;
    if (empty > MAX_EMPTY_BLOCKS) throw new Error('the calendar has no hours');
  }
  const opening = lastIndex(block.before, (before) => before < place);
  return (block.starts[opening] ?? 0) + place - (block.before[opening] ?? 0);
}

interface Hours {
  zone: string;
  weekly: Map<Weekday, Span[]>;
  exceptions: Map<number, Span[]>;
  blocks: Map<number, Block>;
}

/** Seconds of wall time since local midnight, `[open, close)`. */
interface Span {
  open: Seconds;
  close: Seconds;
}

interface Block {
  starts: Instant[];
  /** Open seconds in the block before each opening. */
  before: Seconds[];
  total: Seconds;
}

const known = new WeakMap<CalendarWithHours, Hours>();

function hoursOf(calendar: CalendarWithHours): Hours {
  const present = known.get(calendar);
  if (present) return present;
  const hours: Hours = {
    zone: calendar.zone,
    weekly: new Map(WEEKDAYS.map((weekday) => [weekday, spans(calendar.weekly[weekday] ?? [])])),
    exceptions: new Map(
      Object.entries(calendar.exceptions ?? {}).map(([date, intervals]) => [dayOf(date), spans(intervals)]),
    ),
    blocks: new Map(),
  };
  known.set(calendar, hours);
  return hours;
}

/** In order, overlaps joined. */
function spans(intervals: readonly Interval[]): Span[] {
  const ordered = intervals
    .map(([open, close]) => ({ open: wallSeconds(open), close: wallSeconds(close) }))
    .sort((a, b) => a.open - b.open);
  const joined: Span[] = [];
  for (const span of ordered) {
    const last = joined.at(-1);
    if (last && span.open <= last.close) last.close = Math.max(last.close, span.close);
    else joined.push(span);
  }
  return joined;
}

/** `HH:MM` as seconds since local midnight. */
export function wallSeconds(time: string): Seconds {
  const [hours = 0, minutes = 0] = time.split(':').map(Number);
  return hours * 3600 + minutes * 60;
}

/** `YYYY-MM-DD` as days since 1970-01-01. */
function dayOf(date: string): number {
  return Date.parse(`${date}T00:00:00Z`) / 1000 / DAY;
}

function blockIndex(at: Instant): number {
  return Math.floor(at / BLOCK);
}

function blockAt(hours: Hours, index: number): Block {
  const present = hours.blocks.get(index);
  if (present) return present;
  const block = buildBlock(hours, index * BLOCK, (index + 1) * BLOCK);
  hours.blocks.set(index, block);
  return block;
}

function buildBlock(hours: Hours, from: Instant, to: Instant): Block {
  const block: Block = { starts: [], before: [], total: 0 };
  for (const period of offsetPeriods(hours.zone, from, to)) {
    const lastDay = Math.floor((period.to - 1 + period.offset) / DAY);
    for (let day = Math.floor((period.from + period.offset) / DAY); day <= lastDay; day += 1) {
      const midnight = day * DAY - period.offset;
      for (const { open, close } of spansOf(hours, day)) {
        const start = Math.max(midnight + open, period.from);
        const end = Math.min(midnight + close, period.to);
        if (start >= end) continue;
        block.starts.push(start);
        block.before.push(block.total);
        block.total += end - start;
      }
    }
  }
  return block;
}

function spansOf(hours: Hours, day: number): Span[] {
  const weekday = WEEKDAYS[((day % 7) + 7) % 7] ?? 'thu';
  return hours.exceptions.get(day) ?? hours.weekly.get(weekday) ?? [];
}

/** Open seconds of the block before an instant in it. */
function openUntil(block: Block, at: Instant): Seconds {
  const opening = lastIndex(block.starts, (start) => start <= at);
  if (opening < 0) return 0;
  const opened = at - (block.starts[opening] ?? at);
  return Math.min((block.before[opening] ?? 0) + opened, block.before[opening + 1] ?? block.total);
}

/** The last index whose value passes, of a list in which all that pass come first; -1 for none. */
function lastIndex(values: readonly number[], passes: (value: number) => boolean): number {
  let low = -1;
  let high = values.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (passes(values[middle] ?? 0)) low = middle;
    else high = middle;
  }
  return low;
}
