import {
  CLOCK_FACTS,
  CLOCK_REASONS,
  PRIORITIES,
  SUSPENSION_CAUSES,
  type ClockFactType,
  type ClockOutcome,
  type ClockReason,
  type ClockState,
  type Priority,
  type SuspensionCause,
} from '#domain';
import { Type } from 'class-transformer';
import {
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsISO8601,
  IsOptional,
  IsString,
  IsUUID,
  ValidateNested,
} from 'class-validator';
import { rpc } from './contract.js';

const CLOCK_STATES: ClockState[] = ['running', 'paused', 'stopped'];
const CLOCK_OUTCOMES: ClockOutcome[] = ['met', 'missed'];

/** Who did something to a clock. */
export class ClockPerson {
  /** Null when the directory does not know the person, and for the system. */
  @IsOptional()
  @IsUUID()
  personId: string | null;

  @IsString()
  name: string;
}

/** A stretch of wall time in which the clock was in one state, under one priority and one version of the policy. */
export class ClockSegmentView {
  @IsISO8601()
  from: string;

  /** Of an open segment: now. */
  @IsISO8601()
  to: string;

  /** It goes on. */
  @IsBoolean()
  open: boolean;

  @IsIn(CLOCK_STATES)
  state: ClockState;

  /** Business seconds that the clock counted; zero unless it ran. */
  @IsInt()
  countedSeconds: number;

  /** Wall seconds of a running clock that lay outside the calendar's hours. */
  @IsInt()
  outsideHoursSeconds: number;

  /** What it began with. */
  @IsIn(CLOCK_REASONS)
  why: ClockReason;

  /** While paused: what the ticket waited for. */
  @IsOptional()
  @IsIn(SUSPENSION_CAUSES)
  cause: SuspensionCause | null;

  @IsIn(PRIORITIES)
  priority: Priority;

  /** The version of the service-level policy that it ran on; null for customers. */
  @IsOptional()
  @IsInt()
  policyVersion: number | null;
}

/** Terms and figures of a clock at an instant. */
export class ClockFiguresView {
  @IsIn(PRIORITIES)
  priority: Priority;

  /** Null for customers. */
  @IsOptional()
  @IsInt()
  policyVersion: number | null;

  /** Business seconds. */
  @IsInt()
  budgetSeconds: number;

  /** Business seconds; negative when overdue. */
  @IsInt()
  remainingSeconds: number;
}

/** What happened to a clock at one instant. */
export class ClockFactView {
  /**
   * The clock started, stopped, was taken up again (`resumed`); what a change of the priority did to its budget (`reset`,
   * `capped`, `recounted`, `extended`, `kept`), or a new version of the policy (`terms_changed`); what time did
   * (`warned`, `breached`, `overdue`). Customers do not see `warned` and `overdue`.
   */
  @IsIn(CLOCK_FACTS)
  type: ClockFactType;

  /** A breach has the instant at which it was due. */
  @IsISO8601()
  at: string;

  @IsIn(CLOCK_REASONS)
  why: ClockReason;

  /** Right after the fact. */
  @ValidateNested()
  @Type(() => ClockFiguresView)
  figures: ClockFiguresView;

  /** Of a change of the budget: right before it. */
  @IsOptional()
  @ValidateNested()
  @Type(() => ClockFiguresView)
  before: ClockFiguresView | null;

  /** Of a warning: the share of the budget that was used up. */
  @IsOptional()
  @IsInt()
  percent: number | null;

  /** Of a promise that was still broken: business seconds since its due time. */
  @IsOptional()
  @IsInt()
  overdueSeconds: number | null;

  /** Of a stop: whether the promise was kept. */
  @IsOptional()
  @IsIn(CLOCK_OUTCOMES)
  outcome: ClockOutcome | null;
}

/** A line of a clock's ledger: either a segment or a fact. */
export class ClockLineView {
  /** The line in plain English, in the wall time of the calendar's zone. */
  @IsString()
  sentence: string;

  /** Null for time itself, and always for customers. */
  @IsOptional()
  @ValidateNested()
  @Type(() => ClockPerson)
  by: ClockPerson | null;

  /** The beginning of the comment that came with it; null for customers. */
  @IsOptional()
  @IsString()
  comment: string | null;

  @IsOptional()
  @ValidateNested()
  @Type(() => ClockSegmentView)
  segment: ClockSegmentView | null;

  @IsOptional()
  @ValidateNested()
  @Type(() => ClockFactView)
  fact: ClockFactView | null;
}

/** Where a clock stands, and every line of how it came there. Clock durations are business seconds. */
export class ClockLedgerView {
  @IsIn(CLOCK_STATES)
  state: ClockState;

  /** Null unless stopped. */
  @IsOptional()
  @IsIn(CLOCK_OUTCOMES)
  outcome: ClockOutcome | null;

  /** The IANA time zone of the calendar. */
  @IsString()
  zone: string;

  @IsInt()
  budgetSeconds: number;

  /** How much of the budget is used up. */
  @IsInt()
  countedSeconds: number;

  /** Negative when overdue; of a stopped clock what it stopped with. */
  @IsInt()
  remainingSeconds: number;

  /** Wall seconds of all pauses. */
  @IsInt()
  pausedSeconds: number;

  /** Wall seconds that the clock ran outside the calendar's hours. */
  @IsInt()
  outsideHoursSeconds: number;

  /** What escalations granted beyond counting the new target from the start; null for the assign clock. */
  @IsOptional()
  @IsInt()
  gainSeconds: number | null;

  /**
   * In the order in which they became certain: a segment when it ended, the open one last. Lines are only ever added.
   */
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => ClockLineView)
  lines: ClockLineView[];

  /** How many of the oldest lines are left out, because the answer would be too large. */
  @IsInt()
  omittedLines: number;
}

export class GetClocks {
  @IsUUID()
  viewerId: string;

  @IsUUID()
  ticketId: string;
}

/** Both clocks of a ticket, explained at one instant. */
export class TicketClocks {
  @IsUUID()
  ticketId: string;

  @IsInt()
  number: number;

  /** The instant that the sums are for. */
  @IsISO8601()
  at: string;

  @ValidateNested()
  @Type(() => ClockLedgerView)
  assign: ClockLedgerView;

  @ValidateNested()
  @Type(() => ClockLedgerView)
  resolve: ClockLedgerView;
}

/** Refuses with `ticket_unknown`, also for a ticket that the viewer may not see. */
export const getClocks = rpc('tickets.clocks.v1', GetClocks, TicketClocks);
