import {
  CHANNELS,
  FIX_CODES,
  PRIORITIES,
  RESOLUTION_TYPES,
  STATUSES,
  SUSPENSION_CAUSES,
  type Channel,
  type ClockOutcome,
  type FixCode,
  type Priority,
  type ResolutionType,
  type Status,
  type SuspensionCause,
} from '#domain';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsEmail,
  IsIn,
  IsInt,
  IsISO8601,
  IsNotEmpty,
  IsNumber,
  IsOptional,
  IsString,
  IsUUID,
  Length,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { FieldError, rpc } from './contract.js';
import { Reference } from './directory.message.js';
import { SENDER_VERIFICATIONS, type SenderVerification } from './mail.message.js';

/** Longest text of one message, note or comment, in UTF-16 code units. */
export const MAX_TEXT_LENGTH = 500_000;

/** For whom the ticket exists. */
export class ReporterView {
  /** Null when the directory does not know the reporter. */
  @IsOptional()
  @IsUUID()
  personId: string | null;

  @IsString()
  name: string;

  /** Null only when a mail had no usable sender. */
  @IsOptional()
  @IsString()
  email: string | null;
}

/** A ticket with its facts at one instant. Clock durations are business seconds; instants are ISO 8601 in UTC. */
export class TicketView {
  @IsUUID()
  id: string;

  /** The number that people use, e.g. in `[#1042]`. */
  @IsInt()
  number: number;

  /** Grows by one with each change; also the ETag. */
  @IsInt()
  version: number;

  @IsString()
  subject: string;

  /** Words of the house to find and group it by, in lower case, sorted. Always empty for customers. */
  @IsOptional()
  @IsArray()
  @IsString({ each: true })
  tags: string[];

  @IsIn(CHANNELS)
  channel: Channel;

  @ValidateNested()
  @Type(() => ReporterView)
  reporter: ReporterView;

  @IsOptional()
  @ValidateNested()
  @Type(() => Reference)
  organisation: Reference | null;

  /** The network infrastructure that it belongs to; null while unknown. */
  @IsOptional()
  @ValidateNested()
  @Type(() => Reference)
  infrastructure: Reference | null;

  @IsOptional()
  @ValidateNested()
  @Type(() => Reference)
  assignee: Reference | null;

  @IsIn(STATUSES)
  status: Status;

  @IsIn(PRIORITIES)
  priority: Priority;

  /** Null once assigned or closed; negative when overdue. */
  @IsOptional()
  @IsInt()
  remainingAssignSeconds: number | null;

  /** Null once closed; negative when overdue. */
  @IsOptional()
  @IsInt()
  remainingResolveSeconds: number | null;

  @IsOptional()
  @IsISO8601()
  assignDueAt: string | null;

  @IsOptional()
  @IsISO8601()
  resolveDueAt: string | null;

  /** When it is expected to be resolved; null when overdue. */
  @IsOptional()
  @IsISO8601()
  resolutionEta: string | null;

  /** `employee` when an employee's own estimate is shown. */
  @IsOptional()
  @IsIn(['computed', 'employee'])
  resolutionEtaSource: 'computed' | 'employee' | null;

  @IsBoolean()
  overdue: boolean;

  /** Wall seconds until the suspension ends; null unless suspended. */
  @IsOptional()
  @IsInt()
  remainingSuspendedSeconds: number | null;

  @IsOptional()
  @IsIn(SUSPENSION_CAUSES)
  suspensionCause: SuspensionCause | null;

  @IsOptional()
  @IsISO8601()
  suspendedUntil: string | null;

  /** Null unless closed. */
  @IsOptional()
  @IsIn(RESOLUTION_TYPES)
  resolutionType: ResolutionType | null;

  @IsOptional()
  @IsIn(['met', 'missed'])
  assignOutcome: ClockOutcome | null;

  @IsOptional()
  @IsIn(['met', 'missed'])
  resolveOutcome: ClockOutcome | null;

  @IsBoolean()
  assignEverBreached: boolean;

  @IsBoolean()
  resolveEverBreached: boolean;

  /** Resolve time granted by escalations beyond the retroactive count. */
  @IsInt()
  resolveGainSeconds: number;

  /** The ticket that this one follows up, when a message came too late or from a stranger. */
  @IsOptional()
  @IsInt()
  followUpOf: number | null;

