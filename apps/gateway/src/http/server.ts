/** The REST server: limits, security headers, correlation, access log, documentation. */
import { nestLogger, type Platform } from '#platform';
import type { DynamicModule, INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { GatewayEnv } from '../env.js';
import { serveDocumentation } from '../openapi.js';
import { documentOf, PROBLEM_TYPE, sendProblem } from '../problems/document.js';
import { frameworkProblem, problemOfError } from '../problems/problem-of-error.js';
import { logRequests } from './access-log.js';
import { carryContext, correlationIdOf } from './correlation.js';
import { rememberRoutes } from './routes.js';

/** A whole request (headers and body) must arrive within this time. */
const REQUEST_TIMEOUT_MS = 30_000;
const HEADERS_TIMEOUT_MS = 15_000;

/** Enough for the documentation's pages; an API answer needs none of it. */
const CONTENT_SECURITY_POLICY = {
  useDefaults: false,
  directives: {
    defaultSrc: "'none'",
    scriptSrc: "'self'",
    styleSrc: ["'self'", "'unsafe-inline'"],
    imgSrc: ["'self'", 'data:'],
    connectSrc: "'self'",
    baseUri: "'none'",
    formAction: "'none'",
    frameAncestors: "'none'",
  },
};

export async function createServer(
  module: DynamicModule,
  { env, log }: Pick<Platform<GatewayEnv>, 'env' | 'log'>,
): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter({
    bodyLimit: env.BODY_LIMIT_BYTES,
    genReqId: correlationIdOf,
    requestIdHeader: false,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: env.RPC_TIMEOUT_MS + REQUEST_TIMEOUT_MS,
    http: { headersTimeout: HEADERS_TIMEOUT_MS },
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) =>
      sendProblem(problemOfError(error, request.method), request, reply),
    clientErrorHandler: answerUnreadable,
  });
  const server: FastifyInstance = adapter.getInstance();
  server.removeContentTypeParser('text/plain'); // JSON is all that is read
  server.decorateRequest('caller', undefined);
  rememberRoutes(server);
  carryContext(server);
  logRequests(server, log);
  closeConnectionsWhenClosing(server);
  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, {
    logger: nestLogger(log),
    bodyParser: false,
  });
  app.useSecurityHeaders({
    contentSecurityPolicy: CONTENT_SECURITY_POLICY,
    xFrameOptions: { action: 'deny' },
  });
  serveDocumentation(app);
  return app;
}

export async function listen(app: INestApplication, { env, log }: Platform<GatewayEnv>): Promise<void> {
  await app.listen(env.HTTP_PORT, env.HTTP_HOST);
  log.info({ url: await app.getUrl() }, 'REST API is open');
}

/** A keep-alive connection that is busy at the time would otherwise stay open after its answer and hold the end up. */
function closeConnectionsWhenClosing(server: FastifyInstance): void {
  let closing = false;
  server.addHook('preClose', (done) => {
    closing = true;
    done();
  });
  server.addHook('onSend', (_request, reply, _payload, done) => {
    if (closing) reply.header('connection', 'close');
    done();
  });
}

/** What is not even HTTP gets its problem document too. */
function answerUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const statuses: Record<string, number> = { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 };
  const problem = frameworkProblem(statuses[error.code ?? ''] ?? 400);
  const body = JSON.stringify(documentOf(problem, randomUUID(), ''));
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\ncontent-type: ${PROBLEM_TYPE}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
