import type { MailboxErrorKind } from '#contracts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

/** A refused login may lock the account when it is repeated, and only a person can mend it. */
const PATIENT: readonly MailboxErrorKind[] = ['credentials', 'authorisation', 'settings'];

/**
 * How long to wait after a connection failed, in milliseconds, before chance is added to it.
 * @param failures in a row, this one included, since the last time that all was well
 */
export function pauseAfter(kind: MailboxErrorKind, failures: number): number {
  const [first, longest] = PATIENT.includes(kind) ? [30 * SECOND, 30 * MINUTE] : [SECOND, 5 * MINUTE];
  return Math.min(first * 2 ** Math.min(failures - 1, 20), longest);
}
