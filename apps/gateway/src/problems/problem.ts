/** RFC 9457 problem details: what went wrong, for people and programs. */
import type { FieldError } from '#contracts';
import { currentContext } from '#platform';
import { HttpException } from '@nestjs/common';
import { STATUS_CODES } from 'node:http';

export const PROBLEM_TYPE = 'application/problem+json';

export class Problem {
  /** A stable relative URI that names the kind of problem. */
  type: string;

  /** The kind of problem in words. */
  title: string;

  /** The HTTP status. */
  status: number;

  /** What went wrong this time. */
  detail?: string;

  /** The stable code of the (first) error. */
  code: string;

  /** Quote it when asking for help: every log line of this request carries it. */
  correlationId?: string;

  /** Every offending field with the rule that it breaks. */
  errors: FieldError[];

  /** With `version_conflict`: the version that the ticket has now. */
  currentVersion?: number;
}

/** An answer other than success; the only kind of exception that leaves a controller on purpose. */
export class ProblemException extends HttpException {
  readonly problem: Problem;

  constructor(status: number, code: string, errors: FieldError[] = [], more: Partial<Problem> = {}) {
    const problem = problemOf(status, code, errors, more);
    super(problem, status);
    this.problem = problem;
  }
}

export function problemOf(status: number, code: string, errors: FieldError[], more: Partial<Problem> = {}): Problem {
  const correlationId = currentContext()?.correlationId;
  const detail = errors.map(({ field, message }) => (field ? `${field}: ${message}` : message)).join('; ');
  return {
    type: `/problems/${code.replaceAll('_', '-')}`,
    title: STATUS_CODES[status] ?? 'Error',
    status,
    ...(detail && { detail }),
    code,
    ...(correlationId && { correlationId }),
    errors,
    ...more,
  };
}
