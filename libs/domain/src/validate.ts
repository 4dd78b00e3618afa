/**
 * Contradictions among the fields that the caller named. All of them are found at once; one is enough to refuse the
 * whole change. Every function looks at one group of fields and expects a settled ticket.
 */
import type { Context, Refusal, RefusalCode } from './outcome.js';
import type { Policy } from './policy.js';
import {
  PRIORITIES,
  RESOLUTION_TYPES,
  STATUSES,
  SUSPENSION_CAUSES,
  type Instant,
  type Person,
  type Priority,
  type ResolutionType,
  type Seconds,
  type Status,
  type SuspensionCause,
  type Ticket,
} from './ticket.js';

/** What a caller wants changed. Fields that are absent are not named. */
export interface TicketChange {
  /** A person's id; null unassigns. */
  assignee?: string | null;
  status?: string;
  priority?: string;
  suspensionCause?: string;
  /** Wall seconds from now; parts of a second are cut off. */
  suspendedSeconds?: number;
  /** With the cause pending_closed: the resolution type that the ticket will close with. */
  closeResolutionType?: string;
  resolutionType?: string;
  /** The id of a network infrastructure; null when it is not known any more. */
  infrastructure?: string | null;
  /** The employee's own forecast of the resolution, NaN for no instant; null takes it back. The comment is its reason. */
  resolutionEta?: Instant | null;
  comment?: string;
  /** The version that the caller has seen. */
  expectedVersion?: number;
  /** Names that the caller used and that are no fields. */
  unknownFields?: string[];
}

/** The change with its values known to be good. */
export interface ValidChange {
  assignee?: string | null;
  status?: Status;
  priority?: Priority;
  suspensionCause?: SuspensionCause;
  suspendedSeconds?: Seconds;
  closeResolutionType?: ResolutionType;
  resolutionType?: ResolutionType;
  infrastructure?: string | null;
  resolutionEta?: Instant | null;
}

/** A forecast further ahead than this is a slip of the pen. */
const MAX_ETA_SECONDS = 10 * 366 * 86_400;

export type Checked = { refusals: Refusal[] } | { valid: ValidChange };

export function validate(
  ticket: Ticket,
  change: TicketChange,
  policy: Policy,
  context: Context & { actor: Person },
): Checked {
  const refusals = [
    ...callerRefusals(ticket, change, context),
    ...assigneeRefusals(change, context),
    ...statusRefusals(ticket, change),
    ...resolutionRefusals(ticket, change),
    ...suspensionRefusals(ticket, change, policy),
    ...infrastructureRefusals(change, context),
    ...etaRefusals(ticket, change, context),
  ];
  if (refusals.length > 0) return { refusals };
  return { valid: { ...change, ...wholeSeconds(change) } as ValidChange };
}

function callerRefusals(ticket: Ticket, change: TicketChange, context: { actor: Person }): Refusal[] {
  const { actor } = context;
  const unknown = change.unknownFields ?? [];
  return [
    ...refuse(
      actor.kind !== 'employee' || !actor.active,
      'actor_not_employee',
      'actor',
      'Only employees may change tickets.',
    ),
    ...refuse(isBlank(change.comment), 'comment_required', 'comment', 'A comment is required.'),
    ...refuse(
      change.expectedVersion !== undefined && change.expectedVersion !== ticket.version,
      'version_conflict',
      'version',
      `The ticket has version ${ticket.version}, not ${change.expectedVersion}.`,
    ),
    ...unknown.flatMap((field) => refuse(true, 'unknown_field', field, 'There is no such field.')),
  ];
}

