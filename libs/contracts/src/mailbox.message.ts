/**
 * Mailboxes as data. What opens them (password, client secret, refresh token) goes in and never comes out again.
 */
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsISO8601,
  IsOptional,
  IsString,
  IsUUID,
  Length,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import { rpc } from './contract.js';
import { INSTANT } from './ticket.message.js';

/**
 * `implicit`: TLS from the first byte. `starttls`: it must be offered. `starttls_if_offered` and `none`: for servers on the
 * same machine.
 */
export const TLS_MODES = ['implicit', 'starttls', 'starttls_if_offered', 'none'] as const;
export type TlsMode = (typeof TLS_MODES)[number];

export const MAILBOX_AUTHENTICATIONS = ['password', 'xoauth2'] as const;
export type MailboxAuthentication = (typeof MAILBOX_AUTHENTICATIONS)[number];

/**
 * What happens to a mail on the server once it is safe with us: move it to the folder Processed, set a flag and leave
 * it where it is, or do not touch it.
 */
export const MAILBOX_MODES = ['move', 'flag', 'leave'] as const;
export type MailboxMode = (typeof MAILBOX_MODES)[number];

/** What is taken of the mails that are there at the first connection. */
export const MAILBOX_IMPORTS = ['all', 'none', 'since'] as const;
export type MailboxImport = (typeof MAILBOX_IMPORTS)[number];

export const SPAM_POLICIES = ['take', 'quarantine'] as const;
export type SpamPolicy = (typeof SPAM_POLICIES)[number];

export const MAILBOX_ORIGINS = ['environment', 'api'] as const;
export type MailboxOrigin = (typeof MAILBOX_ORIGINS)[number];

/** `refused`: user or password. `reauthorise`: the OAuth 2.0 grant is not good any more. Both need a person. */
export const MAILBOX_STATES = ['new', 'running', 'failing', 'refused', 'reauthorise', 'paused'] as const;
export type MailboxState = (typeof MAILBOX_STATES)[number];

export const MAILBOX_ERROR_KINDS = [
  'network',
  'tls',
  'credentials',
  'authorisation',
  'folder',
  'settings',
  'server',
] as const;
export type MailboxErrorKind = (typeof MAILBOX_ERROR_KINDS)[number];

const ADDRESS = { message: 'must be a mail address' };
const ADDRESS_PATTERN = /^[^\s@,;<>"()]{1,64}@[^\s@,;<>"()]{1,255}$/;
const HOST = { message: 'must be a host name or an IP address' };
const HOST_PATTERN = /^[A-Za-z0-9._:-]{1,253}$/;
const TEXT = { message: 'must have no control characters' };
const TEXT_PATTERN = /^[^\0-\x1f\x7f]*$/;

/** Folders by name; levels are separated by `/` whatever the server does. `\Junk` and the like name a special use. */
export class MailboxFolders {
  /** Where mail arrives. */
  @IsString()
  @Length(1, 255)
  @Matches(TEXT_PATTERN, TEXT)
  inbox: string;

  /** With mode `move`: for mails that are safe with us. Made when it is missing, like the two others. */
  @IsString()
  @Length(1, 255)
  @Matches(TEXT_PATTERN, TEXT)
  processed: string;

  /** For quarantined mails. */
  @IsString()
  @Length(1, 255)
  @Matches(TEXT_PATTERN, TEXT)
  failed: string;

  /** For mails that are too large to be taken. */
  @IsString()
  @Length(1, 255)
  @Matches(TEXT_PATTERN, TEXT)
  oversize: string;
}

export class MailboxFoldersChange {
  @IsOptional()
  @IsString()
  @Length(1, 255)
  @Matches(TEXT_PATTERN, TEXT)
  inbox?: string;

  @IsOptional()
  @IsString()
  @Length(1, 255)
  @Matches(TEXT_PATTERN, TEXT)
  processed?: string;

  @IsOptional()
  @IsString()
  @Length(1, 255)
  @Matches(TEXT_PATTERN, TEXT)
  failed?: string;

