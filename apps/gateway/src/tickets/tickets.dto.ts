import { PRIORITIES, STATUSES, type Priority, type Status } from '#domain';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform, Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsBoolean,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
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

export class TicketQuery extends PageQuery {
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
  @Transform(({ value }: { value: unknown }) => (value === 'true' ? true : value === 'false' ? false : value))
  @IsBoolean()
  dryRun: boolean = false;
}

function listOf(value: unknown): unknown {
  return [value].flat().flatMap((one) => (typeof one === 'string' ? one.split(',') : [one]));
}
