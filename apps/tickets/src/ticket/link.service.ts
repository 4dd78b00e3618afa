/** Links between tickets. Both rows are locked in the order of their ids, and both histories say what was done. */
import {
  isRefused,
  refuse,
  type LinkPage,
  type LinkResult,
  type LinkTickets,
  type LinkView,
  type ListLinks,
  type Refused,
  type TicketAnswer,
  type UnlinkTickets,
} from '#contracts';
import { linkRefusals, relationOf, type Link, type LinkType, type Status } from '#domain';
import { ADVISORY_LOCK, poolOf, sqlOf } from '#platform';
import { Inject, Injectable } from '@nestjs/common';
import { MikroORM, type EntityManager } from '@mikro-orm/postgresql';
import { v7 as uuidv7 } from 'uuid';
import { PolicyStore } from '../sla/policy.store.js';
import { MAY_SEE } from './access.js';
import { inIdempotentTransaction } from './idempotency.js';
import { lockForEmployee, lockPair } from './pair.js';
import { authorOf, TicketService, type Opened } from './ticket.service.js';

const linkUnknown = () => refuse({ field: 'linkId', code: 'link_unknown', message: 'there is no such link' });

@Injectable()
export class LinkService {
  constructor(
    @Inject(MikroORM) private readonly orm: MikroORM,
    private readonly tickets: TicketService,
    private readonly policies: PolicyStore,
  ) {}

  async list({ viewerId, ticketId, after, limit }: ListLinks): Promise<LinkPage | Refused> {
    if (after !== undefined && !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(after)) {
      return refuse({ field: 'after', code: 'cursor_invalid', message: 'not a cursor of this list' });
    }
    const sql = await poolOf(this.orm);
    const { rowCount } = await sql.query(
      `select from tickets.person v, tickets.ticket t where v.id = $1 and t.id = $2 and ${MAY_SEE}`,
      [viewerId, ticketId],
    );
    if (rowCount === 0)
      return refuse({ field: 'ticketId', code: 'ticket_unknown', message: 'there is no such ticket' });
    const { rows } = await sql.query<LinkRow>({
      name: 'list-links',
      text: `
        select l.id, l.type, l.ticket_id = $2 as outgoing, t.id as other_id, t.number, t.subject, t.status
        from tickets.ticket_link l
        join tickets.ticket t on t.id = case when l.ticket_id = $2 then l.other_id else l.ticket_id end
        join tickets.person v on v.id = $1 and ${MAY_SEE}
        where (l.ticket_id = $2 or l.other_id = $2) and ($3::uuid is null or l.id > $3)
        order by l.id limit $4`,
      values: [viewerId, ticketId, after ?? null, limit + 1],
    });
    const items = rows.slice(0, limit).map(linkView);
    return { items, next: rows.length > limit ? items.at(-1)!.id : null };
  }

  async link(request: LinkTickets): Promise<LinkResult | Refused> {
    await this.policies.refresh();
    return inIdempotentTransaction<LinkResult>(this.orm.em.fork(), request, async (em) => {
      const { type, ticketId: otherId } = request.link;
      // a circle may be closed by links between other tickets than these two
      if (type !== 'related') {
        await sqlOf(em).query('select pg_advisory_xact_lock($1)', [ADVISORY_LOCK.ticketLinks]);
      }
      const pair = await lockPair(em, this.tickets, request, otherId, 'ticketId');
      if (isRefused(pair)) return pair;
      const link: Link = { type, from: request.ticketId, to: otherId };
      const refusals = linkRefusals(link, await linksAround(em, link));
      if (refusals.length > 0) return refuse(...refusals);
      const { id, changed } = await insert(em, link);
      if (changed) record(pair.one, pair.other, type, (relation) => ({ before: null, after: relation }));
      return { ticket: pair.one.writer.view(), link: viewOf(id, type, pair.other), changed };
    });
  }

