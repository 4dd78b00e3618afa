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
  ValidateNested,
} from 'class-validator';
import { rpc } from './contract.js';

export class MailAttachment {
  /** Made safe for display and saving. */
  @IsString()
  name: string;

  @IsString()
  type: string;

  @IsInt()
  size: number;

  @Matches(/^[0-9a-f]{64}$/)
  sha256: string;

  @IsOptional()
  @IsString()
  contentId: string | null;

  @IsBoolean()
  inline: boolean;
}

export class MailSender {
  @IsString()
  name: string;

  /** Null when the mail has no usable sender; nobody is answered then. */
  @IsOptional()
  @IsString()
  email: string | null;
}

/** One mail as mail-ingest understood it, offered to become a ticket or part of one. Bytes stay in the blob store. */
export class IncomingMail {
  /** The inbound row's id: accepting the same id again gives the same answer and changes nothing. */
  @IsUUID()
  inboundId: string;

  /** The support address whose mailbox it came to. */
  @IsString()
  mailbox: string;

  @ValidateNested()
  @Type(() => MailSender)
  from: MailSender;

  @IsString()
  subject: string;

  @IsString()
  text: string;

  @IsString()
  visibleText: string;

  @IsOptional()
  @IsString()
  html: string | null;

  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => MailAttachment)
  attachments: MailAttachment[];

  /** The mail's own Message-ID without angle brackets; a synthetic one from its hash when it has none. */
  @IsString()
  messageId: string;

  /** In-Reply-To, then References newest first, without angle brackets. */
  @IsArray()
  @ArrayMaxSize(100)
  @IsString({ each: true })
  referencedIds: string[];

  /** The ticket that a verified signature (reply address or Message-ID) names. */
  @IsOptional()
  @IsInt()
  signedTicketNumber: number | null;

  /** Machine mail: it never changes a state or a clock. */
  @IsBoolean()
  automatic: boolean;

  /** An acknowledgement may be sent to the sender. */
  @IsBoolean()
  mayAutoReply: boolean;

  @Matches(/^[0-9a-f]{64}$/)
  rawSha256: string;

  @IsInt()
  rawSize: number;

  /** When the server received it (INTERNALDATE), ISO 8601. */
  @IsISO8601()
  receivedAt: string;

  /** A new ticket gets it when its sender has none of their own; it must exist. */
  @IsOptional()
  @IsUUID()
  defaultOrganisationId?: string | null;
}

/** Mails of one mailbox, oldest first, taken in one transaction. */
export class AcceptMail {
  @IsArray()
  @ArrayMaxSize(200)
  @ValidateNested({ each: true })
  @Type(() => IncomingMail)
  mails: IncomingMail[];
}

export const MAIL_RESULTS = ['ticket_created', 'appended'] as const;
export type MailResult = (typeof MAIL_RESULTS)[number];

export class AcceptedMail {
  @IsUUID()
  inboundId: string;

  @IsIn(MAIL_RESULTS)
  result: MailResult;

  @IsUUID()
  ticketId: string;

  @IsInt()
  ticketNumber: number;

  /** Which rule found the ticket: signed, stored-id, or new. */
  @IsString()
  rule: string;
}

export class AcceptMailResult {
  /** In the order of the request. */
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => AcceptedMail)
  accepted: AcceptedMail[];
}

/** All or nothing; idempotent per inboundId. */
export const acceptMail = rpc('tickets.accept-mail.v1', AcceptMail, AcceptMailResult);
