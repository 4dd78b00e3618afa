/**
 * The life of a job that works on tickets, a batch in a transaction: batch after batch while there is much to do, then a
 * look now and then. One ticket that cannot be worked on must not stop the job for all others: when a batch fails, each
 * of its tickets is tried alone, and what fails then is set aside for a while.
 */
import { pause, type Logger, type Readiness } from '#platform';
import type { MikroORM } from '@mikro-orm/postgresql';
import { Counter } from 'prom-client';

const BATCH = 200;
const BACKOFF_MS = 2_000;
const SET_ASIDE_MS = 300_000;

const setAside = new Counter({ name: 'sla_set_aside_total', help: 'Tickets that could not be settled or moved' });

/** Which tickets to take. */
export interface Batch {
  limit: number;
  /** Only this one. */
  only: string | null;
  /** Not these: they are set aside. */
  except: string[];
  /** Receives the tickets' ids as soon as they are taken. */
  taken: (ids: string[]) => void;
}

export interface BatchJobOptions {
  /** For logs and readiness. */
  name: string;
  pollMs: number;
  orm: MikroORM;
  log: Logger;
  readiness: Readiness;
  /** Works on a batch in a transaction of its own. @returns how many tickets were in it */
  work: (batch: Batch) => Promise<number>;
  /** When a batch was not full. */
  rest?: () => Promise<void>;
}

export class BatchJob {
  private readonly stopping = new AbortController();
  private running?: Promise<void>;
  private lastError: string | null = null;
  /** With when they are tried again. */
  private readonly aside = new Map<string, number>();

  constructor(private readonly options: BatchJobOptions) {
    options.readiness.register(options.name, () => {
      if (this.lastError !== null) throw new Error(this.lastError);
    });
  }

  start(): void {
    this.running = this.run();
  }

  /** Ends after the batch in hand. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    const { name, pollMs, log, rest } = this.options;
    while (!signal.aborted) {
      try {
        const worked = await this.workOrIsolate();
        if (worked < BATCH) await rest?.();
        this.lastError = null;
        if (worked < BATCH) await pause(pollMs, signal);
      } catch (error) {
        this.lastError = error instanceof Error ? error.message : String(error);
        log.warn({ err: error }, `${name} failed`);
        await pause(BACKOFF_MS, signal);
      }
    }
  }

  private async workOrIsolate(): Promise<number> {
    const { orm, work } = this.options;
    let inHand: string[] = [];
    const taken = (ids: string[]) => void (inHand = ids);
    try {
      return await work({ limit: BATCH, only: null, except: this.stillAside(), taken });
    } catch (error) {
      await orm.em.getConnection().execute('select 1'); // without a database no ticket is to blame
      const ids = inHand;
      if (ids.length === 0) throw error;
      for (const id of ids) {
        await work({ limit: 1, only: id, except: [], taken }).catch((cause: unknown) => this.setAside(id, cause));
      }
      return ids.length;
    }
  }

  private stillAside(): string[] {
    for (const [id, until] of this.aside) if (until < performance.now()) this.aside.delete(id);
    return [...this.aside.keys()];
  }

  private setAside(id: string, cause: unknown): void {
    const { log, name } = this.options;
    log.error({ err: cause, ticketId: id }, `${name}: a ticket cannot be worked on, set aside for a while`);
    setAside.inc();
    this.aside.set(id, performance.now() + SET_ASIDE_MS);
  }
}
