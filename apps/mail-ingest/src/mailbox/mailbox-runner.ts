/**
 * Reads one mailbox, as long as this instance is its leader: connect, fetch, process; after a lost connection a new
 * client with growing pauses. Other instances stand by and take over when the leader's database connection ends.
 */
import { ADVISORY_LOCK, type Bus, Leader, type Logger, pause, type Readiness } from '#platform';
import { createHash } from 'node:crypto';
import type pg from 'pg';
import { Gauge } from 'prom-client';
import type { MailIngestEnv } from '../env.js';
import { countWaiting, openMailbox, recordScan } from '../intake/inbox.js';
import type { WorkerSettings } from '../intake/parse.worker.js';
import { parserOf } from '../intake/parser.js';
import { Processor } from '../intake/processor.js';
import { ImapSession } from './imap-session.js';
import type { MailboxSettings } from './mailbox-url.js';

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 5 * 60_000;
/** A refused login may lock the account when it is repeated: wait longer at once. */
const REFUSED_PAUSE_MS = 60_000;
const HEALTHY_AFTER_MS = 60_000;
/** Stored mails that wait for processing at most; the others wait on the server. */
const MAX_WAITING = 500;

/** A mail that is being parsed may take this long to come to its end after the signal to stop. */
const STOP_LIMIT_MS = 5_000;

/** Counts what waits, by mailbox, for those that this instance leads. */
const backlogs = new Map<string, () => Promise<number>>();
const waitingGauge = new Gauge({
  name: 'mail_waiting',
  help: 'Stored mails without a disposition',
  labelNames: ['mailbox'],
  async collect() {
    waitingGauge.reset();
    for (const [mailbox, count] of backlogs) waitingGauge.set({ mailbox }, await count());
  },
});

export interface RunnerOptions {
  settings: MailboxSettings;
  env: MailIngestEnv;
  pool: pg.Pool;
  bus: Bus;
  own: WorkerSettings['own'];
  log: Logger;
  readiness: Readiness;
}

export class MailboxRunner {
  private readonly leader: Leader;
  private problem: string | null = 'not connected yet';

  constructor(private readonly options: RunnerOptions) {
    const { settings, env, log, readiness } = options;
    this.leader = new Leader({
      databaseUrl: env.DATABASE_URL,
      name: `mailbox ${settings.address}`,
      lock: [ADVISORY_LOCK.mailbox, lockKey(settings.address)],
      log,
      lead: (_client, signal) => this.lead(signal),
    });
    readiness.register(`mailbox ${settings.address}`, () => {
      if (this.leader.leading && this.problem !== null) throw new Error(this.problem);
    });
  }

  start(): void {
    this.leader.start();
  }

  async stop(): Promise<void> {
    await this.leader.stop();
  }

  private async lead(signal: AbortSignal): Promise<void> {
    const { settings, env, pool, bus, own, log } = this.options;
    this.problem = 'not connected yet';
    const { id: mailboxId } = await openMailbox(pool, settings.address);
    this.watchBacklog(mailboxId);
    const parser = parserOf(env, own, log);
    parser.start();
    // a mail that takes too long does not hold up the stop
    const hurry = () => setTimeout(() => void parser.stop(), STOP_LIMIT_MS).unref();
    signal.addEventListener('abort', hurry, { once: true });
    const processor = new Processor({
      sql: pool,
      bus,
      parser,
      log,
      mailboxId,
      batchSize: env.MAIL_BATCH_SIZE,
    });
    const failed = new AbortController();
    const ended = AbortSignal.any([signal, failed.signal]);
    const onStored = (raw: Map<string, Buffer>) => {
      parser.remember(raw);
      processor.wake();
    };
    const work = [processor.run(ended), this.fetch(mailboxId, onStored, ended)];
    try {
      // when one of them fails, the other is ended as well, and the leader begins again
      await Promise.all(work.map((one) => one.catch((error: unknown) => (failed.abort(), Promise.reject(error)))));
    } finally {
      await Promise.allSettled(work);
      backlogs.delete(settings.address);
      await parser.stop();
    }
  }

  /** One session after another until the signal. */
  private async fetch(
    mailboxId: string,
    onStored: (raw: Map<string, Buffer>) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { settings, env, pool, log } = this.options;
    let pauseMs = FIRST_PAUSE_MS;
    while (!signal.aborted) {
      const begun = performance.now();
      const session = new ImapSession(
        {
          settings,
          pool,
          log,
          batchSize: env.MAIL_BATCH_SIZE,
          maxBytes: env.MAIL_MAX_BYTES,
          scanIntervalMs: env.IMAP_SCAN_INTERVAL_SECONDS * 1000,
          onStored,
          hasRoom: async () => (await countWaiting(pool, mailboxId)) < MAX_WAITING,
        },
        signal,
      );
      try {
        await session.run((problem) => (this.problem = problem));
        return;
      } catch (error) {
        if (signal.aborted) return;
        const refused = (error as { authenticationFailed?: boolean }).authenticationFailed === true;
        this.problem = refused ? 'the IMAP server refuses user or password' : errorText(error);
        log.warn({ mailbox: settings.address, reason: this.problem }, 'IMAP session ended');
        await recordScan(pool, mailboxId, this.problem).catch(() => {}); // the database may be what is gone
        if (performance.now() - begun > HEALTHY_AFTER_MS) pauseMs = FIRST_PAUSE_MS;
        const wait = refused ? Math.max(pauseMs, REFUSED_PAUSE_MS) : pauseMs;
        await pause(wait * (0.75 + Math.random() / 2), signal);
        pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
      }
    }
  }

  private watchBacklog(mailboxId: string): void {
    let last = 0;
    backlogs.set(this.options.settings.address, async () => {
      last = await countWaiting(this.options.pool, mailboxId).catch(() => last); // readiness tells of the database
      return last;
    });
  }
}

function lockKey(address: string): number {
  return createHash('sha256').update(address).digest().readInt32BE();
}

function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
