/**
 * Are the clocks right? Every ticket's row is recomputed from its history and compared, field by field.
 *
 * A row is settled up to its `updatedAt` before what happens then: it may still lack deeds of time that follow from its
 * last change at that very instant, and is right with and without them. Tickets are read in batches along their ids, each
 * with its history in one statement, so that rows and histories fit together while the service goes on.
 */
import type { AuthorView, FieldChangeView } from '#contracts';
import { nextTimerAt, replay, type HistoryEntry, type Policy, type Ticket as TicketState } from '#domain';
import { poolOf, sqlOf } from '#platform';
import { LockMode, type EntityManager, type MikroORM } from '@mikro-orm/postgresql';
import { instantOf, isoInstant } from '../ticket/instant.type.js';
import { readSurroundings } from '../ticket/surroundings.js';
import { stateOf, Ticket } from '../ticket/ticket.entity.js';
import { factsOf, type TicketRow } from '../ticket/ticket.row.js';
import { TicketWriter } from '../ticket/ticket.writer.js';
import { HISTORY, historyOf, type HistoryRow } from './history.rows.js';
import { countMoves } from './policy-moves.js';
import type { PolicyStore } from './policy.store.js';

const BATCH = 100;
const SYSTEM: AuthorView = { personId: null, name: 'System', email: null };
const REPAIRED_TEXT = 'The ticket differed from its history and was recomputed from it.';

type Value = string | number | boolean | null;

export interface Difference {
  field: string;
  stored: Value;
  recomputed: Value;
}

/** What is wrong with one ticket. `broken`: its history cannot be replayed, which nothing can repair. */
export interface Finding {
  id: string;
  number: number;
  differences: Difference[];
  broken: string | null;
}

interface Stored {
  state: TicketState;
  updatedAt: number;
  nextTimerAt: number | null;
}

/** Compares all tickets that are not closed, or all. @returns one item for each ticket, in the order of their ids */
export async function* verifyTickets(
  orm: MikroORM,
  policies: PolicyStore,
  { all }: { all: boolean },
): AsyncGenerator<Finding> {
  const sql = await poolOf(orm);
  let after = '00000000-0000-0000-0000-000000000000';
  for (;;) {
    const { rows } = await sql.query<TicketRow & { next_timer_at: string | null; history: HistoryRow[] }>({
      name: 'verify',
      text: `select t.*, ${HISTORY} as history from tickets.ticket t
             where t.id > $1 and ($2 or t.status <> 'closed') order by t.id limit ${BATCH}`,
      values: [after, all],
    });
    await policies.learn(rows.map((row) => row.policy_version));
    for (const row of rows) {
      const stored = {
        state: factsOf(row),
        updatedAt: instantOf(row.updated_at),
        nextTimerAt: row.next_timer_at === null ? null : instantOf(row.next_timer_at),
      };
      yield verifyTicket(stored, historyOf(row.history), policies).finding;
    }
    const last = rows.at(-1);
    if (!last) return;
    after = last.id;
  }
}

/**
 * Gives the row the values that its history says, with an entry that lists them, in one transaction.
 * @returns what was found under the lock: a change in between may have mended the ticket already
 */
export async function repairTicket(
  orm: MikroORM,
  policies: PolicyStore,
  id: string,
  teamAddress: string | undefined,
): Promise<Finding> {
  await policies.refresh();
  return orm.em.fork().transactional(
    async (em) => {
      const row = await em.findOneOrFail(Ticket, { id }, { lockMode: LockMode.PESSIMISTIC_WRITE });
      await policies.learn([row.policyVersion]);
      const stored = { state: stateOf(row), updatedAt: row.updatedAt, nextTimerAt: row.nextTimerAt ?? null };
      const { finding, recomputed } = verifyTicket(stored, await readHistory(em, id), policies);
      if (finding.differences.length === 0 || !recomputed) return finding;
      const surroundings = await readSurroundings(em, {
        people: [row.reporter.personId, recomputed.assigneeId],
        organisations: [row.organisationId],
        infrastructures: [recomputed.infrastructureId],
        tickets: [id],
      });
      surroundings.now = Math.max(surroundings.now, row.updatedAt);
      const writer = new TicketWriter(em, row, surroundings, policies, teamAddress);
      writer.apply({ ticket: recomputed, settlements: [] }, row.updatedAt);
      const moves = writer.bringUpToTerms();
      writer.recordChange({ changes: finding.differences.map(asChange), author: SYSTEM, comment: REPAIRED_TEXT });
      await countMoves(em, moves);
      return finding;
    },
    { clear: true },
  );
}

