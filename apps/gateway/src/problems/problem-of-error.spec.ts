import { refuse } from '#contracts';
import { BusError, type FaultReason } from '#platform';
import { HttpException, NotFoundException } from '@nestjs/common';
import { accepted, problemOf } from './problem-error.js';
import { problemOfError } from './problem-of-error.js';

const bus = (reason: FaultReason) => new BusError('tickets.get.v1', reason, 'secret detail');

it.each([
  ['nobody answers', bus('nobody_answers'), 503, 'service_unavailable'],
  ['the connection is lost', bus('disconnected'), 503, 'service_unavailable'],
  ['no answer in time', bus('timeout'), 504, 'service_timeout'],
  ['a bug at the other end', bus('internal'), 500, 'internal_error'],
  ['a reply that breaks its contract', bus('invalid_reply'), 500, 'internal_error'],
  ['a bug here', new TypeError('secret detail'), 500, 'internal_error'],
  ['something that is no error', 'secret detail', 500, 'internal_error'],
  ['nothing', undefined, 500, 'internal_error'],
  ['an unknown route', new NotFoundException('secret detail'), 404, 'route_unknown'],
  ['a framework error', Object.assign(new Error('secret detail'), { statusCode: 413 }), 413, 'body_too_large'],
  ['a framework fault', Object.assign(new Error('secret detail'), { statusCode: 503 }), 500, 'internal_error'],
  ['another client error', new HttpException('secret detail', 418), 418, 'request_invalid'],
  ['a prototype in the body', Object.assign(new SyntaxError('secret'), { statusCode: 400 }), 400, 'json_invalid'],
])('%s', (_title, error, status, code) => {
  const problem = problemOfError(error, 'GET');
  expect(problem).toMatchObject({ status, code });
  expect(problem.message).not.toContain('secret');
});

it('says when to come back after 503, and not after 504', () => {
  expect(problemOfError(bus('nobody_answers'), 'GET').headers).toHaveProperty('retry-after');
  expect(problemOfError(bus('timeout'), 'GET').headers).toEqual({});
});

it('blames the body of a request that is too large for the bus, but not a reader for a large reply', () => {
  expect(problemOfError(bus('too_large'), 'PATCH').status).toBe(413);
  expect(problemOfError(bus('too_large'), 'GET').status).toBe(500);
});

it('names every refusal, the deciding one first, and the present version with a conflict', () => {
  const refused = refuse(
    { field: 'assignee', code: 'assignee_not_employee', message: 'Only an employee.' },
    { field: 'assignee', code: 'ticket_closed', message: 'It is closed.' },
  );
  refused.currentVersion = 7;
  const problem = problemOf(refused);
  expect(problem).toMatchObject({ status: 409, code: 'ticket_closed', currentVersion: 7, errors: refused.refusals });
  expect(problem.message).toBe('assignee: Only an employee.; assignee: It is closed.');
});

it('keeps the present version to itself when fields are wrong', () => {
  const refused = refuse({ field: 'comment', code: 'comment_required', message: 'A comment is required.' });
  refused.currentVersion = 7;
  expect(problemOf(refused)).toMatchObject({ status: 422, code: 'validation_failed', currentVersion: undefined });
});

it('lets a reply pass and throws a refusal', () => {
  const reply = { ticket: 1 };
  expect(accepted(reply)).toBe(reply);
  const refused = refuse({ field: 'ticketId', code: 'ticket_unknown', message: 'no' });
  expect(() => accepted(refused)).toThrow(expect.objectContaining({ status: 404, code: 'ticket_unknown' }));
});
