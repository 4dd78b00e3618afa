/** The one place where a refusal gets its HTTP status. A code that is not named here breaks a rule of a field: 422. */
const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  credentials_invalid: 401,
  actor_unknown: 401, // the token is good, but the account behind it is not active any more
  viewer_unknown: 401,
  actor_not_employee: 403,
  employees_only: 403,
  ticket_unknown: 404,
  infrastructure_unknown: 404,
  attachment_unknown: 404,
  raw_mail_unknown: 404,
  policy_unknown: 404,
  link_unknown: 404,
  inbound_unknown: 404,
  mailbox_unknown: 404,
  webhook_unknown: 404,
  dead_letter_unknown: 404,
  ticket_closed: 409,
  ticket_merged: 409,
  not_merged: 409,
  inbound_waiting: 409,
  not_quarantined: 409,
  address_taken: 409,
  set_by_environment: 409,
  webhooks_too_many: 409,
  version_conflict: 409,
  tickets_away: 503,
};

/** Who is nobody here learns nothing else; who comes too late need not mend fields, nor ask who may. */
const PRECEDENCE = [401, 404, 409, 403, 503];

export function statusOfCode(code: string): number {
  return (Object.hasOwn(STATUS_OF_CODE, code) && STATUS_OF_CODE[code]) || 422;
}

/** The status of a refusal with several codes. */
export function statusOfCodes(codes: readonly string[]): number {
  const statuses = codes.map(statusOfCode);
  return PRECEDENCE.find((status) => statuses.includes(status)) ?? 422;
}
