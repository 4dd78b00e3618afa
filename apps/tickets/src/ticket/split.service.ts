/**
 * A split makes a ticket of its own from one message or note. The entry stays where it is, and the new ticket begins with
 * a copy of its words and the same attachments. The copy has no Message-ID: a mail that answers the message goes on
 * finding the original ticket.
 */
import {
  isRefused,
  refuse,
  ticketCreated,
  type AuthorView,
  type Refused,
  type SplitResult,
  type SplitTicket,
} from '#contracts';
import { commentRefusals, type Reporter } from '#domain';
import { sqlOf } from '#platform';
import { Inject, Injectable } from '@nestjs/common';
import { MikroORM, type EntityManager } from '@mikro-orm/postgresql';
import { v7 as uuidv7 } from 'uuid';
import { PolicyStore } from '../sla/policy.store.js';
import { maySee } from './access.js';
import { inIdempotentTransaction } from './idempotency.js';
import { linkRelated } from './link.service.js';
import { lockForEmployee } from './pair.js';
import { readSurroundings } from './surroundings.js';
import type { Ticket } from './ticket.entity.js';
import { authorOf, TicketService } from './ticket.service.js';
import { TimelineEntry } from './timeline-entry.entity.js';

@Injectable()
export class SplitService {
  constructor(
    @Inject(MikroORM) private readonly orm: MikroORM,
    private readonly tickets: TicketService,
    private readonly policies: PolicyStore,
  ) {}

  async split(request: SplitTicket): Promise<SplitResult | Refused> {
    await this.policies.refresh();
    return inIdempotentTransaction<SplitResult>(this.orm.em.fork(), request, async (em) => {
      const opened = await lockForEmployee(em, this.tickets, request.ticketId, request.actorId);
      if (isRefused(opened)) return opened;
      const { row: original, actor, writer: originalWriter } = opened;
      const { entryId, subject, comment } = request.split;
      const entry = await em.findOne(TimelineEntry, { id: entryId, ticket: original });
      const refusals = [...commentRefusals(comment), ...entryRefusals(entry)];
      if (entry === null || refusals.length > 0) return refuse(...refusals);

      const author: AuthorView = {
        personId: entry.authorPersonId ?? null,
        name: entry.authorName,
        email: entry.authorEmail ?? null,
      };
      const { people } = await readSurroundings(em, { people: [author.personId] });
      const customer = people.get(author.personId ?? '');
      const byCustomer = customer?.kind === 'customer';
      // somebody of another organisation, who had a part in this ticket, gets one of their own organisation
      const isGuest = byCustomer && !maySee({ ...customer, active: true }, original, []);
      const organisationId = (isGuest ? customer.organisationId : original.organisationId) ?? null;
      const infrastructureId = isGuest ? null : (original.infrastructureId ?? null);
      const surroundings = await readSurroundings(em, {
        people: [actor.id, author.personId, original.reporter.personId],
        organisations: [organisationId],
        infrastructures: [infrastructureId],
      });
      const writer = await this.tickets.open(em, surroundings, {
        reporter: byCustomer ? author : (original.reporter as Reporter),
        channel: original.channel,
        organisationId,
        infrastructureId,
        priority: original.priority,
        subject: subject ?? original.subject,
        mailbox: original.mailbox,
        followUpOf: original.number,
      });
      const { kind, text = null, visibleText = null, html = null } = entry;
      const fromTicket = original.number;
      const first = writer.entry({ kind, text, visibleText, html, fromTicket, changes: writer.creation() }, author);
      // the words of a note do not leave the house
      const said = kind === 'message' ? (text ?? '') : '';
      const by = authorOf(actor);
      writer.publish(ticketCreated, { text: said, acknowledge: false }, by, []);
      await linkRelated(em, writer.row, original);
      await copyAttachments(em, entry.id, first.id);

      const named = (field: string, { number }: Ticket) => [
        { field, before: null, after: String(number) },
        { field: 'links', before: null, after: `related #${number}` },
      ];
      const why = comment ?? '';
      writer.recordChange({ changes: named('splitFrom', original), author: by, comment: why });
      originalWriter.recordChange({ changes: named('splitInto', writer.row), author: by, comment: why });
      return { ticket: writer.view(), original: originalWriter.view() };
    });
  }
}

function entryRefusals(entry: TimelineEntry | null) {
  if (entry === null) {
    return [{ field: 'entryId', code: 'entry_unknown', message: 'the ticket has no such entry of its own' }];
  }
  if (entry.kind !== 'change') return [];
  return [
    { field: 'entryId', code: 'entry_not_message', message: 'only a message or a note can be a ticket of its own' },
  ];
}

async function copyAttachments(em: EntityManager, fromEntryId: string, toEntryId: string): Promise<void> {
  const { rows } = await sqlOf(em).query<{ id: string }>('select id from tickets.attachment where entry_id = $1', [
    fromEntryId,
  ]);
  if (rows.length === 0) return;
  await sqlOf(em).query(
    `insert into tickets.attachment (id, entry_id, position, name, type, size, sha256, content_id, inline)
     select copy.id, $1, a.position, a.name, a.type, a.size, a.sha256, a.content_id, a.inline
     from unnest($2::uuid[], $3::uuid[]) as copy (id, of) join tickets.attachment a on a.id = copy.of`,
    [toEntryId, rows.map(() => uuidv7()), rows.map((row) => row.id)],
  );
}
