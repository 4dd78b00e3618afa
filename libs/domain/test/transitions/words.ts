import type { Instant, Seconds } from '../../src/index.js';

export type Json = Record<string, unknown>;

const UNITS: Record<string, Seconds> = { s: 1, m: 60, h: 3600, d: 86_400 };
const NUMBERS = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten'];

/** `3 d`, `three days`, `90 minutes`, `2 h`: group 1 is the number, group 2 the unit. */
const DURATION = `(\\d+|(?:an?|${NUMBERS.join('|')})(?=[ -]))[ -]?(s|sec|seconds?|m|min|minutes?|h|hours?|d|days?)\\b`;

/** Instants and durations in running text, in their order. */
export const TIMES = new RegExp(
  `(?<iso>\\d{4}-\\d\\d-\\d\\d[T ]\\d\\d:\\d\\d(?::\\d\\d)?(?:\\.\\d+)?(?:Z|[+-]\\d\\d:\\d\\d)?)|\\b(?<clock>\\d\\d?:\\d\\d)(?::\\d\\d)?Z?\\b|\\b(?<duration>${DURATION})(?<later> (?:later|after))?`,
  'gi',
);

/** @returns the length of e.g. `3 h` or `1 h 30 min`; null when the text is none */
export function duration(text: string): Seconds | null {
  const parts = [...text.matchAll(new RegExp(DURATION, 'g'))];
  if (parts.length === 0 || text.replaceAll(new RegExp(DURATION, 'g'), '').trim() !== '') return null;
  return parts.reduce((sum, [, count = '', unit = '']) => sum + numberOf(count) * (UNITS[unit[0] ?? ''] ?? NaN), 0);
}

/** @returns the whole second of an ISO instant, UTC unless it says otherwise; null when the text is none */
export function instant(text: unknown): Instant | null {
  if (typeof text !== 'string' || !/^\d{4}-\d\d-\d\d[T ]\d\d:\d\d/.test(text)) return null;
  const zoned = /(Z|[+-]\d\d:\d\d)$/.test(text) ? text : `${text}Z`;
  const at = Date.parse(zoned.replace(' ', 'T'));
  return Number.isNaN(at) ? null : Math.floor(at / 1000);
}

export function iso(at: Instant | null): string | null {
  return at === null ? null : new Date(at * 1000).toISOString().replace('.000Z', 'Z');
}

/** `Open, unassigned` and `open_unassigned` are the same name. */
export function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '_');
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function numberOf(word: string): number {
  if (/^an?$/.test(word)) return 1;
  const index = NUMBERS.indexOf(word);
  return index < 0 ? Number(word) : index;
}