  /** The ticket that this one is merged into; null also when the viewer may not see that one. */
  @IsOptional()
  @IsInt()
  mergedInto: number | null;

  @IsISO8601()
  createdAt: string;

  @IsISO8601()
  updatedAt: string;

  @IsOptional()
  @IsISO8601()
  closedAt: string | null;
}

/** Who wrote or did something; personId is null for people whom the directory does not know and for the system. */
export class AuthorView {
  @IsOptional()
  @IsUUID()
  personId: string | null;

  @IsString()
  name: string;

  @IsOptional()
  @IsString()
  email: string | null;
}

export class FieldChangeView {
  @IsString()
  field: string;

  @IsOptional()
  @IsString()
  before: string | null;

  @IsOptional()
  @IsString()
  after: string | null;

  /** With `assignee`, `infrastructure` and `participants`: whose id `before` is. */
  @IsOptional()
  @IsString()
  beforeName?: string;

  /** With `assignee`, `infrastructure` and `participants`: whose id `after` is. */
  @IsOptional()
  @IsString()
  afterName?: string;
}

// ---------------------------------------------------------------------------------------------------------- create

/** For whom an employee opens a ticket: somebody known (personId) or anybody with a name and an address. */
export class NewReporter {
  @ValidateIf((reporter: NewReporter) => reporter.email === undefined)
  @IsUUID()
  personId?: string;

  @ValidateIf((reporter: NewReporter) => reporter.personId === undefined)
  @IsEmail()
  email?: string;

  @IsOptional()
  @IsString()
  @Length(1, 255)
  name?: string;
}

/** What the caller says of a new ticket. */
export class NewTicket {
  @IsString()
  @Matches(/\S/, { message: 'subject must not be blank' })
  @MaxLength(255)
  subject: string;

  /** The problem in the reporter's words. */
  @IsString()
  @Matches(/\S/, { message: 'text must not be blank' })
  @MaxLength(MAX_TEXT_LENGTH)
  text: string;

  /** Employees only: for whom. A customer user always reports for themselves. */
  @IsOptional()
  @ValidateNested()
  @Type(() => NewReporter)
  reporter?: NewReporter;

  /** Employees only: how it reached us; default `phone` for an employee, `portal` for a customer user. */
  @IsOptional()
  @IsIn(CHANNELS)
  channel?: Channel;

  /** Default: the organisation's only infrastructure, else none. */
  @IsOptional()
  @IsUUID()
  infrastructureId?: string;

  /** Employees only; default medium. */
  @IsOptional()
  @IsIn(PRIORITIES)
  priority?: Priority;
}

export class CreateTicket {
  @IsUUID()
  actorId: string;

  @ValidateNested()
  @Type(() => NewTicket)
  ticket: NewTicket;

  /** Repeating a request with the same key gives the first answer again. */
  @IsOptional()
  @IsString()
  @Length(1, 255)
  idempotencyKey?: string;
}

export class TicketAnswer {
  @ValidateNested()
  @Type(() => TicketView)
  ticket: TicketView;
}

/**
 * Refuses with `actor_unknown`, `reporter_required`, `reporter_not_registered`, `infrastructure_not_registered`,
 * `employees_only` (a customer who names reporter, channel or priority) or `idempotency_key_reused`.
 */
export const createTicket = rpc('tickets.create.v1', CreateTicket, TicketAnswer);

// ---------------------------------------------------------------------------------------------------------- update

/**
 * A change of assignee, status and priority with its required comment. The values of the enumerations are checked by
 * the ticket rules, so that all violations come back together.
 */
export class TicketChange {
  /** Why; employees see it in the history, customers do not. */
  @IsOptional()
  @IsString()
  @MaxLength(MAX_TEXT_LENGTH)
  comment?: string;

  /** An active employee's id; null unassigns. */
  @IsOptional()
  @IsString()
  assignee?: string | null;

  /** open, in_progress, suspended or closed. */
  @IsOptional()
  @IsString()
  status?: string;

  /** low, medium, high or critical. */
  @IsOptional()
  @IsString()
  priority?: string;

  /** pending_change, pending_customer, pending_third_party or pending_closed. */
  @IsOptional()
  @IsString()
  suspensionCause?: string;

  /** How long the ticket stays suspended from now, in wall seconds; default by cause. */
  @IsOptional()
  @IsNumber()
  suspendedSeconds?: number;

