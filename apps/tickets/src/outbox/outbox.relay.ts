/**
 * Publishes committed facts on JetStream.
 *
 * One leader at a time keeps the order. It takes unpublished rows by state (never "id greater than the last", which
 * would miss a transaction that commits late), publishes each with `Nats-Msg-Id` = event id, waits for the stream's
 * acknowledgement, and only then marks the row. A crash in between publishes the row again; the stream drops the
 * repeat within its duplicate window, and consumers drop it by event id after that.
 *
 * A batch is published in order and marked up to the first failure. Rows after a failure that did get through are
 * published again behind the failed one; each ticket's `sequence` lets a consumer see that it knows them already.
 */
import { ADVISORY_LOCK, ensureTicketStream, ENV, Leader, LOGGER, NATS, pause, Readiness, type Logger } from '#platform';
import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { jetstream, jetstreamManager, type JetStreamClient } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type pg from 'pg';
import { Counter, Gauge } from 'prom-client';
import type { TicketsEnv } from '../env.js';
import { Reconciler } from './outbox.reconciler.js';

const BATCH = 256;
/** NOTIFY wakes the relay; this poll is for a notification that got lost. */
const POLL_MS = 1_000;

const published = new Counter({ name: 'outbox_published_total', help: 'Events published on JetStream' });
const lag = new Gauge({ name: 'outbox_unpublished', help: 'Events of the last batch that still wait' });

interface OutboxRow {
  id: string;
  event_id: string;
  subject: string;
  payload: string;
}

@Injectable()
export class OutboxRelay implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly leader: Leader;
  private readonly subscribers: string[];
  private lastError: string | null = null;

  constructor(
    @Inject(ENV) env: TicketsEnv,
    @Inject(NATS) private readonly nats: NatsConnection,
    @Inject(LOGGER) private readonly log: Logger,
    readiness: Readiness,
  ) {
    this.subscribers = env.EVENT_SUBSCRIBERS.split(' ').filter((name) => name !== '');
    this.leader = new Leader({
      databaseUrl: env.DATABASE_URL,
      name: 'outbox relay',
      lock: [ADVISORY_LOCK.outboxRelay],
      log,
      lead: (client, signal) => this.lead(client, signal),
    });
    readiness.register('outbox', () => {
      if (this.lastError !== null) throw new Error(this.lastError);
    });
  }

  onApplicationBootstrap(): void {
    this.leader.start();
  }

  /** After the last request in hand, so that its event still goes out. */
  async onApplicationShutdown(): Promise<void> {
    await this.leader.stop();
  }

  private async lead(client: pg.Client, signal: AbortSignal): Promise<void> {
    try {
      let awake = new AbortController();
      client.on('notification', () => awake.abort('woken'));
      await client.query('listen outbox');
      const reconciler = new Reconciler(client, await jetstreamManager(this.nats), this.subscribers, this.log);
      await reconciler.run(signal);
      const stream = jetstream(this.nats);
      while (!signal.aborted) {
        awake = new AbortController();
        const taken = await this.publishBatch(client, stream);
        this.lastError = null;
        if (taken < BATCH) await pause(POLL_MS, AbortSignal.any([signal, awake.signal]));
        if (reconciler.isDue()) await reconciler.run(signal);
      }
    } catch (error) {
      this.lastError = error instanceof Error ? error.message : String(error);
      throw error;
    }
  }

  /** @returns how many rows waited */
  private async publishBatch(client: pg.Client, stream: JetStreamClient): Promise<number> {
    const { rows } = await client.query<OutboxRow>({
      name: 'take-outbox',
      text: `select id, event_id, subject, payload::text as payload from tickets.outbox
             where published_at is null order by id limit $1`,
      values: [BATCH],
    });
    lag.set(rows.length);
    if (rows.length === 0) return 0;
    const results = await Promise.allSettled(
      rows.map((row) => stream.publish(row.subject, row.payload, { msgID: row.event_id, timeout: 5_000 })),
    );
    const failed = results.find((result) => result.status === 'rejected');
    const stored = failed ? rows.slice(0, results.indexOf(failed)) : rows;
    await client.query({
      name: 'mark-outbox',
      text: 'update tickets.outbox set published_at = now() where id = any($1::bigint[])',
      values: [stored.map((row) => row.id)],
    });
    published.inc(stored.length);
    if (failed) {
      await ensureTicketStream(await jetstreamManager(this.nats), this.subscribers);
      throw failed.reason;
    }
    return rows.length;
  }
}
