import { changesBetween } from './changes.js';
import { fixesBetween, isActive } from './fixes.js';
import type { Accepted, Context, Refused } from './outcome.js';
import type { Policy } from './policy.js';
import { settle } from './settle.js';
import { assign, changePriority, close, reopen, resumeWork, suspend, unassign } from './steps.js';
import type { Instant, Person, Suspension, Ticket } from './ticket.js';
import { toldOfChanges } from './told.js';
import { validate, type TicketChange, type ValidChange } from './validate.js';

/**
 * An employee's change of a ticket: settled up to now, then refused as a whole or applied as a whole.
 * Contradictions among the named fields are refused; consequences for fields that were not named are fixed and reported.
 */
export function applyUpdate(
  ticket: Ticket,
  change: TicketChange,
  policy: Policy,
  context: Context & { actor: Person },
): Accepted | Refused {
  const { now, people, actor } = context;
  const { ticket: settled, settlements } = settle(ticket, policy, now, people);
  const checked = validate(settled, change, policy, context);
  if ('refusals' in checked) return checked;

  const updated = apply(settled, checked.valid, policy, context);
  const changes = changesBetween(settled, updated);
  const changed = changes.length > 0;
  return {
    ticket: changed ? { ...updated, version: settled.version + 1 } : settled,
    settlements,
    changed,
    changes,
    fixes: fixesBetween(settled, updated, change, people, 'actor'),
    told: toldOfChanges(settled, updated, changes, people, actor.id),
  };
}

/** The order matters: an answer is judged under the old promise, a new priority applies to what is alive after it. */
function apply(settled: Ticket, change: ValidChange, policy: Policy, context: Context & { actor: Person }): Ticket {
  const { now, people, actor } = context;
  let ticket = changeAssignee(settled, change, policy, now);
  ticket = closeOrReopen(ticket, change, policy, now, people);
  ticket = reprioritise(ticket, change, policy, now);
  ticket = suspendOrResume(ticket, change, policy, now);
  ticket = moveOn(ticket, change);
  ticket = repairAssignee(ticket, change, policy, now, actor);
  return describe(ticket, change, actor);
}

function changeAssignee(ticket: Ticket, { assignee }: ValidChange, policy: Policy, now: Instant): Ticket {
  if (assignee === undefined) return ticket;
  return assignee === null ? unassign(ticket, now) : assign(ticket, assignee, policy, now);
}

function closeOrReopen(
  ticket: Ticket,
  { status, resolutionType }: ValidChange,
  policy: Policy,
  now: Instant,
  people: Context['people'],
): Ticket {
  if (ticket.status === 'closed') {
    if (status === 'open' || status === 'in_progress') {
      const assignable = isActive(ticket.assigneeId, people) ? ticket : { ...ticket, assigneeId: null };
      return reopen(assignable, status, now);
    }
    return { ...ticket, resolutionType: resolutionType ?? ticket.resolutionType };
  }
  return status === 'closed' && resolutionType ? close(ticket, resolutionType, policy, now) : ticket;
}

function reprioritise(ticket: Ticket, { priority }: ValidChange, policy: Policy, now: Instant): Ticket {
  if (priority === undefined || priority === ticket.priority) return ticket;
  return changePriority(ticket, priority, policy, now);
}

function suspendOrResume(ticket: Ticket, change: ValidChange, policy: Policy, now: Instant): Ticket {
  const { status } = change;
  if (status === 'suspended' || (status === undefined && ticket.suspension)) {
    const suspension = suspensionAfter(ticket.suspension, change, policy, now);
    return suspension ? suspend(ticket, suspension, policy, now) : ticket;
  }
  if (ticket.suspension && (status === 'open' || status === 'in_progress')) return resumeWork(ticket, status, now);
  return ticket;
}

/** What is not named stays as it is; a first suspension without a time lasts as long as its cause usually does. */
function suspensionAfter(
  present: Suspension | null,
  change: ValidChange,
  policy: Policy,
  now: Instant,
): Suspension | null {
  const cause = change.suspensionCause ?? present?.cause;
  if (cause === undefined) return null;
  const unnamedUntil = present?.until ?? now + policy.defaultSuspensionSeconds[cause];
  const announced = change.closeResolutionType ?? present?.closeResolutionType ?? null;
  return {
    cause,
    until: change.suspendedSeconds === undefined ? unnamedUntil : now + change.suspendedSeconds,
    closeResolutionType: cause === 'pending_closed' ? announced : null,
  };
}

/** Between open and in progress. */
function moveOn(ticket: Ticket, { status }: ValidChange): Ticket {
  return status === 'open' || status === 'in_progress' ? { ...ticket, status } : ticket;
}

/** Work in progress is somebody's: of the actor who says that it is, else it is open again. */
function repairAssignee(ticket: Ticket, { status }: ValidChange, policy: Policy, now: Instant, actor: Person): Ticket {
  if (ticket.status !== 'in_progress' || ticket.assigneeId !== null) return ticket;
  return status === 'in_progress' ? assign(ticket, actor.id, policy, now) : { ...ticket, status: 'open' };
}

/** What is said about a ticket without touching its status or clocks. */
function describe(ticket: Ticket, change: ValidChange & { comment?: string }, actor: Person): Ticket {
  const { infrastructure, resolutionEta, comment = '' } = change;
  const estimate = resolutionEta == null ? null : { at: resolutionEta, reason: comment, byPersonId: actor.id };
  // the same forecast again is no change, so who gave it and why stays, too
  const unchanged = resolutionEta === undefined || resolutionEta === (ticket.estimate?.at ?? null);
  return {
    ...ticket,
    infrastructureId: infrastructure === undefined ? ticket.infrastructureId : infrastructure,
    estimate: unchanged ? ticket.estimate : estimate,
  };
}
