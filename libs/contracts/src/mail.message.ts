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

/** Somebody else's mail that this one passes on: a claim of whoever passes it on. */
export class ForwardedMail {
  /** Who wrote it; null unless there is exactly one who can be answered and is not us. */
  @IsOptional()
  @ValidateNested()
  @Type(() => MailSender)
  from: MailSender | null;

  @IsOptional()
  @IsString()
  subject: string | null;

  /** What the forwarder wrote above; '' when nothing. */
  @IsString()
  comment: string;

  /** The original's text; '' when it could not be read. */
  @IsString()
  text: string;

  /** Message-IDs of mails that are enclosed whole. */
  @IsArray()
  @ArrayMaxSize(20)
  @IsString({ each: true })
  messageIds: string[];
}

export const THREAD_CARRIERS = ['reply-address', 'message-id', 'subject-tag'] as const;
export type ThreadCarrier = (typeof THREAD_CARRIERS)[number];

/** What in a mail names a ticket. It gives no right to write there. */
export class ThreadClaim {
  @IsInt()
  ticketNumber: number;

  /**
   * reply-address: signed and given to exactly this sender. message-id: signed and known to who has seen the mail that is
   * answered. subject-tag: not signed, anybody can write it.
   */
  @IsIn(THREAD_CARRIERS)
  carrier: ThreadCarrier;

  /** The mail answers what the claim names; otherwise only its References name it. */
  @IsBoolean()
  direct: boolean;
}

/** RFC 3464 §2.3.3 */
export const BOUNCE_ACTIONS = ['failed', 'delayed', 'delivered', 'relayed', 'expanded'] as const;
export type BounceAction = (typeof BOUNCE_ACTIONS)[number];

/** What became of a mail of ours for one recipient. */
export class BouncedRecipient {
  /** Null when the report names nobody. */
  @IsOptional()
  @IsString()
  recipient: string | null;

  @IsIn(BOUNCE_ACTIONS)
  action: BounceAction;

  /** Enhanced status code (RFC 3463), `5.1.1`; null when nothing says it. */
  @IsOptional()
  @IsString()
  status: string | null;

  /** Why, in one word: `userunknown`, `mailboxfull`, `spamdetected`, …; `undefined` when nothing says it. */
  @IsString()
  kind: string;

  /** Another try cannot succeed: the address or its domain does not exist. */
  @IsBoolean()
  hard: boolean;

  /** The server's words. */
  @IsOptional()
  @IsString()
  diagnostic: string | null;
}

/** A report that a mail of ours was not delivered, or is late. */
export class Bounce {
  /** Of our mail, without angle brackets; its signature is valid. */
  @IsString()
  messageId: string;

  @IsArray()
  @ArrayMaxSize(100)
  @ValidateNested({ each: true })
  @Type(() => BouncedRecipient)
  results: BouncedRecipient[];
}

export const SENDER_VERIFICATIONS = ['verified', 'unverified', 'failed'] as const;
/**
 * What the receiving mail server found out: the domain in From is responsible for the mail, nobody knows, or the domain
 * denies it (DMARC).
 */
export type SenderVerification = (typeof SENDER_VERIFICATIONS)[number];

/** One mail as mail-ingest understood it, offered to become a ticket or part of one. Bytes stay in the blob store. */
export class IncomingMail {
  /** The inbound row's id: accepting the same id again gives the same answer and changes nothing. */
  @IsUUID()
  inboundId: string;

  /** The support address whose mailbox it came to. */
  @IsString()
  mailbox: string;

  /** Other addresses whose mail comes to the same mailbox. */
  @IsOptional()
  @IsArray()
  @IsString({ each: true })
  mailboxAliases?: string[];

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

  /** How many of `referencedIds`, from the first on, In-Reply-To names. Without it, all of them. */
  @IsOptional()
  @IsInt()
  repliedTo?: number;

  /** The Message-ID with which the conversation began; null when this mail began it, or one of ours did. */
  @IsOptional()
  @IsString()
  threadRoot?: string | null;

  /** The ticket that a verified signature (reply address or Message-ID) names. */
  @IsOptional()
  @IsInt()
  signedTicketNumber: number | null;

  /** All that names a ticket, best first. Without it, `signedTicketNumber` alone. */
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(20)
  @ValidateNested({ each: true })
  @Type(() => ThreadClaim)
  threadClaims?: ThreadClaim[];

  /**
   * From is one plain address that its domain does not deny. Otherwise it is only shown: whoever it names has no rights by
   * this mail. Without it, true.
   */
  @IsOptional()
  @IsBoolean()
  senderIdentified?: boolean;

  /** Employees have their powers by mail only when verified. Without it, unverified. */
  @IsOptional()
  @IsIn(SENDER_VERIFICATIONS)
  senderVerification?: SenderVerification;

  /** Where the sender wants answers, when that is another address; only shown. */
  @IsOptional()
  @IsString()
  replyTo?: string | null;

  @IsOptional()
  @ValidateNested()
  @Type(() => ForwardedMail)
  forwarded?: ForwardedMail | null;

  /** The header field by which the receiving server calls it spam; null when none does. */
  @IsOptional()
  @IsString()
  spam?: string | null;

  /** It reports on a mail of ours about the ticket `signedTicketNumber`: a note there, never a ticket of its own. */
  @IsOptional()
  @ValidateNested()
  @Type(() => Bounce)
  bounce?: Bounce | null;

  /** It is taken only where it may be written on a ticket. Elsewhere it opens none: the rule by which it is rejected. */
  @IsOptional()
  @IsString()
  appendOnly?: string | null;

  /** It was too large, or could not be taken apart: its headers are all that was read. */
  @IsOptional()
  @IsBoolean()
  headersOnly?: boolean;

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

export const MAIL_RESULTS = ['ticket_created', 'appended', 'bounce_linked', 'rejected'] as const;
export type MailResult = (typeof MAIL_RESULTS)[number];

export class AcceptedMail {
  @IsUUID()
  inboundId: string;

  @IsIn(MAIL_RESULTS)
  result: MailResult;

  /** Null when it was rejected. */
  @IsOptional()
  @IsUUID()
  ticketId: string | null;

  @IsOptional()
  @IsInt()
  ticketNumber: number | null;

  /**
   * What found the ticket: reply-address, message-id, stored-id, thread-root, subject-tag; `:references` behind it when only
   * References named it. With `follow-up:` before it, a ticket was found but is not written on; new when none was found, forwarded when
   * an employee passed it on; of a rejected mail its `appendOnly`.
   */
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
