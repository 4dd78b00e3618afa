/** The notifier as it runs, in the test's own process: the whole application with its consumers on real servers. */
import { connectNats, createLogger, ENV, LOGGER, NATS, parseEnv, Readiness } from '#platform';
import { Module, type DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { AppModule } from '../src/app.module.js';
import { NotifierEnv } from '../src/env.js';
import { strategies } from '../src/transports.js';

@Module({})
class TestPlatform {}

export interface RunningNotifier {
  readiness: Readiness;
  stop(): Promise<void>;
}

export async function startNotifier(variables: Record<string, string>): Promise<RunningNotifier> {
  const env = parseEnv(NotifierEnv, variables);
  const log = createLogger('notifier', { NODE_ENV: 'test', LOG_LEVEL: variables['LOG_LEVEL'] ?? 'silent' });
  const nats = await connectNats(env.NATS_URL, 'notifier', log);
  const readiness = new Readiness();
  const providers = [
    { provide: ENV, useValue: env },
    { provide: LOGGER, useValue: log },
    { provide: NATS, useValue: nats },
    { provide: Readiness, useValue: readiness },
  ];
  const root: DynamicModule = {
    module: TestPlatform,
    global: true,
    imports: [AppModule],
    providers,
    exports: providers,
  };
  const app = await NestFactory.create(root, new FastifyAdapter(), { logger: false });
  for (const strategy of strategies({ nats, log })) app.connectMicroservice({ strategy });
  await app.init();
  await app.startAllMicroservices();
  return {
    readiness,
    stop: async () => {
      await app.close();
      await nats.close();
    },
  };
}
