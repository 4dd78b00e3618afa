import { inTransaction } from '#platform';
import type pg from 'pg';

const TRUE_TIME = 'select now()';
const SHIFTED_TIME = `select now() + coalesce((select shift from tickets.test_clock), interval '0')`;

/**
 * What the service takes for the time is `tickets.transaction_time()`: the transaction's, unless a test has asked for a
 * clock that it can shift by `update tickets.test_clock set shift = …`. Starting without the setting restores the truth.
 */
export async function setTime(pool: pg.Pool, testClock: boolean): Promise<void> {
  await inTransaction(pool, async (sql) => {
    await sql.query(`select pg_advisory_xact_lock(hashtext('tickets.transaction_time'))`);
    if (testClock) {
      await sql.query('create table if not exists tickets.test_clock (shift interval not null)');
      await sql.query(`insert into tickets.test_clock select interval '0' where not exists (table tickets.test_clock)`);
    }
    const { rows } = await sql.query<{ body: string }>(
      `select prosrc as body from pg_proc where oid = 'tickets.transaction_time()'::regprocedure`,
    );
    const body = testClock ? SHIFTED_TIME : TRUE_TIME;
    if (rows[0]?.body === body) return;
    await sql.query(
      `create or replace function tickets.transaction_time() returns timestamptz language sql stable as $$${body}$$`,
    );
  });
}
