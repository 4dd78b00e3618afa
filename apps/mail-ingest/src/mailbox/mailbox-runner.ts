/**
 * Reads one mailbox, as long as this instance is its leader: connect, fetch, process; after a lost connection a new
 * client with growing pauses. Other instances stand by and take over when the leader's database connection ends. Of a
 * mailbox that is paused or removed only those mails are processed that are stored already.
 */
import type { MailboxProblem } from '#contracts';
import {
  ADVISORY_LOCK,
  type Bus,
  type HostPolicy,
  Leader,
  type Logger,
  pause,
  type Readiness,
  type SecretBox,
} from '#platform';
import { createHash } from 'node:crypto';
import type pg from 'pg';
import { Counter, Gauge } from 'prom-client';
import type { MailIngestEnv } from '../env.js';
import { FloodGuard, floodLimitsOf } from '../intake/floods.js';
import { countWaiting } from '../intake/inbox.js';
import type { MailboxTerms } from '../intake/parse.worker.js';
import { parserOf } from '../intake/parser.js';
import { Processor } from '../intake/processor.js';
import type { AccessTokens } from './access-tokens.js';
import { connect, problemOf } from './imap-connection.js';
import { fetched, ImapSession } from './imap-session.js';
import { type MailboxRow, recordProblem } from './mailbox.rows.js';
import { pauseAfter } from './pauses.js';

const HEALTHY_AFTER_MS = 60_000;
/** Stored mails that wait for processing at most; the others wait on the server. */
const MAX_WAITING = 500;
/** A literal that a server sends may be so much longer than the longest mail. */
const LITERAL_ROOM_BYTES = 1024 * 1024;

/** A mail that is being parsed may take this long to come to its end after the signal to stop. */
const STOP_LIMIT_MS = 5_000;

const STATE_OF_KIND: Partial<Record<MailboxProblem['kind'], MailboxRow['state']>> = {
  credentials: 'refused',
  authorisation: 'reauthorise',
};

const problems = new Counter({
  name: 'mailbox_errors_total',
  help: 'Connections and looks through a mailbox that failed, by what was wrong',
  labelNames: ['mailbox', 'kind'],
});

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
  mailbox: MailboxRow;
  /** All that are read at present. */
  mailboxes: () => MailboxTerms[];
  env: MailIngestEnv;
  pool: pg.Pool;
  bus: Bus;
  box: SecretBox;
  tokens: AccessTokens;
  policy: HostPolicy;
  log: Logger;
  readiness: Readiness;
}

export class MailboxRunner {
  private readonly leader: Leader;
  private readonly isRead: boolean;
  private problem: string | null = null;

  constructor(private readonly options: RunnerOptions) {
    const { mailbox, env, log, readiness } = options;
    this.isRead = !mailbox.paused && !mailbox.removed;
    fetched.inc({ mailbox: mailbox.address }, 0);
    this.leader = new Leader({
      databaseUrl: env.DATABASE_URL,
      name: this.name,
      lock: [ADVISORY_LOCK.mailbox, lockKey(mailbox.address)],
      log,
      lead: (_client, signal) => this.lead(signal),
    });
    if (!this.isRead) return;
    this.problem = 'not connected yet';
    readiness.register(this.name, () => {
      if (this.leader.leading && this.problem !== null) throw new Error(this.problem);
    });
  }

  start(): void {
    this.leader.start();
  }

  async stop(): Promise<void> {
    this.options.readiness.unregister(this.name);
    await this.leader.stop();
  }

  private get name(): string {
    return `mailbox ${this.options.mailbox.address}`;
  }

  private async lead(signal: AbortSignal): Promise<void> {
    const { mailbox, mailboxes, env, pool, bus, log } = this.options;
    this.watchBacklog();
    const parser = parserOf(env, mailboxes, log);
    // a mail that takes too long does not hold up the stop
    const hurry = () => setTimeout(() => void parser.stop(), STOP_LIMIT_MS).unref();
    signal.addEventListener('abort', hurry, { once: true });
    const processor = new Processor({
      sql: pool,
      bus,
      parser,
      floods: new FloodGuard({ sql: pool, log, limits: floodLimitsOf(env) }),
      log,
      mailboxId: mailbox.id,
      batchSize: env.MAIL_BATCH_SIZE,
    });
    const failed = new AbortController();
    const ended = AbortSignal.any([signal, failed.signal]);
    const onStored = (raw: Map<string, Buffer>) => {
      parser.remember(raw);
      processor.wake();
    };
    const work = [processor.run(ended), ...(this.isRead ? [this.fetch(onStored, ended)] : [])];
    try {
      // when one of them fails, the other is ended as well, and the leader begins again
      await Promise.all(work.map((one) => one.catch((error: unknown) => (failed.abort(), Promise.reject(error)))));
    } finally {
      await Promise.allSettled(work);
      backlogs.delete(mailbox.address);
      await parser.stop();
    }
  }

  /** One session after another until the signal. */
  private async fetch(onStored: (raw: Map<string, Buffer>) => void, signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      const begun = performance.now();
      const session = this.session(failures, onStored, signal);
      try {
        await session.run((problem) => this.scanned(problem));
        return;
      } catch (error) {
        if (signal.aborted) return;
        const problem = problemOf(error, this.options.mailbox);
        await this.failed(problem);
        failures = performance.now() - begun > HEALTHY_AFTER_MS ? 1 : failures + 1;
        await pause(pauseAfter(problem.kind, failures) * (0.75 + Math.random() / 2), signal);
      }
    }
  }

  private session(attempt: number, onStored: (raw: Map<string, Buffer>) => void, signal: AbortSignal): ImapSession {
    const { mailbox, env, pool, log, box, tokens, policy } = this.options;
    const connection = { box, tokens, policy, attempt, maxLiteralSize: env.MAIL_MAX_BYTES + LITERAL_ROOM_BYTES };
    return new ImapSession(
      {
        mailbox,
        connect: async (stopping) => (await connect(mailbox, connection, stopping)).client,
        pool,
        log,
        batchSize: env.MAIL_BATCH_SIZE,
        maxBytes: env.MAIL_MAX_BYTES,
        scanIntervalMs: env.IMAP_SCAN_INTERVAL_SECONDS * 1000,
        onStored,
        hasRoom: async () => (await countWaiting(pool, mailbox.id)) < MAX_WAITING,
      },
      signal,
    );
  }

  private async scanned(message: string | null): Promise<void> {
    this.problem = message;
    if (message !== null) await this.failed({ kind: 'server', field: 'mode', code: 'not_acknowledged', message });
  }

  /** Says so: in the database for people, in the log, among the figures, and to whoever asks whether we are ready. */
  private async failed({ kind, code, message }: MailboxProblem): Promise<void> {
    const { mailbox, pool, log } = this.options;
    const state = STATE_OF_KIND[kind] ?? 'failing';
    this.problem = message;
    problems.inc({ mailbox: mailbox.address, kind });
    // the database may be what is gone
    const isNew = await recordProblem(pool, mailbox.id, { state, kind, message }).catch(() => false);
    const said = { mailbox: mailbox.address, state, code, reason: message };
    if (isNew && state !== 'failing') log.error(said, 'mailbox needs a person');
    else log.warn(said, 'IMAP session ended');
  }

  private watchBacklog(): void {
    const { mailbox, pool } = this.options;
    let last = 0;
    backlogs.set(mailbox.address, async () => {
      last = await countWaiting(pool, mailbox.id).catch(() => last); // readiness tells of the database
      return last;
    });
  }
}

function lockKey(address: string): number {
  return createHash('sha256').update(address).digest().readInt32BE();
}
