import { FieldError } from '#contracts';

/** What went wrong, as RFC 9457 (application/problem+json) says it. Branch on `code`, show `detail`. */
export class Problem {
  /** A stable URI reference for this kind of problem, e.g. `/problems/version-conflict`. */
  type: string;

  /** The kind of problem in words. */
  title: string;

  /** The HTTP status. */
  status: number;

  /** A stable code, e.g. `validation_failed` or `ticket_unknown`. */
  code: string;

  /** This occurrence in words. */
  detail: string;

  /** The path that was asked for. */
  instance: string;

  /** Names this request in the logs of all services. */
  correlationId: string;

  /** Every offending field; empty when the problem is none of fields. */
  errors: FieldError[];

  /** With `version_conflict` and `ticket_closed`: the version that the ticket has now. */
  currentVersion?: number;
}