  async unlink(request: UnlinkTickets): Promise<TicketAnswer | Refused> {
    await this.policies.refresh();
    return inIdempotentTransaction<TicketAnswer>(this.orm.em.fork(), request, async (em) => {
      const { ticketId, actorId, linkId } = request;
      const found = await linkOf(em, linkId, ticketId);
      if (!found) {
        const opened = await lockForEmployee(em, this.tickets, ticketId, actorId);
        return isRefused(opened) ? opened : linkUnknown();
      }
      const { type, from, to } = found;
      const pair = await lockPair(em, this.tickets, request, from === ticketId ? to : from, 'linkId');
      if (isRefused(pair)) return pair;
      const { rowCount } = await sqlOf(em).query('delete from tickets.ticket_link where id = $1', [linkId]);
      if (rowCount === 0) return linkUnknown();
      const [start, end] = from === ticketId ? [pair.one, pair.other] : [pair.other, pair.one];
      record(start, end, type, (relation) => ({ before: relation, after: null }));
      return { ticket: pair.one.writer.view() };
    });
  }
}

interface LinkRow {
  id: string;
  type: LinkType;
  /** The link begins at the ticket that was asked for. */
  outgoing: boolean;
  other_id: string;
  number: number;
  subject: string;
  status: Status;
}

function linkView(row: LinkRow): LinkView {
  const { id, number, subject, status } = row;
  return {
    id,
    relation: relationOf(row.type, row.outgoing ? 'from' : 'to'),
    ticketId: row.other_id,
    number,
    subject,
    status,
  };
}

function viewOf(id: string, type: LinkType, { row }: Opened): LinkView {
  const { number, subject, status } = row;
  return { id, relation: relationOf(type, 'from'), ticketId: row.id, number, subject, status };
}

/** Both ends name each other. */
function record(
  start: Opened,
  end: Opened,
  type: LinkType,
  change: (relation: string) => { before: string | null; after: string | null },
): void {
  const author = authorOf(start.actor);
  const named = (at: 'from' | 'to', { row }: Opened) => change(`${relationOf(type, at)} #${row.number}`);
  start.writer.recordChange({ changes: [{ field: 'links', ...named('from', end) }], author });
  end.writer.recordChange({ changes: [{ field: 'links', ...named('to', start) }], author });
}

/** The links of the type that begin at `from`, and all that `to` leads to. */
async function linksAround(em: EntityManager, { type, from, to }: Link): Promise<Link[]> {
  if (type === 'related') return [];
  const { rows } = await sqlOf(em).query<Link>(
    `with recursive reached as (
       select ticket_id, other_id from tickets.ticket_link where type = $1 and ticket_id = any($2::uuid[])
       union select l.ticket_id, l.other_id from reached join tickets.ticket_link l
         on l.type = $1 and l.ticket_id = reached.other_id)
     select $1 as type, ticket_id as "from", other_id as "to" from reached`,
    [type, [from, to]],
  );
  return rows;
}

/** A link without a direction is kept in one of the two ways that it could be said. */
async function insert(em: EntityManager, { type, from, to }: Link): Promise<{ id: string; changed: boolean }> {
  const [first, second] = type === 'related' && from > to ? [to, from] : [from, to];
  const id = uuidv7();
  const { rowCount } = await sqlOf(em).query(
    `insert into tickets.ticket_link (id, type, ticket_id, other_id) values ($1, $2, $3, $4)
     on conflict on constraint ticket_link_once do nothing`,
    [id, type, first, second],
  );
  if (rowCount === 1) return { id, changed: true };
  const { rows } = await sqlOf(em).query<{ id: string }>(
    'select id from tickets.ticket_link where type = $1 and ticket_id = $2 and other_id = $3',
    [type, first, second],
  );
  return { id: rows[0]!.id, changed: false };
}

/** For tickets that are locked, one of them new: they cannot be linked yet. */
export async function linkRelated(em: EntityManager, one: Opened['row'], other: Opened['row']): Promise<void> {
  await em.flush();
  await insert(em, { type: 'related', from: one.id, to: other.id });
}

async function linkOf(em: EntityManager, linkId: string, ticketId: string): Promise<Link | undefined> {
  const { rows } = await sqlOf(em).query<Link>(
    `select type, ticket_id as "from", other_id as "to" from tickets.ticket_link
     where id = $1 and (ticket_id = $2 or other_id = $2)`,
    [linkId, ticketId],
  );
  return rows[0];
}
