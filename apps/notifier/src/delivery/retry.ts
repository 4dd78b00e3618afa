/**
 * What becomes of a mail that the mail server did not take: tried again after 1 s, 2 s, 4 s, … up to once an hour, for
 * about five days in all (RFC 5321, 4.5.4.1), or refused for good.
 */

const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 3_600_000;
/** 12 growing delays make 68 minutes; 119 more hours make five days. */
const LAST_ATTEMPT = 131;
/** Delays differ by up to this part, so that mails that failed together do not all come back together. */
const JITTER = 0.2;

/**
 * @param attempt which attempt has failed: 1, 2, …
 * @param random in [0, 1)
 * @returns milliseconds until the next one; null when it was the last
 */
export function retryDelayMs(attempt: number, random: number): number | null {
  if (attempt >= LAST_ATTEMPT) return null;
  const delay = Math.min(FIRST_DELAY_MS * 2 ** (attempt - 1), LONGEST_DELAY_MS);
  return Math.round(delay * (1 - JITTER + 2 * JITTER * random));
}
