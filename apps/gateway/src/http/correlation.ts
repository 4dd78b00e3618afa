import { CORRELATION_HEADER, runInContext, TRACEPARENT_HEADER, type CallContext } from '#platform';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { IncomingMessage } from 'node:http';
import { randomUUID } from 'node:crypto';

/** The caller's own id when it is harmless in logs and headers, else a new one. */
export function correlationIdOf({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const given = headers[CORRELATION_HEADER];
  return typeof given === 'string' && /^[\w.-]{1,64}$/.test(given) ? given : randomUUID();
}

/** The path without its query string. */
export function pathOf({ url }: Pick<FastifyRequest, 'url'>): string {
  const end = url.indexOf('?');
  return end === -1 ? url : url.slice(0, end);
}

/** Lets everything that happens for a request know whose it is; request.id is the correlation id. */
export function carryContext(server: FastifyInstance): void {
  server.addHook('onRequest', (request, reply, done) => {
    reply.header(CORRELATION_HEADER, request.id).header('cache-control', 'no-store');
    done();
  });
  // not earlier: reading the body leaves the asynchronous context of the hooks before it
  server.addHook('preValidation', (request, _reply, done) => runInContext(contextOf(request), done));
}

function contextOf({ id, headers }: FastifyRequest): CallContext {
  const traceparent = headers[TRACEPARENT_HEADER];
  const sane = typeof traceparent === 'string' && /^[0-9a-f-]{1,64}$/.test(traceparent);
  return sane ? { correlationId: id, traceparent } : { correlationId: id };
}
