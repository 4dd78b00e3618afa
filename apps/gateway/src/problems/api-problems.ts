import { applyDecorators } from '@nestjs/common';
import { ApiExtraModels, ApiResponse, getSchemaPath } from '@nestjs/swagger';
import { Problem } from './problem.dto.js';

const MEANING = {
  400: 'The request cannot be read: malformed JSON, path parameter or header.',
  401: 'No access token, one that is not valid, or wrong credentials.',
  403: 'Only employees may do this.',
  404: 'There is no such thing, or not for the caller.',
  409: 'The ticket has changed meanwhile (`version_conflict`), is closed (`ticket_closed`), merged (`ticket_merged`) or not.',
  413: 'The body is too large.',
  415: 'The body is not JSON.',
  422: 'Fields break rules: `errors` names every one of them.',
  429: 'Too many failed attempts; `Retry-After` says how many seconds to wait.',
  503: 'The service that would answer is not there; try again after `Retry-After` seconds.',
  504: 'No answer came in time.',
} as const;

/** Documents the problems that an operation answers with, besides those that every operation can. */
export function ApiProblems(...statuses: (keyof typeof MEANING)[]): MethodDecorator & ClassDecorator {
  return applyDecorators(
    ApiExtraModels(Problem),
    ...statuses.map((status) =>
      ApiResponse({
        status,
        description: MEANING[status],
        content: { 'application/problem+json': { schema: { $ref: getSchemaPath(Problem) } } },
      }),
    ),
  );
}
