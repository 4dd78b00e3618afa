import { INSTANT, PERSON_OR_ADDRESS } from '#contracts';
import { PRIORITIES, STATUSES, type Priority, type Status } from '#domain';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform, Type } from 'class-transformer';
import {
  ArrayMaxSize,
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
} from 'class-validator';

export class PageQuery {
  /** How many at most. */
  @ApiPropertyOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(200)
  limit: number = 50;

  /** Continue after this cursor: `next` of the page before. */
  @IsOptional()
  @IsString()
  @MaxLength(1024)
  after?: string;
}

const UUID = { message: 'must be a UUID' };
const PERSON = { message: 'must be a UUID or an address' };
const WHEN = { message: 'must be an instant with its offset, such as 2026-03-02T14:00:00Z' };

export class TicketQuery extends PageQuery {
  /**
   * Words that all occur in the subject, the messages, the names and addresses of people, the names of infrastructure and
   * organisation, or the number; for employees also in notes and comments. Case and accents do not matter. "Words in
   * quotes" follow each other, -words must not occur, and the last word may be the beginning of one.
   */
  @IsOptional()
  @IsString()
  @MaxLength(200)
  q?: string;

  /** Only these statuses: repeat the parameter or separate by commas. */
  @IsOptional()
  @Transform(({ value }) => listOf(value))
  @IsIn(STATUSES, { each: true })
  status?: Status[];

  /** Only these priorities: repeat the parameter or separate by commas. */
  @IsOptional()
  @Transform(({ value }) => listOf(value))
  @IsIn(PRIORITIES, { each: true })
  priority?: Priority[];

  /** Only tickets of this employee (an id), or `none` for those of nobody. */
  @IsOptional()
  @Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.toLowerCase() : value))
  @Matches(/^(none|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$/, { message: 'must be a UUID or none' })
  assignee?: string;

  /** Only the ticket with this number. */
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(2_147_483_647)
  number?: number;

  /** Only tickets of this organisation (an id). */
  @IsOptional()
  @IsUUID(undefined, UUID)
  organisationId?: string;

  /** Only tickets of this network infrastructure (an id). */
  @IsOptional()
  @IsUUID(undefined, UUID)
  infrastructureId?: string;

  /** Only tickets reported by this person: an id, or the address of anybody. */
  @IsOptional()
  @Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.toLowerCase() : value))
  @Matches(PERSON_OR_ADDRESS, PERSON)
  @MaxLength(320)
  reporter?: string;

  /** `true`: only tickets whose promise to resolve is broken and that are not closed; `false`: only all others. */
  @IsOptional()
  @Transform(({ value }) => booleanOf(value))
  @IsBoolean()
  overdue?: boolean;

  /** Only tickets created at this instant or later, in ISO 8601 with its offset. */
  @IsOptional()
  @IsISO8601({ strict: true }, WHEN)
  @Matches(INSTANT, WHEN)
  createdAfter?: string;

  /** Only tickets created before this instant. */
  @IsOptional()
  @IsISO8601({ strict: true }, WHEN)
  @Matches(INSTANT, WHEN)
  createdBefore?: string;

  /** Only tickets last changed at this instant or later. */
  @IsOptional()
  @IsISO8601({ strict: true }, WHEN)
  @Matches(INSTANT, WHEN)
  updatedAfter?: string;
  /** Only tickets that have this tag; repeat the parameter for those that have all of several. Employees only. */
  @IsOptional()
  @Transform(({ value }: { value: unknown }) => [value].flat())
  @ArrayMaxSize(30)
  @IsString({ each: true })
  @MaxLength(255, { each: true })
  tag?: string[];
}

export class UpdateQuery {
  /** Only say what would happen. */
  @ApiPropertyOptional()
  @Transform(({ value }) => booleanOf(value))
  @IsBoolean()
  dryRun: boolean = false;
}

export function listOf(value: unknown): unknown {
  return [value].flat().flatMap((one) => (typeof one === 'string' ? one.split(',') : [one]));
}

function booleanOf(value: unknown): unknown {
  return value === 'true' ? true : value === 'false' ? false : value;
}
