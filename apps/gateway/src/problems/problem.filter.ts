import { LOGGER, type Logger } from '#platform';
import { Catch, Inject, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { pathOf } from '../http/correlation.js';
import { allowedMethods } from '../http/routes.js';
import { sendProblem } from './document.js';
import { ProblemError } from './problem-error.js';
import { problemOfError } from './problem-of-error.js';

/** Answers everything that is thrown as a problem document; internals go to the log only. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(@Inject(LOGGER) private readonly log: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const problem = this.problemFor(error, request);
    if (problem.status >= 500) {
      const facts = { err: error, correlationId: request.id, method: request.method, path: pathOf(request) };
      this.log[problem.status === 500 ? 'error' : 'warn'](facts, `answered ${problem.status} ${problem.code}`);
    }
    if (!reply.sent) sendProblem(problem, request, reply);
  }

  private problemFor(error: unknown, request: FastifyRequest): ProblemError {
    const problem = problemOfError(error, request.method);
    if (problem.code !== 'route_unknown') return problem;
    const methods = allowedMethods(request.server, pathOf(request));
    if (methods.length === 0) return problem;
    const allow = methods.join(', ');
    const detail = `${request.method} is not possible here; ${allow} is.`;
    return new ProblemError({ status: 405, code: 'method_not_allowed', detail, headers: { allow } });
  }
}
