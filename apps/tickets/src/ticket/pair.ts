import { isRefused, refuse, type Refused } from '#contracts';
import type { EntityManager } from '@mikro-orm/postgresql';
import { lockInOrder } from './addressed.js';
import { forEmployees } from './new-ticket.js';
import type { Opened, TicketService } from './ticket.service.js';

/** Locks a ticket for an employee's command. */
export async function lockForEmployee(
  em: EntityManager,
  tickets: TicketService,
  ticketId: string,
  actorId: string,
): Promise<Opened | Refused> {
  const opened = await tickets.lock(em, ticketId, actorId);
  return isRefused(opened) || opened.actor.kind === 'employee' ? opened : refuse(forEmployees(''));
}

/** Locks two tickets for an employee's command; `field` named the other one. The same ticket twice is the same object. */
export async function lockPair(
  em: EntityManager,
  tickets: TicketService,
  request: { ticketId: string; actorId: string },
  otherId: string,
  field: string,
): Promise<{ one: Opened; other: Opened } | Refused> {
  await lockInOrder(em, [request.ticketId, otherId]);
  const one = await lockForEmployee(em, tickets, request.ticketId, request.actorId);
  if (isRefused(one)) return one;
  if (otherId === request.ticketId) return { one, other: one };
  const other = await tickets.lock(em, otherId, request.actorId);
  if (!isRefused(other)) return { one, other };
  return refuse({ field, code: 'other_ticket_unknown', message: 'there is no such ticket' });
}
