import { TICKET_STREAM, TICKET_SUBJECTS } from '#contracts';
import { RetentionPolicy, StorageType, type JetStreamManager } from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';

const DAY_MS = 86_400_000;
/** A repeat with the same Nats-Msg-Id inside this window is stored once. */
export const DUPLICATE_WINDOW_MS = 120_000;

/** Makes the streams if they are missing. PostgreSQL's outbox is the record; the stream only carries. */
export async function ensureTicketStream(manager: JetStreamManager): Promise<void> {
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
}
