import { Type } from 'class-transformer';
import { IsArray, IsBoolean, IsInt, IsOptional, IsString, IsUUID, ValidateNested } from 'class-validator';
import { rpc } from './contract.js';
import { TicketView } from './ticket.message.js';

export class SetTags {
  @IsUUID()
  actorId: string;

  @IsUUID()
  ticketId: string;

  /** From `If-Match`: refuse with `version_conflict` unless the ticket has this version. */
  @IsOptional()
  @IsInt()
  expectedVersion?: number;

  /** All of them; case and blanks around them do not matter. */
  @IsArray()
  @IsString({ each: true })
  tags: string[];
}

export class TagsResult {
  @ValidateNested()
  @Type(() => TicketView)
  ticket: TicketView;

  /** False when it had exactly these tags: nothing was written. */
  @IsBoolean()
  changed: boolean;
}

/**
 * Refuses with `ticket_unknown`, `employees_only`, `version_conflict`, `tags_too_many` (more than 30), and of each tag
 * with `tag_length_invalid` (1 to 50 characters), `tag_invalid` (control characters) or `tag_repeated`.
 */
export const setTags = rpc('tickets.tags.v1', SetTags, TagsResult);

export class ListTags {
  @IsUUID()
  viewerId: string;
}

export class TagView {
  @IsString()
  tag: string;

  /** How many tickets that are not closed have it. */
  @IsInt()
  liveTickets: number;
}

export class TagList {
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => TagView)
  tags: TagView[];
}

/** The 200 tags that most live tickets have, those first. Refuses with `viewer_unknown` or `employees_only`. */
export const listTags = rpc('tickets.known-tags.v1', ListTags, TagList);