  /** With pending_closed: the resolution type that the ticket will close with. */
  @IsOptional()
  @IsString()
  closeResolutionType?: string;

  /** Required when closing. */
  @IsOptional()
  @IsString()
  resolutionType?: string;

  /** The id of the network infrastructure that it belongs to; null when it is not known any more. */
  @IsOptional()
  @IsString()
  infrastructure?: string | null;

  /**
   * When you expect it to be resolved, an instant in ISO 8601 with its offset; shown instead of the computed one until it
   * has passed, with the comment as its reason. null takes it back.
   */
  @IsOptional()
  @IsString()
  resolutionEta?: string | null;
}

export class UpdateTicket {
  @IsUUID()
  actorId: string;

  @IsUUID()
  ticketId: string;

  /** From `If-Match`: refuse with `version_conflict` unless the ticket has this version. */
  @IsOptional()
  @IsInt()
  expectedVersion?: number;

  @ValidateNested()
  @Type(() => TicketChange)
  change: TicketChange;

  /** Names of fields that the caller sent and that do not exist: each is refused with `unknown_field`. */
  @IsOptional()
  @IsArray()
  @IsString({ each: true })
  unknownFields?: string[];

  @IsOptional()
  @IsString()
  @Length(1, 255)
  idempotencyKey?: string;
}

export class UpdateResult {
  @ValidateNested()
  @Type(() => TicketView)
  ticket: TicketView;

  /** False when every named value was the present one: nobody is told, the comment is kept as an internal note. */
  @IsBoolean()
  changed: boolean;

  /** What was repaired in fields that the caller did not name. */
  @IsArray()
  @IsIn(FIX_CODES, { each: true })
  fixes: FixCode[];
}

/** Refuses with the domain's codes, `ticket_unknown` or `idempotency_key_reused`. */
export const updateTicket = rpc('tickets.update.v1', UpdateTicket, UpdateResult);

/** Somebody who is to be told by mail, with the reason. The actor is never among them. */
export class Recipient {
  @IsIn(['reporter', 'participant', 'assignee', 'former_assignee', 'lead', 'contact'])
  role: 'reporter' | 'participant' | 'assignee' | 'former_assignee' | 'lead' | 'contact';

  @IsIn(['employee', 'customer'])
  kind: 'employee' | 'customer';

  @IsString()
  name: string;

  @IsString()
  email: string;
}

export class PreviewUpdate {
  @IsUUID()
  actorId: string;

  @IsUUID()
  ticketId: string;

  @IsOptional()
  @IsInt()
  expectedVersion?: number;

  @ValidateNested()
  @Type(() => TicketChange)
  change: TicketChange;

  @IsOptional()
  @IsArray()
  @IsString({ each: true })
  unknownFields?: string[];
}

/** What an update would do at this instant. */
export class UpdatePreview {
  /** False when it would be refused; `refusals` says why. */
  @IsBoolean()
  accepted: boolean;

  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => FieldError)
  refusals: FieldError[];

  /** False when every named value is the present one. */
  @IsBoolean()
  changed: boolean;

  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => FieldChangeView)
  changes: FieldChangeView[];

  @IsArray()
  @IsIn(FIX_CODES, { each: true })
  fixes: FixCode[];

  /** The ticket with its clocks as it is. */
  @ValidateNested()
  @Type(() => TicketView)
  before: TicketView;

  /** The ticket with its clocks as it would be. */
  @ValidateNested()
  @Type(() => TicketView)
  after: TicketView;

  /** Who would be told. */
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => Recipient)
  recipients: Recipient[];
}

/** Tries an update and changes nothing. Refuses only with `actor_unknown`, `actor_not_employee` or `ticket_unknown`. */
export const previewUpdate = rpc('tickets.preview.v1', PreviewUpdate, UpdatePreview);

// -------------------------------------------------------------------------------------------------------- messages

export const VISIBILITIES = ['public', 'internal'] as const;
export type Visibility = (typeof VISIBILITIES)[number];

export class AddMessage {
  @IsUUID()
  actorId: string;

  @IsUUID()
  ticketId: string;

  /** internal: a note among employees, never shown or sent to a customer. */
  @IsIn(VISIBILITIES)
  visibility: Visibility;

  @IsString()
  @IsNotEmpty()
  @MaxLength(MAX_TEXT_LENGTH)
  text: string;

