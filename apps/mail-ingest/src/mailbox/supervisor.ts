/**
 * Keeps a runner for every mailbox of the table, in each instance. A change of settings replaces the runner: it is heard
 * of at once (NOTIFY), or noticed at the next look at the table.
 */
import { Bus, ENV, LOGGER, pause, Readiness, SecretBox, type Logger } from '#platform';
import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import pg from 'pg';
import type { MailIngestEnv } from '../env.js';
import type { MailboxTerms } from '../intake/parse.worker.js';
import { AccessTokens } from './access-tokens.js';
import { bootstrapMailboxes } from './bootstrap.js';
import { MailboxRunner } from './mailbox-runner.js';
import { CHANNEL, type MailboxRow, markSilent, readMailboxes } from './mailbox.rows.js';
import { showMailboxes } from './metrics.js';
import { resealSecrets } from './secrets.js';

const LOOK_EVERY_MS = 2_000;
/** A process that has just started gives mailboxes this long before it calls them silent. */
const PATIENCE_MS = 60_000;

@Injectable()
export class Supervisor implements OnApplicationBootstrap {
  private mailboxes: MailboxRow[] = [];
  private readonly runners = new Map<string, { version: number; runner: MailboxRunner; ending?: Promise<void> }>();
  private readonly stopping = new AbortController();
  private readonly begun = performance.now();
  private news = new AbortController();
  private running: Promise<void> = Promise.resolve();
  private listener: pg.Client | null = null;

  constructor(
    @Inject(ENV) private readonly env: MailIngestEnv,
    @Inject(LOGGER) private readonly log: Logger,
    private readonly bus: Bus,
    @Inject(pg.Pool) private readonly pool: pg.Pool,
    private readonly box: SecretBox,
    private readonly tokens: AccessTokens,
    private readonly readiness: Readiness,
  ) {}

  /** All that are read at present. */
  terms(): MailboxTerms[] {
    return this.mailboxes;
  }

  async onApplicationBootstrap(): Promise<void> {
    const { pool, env, box, log } = this;
    await bootstrapMailboxes(pool, env, box, log);
    for (const mailbox of await readMailboxes(pool)) {
      const unreadable = await resealSecrets(pool, box, mailbox);
      if (unreadable.length > 0) {
        log.error({ mailbox: mailbox.address, unreadable }, 'MAILBOX_SECRET_KEY has no key for what opens a mailbox');
      }
    }
    await this.look();
    this.running = this.watch();
  }

  /** Finishes the batches in hand. */
  async stop(): Promise<void> {
    this.stopping.abort('stopping');
    await this.running;
    await this.listener?.end().catch(() => {}); // already gone
    await Promise.all([...this.runners.values()].map(({ runner }) => runner.stop()));
  }

  private async watch(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      this.news = new AbortController();
      try {
        await this.listen();
        await this.look();
        await this.soundAlarms();
      } catch (error) {
        this.log.warn({ err: error }, 'mailboxes not looked at');
      }
      await pause(LOOK_EVERY_MS, AbortSignal.any([signal, this.news.signal]));
    }
  }

  private async listen(): Promise<void> {
    if (this.listener) return;
    const options = { application_name: 'mailbox changes', keepAlive: true };
    const client = new pg.Client({ connectionString: this.env.DATABASE_URL, ...options });
    const lose = () => {
      if (this.listener === client) this.listener = null;
    };
    client.on('error', lose);
    client.on('end', lose);
    client.on('notification', () => this.news.abort('a mailbox was changed'));
    await client.connect();
    this.listener = client;
    await client.query(`listen ${CHANNEL}`);
  }

  private async look(): Promise<void> {
    const rows = await readMailboxes(this.pool);
    this.mailboxes = rows.filter(({ removed }) => !removed);
    showMailboxes(this.mailboxes);
    for (const { address, silentSince, paused } of this.mailboxes) {
      const name = `mailbox ${address} silent`;
      if (silentSince === null || paused) this.readiness.unregister(name);
      else this.readiness.register(name, () => Promise.reject(new Error(`no successful look since ${silentSince}`)));
    }
    for (const row of rows) this.run(row);
    for (const [id, { runner }] of this.runners) {
      if (!rows.some((row) => row.id === id)) this.end(id, runner);
    }
  }

  private run(row: MailboxRow): void {
    const present = this.runners.get(row.id);
    if (!present) {
      const runner = this.runnerOf(row);
      this.runners.set(row.id, { version: row.version, runner });
      runner.start();
    } else if (present.version !== row.version) {
      this.end(row.id, present.runner);
    }
  }

  /** When it has ended, the next look may start another. */
  private end(id: string, runner: MailboxRunner): void {
    const present = this.runners.get(id);
    if (!present || present.ending) return;
    present.ending = runner.stop().finally(() => {
      this.runners.delete(id);
      this.news.abort('a runner has ended');
    });
  }

  private runnerOf(mailbox: MailboxRow): MailboxRunner {
    const { env, pool, bus, box, tokens, log, readiness } = this;
    const policy = { allowPrivate: env.MAILBOX_PRIVATE_HOSTS };
    const mailboxes = () => this.terms();
    return new MailboxRunner({ mailbox, mailboxes, env, pool, bus, box, tokens, policy, log, readiness });
  }

  private async soundAlarms(): Promise<void> {
    const seconds = this.env.MAILBOX_SILENT_SECONDS;
    if (performance.now() - this.begun < Math.min(PATIENCE_MS, seconds * 1_000)) return;
    for (const { address, lastError } of await markSilent(this.pool, seconds)) {
      this.log.error({ mailbox: address, seconds, lastError }, 'no mail is taken from this mailbox');
    }
  }
}