  @IsOptional()
  @IsString()
  @Length(1, 255)
  @Matches(TEXT_PATTERN, TEXT)
  oversize?: string;
}

/** How access tokens are had. With a refresh token by that; without one by the client's own credentials. */
export class MailboxOAuth2View {
  @IsString()
  tokenEndpoint: string;

  @IsString()
  clientId: string;

  @IsOptional()
  @IsString()
  scope: string | null;

  @IsBoolean()
  hasClientSecret: boolean;

  @IsBoolean()
  hasRefreshToken: boolean;
}

export class MailboxOAuth2Change {
  /** An https URL; http only on this machine. */
  @IsOptional()
  @IsString()
  @MaxLength(2_000)
  tokenEndpoint?: string;

  @IsOptional()
  @IsString()
  @Length(1, 1_000)
  clientId?: string;

  /** Kept encrypted, never shown. */
  @IsOptional()
  @IsString()
  @Length(1, 8_000)
  clientSecret?: string;

  /** Kept encrypted, never shown; replaced whenever the endpoint gives a new one. */
  @IsOptional()
  @IsString()
  @Length(1, 8_000)
  refreshToken?: string;

  /** Separated by blanks. Null: the endpoint's default. */
  @IsOptional()
  @IsString()
  @MaxLength(2_000)
  scope?: string | null;
}

/** Settings of a mailbox; what is left out stays as it is, or has its default in a new one. */
class MailboxSettings {
  /** Further addresses whose mail arrives here. */
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(100)
  @ArrayUnique()
  @IsString({ each: true })
  @Matches(ADDRESS_PATTERN, { ...ADDRESS, each: true })
  aliases?: string[];

  /** Default: 993 with `implicit` TLS, else 143. */
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(65_535)
  port?: number;

  /** Default `implicit`. */
  @IsOptional()
  @IsIn(TLS_MODES)
  tls?: TlsMode;

  /** A certificate in PEM that is trusted besides the well-known ones, for a server of one's own. */
  @IsOptional()
  @IsString()
  @MaxLength(20_000)
  certificateAuthority?: string | null;

  /** Default `password`. */
  @IsOptional()
  @IsIn(MAILBOX_AUTHENTICATIONS)
  authentication?: MailboxAuthentication;

  /** Default: the address. */
  @IsOptional()
  @IsString()
  @Length(1, 320)
  @Matches(TEXT_PATTERN, TEXT)
  user?: string;

  /** Kept encrypted, never shown. */
  @IsOptional()
  @IsString()
  @Length(1, 1_000)
  @Matches(TEXT_PATTERN, TEXT)
  password?: string;

  @IsOptional()
  @ValidateNested()
  @Type(() => MailboxOAuth2Change)
  oauth2?: MailboxOAuth2Change;

  /** Default `move`. */
  @IsOptional()
  @IsIn(MAILBOX_MODES)
  mode?: MailboxMode;

  @IsOptional()
  @ValidateNested()
  @Type(() => MailboxFoldersChange)
  folders?: MailboxFoldersChange;

  /** New tickets get this organisation when their sender has none. */
  @IsOptional()
  @IsUUID()
  defaultOrganisationId?: string | null;

  /** Mail that the server has marked as spam is taken like any other (default), or put into quarantine. */
  @IsOptional()
  @IsIn(SPAM_POLICIES)
  spamPolicy?: SpamPolicy;

  /** Name in the `Authentication-Results` (RFC 8601) of the server that is believed. Null: none is. */
  @IsOptional()
  @IsString()
  @Length(1, 255)
  @Matches(/^[\x21-\x3a\x3c-\x7e]+$/, { message: 'must be an authserv-id' })
  trustedAuthservId?: string | null;

  /** Counts until the first connection. Default: `all` with mode `move`, else `none`. */
  @IsOptional()
  @IsIn(MAILBOX_IMPORTS)
  importExisting?: MailboxImport;

  /** With `since`: mails that the server received at this instant or later, in ISO 8601 with its offset. */
  @IsOptional()
  @IsISO8601({ strict: true })
  @Matches(INSTANT, { message: 'must be an instant with its offset, such as 2026-03-02T14:00:00Z' })
  importSince?: string | null;

