/** Everything that can be thrown while a request is served, as a problem. */
import { BusError } from '#platform';
import { HttpException } from '@nestjs/common';
import { ProblemError } from './problem-error.js';

const RETRY_AFTER = { 'retry-after': '1' };

/** Framework errors that callers meet, by status. */
const FRAMEWORK_PROBLEMS: Readonly<Record<number, { code: string; detail: string }>> = {
  400: { code: 'request_invalid', detail: 'The request cannot be read.' },
  404: { code: 'route_unknown', detail: 'There is nothing at this path.' },
  408: { code: 'request_timeout', detail: 'The request took too long to arrive.' },
  413: { code: 'body_too_large', detail: 'The body is larger than this server accepts.' },
  414: { code: 'url_too_long', detail: 'A part of the path is too long.' },
  415: { code: 'content_type_unsupported', detail: 'Send JSON, with the content type application/json.' },
  431: { code: 'headers_too_large', detail: 'The headers are larger than this server accepts.' },
};

/** Errors of Fastify and its JSON parser that deserve a name of their own. */
const INVALID_JSON = ['FST_ERR_CTP_INVALID_JSON_BODY', 'FST_ERR_CTP_EMPTY_JSON_BODY'];

export function problemOfError(error: unknown, method: string): ProblemError {
  if (error instanceof ProblemError) return error;
  if (error instanceof BusError) return problemOfBusError(error, method);
  const cause = error instanceof HttpException && error.cause !== undefined ? error.cause : error;
  const { statusCode, code } = (cause ?? {}) as { statusCode?: unknown; code?: unknown };
  if (cause instanceof SyntaxError || INVALID_JSON.includes(String(code))) {
    return new ProblemError({ status: 400, code: 'json_invalid', detail: 'The body is not valid JSON.' });
  }
  const status = error instanceof HttpException ? error.getStatus() : statusCode;
  return typeof status === 'number' && status >= 400 && status < 500 ? frameworkProblem(status) : internalProblem();
}

/** @param status 4xx */
export function frameworkProblem(status: number): ProblemError {
  const known = FRAMEWORK_PROBLEMS[status] ?? FRAMEWORK_PROBLEMS[400]!;
  return new ProblemError({ status, ...known });
}

function problemOfBusError(error: BusError, method: string): ProblemError {
  switch (error.reason) {
    case 'nobody_answers':
    case 'disconnected':
      return new ProblemError({
        status: 503,
        code: 'service_unavailable',
        detail: 'The service that would answer is not there at the moment. Try again.',
        headers: RETRY_AFTER,
      });
    case 'timeout':
      return new ProblemError({
        status: 504,
        code: 'service_timeout',
        detail:
          'No answer came in time. A change may or may not have been made: ask again with the same Idempotency-Key.',
      });
    case 'too_large':
      // a reply cannot be mended by the caller, a body can
      return method === 'GET' || method === 'HEAD' ? internalProblem() : frameworkProblem(413);
    default:
      return internalProblem();
  }
}

function internalProblem(): ProblemError {
  const detail = 'Something went wrong here. The correlation id names this request in the logs.';
  return new ProblemError({ status: 500, code: 'internal_error', detail });
}
