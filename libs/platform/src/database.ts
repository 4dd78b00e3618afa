import { type EntityManager, type MikroORM, type Options } from '@mikro-orm/postgresql';
import { Migrator } from '@mikro-orm/migrations';
import { CompiledQuery } from 'kysely';
import pg from 'pg';
import { BLOB_SCHEMA } from './blobs.js';
import { QuickQuotingDriver } from './quoting.js';
import type { Sql } from './sql.js';

/** Keys of the advisory locks, in one place so that no two uses collide. */
export const ADVISORY_LOCK = {
  migrations: 7_240_001,
  outboxRelay: 7_240_002,
  /** Held by whoever adds a link that could close a circle. */
  ticketLinks: 7_240_005,
  /** Held by whoever adds a mailbox or changes its addresses. */
  mailboxAddresses: 7_240_006,
  /** Held by whoever counts automatic mail and adds to it. */
  automaticMail: 7_240_007,
  /** First half of a two-part key; the second half is the mailbox. */
  mailbox: 7_241,
  /** The same, held by whoever asks for access tokens. */
  mailboxTokens: 7_242,
} as const;

/** The pg pool behind the ORM, for statements on hot paths. */
export async function poolOf(orm: MikroORM): Promise<pg.Pool> {
  return orm.em.getConnection().getNativeClient();
}

/** Raw statements inside the entity manager's transaction. */
export function sqlOf(em: EntityManager): Sql {
  const kysely = em.getKysely();
  return {
    async query<Row extends object>(statement: string | { text: string; values: unknown[] }, values: unknown[] = []) {
      const [text, parameters] =
        typeof statement === 'string' ? [statement, values] : [statement.text, statement.values];
      const result = await kysely.executeQuery<Row>(CompiledQuery.raw(text, parameters));
      return { rows: result.rows, rowCount: Number(result.numAffectedRows ?? result.rows.length) };
    },
  };
}

/** Options that every service's ORM has in common. The service adds its entities, schema and migrations. */
export function ormOptions(databaseUrl: string, poolSize: number, service: string): Options {
  return {
    driver: QuickQuotingDriver,
    clientUrl: databaseUrl,
    extensions: [Migrator],
    pool: { min: 0, max: poolSize },
    driverOptions: { application_name: service, keepAlive: true },
    logger: () => {}, // its progress messages bypass our log; failures are thrown
    allowGlobalContext: false,
    forceUtcTimezone: true,
  };
}

/**
 * Brings blobs and the service's own schema up to date. Instances that start together do it one after another, under
 * an advisory lock. The ORM's migrations table must be named `schema.table`, in the service's schema.
 * @returns the names of the migrations that were applied
 */
export async function migrate(orm: MikroORM, databaseUrl: string): Promise<string[]> {
  const client = new pg.Client({ connectionString: databaseUrl, application_name: 'migrations' });
  await client.connect();
  try {
    await client.query('select pg_advisory_lock($1)', [ADVISORY_LOCK.migrations]);
    await client.query(BLOB_SCHEMA);
    const [schema] = orm.config.get('migrations').tableName!.split('.');
    await client.query(`create schema if not exists ${client.escapeIdentifier(schema!)}`);
    const applied = await orm.migrator.up();
    return applied.map((migration) => migration.name);
  } finally {
    await client.end(); // releases the lock
  }
}