  /** Nothing is read from it, until it is resumed. */
  @IsOptional()
  @IsBoolean()
  paused?: boolean;
}

export class MailboxChange extends MailboxSettings {
  @IsOptional()
  @IsString()
  @Matches(HOST_PATTERN, HOST)
  host?: string;
}

export class NewMailbox extends MailboxSettings {
  /** The support address whose mail arrives here. */
  @IsString()
  @Matches(ADDRESS_PATTERN, ADDRESS)
  address: string;

  @IsString()
  @Matches(HOST_PATTERN, HOST)
  host: string;
}

/** How it goes. */
export class MailboxHealth {
  @IsIn(MAILBOX_STATES)
  state: MailboxState;

  /** Since when it is in this state, ISO 8601. */
  @IsISO8601()
  since: string;

  /** When the mailbox was last looked through without an error. */
  @IsOptional()
  @IsISO8601()
  lastSuccessAt: string | null;

  /** Mails that are stored and have no disposition yet. */
  @IsInt()
  waiting: number;

  /** Mails on the server that were not stored yet when it was last looked at. */
  @IsInt()
  unfetched: number;

  @IsOptional()
  @IsIn(MAILBOX_ERROR_KINDS)
  lastErrorKind: MailboxErrorKind | null;

  @IsOptional()
  @IsString()
  lastError: string | null;

  @IsOptional()
  @IsISO8601()
  lastErrorAt: string | null;

  /** Since when there has been no successful look for longer than is healthy; null while all is well. */
  @IsOptional()
  @IsISO8601()
  silentSince: string | null;
}

export class MailboxView {
  @IsUUID()
  id: string;

  @IsString()
  address: string;

  @IsString({ each: true })
  aliases: string[];

  /** `environment`: made by IMAP_MAILBOXES, which decides about its server, user, password, inbox and mode. */
  @IsIn(MAILBOX_ORIGINS)
  origin: MailboxOrigin;

  @IsString()
  host: string;

  @IsInt()
  port: number;

  @IsIn(TLS_MODES)
  tls: TlsMode;

  @IsOptional()
  @IsString()
  certificateAuthority: string | null;

  @IsIn(MAILBOX_AUTHENTICATIONS)
  authentication: MailboxAuthentication;

  @IsString()
  user: string;

  @IsBoolean()
  hasPassword: boolean;

  @IsOptional()
  @ValidateNested()
  @Type(() => MailboxOAuth2View)
  oauth2: MailboxOAuth2View | null;

  @IsIn(MAILBOX_MODES)
  mode: MailboxMode;

  @ValidateNested()
  @Type(() => MailboxFolders)
  folders: MailboxFolders;

  @IsOptional()
  @IsUUID()
  defaultOrganisationId: string | null;

  @IsIn(SPAM_POLICIES)
  spamPolicy: SpamPolicy;

  @IsOptional()
  @IsString()
  trustedAuthservId: string | null;

  @IsIn(MAILBOX_IMPORTS)
  importExisting: MailboxImport;

  @IsOptional()
  @IsISO8601()
  importSince: string | null;

  @IsBoolean()
  paused: boolean;

  @ValidateNested()
  @Type(() => MailboxHealth)
  health: MailboxHealth;
}

/** Who changes a mailbox: a person, or somebody at the command line. */
export class MailboxActor {
  /** Null at the command line. */
  @IsOptional()
  @IsUUID()
  personId: string | null;

  @IsString()
  @MaxLength(255)
  name: string;
}

export class ListMailboxes {
  /** Only the mailbox with this address. */
  @IsOptional()
  @IsString()
  address?: string;
}

export class MailboxList {
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => MailboxView)
  items: MailboxView[];
}

/** All mailboxes by address. */
export const listMailboxes = rpc('mail.mailbox-list.v1', ListMailboxes, MailboxList);

export class GetMailbox {
  @IsUUID()
  mailboxId: string;
}

/** Refuses with `mailbox_unknown`. */
export const getMailbox = rpc('mail.mailbox-get.v1', GetMailbox, MailboxView);

