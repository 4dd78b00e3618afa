/**
 * One active instance for a piece of work, others standing by: a session advisory lock of PostgreSQL. The lock lives
 * as long as its connection, so a dead leader is replaced as soon as PostgreSQL notices.
 */
import pg from 'pg';
import type { Logger } from './logging.js';

export interface LeaderOptions {
  databaseUrl: string;
  /** What the lock is for, e.g. `outbox relay`; shown in logs and in pg_stat_activity. */
  name: string;
  /** One number, or two for a family of locks. */
  lock: readonly [number] | readonly [number, number];
  log: Logger;
  /**
   * The work. It must end soon after the signal aborts: on stop, or when the connection that holds the lock is lost
   * (somebody else may then lead already). It may use the connection for its own statements.
   */
  lead: (client: pg.Client, signal: AbortSignal) => Promise<void>;
  /** How often a standby asks for the lock. */
  standbyMs?: number;
}

export class Leader {
  private readonly stopping = new AbortController();
  private running?: Promise<void>;
  leading = false;

  constructor(private readonly options: LeaderOptions) {}

  start(): void {
    this.running = this.run();
  }

  /** Ends the work in hand and releases the lock. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    let backoffMs = 250;
    while (!this.stopping.signal.aborted) {
      try {
        await this.term();
        backoffMs = 250;
      } catch (error) {
        if (this.stopping.signal.aborted) return;
        this.options.log.warn({ err: error, work: this.options.name }, 'leader interrupted');
        await pause(backoffMs, this.stopping.signal);
        backoffMs = Math.min(backoffMs * 2, 10_000);
      }
    }
  }

  /** One connection's life: wait for the lock, lead until stopped or disconnected. */
  private async term(): Promise<void> {
    const { databaseUrl, name, lock, lead, standbyMs = 1_000 } = this.options;
    const client = new pg.Client({ connectionString: databaseUrl, application_name: name, keepAlive: true });
    const lost = new AbortController();
    client.on('error', () => lost.abort());
    client.on('end', () => lost.abort());
    const signal = AbortSignal.any([this.stopping.signal, lost.signal]);
    try {
      await client.connect();
      const tryLock = `select pg_try_advisory_lock(${lock.map((_, i) => `$${i + 1}`).join(', ')}) as locked`;
      while (!signal.aborted) {
        const { rows } = await client.query<{ locked: boolean }>(tryLock, [...lock]);
        if (rows[0]?.locked) {
          this.leading = true;
          return await lead(client, signal);
        }
        await pause(standbyMs, signal);
      }
    } finally {
      this.leading = false;
      await client.end().catch(() => {}); // already gone
    }
  }
}

/** Waits, but not longer than the signal lets it. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener('abort', done, { once: true });
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
  });
}
