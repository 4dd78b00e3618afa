/** `node dist/apps/tickets/src/migrations/migrate.command.js` — brings the schema up to date without starting. */
import { runMigrateCommand } from '#platform';
import { readEnv } from '../env.js';
import { createOrm } from '../orm.js';

await runMigrateCommand('tickets', readEnv, createOrm);
