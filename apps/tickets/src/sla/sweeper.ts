/**
 * Time's own deeds, told when they are due: warnings, breaches, steps of the ladder, ends of suspensions.
 *
 * A ticket knows when time will next do something to it (`next_timer_at`, indexed), so the work is proportional to what
 * is due. Any number of instances sweep at once: each takes rows that nobody else holds. Everything is stamped with its
 * true instant, so that a sweep that was down for a day only comes late: it takes a batch in the order of the timers,
 * brings it up to the batch's last timer deed by deed, then the next batch, so that deeds are told in the order in which
 * they fell due.
 */
import type { Instant } from '#domain';
import { LOGGER, Readiness, sqlOf, type Logger } from '#platform';
import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { LockMode, MikroORM, type EntityManager } from '@mikro-orm/postgresql';
import { Counter, Gauge, Histogram } from 'prom-client';
import { instantOf } from '../ticket/instant.type.js';
import { readSurroundingsOf } from '../ticket/surroundings.js';
import { Ticket } from '../ticket/ticket.entity.js';
import { TicketService } from '../ticket/ticket.service.js';
import type { TicketWriter } from '../ticket/ticket.writer.js';
import { BatchJob, type Batch } from './batch-job.js';
import { countMoves } from './policy-moves.js';
import { PolicyStore } from './policy.store.js';

const POLL_MS = 250;

const settled = new Counter({
  name: 'sla_settled_total',
  help: 'Deeds of time that were recorded',
  labelNames: ['type'],
});
const lateness = new Histogram({
  name: 'sla_lateness_seconds',
  help: 'From the instant of a deed of time to its record',
  buckets: [1.1, 1.5, 2, 5, 15, 60, 600, 86_400],
});
const due = new Gauge({ name: 'sla_timers_due', help: 'Tickets of the last batch whose timers were due' });

@Injectable()
export class Sweeper implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly job: BatchJob;

  constructor(
    @Inject(MikroORM) private readonly orm: MikroORM,
    @Inject(LOGGER) log: Logger,
    private readonly tickets: TicketService,
    private readonly policies: PolicyStore,
    readiness: Readiness,
  ) {
    const work = (batch: Batch) => this.sweep(batch);
    this.job = new BatchJob({ name: 'sweeper', pollMs: POLL_MS, orm, log, readiness, work });
  }

  onApplicationBootstrap(): void {
    this.job.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.job.stop();
  }

  /** @returns how many tickets were due in the batch */
  private async sweep({ limit, only, except, taken }: Batch): Promise<number> {
    await this.policies.refresh();
    return this.orm.em.fork().transactional(
      async (em) => {
        const now = await transactionTime(em);
        const rows = await em.find(
          Ticket,
          { nextTimerAt: { $lte: now }, id: only ?? { $nin: except } },
          { orderBy: { nextTimerAt: 'asc', id: 'asc' }, limit, lockMode: LockMode.PESSIMISTIC_PARTIAL_WRITE },
        );
        due.set(rows.length);
        if (rows.length === 0) return 0;
        taken(rows.map((row) => row.id));
        await this.policies.learn(rows.map((row) => row.policyVersion));
        const surroundings = await readSurroundingsOf(em, rows);
        // what is due after the batch's last timer may come after what another ticket has due before it
        const until = rows.length < limit ? now : (rows.at(-1)!.nextTimerAt ?? now);
        const writers = rows.map((row) => this.tickets.writer(em, row, { ...surroundings, now: until }));
        await countMoves(
          em,
          writers.flatMap((writer) => writer.bringUpToTerms()),
        );
        for (let next = nextDue(writers, until); next; next = nextDue(writers, until)) {
          for (const { type, at } of next.settle(next.row.nextTimerAt ?? until)) {
            settled.inc({ type });
            lateness.observe(now - at);
          }
        }
        return rows.length;
      },
      { clear: true },
    );
  }
}

/** Whose timer is the earliest of those that are due: deeds of several tickets are told in their order. */
function nextDue(writers: TicketWriter[], until: Instant): TicketWriter | undefined {
  let first: TicketWriter | undefined;
  for (const writer of writers) {
    const at = writer.row.nextTimerAt;
    if (at != null && at <= until && (first?.row.nextTimerAt == null || at < first.row.nextTimerAt)) first = writer;
  }
  return first;
}

async function transactionTime(em: EntityManager): Promise<number> {
  const { rows } = await sqlOf(em).query<{ now: string }>('select tickets.transaction_time() as now');
  return instantOf(rows[0]!.now);
}