function assigneeRefusals(change: TicketChange, { people }: Context): Refusal[] {
  if (change.assignee === undefined) return [];
  if (change.assignee === null) {
    return refuse(
      change.status === 'in_progress',
      'assignee_not_employee',
      'assignee',
      'Work in progress needs an assignee.',
    );
  }
  const person = people(change.assignee);
  if (!person) return refuse(true, 'assignee_not_registered', 'assignee', 'Nobody with this id is registered.');
  if (person.kind !== 'employee') {
    return refuse(true, 'assignee_not_employee', 'assignee', 'Only an employee can be the assignee.');
  }
  return refuse(!person.active, 'assignee_inactive', 'assignee', 'This employee is not active.');
}

function statusRefusals(ticket: Ticket, change: TicketChange): Refusal[] {
  const { status, priority, assignee } = change;
  const staysClosed = ticket.status === 'closed' && status !== 'open' && status !== 'in_progress';
  const reassigned = assignee !== undefined && assignee !== ticket.assigneeId;
  const reprioritised = isOneOf(PRIORITIES, priority) && priority !== ticket.priority;
  return [
    ...refuse(status !== undefined && !isOneOf(STATUSES, status), 'status_unknown', 'status', oneOf(STATUSES)),
    ...refuse(
      priority !== undefined && !isOneOf(PRIORITIES, priority),
      'priority_unknown',
      'priority',
      oneOf(PRIORITIES),
    ),
    ...refuse(
      staysClosed && reassigned,
      'ticket_closed',
      'assignee',
      'The ticket is closed: reopen it to reassign it.',
    ),
    ...refuse(staysClosed && reprioritised, 'ticket_closed', 'priority', 'The ticket is closed: reopen it first.'),
    ...refuse(
      ticket.status === 'closed' && status === 'suspended',
      'reopen_before_suspend',
      'status',
      'The ticket is closed: reopen it before suspending it.',
    ),
  ];
}

function resolutionRefusals(ticket: Ticket, change: TicketChange): Refusal[] {
  const { resolutionType } = change;
  const status = statusAfter(ticket, change);
  const closing = status === 'closed' && ticket.status !== 'closed';
  if (resolutionType === undefined) {
    return refuse(closing, 'resolution_type_required', 'resolutionType', 'Closing needs a resolution type.');
  }
  return [
    ...refuse(
      !isOneOf(RESOLUTION_TYPES, resolutionType),
      'resolution_type_unknown',
      'resolutionType',
      oneOf(RESOLUTION_TYPES),
    ),
    ...refuse(
      status !== undefined && status !== 'closed',
      'resolution_type_without_close',
      'resolutionType',
      'Only a closed ticket has a resolution type.',
    ),
  ];
}

function suspensionRefusals(ticket: Ticket, change: TicketChange, policy: Policy): Refusal[] {
  const status = statusAfter(ticket, change);
  if (status === undefined) return [];
  if (status !== 'suspended') return withoutSuspension(change);

  const { suspensionCause, closeResolutionType } = change;
  const { suspendedSeconds } = wholeSeconds(change);
  const cause = suspensionCause ?? ticket.suspension?.cause;
  const announced = closeResolutionType ?? ticket.suspension?.closeResolutionType ?? undefined;
  const days = policy.maxSuspensionSeconds / 86_400;
  return [
    ...refuse(cause === undefined, 'suspension_cause_required', 'suspensionCause', 'Say what the ticket waits for.'),
    ...refuse(
      cause !== undefined && !isOneOf(SUSPENSION_CAUSES, cause),
      'suspension_cause_unknown',
      'suspensionCause',
      oneOf(SUSPENSION_CAUSES),
    ),
    ...refuse(
      suspendedSeconds !== undefined && !(suspendedSeconds > 0),
      'suspended_time_not_positive',
      'suspendedSeconds',
      'The time must be at least one second.',
    ),
    ...refuse(
      suspendedSeconds !== undefined && suspendedSeconds > policy.maxSuspensionSeconds,
      'suspended_time_too_long',
      'suspendedSeconds',
      `The time must be at most ${policy.maxSuspensionSeconds} seconds (${days} days).`,
    ),
    ...refuse(
      cause === 'pending_closed' && announced === undefined,
      'close_resolution_type_required',
      'closeResolutionType',
      'Say which resolution type the ticket will close with.',
    ),
    ...refuse(
      closeResolutionType !== undefined && !isOneOf(RESOLUTION_TYPES, closeResolutionType),
      'resolution_type_unknown',
      'closeResolutionType',
      oneOf(RESOLUTION_TYPES),
    ),
    ...refuse(
      closeResolutionType !== undefined && isOneOf(SUSPENSION_CAUSES, cause) && cause !== 'pending_closed',
      'resolution_type_without_close',
      'closeResolutionType',
      'Only a ticket that is pending_closed announces a resolution type.',
    ),
  ];
}

