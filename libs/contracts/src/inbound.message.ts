import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsISO8601,
  IsOptional,
  IsString,
  IsUUID,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import { rpc } from './contract.js';
import { IncomingMail, MailSender } from './mail.message.js';
import { BlobReference, INSTANT } from './ticket.message.js';

/** What can become of a mail. */
export const DISPOSITIONS = [
  'ticket_created',
  'appended',
  'bounce_linked',
  'auto_linked',
  'duplicate',
  'own_mail',
  'rejected',
  'quarantined',
] as const;
export type Disposition = (typeof DISPOSITIONS)[number];

/** `waiting`: nothing has become of it yet. */
export const DISPOSITION_FILTERS = [...DISPOSITIONS, 'waiting'] as const;
export type DispositionFilter = (typeof DISPOSITION_FILTERS)[number];

/** One mail as a mailbox delivered it, and what became of it. */
export class InboundView {
  @IsUUID()
  id: string;

  /** The support address whose mailbox it came to. */
  @IsString()
  mailbox: string;

  /** When the mail server received it, ISO 8601. */
  @IsISO8601()
  receivedAt: string;

  /** When it was stored here, ISO 8601. */
  @IsISO8601()
  storedAt: string;

  /** Bytes that are kept: the whole mail, or only its headers when it was too large to be taken. */
  @IsInt()
  size: number;

  /** Without angle brackets; a synthetic one when the mail has none. Null while it is not read. */
  @IsOptional()
  @IsString()
  messageId: string | null;

  /** Whom it says it is from. Null while it is not read. */
  @IsOptional()
  @ValidateNested()
  @Type(() => MailSender)
  from: MailSender | null;

  /** Null while it is not read. */
  @IsOptional()
  @IsString()
  subject: string | null;

  /** Null while nothing has become of it. */
  @IsOptional()
  @IsIn(DISPOSITIONS)
  disposition: Disposition | null;

  /** Which rule decided. */
  @IsOptional()
  @IsString()
  rule: string | null;

  /** What went wrong last. */
  @IsOptional()
  @IsString()
  error: string | null;

  /** The ticket that it opened or belongs to. */
  @IsOptional()
  @IsUUID()
  ticketId: string | null;

  @IsOptional()
  @IsInt()
  ticketNumber: number | null;

  /** How often it was begun to be read without coming to an end. */
  @IsInt()
  attempts: number;

  /** Since when the disposition holds, ISO 8601. */
  @IsOptional()
  @IsISO8601()
  disposedAt: string | null;
}

/** Who decided about a mail: a person, or somebody at the command line. */
export class InboundActor {
  /** Null at the command line. */
  @IsOptional()
  @IsUUID()
  personId: string | null;

  @IsString()
  @MaxLength(255)
  name: string;
}

export const INBOUND_ACTIONS = ['release', 'reprocess', 'discard'] as const;
export type InboundAction = (typeof INBOUND_ACTIONS)[number];

/** What somebody decided about a mail, and what it changed. */
export class InboundChangeView {
  @IsIn(INBOUND_ACTIONS)
  action: InboundAction;

  @ValidateNested()
  @Type(() => InboundActor)
  actor: InboundActor;

  /** ISO 8601. */
  @IsISO8601()
  at: string;

  @IsIn(DISPOSITIONS)
  dispositionBefore: Disposition;

  @IsString()
  ruleBefore: string;

  @IsIn(DISPOSITIONS)
  dispositionAfter: Disposition;

  @IsString()
  ruleAfter: string;
}

export class InboundDetail extends InboundView {
  /** What people decided about it, oldest first. */
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => InboundChangeView)
  changes: InboundChangeView[];
}

/** All that is named must hold. */
export class InboundFilter {
  @IsOptional()
  @IsIn(DISPOSITION_FILTERS, { each: true })
  disposition?: DispositionFilter[];

  /** The mailbox's address. */
  @IsOptional()
  @IsString()
  @MaxLength(320)
  mailbox?: string;

  @IsOptional()
  @IsString()
  @MaxLength(255)
  rule?: string;

  /** The sender's address. */
  @IsOptional()
  @IsString()
  @MaxLength(320)
  sender?: string;

  /** A ticket's number. */
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(2_147_483_647)
  ticket?: number;

  /** Received by the mail server at this instant or later. */
  @IsOptional()
  @IsISO8601({ strict: true })
  @Matches(INSTANT)
  receivedAfter?: string;

  /** Received before this instant. */
  @IsOptional()
  @IsISO8601({ strict: true })
  @Matches(INSTANT)
  receivedBefore?: string;
}

export class ListInbound extends InboundFilter {
  /** Continue after this cursor (from the page before). */
  @IsOptional()
  @IsString()
  @MaxLength(64)
  after?: string;

