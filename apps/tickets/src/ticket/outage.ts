/** A parent outage: what an employee says on it once, each child's reporter reads in the thread of their own ticket. */
import { ticketMessageAdded, type AuthorView, type Recipient } from '#contracts';
import { applyOutageMessage, type Reporter } from '#domain';
import { sqlOf } from '#platform';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { PolicyStore } from '../sla/policy.store.js';
import { distinct, recipientsOf } from './recipients.js';
import { lookup, readSurroundings, type DirectoryPerson } from './surroundings.js';
import { stateOf, Ticket } from './ticket.entity.js';
import type { Opened, TicketService } from './ticket.service.js';

/** Writes an employee's public message on the parent's children, whose rows are locked; in statements for all of them. */
export async function tellChildren(
  em: EntityManager,
  { tickets, policies }: { tickets: TicketService; policies: PolicyStore },
  { row: parent, actor }: Opened,
  childIds: string[],
  text: string,
): Promise<void> {
  if (childIds.length === 0) return;
  const rows = await em.find(Ticket, { id: { $in: childIds } }, { orderBy: { id: 'asc' } });
  await policies.learn(rows.map((row) => row.policyVersion));
  const surroundings = await readSurroundings(em, {
    people: [actor.id, ...rows.flatMap((row) => [row.assigneeId, row.reporter.personId])],
    organisations: rows.map((row) => row.organisationId),
    infrastructures: rows.map((row) => row.infrastructureId),
  });
  const participants = await participantsOfAll(em, childIds);
  const author: AuthorView = { personId: actor.id, name: actor.name, email: actor.email };
  for (const row of rows) {
    const now = Math.max(surroundings.now, row.updatedAt);
    const writer = tickets.writer(em, row, { ...surroundings, now });
    writer.bringUpToTerms();
    const people = lookup(surroundings.people);
    const said = applyOutageMessage(stateOf(row), actor.id, writer.policy, { now, people });
    writer.apply(said);
    const entry = writer.entry({ kind: 'message', text, visibleText: text, fromTicket: parent.number }, author);
    const told = recipientsOf(said.told, row.reporter as Reporter, surroundings.people, undefined);
    const recipients = distinct([...told, ...(participants.get(row.id) ?? [])]);
    writer.publish(
      ticketMessageAdded,
      { entryId: entry.id, visibility: 'public', text, effect: 'comment_added' },
      author,
      recipients.filter((one) => one.email !== actor.email),
    );
  }
}

async function participantsOfAll(em: EntityManager, ticketIds: string[]): Promise<Map<string, Recipient[]>> {
  const { rows } = await sqlOf(em).query<Pick<DirectoryPerson, 'kind' | 'name' | 'email'> & { ticket_id: string }>(
    `select ticket_id, kind, name, email from tickets.participant join tickets.person on person.id = person_id
     where ticket_id = any($1::uuid[]) and active`,
    [ticketIds],
  );
  const byTicket = Map.groupBy(rows, (row) => row.ticket_id);
  return new Map(
    [...byTicket].map(([ticketId, all]) => [
      ticketId,
      all.map(({ kind, name, email }): Recipient => ({ role: 'participant', kind, name, email })),
    ]),
  );
}
