import type { Seconds } from '#domain';

/** No promise, pause or window is longer than a year. */
export const LONGEST_SECONDS: Seconds = 8_784 * 3_600;

/**
 * Reads a duration as operators write it: hours and minutes (`4h`, `15m`, `1h30m`), or a number of seconds. There are no
 * days: a day of a calendar with hours is not one of 24.
 * @returns whole seconds from 0 to a year; undefined for anything else
 */
export function parseDuration(value: unknown): Seconds | undefined {
  const seconds = typeof value === 'string' ? secondsOf(value) : value;
  const isDuration = typeof seconds === 'number' && Number.isInteger(seconds) && seconds >= 0;
  return isDuration && seconds <= LONGEST_SECONDS ? seconds : undefined;
}

function secondsOf(text: string): Seconds | undefined {
  const match = /^(?=\d)(?:(\d{1,5})h)?(?:(\d{1,6})m)?$/.exec(text);
  return match ? Number(match[1] ?? 0) * 3_600 + Number(match[2] ?? 0) * 60 : undefined;
}
