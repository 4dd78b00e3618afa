import { ormOptions } from '#platform';
import { defineConfig, MikroORM } from '@mikro-orm/postgresql';
import { Delivery, ProcessedEvent } from './delivery/delivery.entity.js';
import type { NotifierEnv } from './env.js';
import { migrations } from './migrations/index.js';

/** Connects lazily; run `migrate(orm, …)` before use. */
export function createOrm(env: Pick<NotifierEnv, 'DATABASE_URL' | 'DATABASE_POOL_SIZE'>): Promise<MikroORM> {
  return MikroORM.init(
    defineConfig({
      ...ormOptions(env.DATABASE_URL, env.DATABASE_POOL_SIZE, 'notifier'),
      entities: [Delivery, ProcessedEvent],
      migrations: { tableName: 'notifier.migration', migrationsList: migrations, snapshot: false },
    }),
  );
}
