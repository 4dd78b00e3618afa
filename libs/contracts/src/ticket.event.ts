/**
 * Facts about tickets, for other systems and for the notifier.
 *
 * Each is published on JetStream stream TICKETS under `<type>.<ticket number>` in a CloudEvents 1.0 envelope whose
 * `id` is also the Nats-Msg-Id. `sequence` counts the ticket's events from 1 without gaps, in the order they happened.
 */
import { FIX_CODES, type FixCode } from '#domain';
import { Type } from 'class-transformer';
import {
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsISO8601,
  IsObject,
  IsOptional,
  IsString,
  IsUUID,
  ValidateNested,
} from 'class-validator';
import { event, type ClassOf } from './contract.js';
import { BouncedRecipient } from './mail.message.js';
import { FieldChangeView, Recipient, TicketView, VISIBILITIES, AuthorView, type Visibility } from './ticket.message.js';

export const TICKET_STREAM = 'TICKETS';
export const TICKET_SUBJECTS = 'ticket.>';

/** The CloudEvents 1.0 envelope in JSON. */
export class CloudEvent<Data = unknown> {
  @IsIn(['1.0'])
  specversion: '1.0';

  @IsUUID()
  id: string;

  @IsString()
  source: string;

  @IsString()
  type: string;

  /** The ticket's number. */
  @IsString()
  subject: string;

  @IsISO8601()
  time: string;

  @IsIn(['application/json'])
  datacontenttype: 'application/json';

  /** Counts the ticket's events: 1, 2, 3, … */
  @IsInt()
  sequence: number;

  @IsOptional()
  @IsString()
  correlationid?: string;

  @IsObject()
  data: Data;
}

/** What an answer needs to land in the reader's thread. */
export class MailThread {
  /** The support address that the ticket's mail comes from and goes to. */
  @IsString()
  mailbox: string;

  /** Message-IDs of the ticket's mails so far, oldest first, without angle brackets, at most 20. */
  @IsArray()
  @IsString({ each: true })
  references: string[];
}

/** What every event says. */
export class TicketEventData {
  /** The ticket's facts right after this fact. */
  @ValidateNested()
  @Type(() => TicketView)
  ticket: TicketView;

  /** Who did it; the system has no personId. */
  @ValidateNested()
  @Type(() => AuthorView)
  actor: AuthorView;

  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => Recipient)
  recipients: Recipient[];

  @ValidateNested()
  @Type(() => MailThread)
  thread: MailThread;
}

export class TicketCreated extends TicketEventData {
  /** The first message. */
  @IsString()
  text: string;

  /** The reporter may be sent an acknowledgement (mailed by a human, not a loop). */
  @IsBoolean()
  acknowledge: boolean;

  /** It came by a mail of which only the headers could be read. */
  @IsOptional()
  @IsBoolean()
  headersOnly?: boolean;
}

export class TicketMessageAdded extends TicketEventData {
  @IsUUID()
  entryId: string;

  @IsIn(VISIBILITIES)
  visibility: Visibility;

  /** The message; null for an internal note, whose words do not leave the house. */
  @IsOptional()
  @IsString()
  text: string | null;

  @IsIn(['comment_added', 'resumed', 'reopened', 'assigned'])
  effect: 'comment_added' | 'resumed' | 'reopened' | 'assigned';
}

export class TicketUpdated extends TicketEventData {
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => FieldChangeView)
  changes: FieldChangeView[];

  @IsArray()
  @IsIn(FIX_CODES, { each: true })
  fixes: FixCode[];

  /** The comment, for employees only. */
  @IsOptional()
  @IsString()
  comment: string | null;
}

/** A promise was broken at `at`, whoever noticed when. */
export class TicketBreached extends TicketEventData {
  @IsIn(['assign', 'resolve'])
  clock: 'assign' | 'resolve';

  @IsISO8601()
  at: string;
}

/** A share of the time to assign or to resolve was used up at `at`: the promise can still be kept. */
export class TicketWarned extends TicketEventData {
  @IsIn(['assign', 'resolve'])
  clock: 'assign' | 'resolve';

  /** Of the budget, 1 to 99. */
  @IsInt()
  percent: number;

  @IsISO8601()
  at: string;
}

/** A broken promise was still broken at `at`: a step of the policy's ladder. */
export class TicketOverdue extends TicketEventData {
  @IsIn(['assign', 'resolve'])
  clock: 'assign' | 'resolve';

  /** Business seconds since the due time. */
  @IsInt()
  overdueSeconds: number;

  @IsISO8601()
  at: string;
}

/** A mail of ours about the ticket was not delivered, or is late. */
export class TicketBounced extends TicketEventData {
  /** The note that says so. */
  @IsUUID()
  entryId: string;

  /** Of our mail, without angle brackets. */
  @IsString()
  messageId: string;

  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => BouncedRecipient)
  results: BouncedRecipient[];
}

export const ticketCreated = event('ticket.created.v1', TicketCreated);
export const ticketMessageAdded = event('ticket.message_added.v1', TicketMessageAdded);
export const ticketUpdated = event('ticket.updated.v1', TicketUpdated);
export const ticketWarned = event('ticket.warned.v1', TicketWarned);
export const ticketBreached = event('ticket.breached.v1', TicketBreached);
export const ticketOverdue = event('ticket.overdue.v1', TicketOverdue);
export const ticketBounced = event('ticket.bounced.v1', TicketBounced);

export const TICKET_EVENTS = [
  ticketCreated,
  ticketMessageAdded,
  ticketUpdated,
  ticketWarned,
  ticketBreached,
  ticketOverdue,
  ticketBounced,
] as const;

/** The subject that an event of this ticket is published under. */
export function eventSubject(type: string, ticketNumber: number): string {
  return `${type}.${ticketNumber}`;
}

export type DataOf<C> = C extends { data: ClassOf<infer D> } ? D : never;