function withoutSuspension(change: TicketChange): Refusal[] {
  return [
    ...refuse(
      change.suspendedSeconds !== undefined,
      'suspended_time_without_suspension',
      'suspendedSeconds',
      'Only a suspended ticket has a suspended time.',
    ),
    ...refuse(
      change.suspensionCause !== undefined,
      'suspension_cause_without_suspension',
      'suspensionCause',
      'Only a suspended ticket has a cause of suspension.',
    ),
    ...refuse(
      change.closeResolutionType !== undefined,
      'resolution_type_without_close',
      'closeResolutionType',
      'Only a ticket that is pending_closed announces a resolution type.',
    ),
  ];
}

function infrastructureRefusals({ infrastructure }: TicketChange, { infrastructures }: Context): Refusal[] {
  return refuse(
    typeof infrastructure === 'string' && infrastructures?.(infrastructure) !== true,
    'infrastructure_not_registered',
    'infrastructure',
    'No network infrastructure with this id is registered.',
  );
}

function etaRefusals(ticket: Ticket, change: TicketChange, { now }: Context): Refusal[] {
  const { resolutionEta } = change;
  if (resolutionEta === undefined) return [];
  const status = statusAfter(ticket, change);
  const field = 'resolutionEta';
  return [
    ...refuse(
      status === 'closed' && ticket.status === 'closed',
      'ticket_closed',
      field,
      'The ticket is closed: it has been resolved already.',
    ),
    ...refuse(
      status === 'closed' && ticket.status !== 'closed',
      'resolution_eta_with_close',
      field,
      'A ticket that is closed now will not be resolved later.',
    ),
    ...refuse(Number.isNaN(resolutionEta), 'resolution_eta_invalid', field, 'Must be an instant in ISO 8601.'),
    ...refuse(
      resolutionEta !== null && resolutionEta <= now,
      'resolution_eta_not_future',
      field,
      'The forecast must lie in the future.',
    ),
    ...refuse(
      resolutionEta !== null && resolutionEta > now + MAX_ETA_SECONDS,
      'resolution_eta_too_late',
      field,
      'The forecast must lie within ten years.',
    ),
  ];
}

/** The status that the caller asks for; undefined when it is unknown, and then rules about it say nothing. */
function statusAfter(ticket: Ticket, change: TicketChange): Status | undefined {
  if (change.status === undefined) return ticket.status;
  return isOneOf(STATUSES, change.status) ? change.status : undefined;
}

function wholeSeconds(change: TicketChange): { suspendedSeconds?: Seconds } {
  return change.suspendedSeconds === undefined ? {} : { suspendedSeconds: Math.trunc(change.suspendedSeconds) };
}

/** Nothing that can be seen: white space and invisible format characters. */
function isBlank(text: string | undefined): boolean {
  return /^[\s\p{Cf}\p{Cc}]*$/u.test(text ?? '');
}

function isOneOf<T extends string>(values: readonly T[], value: string | undefined): value is T {
  return (values as readonly (string | undefined)[]).includes(value);
}

function oneOf(values: readonly string[]): string {
  return `Must be one of ${values.join(', ')}.`;
}

function refuse(broken: boolean, code: RefusalCode, field: string, message: string): Refusal[] {
  return broken ? [{ code, field, message }] : [];
}
