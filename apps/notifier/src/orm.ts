import { ormOptions } from '#platform';
import { defineConfig, MikroORM } from '@mikro-orm/postgresql';
import { Delivery, ProcessedEvent } from './delivery/delivery.entity.js';
import type { NotifierEnv } from './env.js';
import { migrations } from './migrations/index.js';

/**
 * Every statement here finds its few rows by an index, whatever the values. So each is planned once, and not as it would
 * be best while the ledger is empty: such a plan would go on to read the whole of it.
 */
const PLANNING =
  '-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off';

/** Connects lazily; run `migrate(orm, …)` before use. */
export function createOrm(env: Pick<NotifierEnv, 'DATABASE_URL' | 'DATABASE_POOL_SIZE'>): Promise<MikroORM> {
  const common = ormOptions(env.DATABASE_URL, env.DATABASE_POOL_SIZE, 'notifier');
  return MikroORM.init(
    defineConfig({
      ...common,
      driverOptions: { ...common.driverOptions, options: PLANNING },
      entities: [Delivery, ProcessedEvent],
      migrations: { tableName: 'notifier.migration', migrationsList: migrations, snapshot: false },
    }),
  );
}
