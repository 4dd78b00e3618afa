import type { LoggerService } from '@nestjs/common';
import pino, { type Logger } from 'pino';
import { currentContext } from './context.js';
import type { ServiceEnv } from './env.js';

export type { Logger } from 'pino';

/** One logger a process; every line carries the service and, inside a call, its correlation id. */
export function createLogger(service: string, env: Pick<ServiceEnv, 'NODE_ENV' | 'LOG_LEVEL' | 'LOG_FORMAT'>): Logger {
  const pretty = (env.LOG_FORMAT ?? (env.NODE_ENV === 'production' ? 'json' : 'pretty')) === 'pretty';
  return pino({
    level: env.LOG_LEVEL,
    base: { service },
    mixin: () => ({ ...currentContext() }),
    redact: ['password', '*.password', 'headers.authorization', '*.headers.authorization'],
    ...(pretty && {
      transport: {
        target: 'pino-pretty',
        options: { ignore: 'pid,hostname,service', messageFormat: '[{service}] {msg}' },
      },
    }),
  });
}

/** Lets Nest's own messages go through the same logger. */
export function nestLogger(logger: Logger): LoggerService {
  const write =
    (level: 'info' | 'error' | 'warn' | 'debug' | 'trace' | 'fatal') =>
    (message: unknown, ...rest: unknown[]): void => {
      const scope = typeof rest.at(-1) === 'string' ? rest.at(-1) : undefined;
      if (message instanceof Error) logger[level]({ err: message, scope }, message.message);
      else logger[level]({ scope }, typeof message === 'string' ? message : JSON.stringify(message));
    };
  return {
    log: write('debug'), // Nest's start-up chatter
    error: write('error'),
    warn: write('warn'),
    debug: write('debug'),
    verbose: write('trace'),
    fatal: write('fatal'),
  };
}
