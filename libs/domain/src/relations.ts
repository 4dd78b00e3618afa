/**
 * How tickets stand to each other.
 *
 * - A link is stored once and read from both ends. `duplicate_of` and `child_of` have a direction; `related` has none.
 * - A parent is an outage that many report: what an employee says on it in public reaches the reporters of its children.
 *   A ticket has one parent at most. Neither parents nor duplicates go round in a circle.
 * - A merged ticket is closed as a duplicate, and what is said on it from then on is said on its target.
 */
import type { Instant, Status, Suspension, Ticket } from './ticket.js';
import { changesBetween } from './changes.js';
import { fixesBetween, isActive } from './fixes.js';
import type { Accepted, Context } from './outcome.js';
import type { Policy } from './policy.js';
import { settle } from './settle.js';
import { reopen, suspend, workingStatus } from './steps.js';
import { toldOfChanges } from './told.js';

export const LINK_TYPES = ['related', 'duplicate_of', 'child_of'] as const;
export type LinkType = (typeof LINK_TYPES)[number];

/** What a ticket is to the other one of a link. */
export const RELATIONS = ['related', 'duplicate_of', 'has_duplicate', 'child_of', 'parent_of'] as const;
export type Relation = (typeof RELATIONS)[number];

/** From one ticket's id to the other's. */
export interface Link {
  type: LinkType;
  from: string;
  to: string;
}

export const RELATION_REFUSAL_CODES = [
  'link_to_itself',
  'link_cycle',
  'second_parent',
  'merge_into_itself',
  'merge_target_merged',
  'merge_other_organisation',
  'ticket_merged',
  'comment_required',
] as const;

export interface RelationRefusal {
  code: (typeof RELATION_REFUSAL_CODES)[number];
  field: string;
  message: string;
}

/** What the ticket at the link's beginning, or at its end, is to the other one. */
export function relationOf(type: LinkType, end: 'from' | 'to'): Relation {
  if (end === 'from' || type === 'related') return type;
  return type === 'child_of' ? 'parent_of' : 'has_duplicate';
}

/** @param known the links of the same type that begin at the new link's beginning, and all that its end leads to */
export function linkRefusals(link: Link, known: readonly Link[]): RelationRefusal[] {
  if (link.from === link.to) {
    return [{ code: 'link_to_itself', field: 'ticketId', message: 'A ticket is not linked to itself.' }];
  }
  if (link.type === 'related') return [];
  const hasParent = link.type === 'child_of' && known.some(({ from, to }) => from === link.from && to !== link.to);
  const refusals: RelationRefusal[] = [];
  if (hasParent) refusals.push({ code: 'second_parent', field: 'type', message: 'The ticket has a parent already.' });
  if (leadsTo(link.to, link.from, known)) {
    const message = 'The other ticket already leads back to this one.';
    refusals.push({ code: 'link_cycle', field: 'ticketId', message });
  }
  return refusals;
}

function leadsTo(start: string, goal: string, links: readonly Link[]): boolean {
  const reached = new Set([start]);
  for (const one of reached) {
    for (const { from, to } of links) if (from === one) reached.add(to);
  }
  return reached.has(goal);
}

/** What merging needs to know of a ticket. */
export interface Mergeable {
  id: string;
  number: number;
  organisationId: string | null;
  reporter: { personId: string | null; email: string | null };
  /** The number of the ticket that it is merged into. */
  mergedInto: number | null;
}

/**
 * A target that is merged itself is refused, not followed: who chose it has not seen what became of it. So both ends
 * stand for themselves before a merge, and merges never go round in a circle.
 */
export function mergeRefusals(
  ticket: Mergeable,
  target: Mergeable,
  request: { comment?: string; acrossOrganisations?: boolean },
): RelationRefusal[] {
  const refusals = commentRefusals(request.comment);
  const add = (code: RelationRefusal['code'], field: string, message: string) =>
    refusals.push({ code, field, message });
  if (ticket.id === target.id) add('merge_into_itself', 'into', 'A ticket is not merged into itself.');
  else if (target.mergedInto !== null) {
    add('merge_target_merged', 'into', `Ticket #${target.number} is merged into #${target.mergedInto} itself.`);
  }
  if (ticket.mergedInto !== null) add('ticket_merged', 'into', `The ticket is merged into #${ticket.mergedInto}.`);
  if (!request.acrossOrganisations && !ofSameCustomer(ticket, target)) {
    const message = 'The tickets belong to different organisations: say so if they are to be merged all the same.';
    add('merge_other_organisation', 'acrossOrganisations', message);
  }
  return refusals;
}

export function commentRefusals(comment: string | undefined): RelationRefusal[] {
  if (comment?.trim()) return [];
  return [{ code: 'comment_required', field: 'comment', message: 'A comment is required.' }];
}

/** People without an organisation are strangers to each other. */
function ofSameCustomer(one: Mergeable, other: Mergeable): boolean {
  if (one.organisationId !== null || other.organisationId !== null) return one.organisationId === other.organisationId;
  const { personId, email } = one.reporter;
  if (personId !== null) return personId === other.reporter.personId;
  return email !== null && email.toLowerCase() === other.reporter.email?.toLowerCase();
}

/** What closing forgets of a ticket, kept for the undoing of its merge. */
export interface BeforeMerge {
  at: Instant;
  status: Status;
  suspension: Suspension | null;
}

/**
 * Gives a merged ticket back the state that it had. Its clocks go on with their remainder and a suspension with what was
 * left of it: the time in between does not count. A ticket that was closed before stays closed.
 */
export function undoMerge(
  ticket: Ticket,
  before: BeforeMerge,
  policy: Policy,
  context: Context & { actor: { id: string } },
): Accepted {
  const { now, people, actor } = context;
  const { ticket: settled, settlements } = settle(ticket, policy, now, people);
  const after = settled.status === 'closed' ? reopenedAs(settled, before, policy, context) : settled;
  const changes = changesBetween(settled, after);
  return {
    ticket: { ...after, version: settled.version + 1 },
    settlements,
    changed: true,
    changes,
    fixes: fixesBetween(settled, after, { status: before.status, suspendedSeconds: true }, people, 'actor'),
    told: toldOfChanges(settled, after, changes, people, actor.id),
  };
}

function reopenedAs(closed: Ticket, before: BeforeMerge, policy: Policy, { now, people }: Context): Ticket {
  if (before.status === 'closed') return closed;
  const assignable = isActive(closed.assigneeId, people) ? closed : { ...closed, assigneeId: null };
  const { suspension } = before;
  const working = before.status === 'open' ? 'open' : workingStatus(assignable);
  const reopened = reopen(assignable, working, now);
  return suspension
    ? suspend(reopened, { ...suspension, until: now + suspension.until - before.at }, policy, now)
    : reopened;
}
