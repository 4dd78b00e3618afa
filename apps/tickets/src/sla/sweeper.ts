/**
 * Time's own deeds, told when they are due: warnings, breaches, steps of the ladder, ends of suspensions.
 *
 * A ticket knows when time will next do something to it (`next_timer_at`, indexed), so the work is proportional to what
 * is due. Any number of instances sweep at once: each takes rows that nobody else holds. Everything is stamped with its
 * true instant, so that a sweep that was down for a day only comes late: it takes a batch in the order of the timers and
 * brings it up to the batch's last timer, then the next, so that deeds are told in the order in which they fell due.
 */
import { LOGGER, pause, Readiness, sqlOf, type Logger } from '#platform';
import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { LockMode, MikroORM, type EntityManager } from '@mikro-orm/postgresql';
import { Counter, Gauge, Histogram } from 'prom-client';
import { instantOf } from '../ticket/instant.type.js';
import { readSurroundings } from '../ticket/surroundings.js';
import { Ticket } from '../ticket/ticket.entity.js';
import { TicketService } from '../ticket/ticket.service.js';
import { PolicyStore } from './policy.store.js';

const BATCH = 200;
const POLL_MS = 250;
const BACKOFF_MS = 2_000;
const SET_ASIDE_MS = 300_000;

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
const setAside = new Counter({ name: 'sla_set_aside_total', help: 'Tickets that could not be settled' });
const due = new Gauge({ name: 'sla_timers_due', help: 'Tickets of the last batch whose timers were due' });

@Injectable()
export class Sweeper implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly stopping = new AbortController();
  private running?: Promise<void>;
  private lastError: string | null = null;
  /** The tickets of the batch in hand. */
  private inHand: string[] = [];
  /** Tickets that could not be settled, with when they are tried again. */
  private readonly aside = new Map<string, number>();

  constructor(
    @Inject(MikroORM) private readonly orm: MikroORM,
    @Inject(LOGGER) private readonly log: Logger,
    private readonly tickets: TicketService,
    private readonly policies: PolicyStore,
    readiness: Readiness,
  ) {
    readiness.register('sweeper', () => {
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
    while (!signal.aborted) {
      try {
        const taken = await this.sweepOrIsolate();
        this.lastError = null;
        if (taken < BATCH) await pause(POLL_MS, signal);
      } catch (error) {
        this.lastError = error instanceof Error ? error.message : String(error);
        this.log.warn({ err: error }, 'sweep failed');
        await pause(BACKOFF_MS, signal);
      }
    }
  }

  /** One ticket that cannot be settled must not stop the timers of all others: it is set aside for a while. */
  private async sweepOrIsolate(): Promise<number> {
    this.inHand = [];
    try {
      return await this.sweep(BATCH);
    } catch (error) {
      const ids = this.inHand;
      await this.orm.em.getConnection().execute('select 1'); // without a database no ticket is to blame
      if (ids.length === 0) throw error;
      for (const id of ids) await this.sweep(1, id).catch((cause: unknown) => this.setAside(id, cause));
      return ids.length;
    }
  }

  private setAside(id: string, cause: unknown): void {
    this.log.error({ err: cause, ticketId: id }, 'a ticket cannot be settled: set aside for a while');
    setAside.inc();
    this.aside.set(id, performance.now() + SET_ASIDE_MS);
  }

  /** One batch (or one ticket) in one transaction. @returns how many tickets were due in it */
  private async sweep(limit: number, only?: string): Promise<number> {
    for (const [id, until] of this.aside) if (until < performance.now()) this.aside.delete(id);
    await this.policies.refresh();
    return this.orm.em.fork().transactional(
      async (em) => {
        const now = await transactionTime(em);
        const rows = await em.find(
          Ticket,
          { nextTimerAt: { $lte: now }, id: only === undefined ? { $nin: [...this.aside.keys()] } : only },
          { orderBy: { nextTimerAt: 'asc', id: 'asc' }, limit, lockMode: LockMode.PESSIMISTIC_PARTIAL_WRITE },
        );
        due.set(rows.length);
        if (rows.length === 0) return 0;
        this.inHand = rows.map((row) => row.id);
        await this.policies.learn(rows.map((row) => row.policyVersion));
        const surroundings = await readSurroundings(em, {
          people: rows.flatMap((row) => [row.assigneeId, row.reporter.personId]),
          organisations: rows.map((row) => row.organisationId),
          infrastructures: rows.map((row) => row.infrastructureId),
          tickets: rows.map((row) => row.id),
        });
        // what is due after the batch's last timer may come after what another ticket has due before it
        const until = rows.length < limit ? now : (rows.at(-1)!.nextTimerAt ?? now);
        for (const row of rows) {
          const writer = this.tickets.writer(em, row, { ...surroundings, now: until });
          writer.bringUpToTerms();
          for (const { type, at } of writer.settle()) {
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

async function transactionTime(em: EntityManager): Promise<number> {
  const { rows } = await sqlOf(em).query<{ now: string }>('select tickets.transaction_time() as now');
  return instantOf(rows[0]!.now);
}
