/**
 * Whom a message reaches, and in which order rows are locked for it.
 *
 * What is said on a merged ticket is said on the ticket that it is merged into; what an employee says on a parent outage
 * is said on its children, too. Which rows that takes is known only when the first is locked. Whoever needs several
 * locks them in the order of their ids, so the transaction begins anew with all of them.
 */
import { isRefused, refuse, type AddMessage, type Refused, type TicketView } from '#contracts';
import { sqlOf } from '#platform';
import type { EntityManager } from '@mikro-orm/postgresql';
import { maySee, shownTo } from './access.js';
import { mergedInto } from './merged-tickets.js';
import type { Ticket } from './ticket.entity.js';
import type { Opened, TicketService } from './ticket.service.js';

/** More would be too much for one transaction. */
const MAX_CHILDREN = 1_000;

/** Rolls a transaction back that has to begin with more rows. */
class MoreRows extends Error {
  constructor(readonly ticketIds: string[]) {
    super('the transaction needs more rows than it has locked');
  }
}

/** @param again runs the command anew; it has to lock these rows first */
export function withMoreRows<Reply>(again: (ticketIds: string[]) => Promise<Reply>) {
  return (error: unknown): Promise<Reply> => {
    if (error instanceof MoreRows) return again(error.ticketIds);
    throw error;
  };
}

export async function lockInOrder(em: EntityManager, ticketIds: string[]): Promise<void> {
  if (ticketIds.length === 0) return;
  await sqlOf(em).query('select from tickets.ticket where id = any($1::uuid[]) order by id for update', [ticketIds]);
}

export interface Addressed {
  /** The ticket that the message is written on. */
  opened: Opened;
  /** The ticket that the actor named; another one when that is merged. */
  named: Opened;
  /** The open children that it is written on, too. */
  childIds: string[];
}

export async function addressed(
  em: EntityManager,
  tickets: TicketService,
  request: AddMessage,
  locked: string[],
): Promise<Addressed | Refused> {
  await lockInOrder(em, locked);
  const named = await tickets.lock(em, request.ticketId, request.actorId);
  if (isRefused(named)) return named;
  const opened = named.row.mergedInto == null ? named : await target(em, tickets, named, locked);
  const { kind } = opened.actor;
  if (kind === 'customer' && request.toChildren !== undefined) {
    return refuse({ field: 'toChildren', code: 'employees_only', message: 'only employees may say this' });
  }
  const travels = kind === 'employee' && request.visibility === 'public' && request.toChildren !== false;
  const childIds = travels ? await openChildrenOf(em, opened.row) : [];
  if (childIds.length > MAX_CHILDREN) {
    const message = `more than ${MAX_CHILDREN} open children: set toChildren to false to answer the reporter alone`;
    return refuse({ field: 'toChildren', code: 'too_many_children', message });
  }
  if (childIds.some((id) => !locked.includes(id))) throw new MoreRows([named.row.id, opened.row.id, ...childIds]);
  return { opened, named, childIds };
}

/** The ticket as the actor may see it: a target that is none of theirs stays hidden behind the ticket that they named. */
export function viewForActor({ opened, named }: Addressed): TicketView {
  const { actor, row, surroundings } = opened;
  const visible = maySee(actor, row, surroundings.participants.get(row.id) ?? []);
  return shownTo(actor.kind, visible ? opened.writer.view() : { ...named.writer.view(), mergedInto: null });
}

/** Who may write on a ticket may write on what it is merged into. */
async function target(em: EntityManager, tickets: TicketService, named: Opened, locked: string[]): Promise<Opened> {
  const id = await targetOf(em, named.row.id);
  if (!locked.includes(id)) throw new MoreRows([named.row.id, id]);
  const opened = await tickets.lock(em, id, named.actor.id, {}, () => true);
  if (isRefused(opened)) throw new Error('a merged ticket has a target, and the actor was there a moment ago');
  return opened;
}

async function targetOf(em: EntityManager, ticketId: string): Promise<string> {
  const { rows } = await sqlOf(em).query<{ id: string }>(
    `with recursive chain as (
       select id, merged_into from tickets.ticket where id = $1
       union select t.id, t.merged_into from chain join tickets.ticket t on t.number = chain.merged_into)
     select id from chain where merged_into is null`,
    [ticketId],
  );
  return rows[0]!.id;
}

/** Also the children of what is merged into the parent. */
async function openChildrenOf(em: EntityManager, parent: Ticket): Promise<string[]> {
  const { rows } = await sqlOf(em).query<{ id: string }>(
    `with recursive ${mergedInto('$1')}
     select distinct t.id from merged
     join tickets.ticket_link l on l.other_id = merged.id and l.type = 'child_of'
     join tickets.ticket t on t.id = l.ticket_id and t.status <> 'closed' and t.id <> $1
     limit ${MAX_CHILDREN + 1}`,
    [parent.id],
  );
  return rows.map((row) => row.id);
}
