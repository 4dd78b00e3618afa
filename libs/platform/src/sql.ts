/** PostgreSQL without the ORM: all that a thread needs which only reads and writes blobs. */
import type pg from 'pg';

/** Anything that runs a statement: a pool, a client, or a transaction. Placeholders are $1, $2, … */
export interface Sql {
  query<Row extends object = Record<string, unknown>>(
    statement: string | { name: string; text: string; values: unknown[] },
    values?: unknown[],
  ): Promise<{ rows: Row[]; rowCount: number | null }>;
}

/** Runs the work in one transaction of its own; an error rolls back and is thrown on. */
export async function inTransaction<T>(pool: pg.Pool, work: (sql: Sql) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query('begin');
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch((rollbackError: Error) => (broken = rollbackError));
    throw error;
  } finally {
    client.release(broken);
  }
}

/** Somebody else has just inserted the same key; the transaction is rolled back and may be run again. */
export function isUniqueViolation(error: unknown): boolean {
  const violation = error as { code?: string; cause?: { code?: string } } | null;
  return violation?.code === '23505' || violation?.cause?.code === '23505';
}
