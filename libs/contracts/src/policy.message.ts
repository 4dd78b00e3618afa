import type { EscalationMode } from '#domain';
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
  Max,
  Min,
  ValidateNested,
} from 'class-validator';
import { rpc } from './contract.js';

/** Of one priority, in business seconds of the calendar. */
export class TargetsView {
  /** From the creation to the first assignment to an employee. */
  @IsInt()
  assignSeconds: number;

  /** From the creation to the closing. */
  @IsInt()
  resolveSeconds: number;
}

export class TargetsByPriority {
  @ValidateNested()
  @Type(() => TargetsView)
  critical: TargetsView;

  @ValidateNested()
  @Type(() => TargetsView)
  high: TargetsView;

  @ValidateNested()
  @Type(() => TargetsView)
  medium: TargetsView;

  @ValidateNested()
  @Type(() => TargetsView)
  low: TargetsView;
}

/** How long a ticket is suspended when nobody says so, by cause; wall seconds. */
export class DefaultSuspensionView {
  @IsInt()
  pending_change: number;

  @IsInt()
  pending_customer: number;

  @IsInt()
  pending_third_party: number;

  @IsInt()
  pending_closed: number;
}

/** Whom to tell of a promise that stays broken. */
export class RungView {
  /** Business seconds that the promise has been overdue. */
  @IsInt()
  overdueSeconds: number;

  /** `assignee`, `lead` (the team's address), or a mail address. */
  @IsString({ each: true })
  tell: string[];
}

/** What a version of a policy promises. */
export class PolicyTermsView {
  @ValidateNested()
  @Type(() => TargetsByPriority)
  targets: TargetsByPriority;

  @ValidateNested()
  @Type(() => DefaultSuspensionView)
  defaultSuspensionSeconds: DefaultSuspensionView;

  /** Wall seconds. */
  @IsInt()
  maxSuspensionSeconds: number;

  /** A customer's message reopens a ticket that was closed at most this many seconds ago. */
  @IsInt()
  reopenWindowSeconds: number;

  /** What an escalation does to a clock that is still alive. */
  @IsIn(['reset', 'reset_capped', 'retroactive'])
  escalationMode: EscalationMode;

  /** Shares of a budget, in percent, at which the assignee is warned. */
  @IsInt({ each: true })
  warningPercents: number[];

  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => RungView)
  ladder: RungView[];
}

export class CalendarReference {
  @IsString()
  name: string;

  @IsInt()
  version: number;
}

export class PolicyVersionView {
  /** Versions of all policies are counted together. */
  @IsInt()
  version: number;

  /** Since when it holds. */
  @IsISO8601()
  effectiveAt: string;

  @ValidateNested()
  @Type(() => CalendarReference)
  calendar: CalendarReference;

  @ValidateNested()
  @Type(() => PolicyTermsView)
  terms: PolicyTermsView;
}

/** How many tickets that are not closed run on a version. */
export class LiveTicketsView {
  @IsInt()
  version: number;

  @IsInt()
  count: number;
}

/** How far live tickets have gone over to a version that replaced another. */
export class PolicyMoveView {
  @IsInt()
  fromVersion: number;

  @IsInt()
  toVersion: number;

  @IsISO8601()
  requestedAt: string;

  /** Live tickets of the policy at the start. */
  @IsInt()
  total: number;

  /** Of them, those that the job has moved; others went over with a change of their own, or were closed. */
  @IsInt()
  moved: number;

  /** When no live ticket was left on an earlier version; null while there are some. */
  @IsOptional()
  @IsISO8601()
  finishedAt: string | null;
}

export class PolicyView {
  @IsString()
  name: string;

  /** New tickets get it whose organisation has no policy of its own. */
  @IsBoolean()
  isDefault: boolean;

  /** Names of the organisations whose new tickets get it. */
  @IsString({ each: true })
  organisations: string[];

  @ValidateNested()
  @Type(() => PolicyVersionView)
  current: PolicyVersionView;

  /** Versions on which live tickets run, newest first. */
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => LiveTicketsView)
  liveTickets: LiveTicketsView[];

  /** The latest ten, newest first. */
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => PolicyMoveView)
  moves: PolicyMoveView[];
}

/** Only employees may ask. */
export class ListPolicies {
  @IsUUID()
  viewerId: string;
}

export class PolicyList {
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => PolicyView)
  items: PolicyView[];
}

/** All policies by name. Refuses with `viewer_unknown` or `employees_only`. */
export const listPolicies = rpc('policies.list.v1', ListPolicies, PolicyList);

export class ListPolicyVersions extends ListPolicies {
  /** The policy's name. */
  @IsString()
  name: string;

  /** Continue after this cursor (from the page before). */
  @IsOptional()
  @IsString()
  after?: string;

  @IsInt()
  @Min(1)
  @Max(200)
  limit: number;
}

export class PolicyVersionPage {
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => PolicyVersionView)
  items: PolicyVersionView[];

  @IsOptional()
  @IsString()
  next: string | null;
}

/** A policy's versions, newest first. Refuses with `policy_unknown`, `viewer_unknown` or `employees_only`. */
export const listPolicyVersions = rpc('policies.versions.v1', ListPolicyVersions, PolicyVersionPage);

/** The current version of a calendar. */
export class CalendarView extends CalendarReference {
  /** The time zone of its hours, of the IANA database. */
  @IsString()
  zone: string;

  /** It counts around the clock, and has no hours. */
  @IsBoolean()
  always: boolean;

  /** By weekday (`mon` to `sun`): intervals from opening to closing time, `[["09:00", "17:00"]]`. */
  @IsObject()
  weekly: Record<string, string[][]>;

  /** By date (`YYYY-MM-DD`): the hours of that date; none on a holiday. */
  @IsObject()
  exceptions: Record<string, string[][]>;
}

export class CalendarList {
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => CalendarView)
  items: CalendarView[];
}

/** All calendars by name. Refuses with `viewer_unknown` or `employees_only`. */
export const listCalendars = rpc('calendars.list.v1', ListPolicies, CalendarList);
