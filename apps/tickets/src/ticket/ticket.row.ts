import type {
  Channel,
  Clock,
  ClockOutcome,
  ClockState,
  Instant,
  Priority,
  ResolutionType,
  Status,
  SuspensionCause,
} from '#domain';
import { instantOf } from './instant.type.js';
import type { TicketFacts } from './ticket.view.js';

/** The columns that a view needs, of `t` joined with its names. */
export const TICKET_COLUMNS = `t.*, tickets.transaction_time() as now, assignee.name as assignee_name,
  organisation.name as organisation_name, infrastructure.name as infrastructure_name`;

type ClockColumns<Name extends 'assign' | 'resolve'> = {
  [Column in `${Name}_${'budget_seconds' | 'consumed_seconds' | 'warned_percent' | 'rungs_taken'}`]: number;
} & { [Column in `${Name}_breached` | `${Name}_ever_breached`]: boolean } & {
  [Column in `${Name}_running_since`]: string | null;
} & { [Column in `${Name}_state`]: ClockState } & { [Column in `${Name}_outcome`]: ClockOutcome | null };

/** A row of TICKET_COLUMNS as pg returns it: timestamps are text. */
export interface TicketRow extends ClockColumns<'assign'>, ClockColumns<'resolve'> {
  id: string;
  number: number;
  version: number;
  created_at: string;
  closed_at: string | null;
  channel: Channel;
  reporter_person_id: string | null;
  reporter_name: string;
  reporter_email: string | null;
  infrastructure_id: string | null;
  infrastructure_name: string | null;
  assignee_id: string | null;
  assignee_name: string | null;
  organisation_id: string | null;
  organisation_name: string | null;
  status: Status;
  priority: Priority;
  suspension_cause: SuspensionCause;
  suspension_until: string | null;
  suspension_close_resolution_type: ResolutionType | null;
  resolution_type: ResolutionType | null;
  resolve_gain_seconds: number;
  estimate_at: string | null;
  estimate_reason: string;
  estimate_by_person_id: string;
  policy_version: number;
  subject: string;
  tags: string[];
  updated_at: string;
  follow_up_of: number | null;
  merged_into: number | null;
  now: string;
}

/** The reading twin of the ticket entity: a flat row becomes the domain's nested shape without the unit of work. */
export function factsOf(row: TicketRow): TicketFacts {
  return {
    id: row.id,
    number: row.number,
    version: row.version,
    createdAt: instantOf(row.created_at),
    closedAt: instantOrNull(row.closed_at),
    channel: row.channel,
    reporter: { personId: row.reporter_person_id, name: row.reporter_name, email: row.reporter_email },
    infrastructureId: row.infrastructure_id,
    assigneeId: row.assignee_id,
    status: row.status,
    priority: row.priority,
    suspension:
      row.suspension_until === null
        ? null
        : {
            cause: row.suspension_cause,
            until: instantOf(row.suspension_until),
            closeResolutionType: row.suspension_close_resolution_type,
          },
    resolutionType: row.resolution_type,
    assignClock: clockOf(row, 'assign'),
    resolveClock: clockOf(row, 'resolve'),
    resolveGainSeconds: row.resolve_gain_seconds,
    estimate:
      row.estimate_at === null
        ? null
        : { at: instantOf(row.estimate_at), reason: row.estimate_reason, byPersonId: row.estimate_by_person_id },
    policyVersion: row.policy_version,
    subject: row.subject,
    tags: row.tags,
    updatedAt: instantOf(row.updated_at),
    followUpOf: row.follow_up_of,
    mergedInto: row.merged_into,
    organisation: named(row.organisation_id, row.organisation_name),
    infrastructure: named(row.infrastructure_id, row.infrastructure_name),
    assignee: named(row.assignee_id, row.assignee_name),
  };
}

function clockOf(row: TicketRow, clock: 'assign' | 'resolve'): Clock {
  return {
    budgetSeconds: row[`${clock}_budget_seconds`],
    consumedSeconds: row[`${clock}_consumed_seconds`],
    runningSince: instantOrNull(row[`${clock}_running_since`]),
    state: row[`${clock}_state`],
    breached: row[`${clock}_breached`],
    everBreached: row[`${clock}_ever_breached`],
    warnedPercent: row[`${clock}_warned_percent`],
    rungsTaken: row[`${clock}_rungs_taken`],
    outcome: row[`${clock}_outcome`],
  };
}

function instantOrNull(value: string | null): Instant | null {
  return value === null ? null : instantOf(value);
}

function named(id: string | null, name: string | null) {
  return id !== null && name !== null ? { id, name } : null;
}
