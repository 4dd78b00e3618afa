import { ormOptions } from '#platform';
import { defineConfig, MikroORM } from '@mikro-orm/postgresql';
import type { MailIngestEnv } from './env.js';
import { InboundMessage } from './intake/inbound-message.entity.js';
import { Mailbox } from './mailbox/mailbox.entity.js';
import { migrations } from './migrations/index.js';

/** Connects lazily; run `migrate(orm, …)` before use. */
export function createOrm(env: Pick<MailIngestEnv, 'DATABASE_URL' | 'DATABASE_POOL_SIZE'>): Promise<MikroORM> {
  return MikroORM.init(
    defineConfig({
      ...ormOptions(env.DATABASE_URL, env.DATABASE_POOL_SIZE, 'mail-ingest'),
      entities: [Mailbox, InboundMessage],
      migrations: { tableName: 'mail.migration', migrationsList: migrations, snapshot: false },
    }),
  );
}
