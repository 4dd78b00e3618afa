import { isRefused, type FieldError, type Refused } from '#contracts';
import { statusOfCode, statusOfCodes } from './status-of-code.js';

interface ProblemParts {
  status: number;
  code: string;
  detail: string;
  errors?: FieldError[];
  headers?: Record<string, string>;
  currentVersion?: number | undefined;
}

/** Thrown anywhere in the gateway; the filter answers it as a problem document. */
export class ProblemError extends Error {
  readonly status: number;
  readonly code: string;
  readonly errors: FieldError[];
  readonly headers: Record<string, string>;
  readonly currentVersion: number | undefined;

  constructor({ status, code, detail, errors = [], headers = {}, currentVersion }: ProblemParts) {
    super(detail);
    this.status = status;
    this.code = code;
    this.errors = errors;
    this.headers = headers;
    this.currentVersion = currentVersion;
  }
}

export function validationFailed(errors: FieldError[]): ProblemError {
  return new ProblemError({ status: 422, code: 'validation_failed', detail: sentenceOf(errors), errors });
}

/** The refusal of another service: one table gives its status, and the code that decided gives its name. */
export function problemOf({ refusals, currentVersion }: Refused): ProblemError {
  const status = statusOfCodes(refusals.map((refusal) => refusal.code));
  if (status === 422) return validationFailed(refusals);
  const deciding = refusals.find((refusal) => statusOfCode(refusal.code) === status)!;
  return new ProblemError({
    status,
    code: deciding.code,
    detail: sentenceOf(refusals),
    errors: refusals,
    ...(status === 409 && { currentVersion }),
  });
}

/** @throws ProblemError when the reply is a refusal */
export function accepted<Reply extends object>(reply: Reply | Refused): Reply {
  if (isRefused(reply)) throw problemOf(reply);
  return reply;
}

function sentenceOf(errors: FieldError[]): string {
  return errors.map(({ field, message }) => (field === '' ? message : `${field}: ${message}`)).join('; ');
}
