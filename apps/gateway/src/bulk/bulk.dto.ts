import { FieldError, TicketChange, TicketView, UpdatePreview } from '#contracts';
import type { FixCode } from '#domain';
import { Transform, Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
  IsArray,
  IsInt,
  IsObject,
  IsOptional,
  IsUUID,
  ValidateNested,
} from 'class-validator';

export class BulkTicket {
  @Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.toLowerCase() : value))
  @IsUUID()
  id: string;

  /** Refuse with `version_conflict` unless the ticket has this version. */
  @IsOptional()
  @IsInt()
  version?: number;
}

export class BulkUpdate {
  /** 1 to 100, none twice. */
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(100)
  @ArrayUnique((ticket: BulkTicket) => ticket.id)
  @ValidateNested({ each: true })
  @Type(() => BulkTicket)
  tickets: BulkTicket[];

  /** The same as when a single ticket is changed. */
  @IsObject()
  change: TicketChange;
}

/** What became of one ticket: as a single update's answer, whose HTTP status it has. */
export class BulkResult {
  id: string;

  /** The HTTP status that a single update would have been answered with. */
  status: number;

  /** Of an accepted change: false when every named value was the present one. */
  changed?: boolean;

  /** Of an accepted change: what was repaired in fields that the caller did not name. */
  fixes?: FixCode[];

  /** Of an accepted change: the ticket after it. */
  ticket?: TicketView;

  /** With `dryRun=true`: what would happen. */
  preview?: UpdatePreview;

  /** Of a refusal or a fault: its code, e.g. `validation_failed` or `ticket_unknown`. */
  code?: string;

  /** Of a refusal: every offending field. */
  errors?: FieldError[];

  /** With `version_conflict` and `ticket_closed`: the version that the ticket has now. */
  currentVersion?: number;

  /** Of a fault: whether asking again can help, best with the same Idempotency-Key. */
  retryable?: boolean;
}

export class BulkAnswer {
  /** In the order of the request. */
  results: BulkResult[];
}
