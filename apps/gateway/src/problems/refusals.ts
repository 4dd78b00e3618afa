import { isRefused, type Refused } from '#contracts';
import { ProblemException } from './problem.js';

/** The one table from codes to HTTP; a code that is not here is a 422. */
const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  credentials_invalid: 401,
  actor_unknown: 401,
  viewer_unknown: 401,
  actor_not_employee: 403,
  ticket_unknown: 404,
  attachment_unknown: 404,
  raw_mail_unknown: 404,
  ticket_closed: 409,
  version_conflict: 409,
  cursor_invalid: 400,
  uuid_invalid: 400,
};

/** Of several refusals the most fundamental decides: who asks, then whether it exists, then its state, then the rest. */
const PRECEDENCE = [401, 403, 404, 409, 400, 422];

export function statusOf(codes: string[]): number {
  const statuses = codes.map((code) => STATUS_OF_CODE[code] ?? 422);
  return PRECEDENCE.find((status) => statuses.includes(status)) ?? 422;
}

/** @throws ProblemException when the service said no */
export function accepted<Reply extends object>(reply: Reply | Refused): Reply {
  if (!isRefused(reply)) return reply;
  const { refusals, currentVersion } = reply;
  const status = employeesOnlyAlone(refusals) ? 403 : statusOf(refusals.map((refusal) => refusal.code));
  const deciding = refusals.find((refusal) => statusOf([refusal.code]) === status) ?? refusals[0];
  throw new ProblemException(status, deciding?.code ?? 'refused', refusals, {
    ...(currentVersion !== undefined && { currentVersion }),
  });
}

/** Naming a field that only employees may name is a 403 when nothing else is wrong. */
function employeesOnlyAlone(refusals: Refused['refusals']): boolean {
  return refusals.length > 0 && refusals.every((refusal) => refusal.code === 'employees_only');
}