async function readHistory(em: EntityManager, id: string): Promise<HistoryEntry[]> {
  const { rows } = await sqlOf(em).query<{ history: HistoryRow[] }>(
    `select ${HISTORY} as history from tickets.ticket t where t.id = $1`,
    [id],
  );
  return historyOf(rows[0]?.history ?? []);
}

/** Named so that replaying the history leaves it alone: it says what the history says already. */
function asChange({ field, stored, recomputed }: Difference): FieldChangeView {
  const text = (value: Value) => (value === null ? null : String(value));
  return { field: `repaired.${field}`, before: text(stored), after: text(recomputed) };
}

function verifyTicket(
  stored: Stored,
  history: HistoryEntry[],
  policies: PolicyStore,
): { finding: Finding; recomputed: TicketState | null } {
  const { id, number } = stored.state;
  const policyOf = (version: number): Policy => policies.of(version);
  try {
    const { ticket, steps } = replay(stored.state, history, policyOf, stored.updatedAt);
    const last = steps.at(-1);
    const compare = (state: TicketState) =>
      differencesBetween(stored, { ...stored, state, nextTimerAt: nextTimerAt(state, policyOf(state.policyVersion)) });
    if (last?.entry.at === stored.updatedAt && compare(last.after).length === 0) {
      return { finding: { id, number, differences: [], broken: null }, recomputed: last.after };
    }
    return { finding: { id, number, differences: compare(ticket), broken: null }, recomputed: ticket };
  } catch (error) {
    const broken = error instanceof Error ? error.message : String(error);
    return { finding: { id, number, differences: [], broken }, recomputed: null };
  }
}

function differencesBetween(stored: Stored, recomputed: Stored): Difference[] {
  const values = fieldsOf(recomputed);
  return Object.entries(fieldsOf(stored)).flatMap(([field, value]) => {
    const right = values[field] ?? null;
    return value === right ? [] : [{ field, stored: value, recomputed: right }];
  });
}

/** Everything of a ticket that follows from its history, as flat values; instants as ISO strings. */
function fieldsOf({ state, nextTimerAt: timer }: Stored): Record<string, Value> {
  const { assignClock, resolveClock, suspension, estimate } = state;
  return {
    version: state.version,
    createdAt: isoInstant(state.createdAt),
    closedAt: isoOrNull(state.closedAt),
    infrastructure: state.infrastructureId,
    assignee: state.assigneeId,
    status: state.status,
    priority: state.priority,
    resolutionType: state.resolutionType,
    'suspension.cause': suspension?.cause ?? null,
    'suspension.until': isoOrNull(suspension?.until ?? null),
    'suspension.closeResolutionType': suspension?.closeResolutionType ?? null,
    ...clockFields('assignClock', assignClock),
    ...clockFields('resolveClock', resolveClock),
    resolveGainSeconds: state.resolveGainSeconds,
    'estimate.at': isoOrNull(estimate?.at ?? null),
    'estimate.reason': estimate?.reason ?? null,
    'estimate.byPersonId': estimate?.byPersonId ?? null,
    policyVersion: state.policyVersion,
    nextTimerAt: isoOrNull(timer),
  };
}

function clockFields(name: string, { runningSince, ...clock }: TicketState['assignClock']): Record<string, Value> {
  return Object.fromEntries([
    ...Object.entries(clock).map(([field, value]) => [`${name}.${field}`, value]),
    [`${name}.runningSince`, isoOrNull(runningSince)],
  ]);
}

function isoOrNull(instant: number | null): string | null {
  return instant === null ? null : isoInstant(instant);
}
