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
      const participantAdded = await addReporter(em, row, target.row);
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
      const kept = await forget(em, merged.row, target.row);
      if (!kept) return notMerged;

      const { row, writer, surroundings, actor } = merged;
      const comment = request.comment ?? '';
      const { now, people } = surroundings;
      row.mergedInto = null;
      const undone = undoMerge(stateOf(row), kept.before, writer.policy, { now, people: lookup(people), actor });
      const change = { field: 'mergedInto', before: String(target.row.number), after: null };
      this.write(merged, undone, change, comment);
      if (kept.participantAdded) await removeReporter(em, row, target.row);
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

/** The reporter hears of the target from now on, which is not shared with them. @returns whether that is new */
async function addReporter(em: EntityManager, { reporter }: Ticket, target: Ticket): Promise<boolean> {
  if (reporter.personId == null || reporter.personId === target.reporter.personId) return false;
  const { rowCount } = await sqlOf(em).query(
    `insert into tickets.participant (ticket_id, person_id, told_only) values ($1, $2, true) on conflict do nothing`,
    [target.id, reporter.personId],
  );
  return rowCount === 1;
}

/** Unless another ticket of theirs is still merged: what that merge has added is then the participant that is left. */
async function removeReporter(em: EntityManager, { reporter }: Ticket, target: Ticket): Promise<void> {
  const ids = [target.id, reporter.personId];
  const { rowCount } = await sqlOf(em).query(
    `update tickets.ticket_merge set participant_added = true
     where ticket_id in (select m.ticket_id from tickets.ticket_merge m join tickets.ticket t on t.id = m.ticket_id
       where m.target_id = $1 and t.reporter_person_id = $2 limit 1)`,
    ids,
  );
  if (rowCount === 1) return;
  await sqlOf(em).query('delete from tickets.participant where ticket_id = $1 and person_id = $2 and told_only', ids);
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

/** @returns what was kept; undefined when somebody else has undone the merge, or merged the ticket into another one */
async function forget(em: EntityManager, row: Ticket, target: Ticket) {
  const { rows } = await sqlOf(em).query<{
    at: string;
    status: Status;
    suspension: BeforeMerge['suspension'];
    participant_added: boolean;
  }>(
    `delete from tickets.ticket_merge where ticket_id = $1 and target_id = $2
     returning at, status, suspension, participant_added`,
    [row.id, target.id],
  );
  const kept = rows[0];
  if (!kept) return undefined;
  const { status, suspension } = kept;
  const before: BeforeMerge = { at: instantOf(kept.at), status, suspension };
  return { before, participantAdded: kept.participant_added };
}
