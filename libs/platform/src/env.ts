/**
 * Settings come from environment variables into one class-validator class per app: its fields are the documentation,
 * the defaults and the checks. A wrong value stops the start with one line per wrong variable.
 */
import 'reflect-metadata';
import { plainToInstance } from 'class-transformer';
import { IsIn, IsInt, IsOptional, IsString, IsUrl, Max, Min, validateSync } from 'class-validator';

/** Settings that every service has. */
export class ServiceEnv {
  /** production: JSON logs. */
  @IsIn(['development', 'test', 'production'])
  NODE_ENV: 'development' | 'test' | 'production' = 'development';

  @IsIn(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
  LOG_LEVEL: string = 'info';

  /** json or pretty; default: json in production, else pretty. */
  @IsOptional()
  @IsIn(['json', 'pretty'])
  LOG_FORMAT?: 'json' | 'pretty';

  @IsString()
  @IsUrl({ protocols: ['postgres', 'postgresql'], require_protocol: true, require_tld: false, allow_underscores: true })
  DATABASE_URL: string;

  /** Connections of this process to PostgreSQL at most. */
  @IsInt()
  @Min(2)
  @Max(200)
  DATABASE_POOL_SIZE: number = 16;

  @IsString()
  @IsUrl({ protocols: ['nats', 'tls'], require_protocol: true, require_tld: false, allow_underscores: true })
  NATS_URL: string;

  /** How long a caller waits for an answer over NATS, in milliseconds. */
  @IsInt()
  @Min(100)
  @Max(120_000)
  RPC_TIMEOUT_MS: number = 10_000;

  /** Address that health and metrics listen on. */
  @IsString()
  OPS_HOST: string = '127.0.0.1';

  /** Port for /health/live, /health/ready and /metrics; 0 takes a free one. */
  @IsInt()
  @Min(0)
  @Max(65_535)
  OPS_PORT: number = 0;
}

/** The settings are wrong: one line per variable in `lines`. */
export class EnvError extends Error {
  constructor(readonly lines: string[]) {
    super(lines.join('\n'));
  }
}

/**
 * Reads the variables that the class knows; others are left alone.
 * @throws EnvError naming every wrong variable, never its value (it may be a secret)
 */
export function parseEnv<E extends object>(envClass: new () => E, source: Record<string, string | undefined>): E {
  const defaults = new envClass();
  const known = Object.fromEntries(Object.entries(source).filter(([, value]) => value !== undefined && value !== ''));
  const env = plainToInstance(envClass, { ...defaults, ...known }, { enableImplicitConversion: true });
  const errors = validateSync(env, { skipMissingProperties: false });
  if (errors.length > 0) {
    throw new EnvError(errors.map((e) => `${e.property}: ${Object.values(e.constraints ?? {}).join('; ')}`));
  }
  return env;
}

/** For the start of a process: says what is wrong on stderr, one line per variable, and ends it with 1. */
export function readEnvOrExit<E>(name: string, readEnv: () => E): E {
  try {
    return readEnv();
  } catch (error) {
    if (!(error instanceof EnvError)) throw error;
    for (const line of error.lines) process.stderr.write(`${name}: ${line}\n`);
    process.exit(1);
  }
}
