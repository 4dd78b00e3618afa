import type { MikroORM } from '@mikro-orm/postgresql';
import { migrate } from './database.js';
import { readEnvOrExit, type ServiceEnv } from './env.js';

/** A service's `migrate.command.js`: brings its schema up to date without starting it, and says what was done. */
export async function runMigrateCommand<E extends ServiceEnv>(
  name: string,
  readEnv: () => E,
  createOrm: (env: E) => Promise<MikroORM>,
): Promise<void> {
  const env = readEnvOrExit(name, readEnv);
  const orm = await createOrm(env);
  try {
    const applied = await migrate(orm, env.DATABASE_URL);
    process.stdout.write(`${name}: ${applied.length === 0 ? 'up to date' : `applied ${applied.join(', ')}`}\n`);
  } finally {
    await orm.close();
  }
}
