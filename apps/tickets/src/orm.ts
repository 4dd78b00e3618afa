import { ormOptions } from '#platform';
import { defineConfig, MikroORM } from '@mikro-orm/postgresql';
import { Infrastructure, Organisation, Person } from './directory/directory.entity.js';
import type { TicketsEnv } from './env.js';
import { migrations } from './migrations/index.js';
import { OutboxEvent } from './outbox/outbox.entity.js';
import { Attachment, TimelineEntry } from './ticket/timeline-entry.entity.js';
import { Ticket } from './ticket/ticket.entity.js';

/** Connects lazily; run `migrate(orm, …)` before use. */
export function createOrm(env: Pick<TicketsEnv, 'DATABASE_URL' | 'DATABASE_POOL_SIZE'>): Promise<MikroORM> {
  return MikroORM.init(
    defineConfig({
      ...ormOptions(env.DATABASE_URL, env.DATABASE_POOL_SIZE, 'tickets'),
      entities: [Organisation, Person, Infrastructure, Ticket, TimelineEntry, Attachment, OutboxEvent],
      migrations: { tableName: 'tickets.migration', migrationsList: migrations, snapshot: false },
    }),
  );
}