  @IsInt()
  @Min(1)
  @Max(200)
  limit: number;
}

export class InboundPage {
  /** Latest first. */
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => InboundView)
  items: InboundView[];

  @IsOptional()
  @IsString()
  next: string | null;
}

/** Refuses with `cursor_invalid`. */
export const listInbound = rpc('mail.inbound-list.v1', ListInbound, InboundPage);

export class GetInbound {
  @IsUUID()
  inboundId: string;
}

/** Refuses with `inbound_unknown`. */
export const getInbound = rpc('mail.inbound-get.v1', GetInbound, InboundDetail);

/** Where the bytes are. Refuses with `inbound_unknown`. */
export const getInboundRaw = rpc('mail.inbound-raw.v1', GetInbound, BlobReference);

export class DecideInbound {
  @ValidateNested()
  @Type(() => InboundActor)
  actor: InboundActor;

  @IsUUID()
  inboundId: string;
}

export class InboundResult {
  @ValidateNested()
  @Type(() => InboundView)
  inbound: InboundView;

  /** False when it was so already: nothing was written. */
  @IsBoolean()
  changed: boolean;
}

/**
 * Takes a quarantined or rejected mail as a ticket, or as a part of one, whatever kept it out. Refuses with
 * `inbound_unknown`, `inbound_waiting`, `not_quarantined`, `mail_unreadable`, `mail_not_accepted` or `tickets_away`.
 */
export const releaseInbound = rpc('mail.inbound-release.v1', DecideInbound, InboundResult);

/**
 * Reads a mail again, and decides again what it is; of one that became a ticket or a part of one, the stored message is
 * rebuilt in place. Refuses with `inbound_unknown`, `inbound_waiting`, `mail_unreadable`, `mail_not_accepted` or
 * `tickets_away`.
 */
export const reprocessInbound = rpc('mail.inbound-reprocess.v1', DecideInbound, InboundResult);

/**
 * Leaves a quarantined mail for good: rejected, by the rule `discarded`. Refuses with `inbound_unknown`,
 * `inbound_waiting` or `not_quarantined`.
 */
export const discardInbound = rpc('mail.inbound-discard.v1', DecideInbound, InboundResult);

export class DecideAll {
  @ValidateNested()
  @Type(() => InboundActor)
  actor: InboundActor;

  @ValidateNested()
  @Type(() => InboundFilter)
  filter: InboundFilter;

  /** Continue after this cursor (from the answer before). */
  @IsOptional()
  @IsString()
  @MaxLength(64)
  after?: string;

  @IsInt()
  @Min(1)
  @Max(200)
  limit: number;
}

/** What became of one mail of many. */
export class DecidedInbound {
  @IsUUID()
  id: string;

  @IsBoolean()
  changed: boolean;

  @IsOptional()
  @IsIn(DISPOSITIONS)
  disposition: Disposition | null;

  @IsOptional()
  @IsInt()
  ticketNumber: number | null;

  /** Why it could not be done; a code as of `mail.inbound-release.v1` and `mail.inbound-reprocess.v1`. */
  @IsOptional()
  @IsString()
  code: string | null;
}

export class DecideAllResult {
  /** In the order in which they were stored. */
  @IsArray()
  @ArrayMaxSize(200)
  @ValidateNested({ each: true })
  @Type(() => DecidedInbound)
  results: DecidedInbound[];

  /** Where to continue; null when there are no more. */
  @IsOptional()
  @IsString()
  next: string | null;
}

/**
 * As many as there is time for, at most `limit`, oldest first. Refuses with `cursor_invalid`, `filter_required` or
 * `tickets_away`.
 */
export const releaseAll = rpc('mail.inbound-release-all.v1', DecideAll, DecideAllResult);

/** As `mail.inbound-release-all.v1`. */
export const reprocessAll = rpc('mail.inbound-reprocess-all.v1', DecideAll, DecideAllResult);

export class RebuildMessage {
  @ValidateNested()
  @Type(() => InboundActor)
  actor: InboundActor;

  /** The mail as it is understood now, under the id by which it was accepted. */
  @ValidateNested()
  @Type(() => IncomingMail)
  mail: IncomingMail;
}

export class RebuildResult {
  @IsUUID()
  ticketId: string;

  @IsInt()
  ticketNumber: number;

  /** False when the stored message is the same already: nothing was written. */
  @IsBoolean()
  changed: boolean;
}

/**
 * Replaces text, HTML and attachments of the message that a mail became. Nothing else of the ticket changes and nobody
 * is told. Refuses with `message_unknown`.
 */
export const rebuildMessage = rpc('tickets.rebuild-message.v1', RebuildMessage, RebuildResult);
