/** `node dist/apps/mail-ingest/src/migrations/migrate.command.js` — brings the schema up to date without starting. */
import { migrate } from '#platform';
import { readEnv } from '../env.js';
import { createOrm } from '../orm.js';

const env = readEnv();
const orm = await createOrm(env);
try {
  const applied = await migrate(orm, env.DATABASE_URL);
  process.stdout.write(`mail-ingest: ${applied.length === 0 ? 'up to date' : `applied ${applied.join(', ')}`}\n`);
} finally {
  await orm.close();
}
