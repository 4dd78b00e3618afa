import { BusError, type FaultReason, type Logger, LOGGER } from '#platform';
import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Inject } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { PROBLEM_TYPE, type Problem, ProblemException, problemOf } from './problem.js';

const RETRY_AFTER_SECONDS = 2;

/** What the caller is told when a service did not answer properly. */
const STATUS_OF_FAULT: Record<FaultReason, [status: number, code: string]> = {
  nobody_answers: [503, 'service_unavailable'],
  disconnected: [503, 'service_unavailable'],
  timeout: [504, 'service_timeout'],
  too_large: [500, 'internal_error'],
  invalid_request: [500, 'internal_error'],
  invalid_reply: [500, 'internal_error'],
  internal: [500, 'internal_error'],
};

/** Stable codes for what Fastify and Nest refuse before a controller is reached. */
const CODE_OF_STATUS: Record<number, string> = {
  400: 'request_invalid',
  401: 'token_required',
  403: 'forbidden',
  404: 'route_unknown',
  405: 'method_not_allowed',
  406: 'not_acceptable',
  413: 'body_too_large',
  415: 'content_type_unsupported',
  429: 'too_many_requests',
};

/** Turns everything that goes wrong into one problem document; internals stay in the log. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(@Inject(LOGGER) private readonly log: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const problem = this.problemFor(error);
    if (problem.status >= 500) this.log.error({ err: error }, 'request failed');
    if (reply.raw.headersSent) {
      reply.raw.destroy(); // a stream broke in the middle: a cut connection is the only honest sign left
      return;
    }
    if (problem.status === 401) void reply.header('www-authenticate', 'Bearer');
    if (problem.status === 503) void reply.header('retry-after', RETRY_AFTER_SECONDS);
    void reply.status(problem.status).header('content-type', PROBLEM_TYPE).send(JSON.stringify(problem));
  }

  private problemFor(error: unknown): Problem {
    if (error instanceof ProblemException) return error.problem;
    if (error instanceof BusError) {
      const [status, code] = STATUS_OF_FAULT[error.reason];
      const message = error.retryable ? 'try again in a moment' : 'something went wrong on our side';
      return problemOf(status, code, [{ field: '', code, message }]);
    }
    const status = statusFrom(error);
    if (status === undefined || status >= 500) {
      const message = 'something went wrong on our side';
      return problemOf(500, 'internal_error', [{ field: '', code: 'internal_error', message }]);
    }
    const code = CODE_OF_STATUS[status] ?? 'request_invalid';
    return problemOf(status, code, [{ field: '', code, message: (error as Error).message }]);
  }
}

/** Nest's exceptions and Fastify's errors say their status in different places. */
function statusFrom(error: unknown): number | undefined {
  if (error instanceof HttpException) return error.getStatus();
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  return typeof status === 'number' ? status : undefined;
}
