import { CORRELATION_HEADER } from '#platform';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { STATUS_CODES } from 'node:http';
import { pathOf } from '../http/correlation.js';
import type { ProblemError } from './problem-error.js';
import type { Problem } from './problem.dto.js';

export const PROBLEM_TYPE = 'application/problem+json';

/** @param instance the path that was asked for */
export function documentOf(problem: ProblemError, correlationId: string, instance: string): Problem {
  return {
    type: `/problems/${problem.code.replaceAll('_', '-')}`,
    title: STATUS_CODES[problem.status] ?? 'Error',
    status: problem.status,
    code: problem.code,
    detail: problem.message,
    instance,
    correlationId,
    errors: problem.errors,
    ...(problem.currentVersion !== undefined && { currentVersion: problem.currentVersion }),
  };
}

export function sendProblem(problem: ProblemError, request: FastifyRequest, reply: FastifyReply): void {
  void reply
    .code(problem.status)
    .headers({ ...problem.headers, [CORRELATION_HEADER]: request.id, 'cache-control': 'no-store' })
    .type(PROBLEM_TYPE)
    .send(JSON.stringify(documentOf(problem, request.id, pathOf(request))));
}
