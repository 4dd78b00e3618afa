import { TICKET_STREAM, TICKET_SUBJECTS } from '#contracts';
import { AckPolicy, DeliverPolicy, RetentionPolicy, StorageType, type JetStreamManager } from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';

const DAY_MS = 86_400_000;
/** A repeat with the same Nats-Msg-Id inside this window is stored once. */
export const DUPLICATE_WINDOW_MS = 120_000;

/**
 * Makes the streams if they are missing. PostgreSQL's outbox is the record; the stream only carries.
 * @param subscribers names of other systems: each gets a durable consumer, which begins with the oldest event
 */
export async function ensureTicketStream(manager: JetStreamManager, subscribers: string[] = []): Promise<void> {
  const common = {
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    max_age: nanos(30 * DAY_MS),
  };
  await manager.streams.add({
    ...common,
    name: TICKET_STREAM,
    subjects: [TICKET_SUBJECTS],
    duplicate_window: nanos(DUPLICATE_WINDOW_MS),
  });
  await manager.streams.add({ ...common, name: 'DEAD_LETTERS', subjects: ['dead-letter.>'] });
  for (const name of subscribers) {
    await manager.consumers.add(TICKET_STREAM, {
      durable_name: name,
      ack_policy: AckPolicy.Explicit,
      deliver_policy: DeliverPolicy.All,
    });
  }
}
