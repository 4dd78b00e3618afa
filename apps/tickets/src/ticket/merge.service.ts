/**
 * A merge closes a ticket as the duplicate of another one and moves nothing: the merged ticket names its target, and
 * whoever reads the target reads both. So it can be undone: what closing forgets is kept beside the merge.
 */
import {
  isRefused,
  refuse,
  ticketUpdated,
  type FieldChangeView,
  type MergeResult,
  type MergeTicket,
  type Refused,
  type UnmergeTicket,
} from '#contracts';
import {
  applyUpdate,
  commentRefusals,
  mergeRefusals,
  undoMerge,
  type Accepted,
  type BeforeMerge,
  type Mergeable,
  type Reporter,
  type Status,
} from '#domain';
import { sqlOf } from '#platform';
import { Inject, Injectable } from '@nestjs/common';
import { MikroORM, type EntityManager } from '@mikro-orm/postgresql';
import { PolicyStore } from '../sla/policy.store.js';
import { inIdempotentTransaction } from './idempotency.js';
import { instantOf, isoInstant } from './instant.type.js';
import { mergedInto } from './merged-tickets.js';
import { lockForEmployee, lockPair } from './pair.js';
import { lookup } from './surroundings.js';
import { stateOf, type Ticket } from './ticket.entity.js';
import { authorOf, TicketService, type Opened } from './ticket.service.js';

@Injectable()
export class MergeService {
  constructor(
    @Inject(MikroORM) private readonly orm: MikroORM,
    private readonly tickets: TicketService,
    private readonly policies: PolicyStore,
  ) {}

  async merge(request: MergeTicket): Promise<MergeResult | Refused> {
    await this.policies.refresh();
    return inIdempotentTransaction<MergeResult>(this.orm.em.fork(), request, async (em) => {
      const pair = await lockPair(em, this.tickets, request, request.merge.into, 'into');
      if (isRefused(pair)) return pair;
      const { one: merged, other: target } = pair;
      const refusals = mergeRefusals(mergeable(merged.row), mergeable(target.row), request.merge);
      if (refusals.length > 0) return refuse(...refusals);

      const { row, writer } = merged;
      writer.settle();
      const comment = request.merge.comment ?? '';
      const before: BeforeMerge = { at: merged.surroundings.now, ...stateOf(row) };
      const participantAdded = await addReporters(em, row, target.row);
      await remember(em, row, target.row, before, participantAdded);
      row.mergedInto = target.row.number;
      const change = { field: 'mergedInto', before: null, after: String(target.row.number) };
      if (before.status === 'closed') {
        writer.recordChange({ changes: [change], author: authorOf(merged.actor), comment });
      } else {
        this.write(merged, closed(merged, comment), change, comment);
      }
      recordOnTarget(target, comment, { before: null, after: String(row.number) });
      return { ticket: writer.view(), target: target.writer.view() };
    });
  }

  async undo(request: UnmergeTicket): Promise<MergeResult | Refused> {
    await this.policies.refresh();
    return inIdempotentTransaction<MergeResult>(this.orm.em.fork(), request, async (em) => {
      const notMerged = refuse({ field: 'ticketId', code: 'not_merged', message: 'the ticket is not merged' });
      const targetId = await targetIdOf(em, request.ticketId);
      if (targetId === undefined) {
        const opened = await lockForEmployee(em, this.tickets, request.ticketId, request.actorId);
        return isRefused(opened) ? opened : notMerged;
      }
      const pair = await lockPair(em, this.tickets, request, targetId, 'ticketId');
      if (isRefused(pair)) return pair;
      const { one: merged, other: target } = pair;
      const refusals = commentRefusals(request.comment);
      if (refusals.length > 0) return refuse(...refusals);
      const before = await forget(em, merged.row, target.row);
      if (!before) return notMerged;

      const { row, writer, surroundings, actor } = merged;
      const comment = request.comment ?? '';
      const { now, people } = surroundings;
      row.mergedInto = null;
      const undone = undoMerge(stateOf(row), before, writer.policy, { now, people: lookup(people), actor });
      const change = { field: 'mergedInto', before: String(target.row.number), after: null };
      this.write(merged, undone, change, comment);
      await removeReporters(em, row, target.row);
      recordOnTarget(target, comment, { before: String(row.number), after: null });
      return { ticket: writer.view(), target: target.writer.view() };
    });
  }