  /** False: what an employee says on a parent outage is not said on its children, too. By default it is. */
  @IsOptional()
  @IsBoolean()
  toChildren?: boolean;

  @IsOptional()
  @IsString()
  @Length(1, 255)
  idempotencyKey?: string;
}

export class MessageResult {
  @ValidateNested()
  @Type(() => TicketView)
  ticket: TicketView;

  /** The id of the timeline entry that holds the message. */
  @IsUUID()
  entryId: string;

  /** What the message did: a customer's message may resume or reopen, or open a follow-up ticket. */
  @IsIn(['comment_added', 'resumed', 'reopened', 'assigned', 'follow_up_ticket_created'])
  effect: 'comment_added' | 'resumed' | 'reopened' | 'assigned' | 'follow_up_ticket_created';

  @IsArray()
  @IsIn(FIX_CODES, { each: true })
  fixes: FixCode[];

  /** On a parent outage: on how many open children it was said, too. */
  @IsOptional()
  @IsInt()
  children?: number;
}

/**
 * A public answer or an internal note. What is said on a merged ticket is said on its target, which the reply then shows.
 * Refuses with `ticket_unknown`, `text_required`, `employees_only` or `too_many_children`.
 */
export const addMessage = rpc('tickets.message.v1', AddMessage, MessageResult);

// ------------------------------------------------------------------------------------------------------------ read

export class GetTicket {
  @IsUUID()
  viewerId: string;

  @IsUUID()
  ticketId: string;
}

/** Refuses with `ticket_unknown`, also for a ticket that the viewer may not see. */
export const getTicket = rpc('tickets.get.v1', GetTicket, TicketAnswer);

/** An instant with its offset, e.g. `2026-03-02T14:00:00+01:00`; nothing that PostgreSQL would not read. */
export const INSTANT = /^[12]\d{3}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-](0\d|1[0-4]):?\d\d)$/;

const UUID = '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}';

/** A person's id, or an address. */
export const PERSON_OR_ADDRESS = new RegExp(`^(${UUID}|[^\\s@\\0]+@[^\\s@\\0]+)$`);

/** All that is named must hold. */
export class ListTickets {
  @IsUUID()
  viewerId: string;

  /**
   * Words that all occur in subject, messages, names, addresses or number; for employees also in notes and comments.
   * "In quotes" they follow each other, -this one must not occur, the last one may be the beginning of a word.
   */
  @IsOptional()
  @IsString()
  @MaxLength(200)
  q?: string;

  @IsOptional()
  @IsIn(STATUSES, { each: true })
  status?: Status[];

  @IsOptional()
  @IsIn(PRIORITIES, { each: true })
  priority?: Priority[];

  /** A person's id, or `none`. */
  @IsOptional()
  @Matches(/^(none|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$/)
  assignee?: string;

  /** The ticket with this number. */
  @IsOptional()
  @IsInt()
  number?: number;

  @IsOptional()
  @IsUUID()
  organisationId?: string;

  @IsOptional()
  @IsUUID()
  infrastructureId?: string;

  /** A person's id, or the address of anybody. */
  @IsOptional()
  @Matches(PERSON_OR_ADDRESS)
  @MaxLength(320)
  reporter?: string;

  /** True: the resolve promise is broken and the ticket is not closed, at this instant. False: all others. */
  @IsOptional()
  @IsBoolean()
  overdue?: boolean;

  /** Created at this instant or later. */
  @IsOptional()
  @IsISO8601({ strict: true })
  @Matches(INSTANT)
  createdAfter?: string;

  /** Created before this instant. */
  @IsOptional()
  @IsISO8601({ strict: true })
  @Matches(INSTANT)
  createdBefore?: string;

  /** Last changed at this instant or later. */
  @IsOptional()
  @IsISO8601({ strict: true })
  @Matches(INSTANT)
  updatedAfter?: string;

  /** Employees only: tickets that have all of these tags. */
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(30)
  @IsString({ each: true })
  @MaxLength(255, { each: true })
  tag?: string[];

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

export class TicketPage {
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => TicketView)
  items: TicketView[];

  /** Pass as `after` for the next page; null on the last one. */
  @IsOptional()
  @IsString()
  next: string | null;
}

/**
 * Newest first, stable while tickets come and change. Refuses with `viewer_unknown`, `cursor_invalid`, `employees_only` (a
 * customer who names tags) or `search_words_required` (nothing in `q` that must occur).
 */
export const listTickets = rpc('tickets.list.v1', ListTickets, TicketPage);

export class AttachmentView {
  @IsUUID()
  id: string;

