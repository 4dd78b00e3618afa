/**
 * When a webhook that was not delivered is tried again: after 5 s, 10 s, 20 s, … up to once an hour, until it expires.
 * Delays differ by up to a fifth, so that what failed together does not all come back together.
 */

const FIRST_DELAY_SECONDS = 5;
export const LONGEST_DELAY_SECONDS = 3_600;
const JITTER = 0.2;

/**
 * @param attempt which attempt has failed: 1, 2, …
 * @param random in [0, 1)
 * @returns seconds until the next one
 */
export function retryDelaySeconds(attempt: number, random: number): number {
  const delay = Math.min(FIRST_DELAY_SECONDS * 2 ** (attempt - 1), LONGEST_DELAY_SECONDS);
  return delay * (1 - JITTER + 2 * JITTER * random);
}
