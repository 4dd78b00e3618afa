import type { Logger } from '#platform';
import type { FastifyInstance } from 'fastify';
import { pathOf } from './correlation.js';

/** One line per answered request; health checks only at debug. */
export function logRequests(server: FastifyInstance, log: Logger): void {
  server.addHook('onResponse', (request, reply, done) => {
    const path = pathOf(request);
    const level = path.startsWith('/health/') ? 'debug' : 'info';
    if (log.isLevelEnabled(level)) {
      const facts = {
        correlationId: request.id,
        method: request.method,
        path,
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
        ...(request.caller && { personId: request.caller.id }),
      };
      log[level](facts, `${request.method} ${path} ${reply.statusCode}`);
    }
    done();
  });
}
