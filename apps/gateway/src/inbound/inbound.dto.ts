import { DISPOSITION_FILTERS, InboundFilter, INSTANT, type DispositionFilter } from '#contracts';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform, Type } from 'class-transformer';
import {
  IsIn,
  IsInt,
  IsISO8601,
  IsOptional,
  IsString,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import { listOf, PageQuery } from '../tickets/tickets.dto.js';

const WHEN = { message: 'must be an instant with its offset, such as 2026-03-02T14:00:00Z' };

export class InboundQuery extends PageQuery {
  /** Only these dispositions, or `waiting` for mails without one yet: repeat the parameter or separate by commas. */
  @IsOptional()
  @Transform(({ value }) => listOf(value))
  @IsIn(DISPOSITION_FILTERS, { each: true })
  disposition?: DispositionFilter[];

  /** Only mails of the mailbox with this address. */
  @IsOptional()
  @IsString()
  @MaxLength(320)
  mailbox?: string;

  /** Only mails about which this rule decided. */
  @IsOptional()
  @IsString()
  @MaxLength(255)
  rule?: string;

  /** Only mails from this address. */
  @IsOptional()
  @IsString()
  @MaxLength(320)
  sender?: string;

  /** Only mails of the ticket with this number. */
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(2_147_483_647)
  ticket?: number;

  /** Only mails that the mail server received at this instant or later, in ISO 8601 with its offset. */
  @IsOptional()
  @IsISO8601({ strict: true }, WHEN)
  @Matches(INSTANT, WHEN)
  receivedAfter?: string;

  /** Only mails received before this instant. */
  @IsOptional()
  @IsISO8601({ strict: true }, WHEN)
  @Matches(INSTANT, WHEN)
  receivedBefore?: string;
}

export class InboundSelection {
  /** Which mails; at least one condition. */
  @ValidateNested()
  @Type(() => InboundFilter)
  filter: InboundFilter;

  /** How many at most. */
  @ApiPropertyOptional()
  @IsInt()
  @Min(1)
  @Max(200)
  limit: number = 50;

  /** Continue after this cursor: `next` of the answer before. */
  @IsOptional()
  @IsString()
  @MaxLength(64)
  after?: string;
}