export class CreateMailbox {
  @ValidateNested()
  @Type(() => MailboxActor)
  actor: MailboxActor;

  @ValidateNested()
  @Type(() => NewMailbox)
  mailbox: NewMailbox;
}

/** Refuses with `address_taken`, or with a code for each setting that breaks a rule. */
export const createMailbox = rpc('mail.mailbox-create.v1', CreateMailbox, MailboxView);

export class UpdateMailbox {
  @ValidateNested()
  @Type(() => MailboxActor)
  actor: MailboxActor;

  @IsUUID()
  mailboxId: string;

  @ValidateNested()
  @Type(() => MailboxChange)
  change: MailboxChange;
}

/** Refuses with `mailbox_unknown`, `set_by_environment`, `address_taken`, or a code for each broken rule. */
export const updateMailbox = rpc('mail.mailbox-update.v1', UpdateMailbox, MailboxView);

export class RemoveMailbox {
  @ValidateNested()
  @Type(() => MailboxActor)
  actor: MailboxActor;

  @IsUUID()
  mailboxId: string;
}

export class MailboxRemoved {
  /** Its mails stay; those that are stored already are still taken. */
  @IsUUID()
  mailboxId: string;
}

/** Forgets what opens it and reads it no more. Refuses with `mailbox_unknown` or `set_by_environment`. */
export const removeMailbox = rpc('mail.mailbox-remove.v1', RemoveMailbox, MailboxRemoved);

/** What stands in the way: the setting that has to do with it, and the rule that it breaks. */
export class MailboxProblem {
  @IsIn(MAILBOX_ERROR_KINDS)
  kind: MailboxErrorKind;

  /** A field of the mailbox, e.g. `host` or `folders.inbox`. */
  @IsString()
  field: string;

  /** A stable code, e.g. `host_unknown`. */
  @IsString()
  code: string;

  @IsString()
  message: string;
}

export class MailboxFolderView {
  @IsString()
  path: string;

  /** Its special use (RFC 6154), such as `\Junk`. */
  @IsOptional()
  @IsString()
  specialUse: string | null;
}

/** Extensions of IMAP that intake makes use of. */
export class MailboxCapabilities {
  /** RFC 6851. Without it and UIDPLUS, mode `move` only flags. */
  @IsBoolean()
  move: boolean;

  /** RFC 4315. */
  @IsBoolean()
  uidplus: boolean;

  /** RFC 2177. Without it new mail is noticed at the next look only. */
  @IsBoolean()
  idle: boolean;

  /** RFC 6154. */
  @IsBoolean()
  specialUse: boolean;

  /** Keywords of our own may be set in the inbox; without them mode `flag` uses `\Flagged`. */
  @IsBoolean()
  keywords: boolean;
}

/** How far a connection came and what it found. */
export class MailboxTest {
  @IsBoolean()
  ok: boolean;

  /** The address that the host's name stands for. */
  @IsOptional()
  @IsString()
  serverAddress: string | null;

  /** Milliseconds until the server had greeted and let us in; null when it did not. */
  @IsOptional()
  @IsInt()
  loginMs: number | null;

  /** Milliseconds of everything. */
  @IsInt()
  totalMs: number;

  /** Whether the connection was encrypted. */
  @IsBoolean()
  encrypted: boolean;

  @IsOptional()
  @ValidateNested()
  @Type(() => MailboxCapabilities)
  capabilities: MailboxCapabilities | null;

  /** Mails that are in the inbox now. */
  @IsOptional()
  @IsInt()
  mails: number | null;

  /** The first 200. */
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => MailboxFolderView)
  folders: MailboxFolderView[];

  @IsOptional()
  @ValidateNested()
  @Type(() => MailboxProblem)
  problem: MailboxProblem | null;

  /** What works but could be better. */
  @IsString({ each: true })
  warnings: string[];
}

/** Connects, logs in and looks around; changes nothing there. Refuses with `mailbox_unknown`. */
export const testMailbox = rpc('mail.mailbox-test.v1', GetMailbox, MailboxTest);
