import { changesBetween } from './changes.js';
import { fixesBetween, isActive } from './fixes.js';
import type { Accepted, Context } from './outcome.js';
import type { Policy } from './policy.js';
import { settle } from './settle.js';
import { assign, reopen, resumeWork, workingStatus } from './steps.js';
import type { Instant, Ticket } from './ticket.js';
import { authorOf, toldOfChanges, toldOfMessage, toldOfOutage, toldTogether, type SaidMessage } from './told.js';

/** What a message did to the ticket, besides being said. */
export type MessageEffect = 'comment_added' | 'resumed' | 'reopened' | 'assigned';

/** The ticket was closed too long ago: the message belongs into a new, linked ticket, and this one stays as it is. */
export type FollowUp = { effect: 'follow_up' };

/**
 * A message on a ticket. A person's words act: a customer's wake the ticket up, an employee's public answer takes an
 * unassigned one. Automatic mail and internal notes are only kept. Each message grows the version by one.
 */
export function applyMessage(
  ticket: Ticket,
  message: SaidMessage,
  policy: Policy,
  context: Context,
): (Accepted & { effect: MessageEffect }) | FollowUp {
  const { now, people } = context;
  const { ticket: settled, settlements } = settle(ticket, policy, now, people);
  const effect = effectOf(settled, message, policy, context);
  if (effect === 'follow_up') return { effect };

  const after = apply(settled, message, effect, policy, context);
  const changes = changesBetween(settled, after);
  const told = [
    toldOfMessage(after, message, people),
    toldOfChanges(settled, after, changes, people, authorOf(message)),
  ];
  return {
    effect,
    ticket: { ...after, version: settled.version + 1 },
    settlements,
    changed: true,
    changes,
    fixes: fixesBetween(settled, after, {}, people, 'author'),
    told: toldTogether(after, people, authorOf(message), ...told),
  };
}

/**
 * An employee's public message on a parent outage, as one of its children hears it: kept and told to the child's
 * reporter. It assigns nobody, resumes and reopens nothing, and touches no clock. Grows the version by one.
 */
export function applyOutageMessage(child: Ticket, authorId: string, policy: Policy, context: Context): Accepted {
  const { now, people } = context;
  const { ticket, settlements } = settle(child, policy, now, people);
  return {
    ticket: { ...ticket, version: ticket.version + 1 },
    settlements,
    changed: true,
    changes: [],
    fixes: [],
    told: toldOfOutage(ticket, people, authorId),
  };
}

function effectOf(
  ticket: Ticket,
  message: SaidMessage,
  policy: Policy,
  { now, people }: Context,
): MessageEffect | 'follow_up' {
  if (message.automatic || message.visibility === 'internal') return 'comment_added';
  if (message.author === 'employee') {
    const takesIt = ticket.assigneeId === null && ticket.status !== 'closed' && isActiveEmployee(message.authorId);
    return takesIt ? 'assigned' : 'comment_added';
  }
  if (ticket.closedAt !== null) return now - ticket.closedAt <= policy.reopenWindowSeconds ? 'reopened' : 'follow_up';
  return waitsForCustomer(ticket) ? 'resumed' : 'comment_added';

  function isActiveEmployee(id: string | null): boolean {
    const person = id === null ? undefined : people(id);
    return person?.kind === 'employee' && person.active;
  }
}

function waitsForCustomer({ suspension }: Ticket): boolean {
  return suspension?.cause === 'pending_customer' || suspension?.cause === 'pending_closed';
}

function apply(
  ticket: Ticket,
  { authorId }: SaidMessage,
  effect: MessageEffect,
  policy: Policy,
  { now, people }: Context,
): Ticket {
  switch (effect) {
    case 'comment_added':
      return ticket;
    case 'assigned':
      return authorId === null ? ticket : assign(ticket, authorId, policy, now);
    case 'resumed':
      return resumeWork(ticket, workingStatus(ticket), now);
    case 'reopened':
      return reopenForCustomer(ticket, now, people);
  }
}

/** Somebody who has left since cannot go on with it. */
function reopenForCustomer(ticket: Ticket, now: Instant, people: Context['people']): Ticket {
  const assignable = isActive(ticket.assigneeId, people) ? ticket : { ...ticket, assigneeId: null };
  return reopen(assignable, workingStatus(assignable), now);
}
