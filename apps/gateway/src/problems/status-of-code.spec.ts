import { REFUSAL_CODES } from '#domain';
import { statusOfCode, statusOfCodes } from './status-of-code.js';

it.each([
  [['comment_required'], 422],
  [['comment_required', 'priority_unknown'], 422],
  [['ticket_closed', 'assignee_not_employee'], 409],
  [['version_conflict', 'comment_required'], 409],
  [['comment_required', 'actor_not_employee', 'ticket_closed'], 409],
  [['employees_only'], 403],
  [['ticket_unknown'], 404],
  [['attachment_unknown'], 404],
  [['raw_mail_unknown'], 404],
  [['link_unknown'], 404],
  [['ticket_merged', 'comment_required'], 409],
  [['not_merged'], 409],
  [['credentials_invalid'], 401],
  [['idempotency_key_reused'], 422],
  [['a code of a later version'], 422],
  [['constructor'], 422],
])('%j is %d', (codes, status) => {
  expect(statusOfCodes(codes)).toBe(status);
});

it('gives every refusal of the ticket rules a client error', () => {
  const others = REFUSAL_CODES.filter((code) => statusOfCode(code) !== 422);
  expect(others.sort()).toEqual(['actor_not_employee', 'ticket_closed', 'version_conflict']);
});
