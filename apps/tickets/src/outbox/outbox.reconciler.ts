/**
 * PostgreSQL is the record, JetStream only carries: a stream that was lost, or rolled back to an older state, gets
 * back what it lacks. Published rows are kept for days; those that the stream does not hold are marked unpublished
 * again, and the relay sends them. Whoever had them already knows them by event id.
 */
import { TICKET_STREAM } from '#contracts';
import { ensureTicketStream, type Logger } from '#platform';
import type { JetStreamManager } from '@nats-io/jetstream';
import type pg from 'pg';

const KEEP_DAYS = 30;
const EVERY_MS = 60_000;
const HOUR_MS = 3_600_000;

export class Reconciler {
  private lastRun = -Infinity;
  private lastCleaning = -Infinity;

  constructor(
    private readonly client: pg.Client,
    private readonly manager: JetStreamManager,
    private readonly subscribers: string[],
    private readonly log: Logger,
  ) {}

  isDue(): boolean {
    return performance.now() - this.lastRun > EVERY_MS;
  }

  /** Cheap when nothing is wrong: one look at the stream's last message. */
  async run(signal: AbortSignal): Promise<void> {
    this.lastRun = performance.now();
    await ensureTicketStream(this.manager, this.subscribers);
    const { state } = await this.manager.streams.info(TICKET_STREAM);
    const lastEventId = state.messages === 0 ? null : await this.eventIdAt(state.last_seq);
    if (signal.aborted) return;
    // everything published after the last event that the stream still has is missing from it
    const { rowCount } = await this.client.query(
      `update tickets.outbox set published_at = null
       where published_at is not null
         and id > coalesce((select id from tickets.outbox where event_id = $1), 0)
         and published_at >= coalesce((select published_at from tickets.outbox where event_id = $1), '-infinity')`,
      [lastEventId],
    );
    if (rowCount) this.log.warn({ events: rowCount }, 'the stream lacks published events: publishing them again');
    await this.clean();
  }

  private async eventIdAt(sequence: number): Promise<string | null> {
    const message = await this.manager.streams.getMessage(TICKET_STREAM, { seq: sequence });
    return message?.header.get('Nats-Msg-Id') || null;
  }

  private async clean(): Promise<void> {
    if (performance.now() - this.lastCleaning < HOUR_MS) return;
    this.lastCleaning = performance.now();
    const old = `now() - interval '${KEEP_DAYS} days'`;
    await this.client.query(`delete from tickets.outbox where published_at < ${old}`);
    await this.client.query(`delete from tickets.idempotency_key where created_at < ${old}`);
  }
}
