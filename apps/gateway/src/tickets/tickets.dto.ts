import { MAX_TEXT_LENGTH, TicketView } from '#contracts';
import { PRIORITIES, STATUSES, type Priority, type Status } from '#domain';
import { Transform } from 'class-transformer';
import { IsIn, IsInt, IsNotEmpty, IsOptional, IsString, Matches, Max, MaxLength, Min } from 'class-validator';

const number = Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? Number(value) : value));
/** `status=open&status=closed` or `status=open,closed`. */
const list = Transform(({ value }: { value: unknown }) =>
  value === undefined ? undefined : [value].flat().flatMap((one) => String(one).split(',')),
);

export class PageQuery {
  /** How many at most, 1 to 200. */
  @IsOptional()
  @number
  @IsInt()
  @Min(1)
  @Max(200)
  limit: number = 50;

  /** Continue after this cursor: `next` of the page before. */
  @IsOptional()
  @IsString()
  @MaxLength(512)
  after?: string;
}

export class TicketsQuery extends PageQuery {
  /** One or more, separated by commas. */
  @IsOptional()
  @list
  @IsIn(STATUSES, { each: true })
  status?: Status[];

  /** One or more, separated by commas. */
  @IsOptional()
  @list
  @IsIn(PRIORITIES, { each: true })
  priority?: Priority[];

  /** An employee's id, or `none`. */
  @IsOptional()
  @Matches(/^(none|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$/, { message: 'assignee must be a UUID or "none"' })
  assignee?: string;

  /** The ticket with this number. */
  @IsOptional()
  @number
  @IsInt()
  @Max(2_147_483_647)
  number?: number;
}

export class MessageText {
  @IsString()
  @IsNotEmpty()
  @MaxLength(MAX_TEXT_LENGTH)
  text: string;
}

export class TicketDocument {
  ticket: TicketView;
}
