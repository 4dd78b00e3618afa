import { Bus, connectNats, createLogger, ENV, LOGGER, NATS, parseEnv, Readiness } from '#platform';
import { Module } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { NatsConnection } from '@nats-io/transport-node';
import { AppModule } from '../src/app.module.js';
import { GatewayEnv } from '../src/env.js';
import { createServer } from '../src/http/server.js';

export interface Gateway {
  app: NestFastifyApplication;
  nats: NatsConnection;
  url: string;
  close(): Promise<void>;
}

/** The gateway inside this process, on a free port. */
export async function startGateway(variables: { NATS_URL: string } & Record<string, string>): Promise<Gateway> {
  const env = parseEnv(GatewayEnv, {
    DATABASE_URL: 'postgres://127.0.0.1:1/nobody',
    AUTH_SECRET: 'a secret of the tests, long enough',
    RPC_TIMEOUT_MS: '5000',
    LOG_LEVEL: 'silent',
    ...variables,
  });
  const log = createLogger('gateway', { ...env, LOG_FORMAT: 'json' });
  const nats = await connectNats(env.NATS_URL, 'gateway', log);
  const providers = [
    { provide: ENV, useValue: env },
    { provide: LOGGER, useValue: log },
    { provide: NATS, useValue: nats },
    { provide: Readiness, useValue: new Readiness() },
    { provide: Bus, useValue: new Bus(nats, env.RPC_TIMEOUT_MS) },
  ];
  @Module({})
  class TestModule {}
  const module = { module: TestModule, global: true, imports: [AppModule], providers, exports: providers };
  const app = await createServer(module, { env, log });
  await app.listen(0, '127.0.0.1');
  return {
    app,
    nats,
    url: await app.getUrl(),
    async close() {
      await app.close();
      await nats.close();
    },
  };
}
