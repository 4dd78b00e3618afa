import { EnvError, parseEnv, ServiceEnv } from '#platform';
import { Transform } from 'class-transformer';
import { IsBoolean, IsEmail, IsOptional, IsUrl, Matches } from 'class-validator';

export class TicketsEnv extends ServiceEnv {
  /** The support address of tickets that did not come by mail: what their mail is sent from and answered to. */
  @IsEmail({ require_tld: false })
  SUPPORT_ADDRESS: string;

  /** Where the team is told of breaches and of answers on tickets that nobody is assigned to; nobody when unset. */
  @IsOptional()
  @IsEmail({ require_tld: false })
  TEAM_ADDRESS?: string;

  /**
   * Names of other systems that read events, separated by blanks: each has a durable consumer of its name made for it on
   * the stream, see deploy/nats.
   */
  @Matches(/^(?!.*\b(notifier|webhooks)\b)([\w-]{1,64}( [\w-]{1,64}){0,99})?$/, {
    message: 'must be names of letters, digits, - and _, separated by blanks, and none of our own consumers',
  })
  EVENT_SUBSCRIBERS: string = '';

  /** For tests: time is what the table tickets.test_clock says. Refused in production. */
  // the implicit conversion takes every text for true
  @Transform(({ obj }: { obj: Record<string, unknown> }) => String(obj['TEST_CLOCK']) === 'true')
  @IsBoolean()
  TEST_CLOCK: boolean = false;
}

/** @throws EnvError naming every wrong variable */
export function readEnv(): TicketsEnv {
  const env = parseEnv(TicketsEnv, process.env);
  if (env.TEST_CLOCK && env.NODE_ENV === 'production')
    throw new EnvError(['TEST_CLOCK: must not be set in production']);
  return env;
}

/** A command beside the service: the database is enough. */
class VerifyEnv {
  @IsUrl({ protocols: ['postgres', 'postgresql'], require_protocol: true, require_tld: false, allow_underscores: true })
  DATABASE_URL: string;

  /** As the service's: a repair may find a breach to tell the team of. */
  @IsOptional()
  @IsEmail({ require_tld: false })
  TEAM_ADDRESS?: string;
}

/** @throws EnvError naming every wrong variable */
export function readVerifyEnv(): VerifyEnv {
  return parseEnv(VerifyEnv, process.env);
}