  /** The state that follows from the merge, or from its undoing, and the merge itself are one change. */
  private write({ actor, writer }: Opened, decided: Accepted, merge: FieldChangeView, comment: string) {
    writer.apply(decided);
    const author = authorOf(actor);
    const { fixes, told } = decided;
    const changes = [...writer.named(decided.changes), merge];
    writer.entry({ kind: 'change', text: comment, changes, fixes }, author);
    writer.publish(ticketUpdated, { changes, fixes, comment }, author, writer.recipients('update', told, author));
  }
}

function closed({ row, actor, surroundings, writer }: Opened, comment: string): Accepted {
  const { now, people } = surroundings;
  const change = { status: 'closed', resolutionType: 'duplicate', comment };
  const accepted = applyUpdate(stateOf(row), change, writer.policy, { now, people: lookup(people), actor });
  if ('refusals' in accepted) throw new Error('an employee may close an open ticket with a comment');
  return accepted;
}

function recordOnTarget({ writer, actor }: Opened, comment: string, merged: Omit<FieldChangeView, 'field'>): void {
  writer.recordChange({ changes: [{ field: 'merged', ...merged }], author: authorOf(actor), comment });
}

function mergeable(row: Ticket): Mergeable {
  return {
    id: row.id,
    number: row.number,
    organisationId: row.organisationId ?? null,
    reporter: row.reporter as Reporter,
    mergedInto: row.mergedInto ?? null,
  };
}

/**
 * The reporter hears of the target from now on, which is not shared with them; so do those who heard of this ticket
 * because theirs is merged into it. @returns whether any of that is new
 */
async function addReporters(em: EntityManager, { id, reporter }: Ticket, target: Ticket): Promise<boolean> {
  const { rowCount } = await sqlOf(em).query(
    `insert into tickets.participant (ticket_id, person_id, muted, told_only)
     select $2, person_id, bool_and(muted), true from (
       select $3::uuid as person_id, false as muted
       union all select person_id, muted from tickets.participant where ticket_id = $1 and told_only) hearing
     where person_id is not null and person_id is distinct from $4::uuid group by person_id
     on conflict do nothing`,
    [id, target.id, reporter.personId ?? null, target.reporter.personId ?? null],
  );
  return (rowCount ?? 0) > 0;
}

/** Takes them away again, there and wherever the target is merged into; who has another ticket merged there stays. */
async function removeReporters(em: EntityManager, row: Ticket, target: Ticket): Promise<void> {
  await em.flush(); // the ticket is not merged any more
  await sqlOf(em).query(
    `with recursive ${mergedInto('$1')}, place as (
       select id, merged_into from tickets.ticket where id = $2
       union select t.id, t.merged_into from place join tickets.ticket t on t.number = place.merged_into)
     delete from tickets.participant p using place
     where p.ticket_id = place.id and p.told_only
       and p.person_id in (select reporter_person_id from merged join tickets.ticket t using (id))
       and not exists (
         with recursive ${mergedInto('place.id')}
         select from merged join tickets.ticket t using (id)
         where t.reporter_person_id = p.person_id and t.id <> place.id)`,
    [row.id, target.id],
  );
}

async function remember(
  em: EntityManager,
  row: Ticket,
  target: Ticket,
  { at, status, suspension }: BeforeMerge,
  participantAdded: boolean,
): Promise<void> {
  await sqlOf(em).query(
    `insert into tickets.ticket_merge (ticket_id, target_id, at, status, suspension, participant_added)
     values ($1, $2, $3, $4, $5, $6)`,
    [row.id, target.id, isoInstant(at), status, suspension && JSON.stringify(suspension), participantAdded],
  );
}

async function targetIdOf(em: EntityManager, ticketId: string): Promise<string | undefined> {
  const { rows } = await sqlOf(em).query<{ target_id: string }>(
    'select target_id from tickets.ticket_merge where ticket_id = $1',
    [ticketId],
  );
  return rows[0]?.target_id;
}

/** @returns what was before; undefined when somebody else has undone the merge, or merged the ticket into another one */
async function forget(em: EntityManager, row: Ticket, target: Ticket): Promise<BeforeMerge | undefined> {
  const { rows } = await sqlOf(em).query<{ at: string; status: Status; suspension: BeforeMerge['suspension'] }>(
    'delete from tickets.ticket_merge where ticket_id = $1 and target_id = $2 returning at, status, suspension',
    [row.id, target.id],
  );
  const kept = rows[0];
  return kept && { ...kept, at: instantOf(kept.at) };
}
