/** A parent outage: what an employee says on it once, each child's reporter reads in the thread of their own ticket. */
import { ticketMessageAdded, type AuthorView } from '#contracts';
import { applyOutageMessage } from '#domain';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { PolicyStore } from '../sla/policy.store.js';
import { lookup, readSurroundings } from './surroundings.js';
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
    tickets: childIds,
  });
  const author: AuthorView = { personId: actor.id, name: actor.name, email: actor.email };
  for (const row of rows) {
    const now = Math.max(surroundings.now, row.updatedAt);
    const writer = tickets.writer(em, row, { ...surroundings, now });
    writer.bringUpToTerms();
    const people = lookup(surroundings.people);
    const said = applyOutageMessage(stateOf(row), actor.id, writer.policy, { now, people });
    writer.apply(said);
    const entry = writer.entry({ kind: 'message', text, visibleText: text, fromTicket: parent.number }, author);
    writer.publish(
      ticketMessageAdded,
      { entryId: entry.id, visibility: 'public', text, effect: 'comment_added' },
      author,
      writer.recipients('message', said.told, author),
    );
  }
}
