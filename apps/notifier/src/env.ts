import { parseEnv, ServiceEnv } from '#platform';
import { Transform } from 'class-transformer';
import { IsBoolean, IsFQDN, IsInt, IsString, IsUrl, Length, Matches, Max, Min } from 'class-validator';

export class NotifierEnv extends ServiceEnv {
  /** The mail server that takes outgoing mail: `smtp://` (STARTTLS when offered) or `smtps://`, with `user:password@` if it asks. */
  @IsString()
  @IsUrl({ protocols: ['smtp', 'smtps'], require_protocol: true, require_tld: false, allow_underscores: true })
  SMTP_URL: string;

  /** Signs reply addresses and Message-IDs; the same as the mail intake's. `new,old` while a key is being replaced. */
  @Matches(/^[^,\s]{32,}(,[^,\s]{32,})?$/, { message: 'must be a key of at least 32 characters, or two as "new,old"' })
  MAIL_SIGNING_KEY: string;

  /** The domain on the right of our Message-IDs. */
  @IsFQDN({ require_tld: false })
  MAIL_DOMAIN: string;

  /** Tells our own mail when it comes back; the same as the mail intake's. */
  @Matches(/^[\x21-\x7e]{8,200}$/, { message: 'must be 8 to 200 printable characters without blanks' })
  MAIL_LOOP_TOKEN: string;

  /** The name beside the support address in From. */
  @IsString()
  @Length(1, 100)
  SUPPORT_NAME: string = 'Support';

  /** SMTP dialogues at once, each on a connection of its own. */
  @IsInt()
  @Min(1)
  @Max(100)
  SMTP_CONCURRENCY: number = 5;

  /** Acknowledgements to one address in an hour, 0 without limit. */
  @IsInt()
  @Min(0)
  @Max(1_000_000)
  ACKNOWLEDGEMENTS_PER_HOUR: number = 3;

  /** Acknowledgements to one address in a day, and none of the same subject twice; 0 without limit. */
  @IsInt()
  @Min(0)
  @Max(1_000_000)
  ACKNOWLEDGEMENTS_PER_DAY: number = 10;

  /** Acknowledgements in an hour to addresses of one domain that were not written to before; 0 without limit. */
  @IsInt()
  @Min(0)
  @Max(1_000_000)
  ACKNOWLEDGEMENTS_PER_DOMAIN_HOUR: number = 5;

  /** Automatic mails about one ticket to one customer in an hour, 0 without limit. */
  @IsInt()
  @Min(0)
  @Max(1_000_000)
  AUTOMATIC_MAILS_PER_TICKET_HOUR: number = 5;

  /** Automatic mails to customers in a minute altogether, 0 without limit. */
  @IsInt()
  @Min(0)
  @Max(1_000_000)
  AUTOMATIC_MAILS_PER_MINUTE: number = 300;

  /** Seals the secrets of webhooks in the database; `new,old` while it is being replaced. */
  @IsString()
  @Matches(/^[^,]{32,}(,[^,]{32,})*$/, {
    message: 'must have at least 32 characters, each of several separated by commas',
  })
  WEBHOOK_SECRET_KEY: string;

  /** Whether webhooks may go to private networks, without TLS and to any port. Link-local addresses never are allowed. */
  @IsBoolean()
  @Transform(({ obj }) => ({ true: true, false: false })[String((obj as NotifierEnv).WEBHOOK_PRIVATE_HOSTS)])
  WEBHOOK_PRIVATE_HOSTS: boolean = false;
}

/** @throws EnvError naming every wrong variable */
export const readEnv = (): NotifierEnv => parseEnv(NotifierEnv, process.env);
