/**
 * The life of a service process: settings → logger → NATS → Nest → ready; on SIGTERM or SIGINT finish what is in hand
 * and end within ten seconds.
 */
import { Module, type DynamicModule, type INestApplication, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { CustomTransportStrategy } from '@nestjs/microservices';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { NatsConnection } from '@nats-io/transport-node';
import { Bus } from './bus.js';
import { readEnvOrExit, type ServiceEnv } from './env.js';
import { createLogger, nestLogger, type Logger } from './logging.js';
import { connectNats } from './nats.js';
import { OpsModule, Readiness } from './ops.js';

const SHUTDOWN_LIMIT_MS = 9_000;

/** What every part of a service can inject by these tokens. */
export const ENV = Symbol('ENV');
export const LOGGER = Symbol('LOGGER');
export const NATS = Symbol('NATS');

export interface Platform<E extends ServiceEnv> {
  env: E;
  log: Logger;
  nats: NatsConnection;
  readiness: Readiness;
}

export interface ServiceOptions<E extends ServiceEnv> {
  name: string;
  readEnv: () => E;
  module: Type<unknown>;
  /** The transports that this service listens on besides its operations port. */
  strategies?: (platform: Platform<E>) => CustomTransportStrategy[];
  /** Makes the main application; default: one that listens on no HTTP port. */
  create?: (module: DynamicModule, platform: Platform<E>) => Promise<INestApplication>;
  /** Opens the main application's own port, for the service that has one. */
  listen?: (app: INestApplication, platform: Platform<E>) => Promise<void>;
}

/** Hands settings, logger, bus and readiness to the whole application. */
@Module({})
class PlatformModule {
  static with<E extends ServiceEnv>(platform: Platform<E>, appModule: Type<unknown>): DynamicModule {
    const providers = [
      { provide: ENV, useValue: platform.env },
      { provide: LOGGER, useValue: platform.log },
      { provide: NATS, useValue: platform.nats },
      { provide: Readiness, useValue: platform.readiness },
      { provide: Bus, useValue: new Bus(platform.nats, platform.env.RPC_TIMEOUT_MS) },
    ];
    return { module: PlatformModule, global: true, imports: [appModule], providers, exports: providers };
  }
}

export async function runService<E extends ServiceEnv>(options: ServiceOptions<E>): Promise<void> {
  const env = readEnvOrExit(options.name, options.readEnv);
  const log = createLogger(options.name, env);
  try {
    await start(options, env, log);
  } catch (error) {
    log.fatal({ err: error }, 'start failed');
    log.flush();
    process.exitCode = 1;
    setTimeout(() => process.exit(1), 500).unref(); // let the log line out, then end whatever still holds the loop
  }
}

async function start<E extends ServiceEnv>(options: ServiceOptions<E>, env: E, log: Logger): Promise<void> {
  const readiness = new Readiness();
  const stop = stopOnSignals(log, readiness);
  const nats = await connectNats(env.NATS_URL, options.name, log);
  stop.push(() => nats.close());
  readiness.register('nats', async () => {
    await nats.rtt();
  });
  const platform: Platform<E> = { env, log, nats, readiness };
  const app = await (options.create ?? createWithoutPort)(PlatformModule.with(platform, options.module), platform);
  stop.push(() => app.close());
  for (const strategy of options.strategies?.(platform) ?? []) app.connectMicroservice({ strategy });
  await app.init();
  await app.startAllMicroservices();
  await options.listen?.(app, platform);
  const ops = await NestFactory.create(OpsModule.with(readiness, options.name), new FastifyAdapter(), {
    logger: nestLogger(log),
  });
  stop.push(() => ops.close());
  await ops.listen(env.OPS_PORT, env.OPS_HOST);
  log.info({ ops: await ops.getUrl() }, 'ready');
}

function createWithoutPort<E extends ServiceEnv>(
  module: DynamicModule,
  { log }: Platform<E>,
): Promise<INestApplication> {
  return NestFactory.create(module, new FastifyAdapter(), { logger: nestLogger(log) });
}

/** @returns what is to be closed, in the order of opening; closed in reverse */
function stopOnSignals(log: Logger, readiness: Readiness): (() => Promise<unknown>)[] {
  const closers: (() => Promise<unknown>)[] = [];
  const onSignal = (signal: NodeJS.Signals): void => {
    log.info({ signal }, 'stopping');
    readiness.startClosing();
    setTimeout(() => {
      log.error('not finished in time');
      process.exit(1);
    }, SHUTDOWN_LIMIT_MS).unref();
    void closeAll(closers, log).then((clean) => process.exit(clean ? 0 : 1));
  };
  process.once('SIGTERM', onSignal);
  process.once('SIGINT', onSignal);
  return closers;
}

async function closeAll(closers: (() => Promise<unknown>)[], log: Logger): Promise<boolean> {
  let clean = true;
  for (const close of closers.toReversed()) {
    await close().catch((error: unknown) => {
      clean = false;
      log.error({ err: error }, 'close failed');
    });
  }
  log.info('stopped');
  return clean;
}
