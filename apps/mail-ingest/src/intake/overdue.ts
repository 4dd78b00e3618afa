/** Every mail ends in a disposition: those that should long have one are counted, and an alarm is raised. */
import { type Logger, pause, type Sql } from '#platform';
import { Gauge } from 'prom-client';

/** Longer than any mail waits for its next turn while all services are there. */
const OVERDUE_MINUTES = 10;
const LOOK_EVERY_MS = 60_000;

const overdueGauge = new Gauge({
  name: 'mail_overdue',
  help: `Mails stored more than ${OVERDUE_MINUTES} minutes ago that have no disposition`,
});

/** Looks every minute until the signal. */
export async function watchOverdue(sql: Sql, log: Logger, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    // a database that is away is told of by readiness
    const found = await countOverdue(sql).catch(() => null);
    if (found) {
      overdueGauge.set(found.count);
      if (found.count > 0) log.error(found, 'mails have no disposition');
    }
    await pause(LOOK_EVERY_MS, signal);
  }
}

async function countOverdue(sql: Sql): Promise<{ count: number; oldest: string | null }> {
  const { rows } = await sql.query<{ count: number; oldest: string | null }>(
    `select count(*)::int as count, min(id::text) as oldest from mail.inbound_message
     where disposition is null and stored_at < now() - make_interval(mins => $1)`,
    [OVERDUE_MINUTES],
  );
  return rows[0]!;
}
