import { parseEnv, ServiceEnv } from '#platform';
import { Transform } from 'class-transformer';
import {
  IsBoolean,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  Matches,
  Max,
  Min,
  MinLength,
  registerDecorator,
} from 'class-validator';
import { mailboxUrlErrors } from './mailbox/mailbox-url.js';

/** One sentence for each wrong URL; the URLs hold passwords and are never repeated. */
function AreMailboxUrls() {
  return (target: object, propertyName: string): void =>
    registerDecorator({
      name: 'areMailboxUrls',
      target: target.constructor,
      propertyName,
      validator: {
        validate: (value: unknown) => typeof value === 'string' && mailboxUrlErrors(value).length === 0,
        defaultMessage: (args) => mailboxUrlErrors(String(args?.value ?? '')).join('; '),
      },
    });
}

export class MailIngestEnv extends ServiceEnv {
  /**
   * Mailboxes to read besides those that are added while the service runs, separated by blanks:
   * `imaps://user:password@host/INBOX?address=support@example.net&mode=move`. User and password percent-encoded; `address`
   * defaults to the user, `mode` (move, flag, leave) to move, `import` (all, none) to all with move, else to none.
   */
  @AreMailboxUrls()
  IMAP_MAILBOXES: string = '';

  /** Seals passwords and tokens of mailboxes in the database; `new,old` while it is being replaced. */
  @IsString()
  @Matches(/^[^,]{32,}(,[^,]{32,})*$/, {
    message: 'must have at least 32 characters, each of several separated by commas',
  })
  MAILBOX_SECRET_KEY: string;

  /** Whether mailboxes and token endpoints may be in private networks. Link-local addresses never are. */
  @IsBoolean()
  @Transform(({ obj }) => ({ true: true, false: false })[String((obj as MailIngestEnv).MAILBOX_PRIVATE_HOSTS)])
  MAILBOX_PRIVATE_HOSTS: boolean = true;

  /** An alarm is raised when a mailbox could not be looked through for so long. */
  @IsInt()
  @Min(1)
  @Max(86_400)
  MAILBOX_SILENT_SECONDS: number = 900;

  /** Key of the signatures in reply addresses and Message-IDs; `new,old` while it is being replaced. */
  @IsString()
  @MinLength(32)
  MAIL_SIGNING_KEY: string;

  /** Marks our own mail, so that it is known when it comes back. */
  @Matches(/^[\x21-\x7e]{8,200}$/, { message: 'must be 8 to 200 printable characters without blanks' })
  MAIL_LOOP_TOKEN: string;

  /** A full look into each mailbox at least this often, besides IDLE. */
  @IsInt()
  @Min(1)
  @Max(3_600)
  IMAP_SCAN_INTERVAL_SECONDS: number = 60;

  /** Larger mails are not downloaded: their headers are kept and a person is asked. */
  @IsInt()
  @Min(65_536)
  @Max(536_870_912)
  MAIL_MAX_BYTES: number = 52_428_800;

  /** Of a mail with a longer header block only the beginning of its headers is taken. */
  @IsInt()
  @Min(16_384)
  @Max(4_194_304)
  MAIL_MAX_HEADER_BYTES: number = 262_144;

  /** Of a mail with more MIME parts only the headers are taken. */
  @IsInt()
  @Min(10)
  @Max(10_000)
  MAIL_MAX_PARTS: number = 1_000;

  /** Of a mail with more levels of parts within parts only the headers are taken. */
  @IsInt()
  @Min(5)
  @Max(500)
  MAIL_MAX_DEPTH: number = 50;

  /** So many addresses of one header are taken. */
  @IsInt()
  @Min(1)
  @Max(10_000)
  MAIL_MAX_RECIPIENTS: number = 200;

  /** So many attachments of one mail are taken; the raw mail has the others. */
  @IsInt()
  @Min(1)
  @Max(10_000)
  MAIL_MAX_ATTACHMENTS: number = 500;

  /** Heap of the thread that takes mails apart, in MiB. A mail that needs more is put into quarantine. */
  @IsInt()
  @Min(64)
  @Max(4_096)
  MAIL_PARSE_HEAP_MB: number = 256;

  /**
   * The authserv-id (RFC 8601) under which the mailboxes' server writes Authentication-Results, e.g. `mx.example.net`, for
   * mailboxes that do not say another. Without it, no sender is ever verified.
   */
  @IsOptional()
  @Matches(/^[\x21-\x7e]{1,255}$/, { message: 'must be the first word of the server’s Authentication-Results' })
  TRUSTED_AUTHSERV_ID?: string;

  /**
   * Where that server writes its results: `above` its own Received field or `below` it. Below is only safe with a server that
   * removes fields that come in under its name.
   */
  @IsIn(['above', 'below'])
  TRUSTED_AUTHSERV_PLACEMENT: 'above' | 'below' = 'above';

  /** Addresses and domains (with what is below them) whose mail is rejected, separated by blanks. */
  @IsString()
  MAIL_BLOCKED_SENDERS: string = '';

  /** Addresses and domains whose mail is neither blocked nor taken for spam or a flood. */
  @IsString()
  MAIL_ALLOWED_SENDERS: string = '';

  /** Addresses and domains that write for others, such as contact forms: who is in Reply-To is their mails' author. */
  @IsString()
  MAIL_RELAYS: string = '';

  /**
   * So many mails of one sender are taken within ten minutes; further ones are put into quarantine. 0: no limit. Allowed
   * senders have none.
   */
  @IsInt()
  @Min(0)
  @Max(1_000_000)
  MAIL_FLOOD_PER_SENDER: number = 60;

  /** The same for all senders of one mail domain together. */
  @IsInt()
  @Min(0)
  @Max(1_000_000)
  MAIL_FLOOD_PER_DOMAIN: number = 600;

  /** Longest time to take one mail apart. */
  @IsInt()
  @Min(100)
  @Max(600_000)
  MAIL_PARSE_TIMEOUT_MS: number = 30_000;

  /** Mails that are stored, parsed and offered together. */
  @IsInt()
  @Min(1)
  @Max(200)
  MAIL_BATCH_SIZE: number = 50;
}

/** @throws EnvError naming every wrong variable */
export const readEnv = (): MailIngestEnv => parseEnv(MailIngestEnv, process.env);

/** All that a command needs that asks the running services. */
export const readCommandEnv = (): ServiceEnv => parseEnv(ServiceEnv, process.env);
