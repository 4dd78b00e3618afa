/**
 * Moves live tickets to the current version of their policy, soon after it was made.
 *
 * What is left to do is what the tickets themselves say: every one that is not closed and names an outdated version. So
 * there is nothing to start, resume or clean up: a batch is committed or never happened, a ticket that was moved is not
 * found again, and one that is reopened later is. Any number of instances work at once: each takes rows that nobody else
 * holds. `tickets.policy_move` says how far each change of a policy has come.
 */
import { LOGGER, pause, poolOf, Readiness, sqlOf, type Logger, type Sql } from '#platform';
import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { MikroORM } from '@mikro-orm/postgresql';
import { Gauge } from 'prom-client';
import { readSurroundingsOf } from '../ticket/surroundings.js';
import { Ticket } from '../ticket/ticket.entity.js';
import { TicketService } from '../ticket/ticket.service.js';
import { countMoves } from './policy-moves.js';
import { PolicyStore } from './policy.store.js';

const BATCH = 200;
const POLL_MS = 1_000;
const BACKOFF_MS = 2_000;

const outdatedTickets = new Gauge({
  name: 'sla_policy_outdated',
  help: 'Tickets of the last batch that ran on an outdated version of their policy',
});

@Injectable()
export class PolicyMover implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly stopping = new AbortController();
  private running?: Promise<void>;
  private lastError: string | null = null;

  constructor(
    @Inject(MikroORM) private readonly orm: MikroORM,
    @Inject(LOGGER) private readonly log: Logger,
    private readonly tickets: TicketService,
    private readonly policies: PolicyStore,
    readiness: Readiness,
  ) {
    readiness.register('policy mover', () => {
      if (this.lastError !== null) throw new Error(this.lastError);
    });
  }

  onApplicationBootstrap(): void {
    this.running = this.run();
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    const sql = await poolOf(this.orm);
    while (!signal.aborted) {
      try {
        await this.policies.refresh();
        const outdated = this.policies.outdated();
        const taken = outdated.length === 0 ? 0 : await this.move(outdated);
        if (taken < BATCH) await this.finish(sql);
        this.lastError = null;
        if (taken < BATCH) await pause(POLL_MS, signal);
      } catch (error) {
        this.lastError = error instanceof Error ? error.message : String(error);
        this.log.warn({ err: error }, 'moving tickets to a new policy version failed');
        await pause(BACKOFF_MS, signal);
      }
    }
  }

  /** One batch in one transaction. @returns how many tickets were in it; 0 when none could be moved yet */
  private async move(outdated: number[]): Promise<number> {
    return this.orm.em.fork().transactional(
      async (em) => {
        const { rows: taken } = await sqlOf(em).query<{ id: string }>(
          `select id from tickets.ticket where policy_version = any($1) and status <> 'closed'
           limit $2 for update skip locked`,
          [outdated, BATCH],
        );
        outdatedTickets.set(taken.length);
        if (taken.length === 0) return 0;
        const rows = await em.find(Ticket, { id: { $in: taken.map(({ id }) => id) } });
        const surroundings = await readSurroundingsOf(em, rows);
        const moves = rows.flatMap((row) => {
          // the transaction that wrote the row may have begun after this one
          const now = Math.max(surroundings.now, row.updatedAt);
          return this.tickets.writer(em, row, { ...surroundings, now }).bringUpToTerms();
        });
        await countMoves(em, moves);
        this.log.info({ tickets: taken.length, moves: moves.length }, 'moved tickets to a new policy version');
        return moves.length === 0 ? 0 : taken.length;
      },
      { clear: true },
    );
  }

  /** A move is over when no live ticket is left on an earlier version of the policy, whoever moved or closed it. */
  private async finish(sql: Sql): Promise<void> {
    const { rows } = await sql.query<{ policy: string; version: number; total: number; moved: number }>(
      `update tickets.policy_move move set finished_at = tickets.transaction_time()
       where finished_at is null and not exists (
         select from tickets.policy_version v,
           lateral (select from tickets.ticket where policy_version = v.number and status <> 'closed' limit 1) live
         where v.policy = move.policy and v.number < move.to_version)
       returning policy, to_version as version, total, moved`,
    );
    for (const finished of rows) this.log.info(finished, 'all live tickets run on the new policy version');
  }
}