  @IsString()
  name: string;

  @IsString()
  type: string;

  /** Bytes. */
  @IsInt()
  size: number;

  /** Shown inside the HTML body by its Content-ID. */
  @IsBoolean()
  inline: boolean;

  @IsOptional()
  @IsString()
  contentId: string | null;
}

export const ENTRY_KINDS = ['message', 'note', 'change'] as const;
export type EntryKind = (typeof ENTRY_KINDS)[number];

/** One entry of a ticket's timeline: a public message, an internal note, or a change. */
export class TimelineEntryView {
  @IsUUID()
  id: string;

  @IsIn(ENTRY_KINDS)
  kind: EntryKind;

  /** The instant it took effect, ISO 8601. */
  @IsISO8601()
  at: string;

  @ValidateNested()
  @Type(() => AuthorView)
  author: AuthorView;

  /** The whole text; for a change the comment (null for customers). */
  @IsOptional()
  @IsString()
  text: string | null;

  /** The text without quotes and signature; unfold with `text`. */
  @IsOptional()
  @IsString()
  visibleText: string | null;

  /** Sanitised HTML, when the mail had some. */
  @IsOptional()
  @IsString()
  html: string | null;

  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => AttachmentView)
  attachments: AttachmentView[];

  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => FieldChangeView)
  changes: FieldChangeView[];

  @IsArray()
  @IsIn(FIX_CODES, { each: true })
  fixes: FixCode[];

  /**
   * The ticket that it was said on: one that is merged into this one, or, for employees, the parent outage or the ticket
   * that this one was split from. Null when it was said here.
   */
  @IsOptional()
  @IsInt()
  fromTicket: number | null;

  /** A raw mail can be downloaded (employees only). */
  @IsBoolean()
  hasRawMail: boolean;

  /**
   * Of what came by mail, whether the receiving server vouches for the sender (DMARC, or an aligned signature or SPF):
   * verified, unverified when it cannot say, failed when the sender's domain denies it. Null otherwise and for customers.
   */
  @IsOptional()
  @IsIn(SENDER_VERIFICATIONS)
  senderVerification: SenderVerification | null;

  /**
   * Where the mail's sender wants answers, when that is another address. Answers go to the reporter all the same: a forged
   * mail could have them sent anywhere. Null for customers.
   */
  @IsOptional()
  @IsString()
  replyTo: string | null;
}

export class GetTimeline {
  @IsUUID()
  viewerId: string;

  @IsUUID()
  ticketId: string;

  @IsOptional()
  @IsString()
  @MaxLength(64)
  after?: string;

  @IsInt()
  @Min(1)
  @Max(200)
  limit: number;
}

export class TimelinePage {
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => TimelineEntryView)
  items: TimelineEntryView[];

  @IsOptional()
  @IsString()
  next: string | null;
}

/** Oldest first; a page may be shorter than asked so that the reply stays within NATS's limit. */
export const getTimeline = rpc('tickets.timeline.v1', GetTimeline, TimelinePage);

export class GetAttachment {
  @IsUUID()
  viewerId: string;

  @IsUUID()
  ticketId: string;

  @IsUUID()
  attachmentId: string;
}

/** Where the bytes are: a blob by its hash. The gateway streams it; NATS never carries it. */
export class BlobReference {
  /** Hexadecimal, 64 digits. */
  @Matches(/^[0-9a-f]{64}$/)
  sha256: string;

  @IsString()
  name: string;

  @IsString()
  type: string;

  @IsInt()
  size: number;
}

/** Refuses with `ticket_unknown` or `attachment_unknown`. */
export const getAttachment = rpc('tickets.attachment.v1', GetAttachment, BlobReference);

export class GetRawMail {
  @IsUUID()
  viewerId: string;

  @IsUUID()
  ticketId: string;

  @IsUUID()
  entryId: string;
}

/** Refuses with `ticket_unknown`, `raw_mail_unknown` or `employees_only`. */
export const getRawMail = rpc('tickets.raw-mail.v1', GetRawMail, BlobReference);
