/** Relations between tickets: links, merges and splits. */
import { LINK_TYPES, RELATIONS, STATUSES, type LinkType, type Relation, type Status } from '#domain';
import { Type } from 'class-transformer';
import {
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
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
import { MAX_TEXT_LENGTH, TicketAnswer, TicketView } from './ticket.message.js';

/** A link as one of its tickets sees it. */
export class LinkView {
  @IsUUID()
  id: string;

  /** What this ticket is to the other one: `child_of` its parent outage, `parent_of` a child, … */
  @IsIn(RELATIONS)
  relation: Relation;

  /** The other ticket's id. */
  @IsUUID()
  ticketId: string;

  /** The other ticket's number. */
  @IsInt()
  number: number;

  /** The other ticket's subject. */
  @IsString()
  subject: string;

  /** The other ticket's status. */
  @IsIn(STATUSES)
  status: Status;
}

// ----------------------------------------------------------------------------------------------------------- links

export class ListLinks {
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

export class LinkPage {
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => LinkView)
  items: LinkView[];

  /** Pass as `after` for the next page; null on the last one. */
  @IsOptional()
  @IsString()
  next: string | null;
}

/**
 * Both directions, oldest first; links to tickets that the viewer may not see are left out. Refuses with
 * `ticket_unknown` or `cursor_invalid`.
 */
export const listLinks = rpc('tickets.links.v1', ListLinks, LinkPage);

export class NewLink {
  /** What the ticket is to the other one. */
  @IsIn(LINK_TYPES)
  type: LinkType;

  /** The other ticket's id: the original of a duplicate, the parent outage of a child. */
  @IsUUID()
  ticketId: string;
}

export class LinkTickets {
  @IsUUID()
  actorId: string;

  @IsUUID()
  ticketId: string;

  @ValidateNested()
  @Type(() => NewLink)
  link: NewLink;

  @IsOptional()
  @IsString()
  @Length(1, 255)
  idempotencyKey?: string;
}

export class LinkResult {
  @ValidateNested()
  @Type(() => TicketView)
  ticket: TicketView;

  @ValidateNested()
  @Type(() => LinkView)
  link: LinkView;

  /** False when the tickets were linked like this already. */
  @IsBoolean()
  changed: boolean;
}

/**
 * Refuses with `ticket_unknown`, `employees_only`, `other_ticket_unknown`, `link_to_itself`, `second_parent`,
 * `link_cycle` or `idempotency_key_reused`.
 */
export const linkTickets = rpc('tickets.link.v1', LinkTickets, LinkResult);

export class UnlinkTickets {
  @IsUUID()
  actorId: string;

  @IsUUID()
  ticketId: string;

  @IsUUID()
  linkId: string;

  @IsOptional()
  @IsString()
  @Length(1, 255)
  idempotencyKey?: string;
}

/** Refuses with `ticket_unknown`, `employees_only`, `link_unknown` or `idempotency_key_reused`. */
export const unlinkTickets = rpc('tickets.unlink.v1', UnlinkTickets, TicketAnswer);

// ---------------------------------------------------------------------------------------------------------- merges

export class NewMerge {
  /** The id of the ticket that goes on. */
  @IsUUID()
  into: string;

  /** Why; employees see it in the history of both tickets, customers do not. */
  @IsOptional()
  @IsString()
  @MaxLength(MAX_TEXT_LENGTH)
  comment?: string;

  /** Needed when the tickets belong to different organisations: the reporter then gets the answers on the other one. */
  @IsOptional()
  @IsBoolean()
  acrossOrganisations?: boolean;
}

export class MergeTicket {
  @IsUUID()
  actorId: string;

  @IsUUID()
  ticketId: string;

  @ValidateNested()
  @Type(() => NewMerge)
  merge: NewMerge;

  @IsOptional()
  @IsString()
  @Length(1, 255)
  idempotencyKey?: string;
}

export class MergeResult {
  /** The ticket that is merged, or is so no longer. */
  @ValidateNested()
  @Type(() => TicketView)
  ticket: TicketView;

  /** The ticket that it is, or was, merged into. */
  @ValidateNested()
  @Type(() => TicketView)
  target: TicketView;
}

/**
 * Closes the ticket as a duplicate of another one and says on that one what is said on it from now on. Refuses with
 * `ticket_unknown`, `employees_only`, `other_ticket_unknown`, `comment_required`, `merge_into_itself`,
 * `merge_target_merged`, `ticket_merged`, `merge_other_organisation` or `idempotency_key_reused`.
 */
export const mergeTicket = rpc('tickets.merge.v1', MergeTicket, MergeResult);

export class MergeUndoing {
  /** Why; employees see it in the history of both tickets, customers do not. */
  @IsOptional()
  @IsString()
  @MaxLength(MAX_TEXT_LENGTH)
  comment?: string;
}

export class UnmergeTicket extends MergeUndoing {
  @IsUUID()
  actorId: string;

  @IsUUID()
  ticketId: string;

  @IsOptional()
  @IsString()
  @Length(1, 255)
  idempotencyKey?: string;
}

/**
 * Undoes a merge: the ticket is again what it was before. Refuses with `ticket_unknown`, `employees_only`,
 * `comment_required`, `not_merged` or `idempotency_key_reused`.
 */
export const unmergeTicket = rpc('tickets.unmerge.v1', UnmergeTicket, MergeResult);

// ---------------------------------------------------------------------------------------------------------- splits

export class NewSplit {
  /** The timeline entry, a message or a note, that is to be a ticket of its own. */
  @IsUUID()
  entryId: string;

  /** Default: the ticket's own subject. */
  @IsOptional()
  @IsString()
  @Matches(/\S/, { message: 'subject must not be blank' })
  @MaxLength(255)
  subject?: string;

  /** Why; employees see it in the history of both tickets, customers do not. */
  @IsOptional()
  @IsString()
  @MaxLength(MAX_TEXT_LENGTH)
  comment?: string;
}

export class SplitTicket {
  @IsUUID()
  actorId: string;

  @IsUUID()
  ticketId: string;

  @ValidateNested()
  @Type(() => NewSplit)
  split: NewSplit;

  @IsOptional()
  @IsString()
  @Length(1, 255)
  idempotencyKey?: string;
}

export class SplitResult {
  /** The new ticket. */
  @ValidateNested()
  @Type(() => TicketView)
  ticket: TicketView;

  /** The ticket that it was split from, which keeps the entry. */
  @ValidateNested()
  @Type(() => TicketView)
  original: TicketView;
}

/**
 * Makes a ticket of its own from one message or note. Refuses with `ticket_unknown`, `employees_only`,
 * `comment_required`, `entry_unknown`, `entry_not_message` or `idempotency_key_reused`.
 */
export const splitTicket = rpc('tickets.split.v1', SplitTicket, SplitResult);
