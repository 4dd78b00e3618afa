/**
 * Moves live tickets to the current version of their policy, soon after it was made.
 *
 * What is left to do is what the tickets themselves say: every one that is not closed and names an outdated version. So
 * there is nothing to start, resume or clean up: a batch is committed or never happened, a ticket that was moved is not
 * found again, and one that is reopened later is. Any number of instances work at once: each takes rows that nobody else
 * holds. `tickets.policy_move` says how far each change of a policy has come.
 */
import { LOGGER, poolOf, Readiness, sqlOf, type Logger } from '#platform';
import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { MikroORM } from '@mikro-orm/postgresql';
import { Gauge } from 'prom-client';
import { readSurroundingsOf } from '../ticket/surroundings.js';
import { Ticket } from '../ticket/ticket.entity.js';
import { TicketService } from '../ticket/ticket.service.js';
import { BatchJob, type Batch } from './batch-job.js';
import { countMoves } from './policy-moves.js';
import { PolicyStore } from './policy.store.js';

const POLL_MS = 1_000;

const outdatedTickets = new Gauge({
  name: 'sla_policy_outdated',
  help: 'Tickets of the last batch that ran on an outdated version of their policy',
});

@Injectable()
export class PolicyMover implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly job: BatchJob;

  constructor(
    @Inject(MikroORM) private readonly orm: MikroORM,
    @Inject(LOGGER) private readonly log: Logger,
    private readonly tickets: TicketService,
    private readonly policies: PolicyStore,
    readiness: Readiness,
  ) {
    const work = (batch: Batch) => this.move(batch);
    const rest = () => this.finish();
    this.job = new BatchJob({ name: 'policy mover', pollMs: POLL_MS, orm, log, readiness, work, rest });
  }

  onApplicationBootstrap(): void {
    this.job.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.job.stop();
  }

  /** @returns how many tickets were in the batch; 0 when none could be moved yet */
  private async move({ limit, only, except, taken }: Batch): Promise<number> {
    await this.policies.refresh();
    const outdated = this.policies.outdated();
    if (outdated.length === 0) return 0;
    return this.orm.em.fork().transactional(
      async (em) => {
        const { rows: found } = await sqlOf(em).query<{ id: string }>(
          `select id from tickets.ticket where policy_version = any($1) and status <> 'closed'
             and ($2::uuid is null or id = $2) and id <> all($3::uuid[])
           limit $4 for update skip locked`,
          [outdated, only, except, limit],
        );
        const ids = found.map(({ id }) => id);
        taken(ids);
        outdatedTickets.set(ids.length);
        if (ids.length === 0) return 0;
        const rows = await em.find(Ticket, { id: { $in: ids } });
        const surroundings = await readSurroundingsOf(em, rows);
        const moves = rows.flatMap((row) => {
          // the transaction that wrote the row may have begun after this one
          const now = Math.max(surroundings.now, row.updatedAt);
          return this.tickets.writer(em, row, { ...surroundings, now }).bringUpToTerms();
        });
        await countMoves(em, moves);
        this.log.info({ tickets: ids.length, moves: moves.length }, 'moved tickets to a new policy version');
        return moves.length === 0 ? 0 : ids.length;
      },
      { clear: true },
    );
  }

  /** A move is over when no live ticket is left on an earlier version of the policy, whoever moved or closed it. */
  private async finish(): Promise<void> {
    const sql = await poolOf(this.orm);
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
