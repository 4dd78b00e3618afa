/** The Fastify application around the controllers: limits, headers, correlation, access log. */
import {
  CORRELATION_HEADER,
  contextFromHeaders,
  nestLogger,
  runInContext,
  type Logger,
  type Platform,
} from '#platform';
import helmet from '@fastify/helmet';
import type { DynamicModule, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { SwaggerModule } from '@nestjs/swagger';
import type { FastifyInstance } from 'fastify';
import { randomUUID } from 'node:crypto';
import type { GatewayEnv } from './env.js';
import { describeApi } from './openapi.js';
import { ProblemFilter } from './problems/problem.filter.js';
import { StrictPipe } from './problems/validation.js';

const SANE_CORRELATION_ID = /^[\w.-]{1,64}$/;

export async function createApplication(
  module: DynamicModule | Type<unknown>,
  { env, log }: Pick<Platform<GatewayEnv>, 'env' | 'log'>,
): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter({
    bodyLimit: env.BODY_LIMIT_BYTES,
    requestTimeout: 60_000,
    connectionTimeout: 0,
    keepAliveTimeout: 65_000,
    return503OnClosing: false, // requests that are already here are finished
    forceCloseConnections: 'idle',
    routerOptions: { ignoreTrailingSlash: true },
  });
  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, {
    logger: nestLogger(log),
    bodyParser: false, // Fastify's own reads JSON; nothing else is taken
  });
  const fastify = app.getHttpAdapter().getInstance() as unknown as FastifyInstance;
  fastify.removeContentTypeParser('text/plain');
  carryContext(fastify, log);
  await app.register(helmet as never, {
    contentSecurityPolicy: {
      directives: { defaultSrc: ["'self'"], styleSrc: ["'self'", "'unsafe-inline'"], imgSrc: ["'self'", 'data:'] },
    },
  });
  app.useGlobalPipes(new StrictPipe());
  app.useGlobalFilters(new ProblemFilter(log));
  SwaggerModule.setup('docs', app, () => describeApi(app), { jsonDocumentUrl: '/openapi.json' });
  return app;
}

/** Each request runs in its own context; every log line and every message that it causes carries its correlation id. */
function carryContext(fastify: FastifyInstance, log: Logger): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    const context = contextFromHeaders((name) => {
      const value = request.headers[name];
      return typeof value === 'string' ? value : undefined;
    });
    if (!SANE_CORRELATION_ID.test(context.correlationId)) context.correlationId = randomUUID();
    void reply.header(CORRELATION_HEADER, context.correlationId);
    runInContext(context, done);
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    const { method, url } = request;
    const fields = { method, url, status: reply.statusCode, ms: Math.round(reply.elapsedTime * 10) / 10 };
    log.info(fields, 'request');
    done();
  });
}
