/** Every mail ends in a disposition: those that should long have one are counted, and an alarm is raised. */
import { type Logger, pause, type Sql } from '#platform';
import { Gauge } from 'prom-client';
import { forgetFloods } from './floods.js';

/** Longer than any mail waits for its next turn while all services are there. */
const OVERDUE_MINUTES = 10;
const LOOK_EVERY_MS = 60_000;

let count: () => Promise<number> = () => Promise.resolve(0);
const overdueGauge = new Gauge({
  name: 'mail_overdue',
  help: `Mails stored more than ${OVERDUE_MINUTES} minutes ago that have no disposition`,
  async collect() {
    // a database that is away is told of by readiness
    overdueGauge.set(await count().catch(() => Number.NaN));
  },
});

/** Looks every minute until the signal, and tidies up what has counted floods. */
export async function watchOverdue(sql: Sql, log: Logger, signal: AbortSignal): Promise<void> {
  count = async () => (await overdue(sql)).count;
  while (!signal.aborted) {
    const found = await overdue(sql).catch(() => null);
    if (found && found.count > 0) log.error(found, 'mails have no disposition');
    await forgetFloods(sql).catch(() => {}); // what is left goes the next time
    await pause(LOOK_EVERY_MS, signal);
  }
}

async function overdue(sql: Sql): Promise<{ count: number; oldest: string | null }> {
  const { rows } = await sql.query<{ count: number; oldest: string | null }>(
    `select count(*)::int as count, min(id::text) as oldest from mail.inbound_message
     where disposition is null and stored_at < now() - make_interval(mins => $1)`,
    [OVERDUE_MINUTES],
  );
  return rows[0]!;
}
