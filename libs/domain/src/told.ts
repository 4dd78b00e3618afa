/**
 * Who is told. Never the actor, never somebody inactive, nobody twice of one change, and nobody of no change.
 * Employees' internal notes never reach a customer.
 */
import type { FieldChange, People, Told } from './outcome.js';
import type { Rung } from './policy.js';
import type { Ticket } from './ticket.js';

/** Who did it: a person's id, somebody whom the directory does not know, or nobody (time alone). */
type Actor = string | null;

/** A change of the assignee tells the old and the new one and the reporter; any other tells assignee and reporter. */
export function toldOfChanges(
  before: Ticket,
  after: Ticket,
  changes: FieldChange[],
  people: People,
  actor: Actor,
): Told[] {
  if (changes.length === 0) return [];
  const reassigned = before.assigneeId !== after.assigneeId;
  return eachOnce([...assignee(after), ...(reassigned ? formerAssignee(before) : []), reporter], after, people, actor);
}

/** A broken promise goes to the assignee and always to the team's lead. */
export function toldOfBreach(ticket: Ticket, people: People): Told[] {
  return eachOnce([...assignee(ticket), lead], ticket, people, null);
}

/** A promise that may break soon concerns who can still keep it. */
export function toldOfWarning(ticket: Ticket, people: People): Told[] {
  return assigneeElseLead(ticket, people, null);
}

/** A promise that stays broken: whom the policy's ladder names. */
export function toldOfRung({ tell }: Rung, ticket: Ticket, people: People): Told[] {
  const candidates = tell.flatMap((one) => {
    if (one === 'assignee') return assignee(ticket);
    return one === 'lead' ? [lead] : [{ role: 'contact' as const, email: one }];
  });
  return eachOnce(candidates, ticket, people, null);
}

/** Work that goes on by itself concerns who works on it; a ticket that closed by itself concerns the reporter too. */
export function toldOfExpiry(after: Ticket, people: People): Told[] {
  if (after.status === 'closed') return eachOnce([...assignee(after), reporter], after, people, null);
  return assigneeElseLead(after, people, null);
}

export interface SaidMessage {
  author: 'employee' | 'customer';
  /** Null when the directory does not know the author. */
  authorId: string | null;
  automatic: boolean;
  visibility: 'public' | 'internal';
}

/**
 * A public message goes to the assignee and the reporter (a customer's to the lead when nobody is assigned), a note to
 * the assignee only. Automatic mail is told to nobody: two absence notices would answer each other for ever.
 */
export function toldOfMessage(ticket: Ticket, message: SaidMessage, people: People): Told[] {
  const author = authorOf(message);
  if (message.automatic) return [];
  if (message.visibility === 'internal') return eachOnce(assignee(ticket), ticket, people, author);
  const employees = message.author === 'customer' ? assigneeElseLead(ticket, people, author) : assignee(ticket);
  return eachOnce([...employees, reporter], ticket, people, author);
}

/** What an employee says on a parent outage concerns the reporters of its children. */
export function toldOfOutage(child: Ticket, people: People, authorId: string): Told[] {
  return eachOnce([reporter], child, people, authorId);
}

/** A customer whom the directory does not know writes as the reporter whom it does not know. */
export function authorOf(message: SaidMessage): Actor {
  return message.authorId ?? (message.author === 'customer' ? UNKNOWN_REPORTER : null);
}

/** Joins lists of those who are told of the same event. */
export function toldTogether(ticket: Ticket, people: People, actor: Actor, ...lists: Told[][]): Told[] {
  return eachOnce(lists.flat(), ticket, people, actor);
}

const UNKNOWN_REPORTER = 'role:reporter';
const TEAM_LEAD = 'role:lead';
const reporter: Told = { role: 'reporter' };
const lead: Told = { role: 'lead' };

function assignee(ticket: Ticket): Told[] {
  return ticket.assigneeId === null ? [] : [{ role: 'assignee', personId: ticket.assigneeId }];
}

function formerAssignee(ticket: Ticket): Told[] {
  return ticket.assigneeId === null ? [] : [{ role: 'former_assignee', personId: ticket.assigneeId }];
}

function assigneeElseLead(ticket: Ticket, people: People, actor: Actor): Told[] {
  if (ticket.assigneeId !== null && ticket.assigneeId === actor) return [];
  const told = eachOnce(assignee(ticket), ticket, people, actor);
  return told.length > 0 ? told : [lead];
}

function eachOnce(candidates: Told[], ticket: Ticket, people: People, actor: Actor): Told[] {
  const done = new Set([actor]);
  return candidates.filter((told) => {
    const who = whoIs(told, ticket);
    if (done.has(who)) return false;
    done.add(who);
    return canBeTold(told, ticket, people);
  });
}

/** The same for two roles of one person. */
function whoIs(told: Told, ticket: Ticket): string {
  if (told.role === 'lead') return TEAM_LEAD;
  if (told.role === 'contact') return told.email;
  return told.role === 'reporter' ? (ticket.reporter.personId ?? UNKNOWN_REPORTER) : told.personId;
}

function canBeTold(told: Told, { reporter: { personId, email } }: Ticket, people: People): boolean {
  if (told.role === 'lead' || told.role === 'contact') return true;
  if (told.role !== 'reporter') return people(told.personId)?.active === true;
  return personId === null ? email !== null : people(personId)?.active !== false;
}
