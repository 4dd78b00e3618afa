/**
 * How many automatic mails to customers there are in this minute, of all instances. Counted in the ledger once a second;
 * in between, an instance adds its own. So all together may exceed a limit by what the others write within a second.
 */
import type { Sql } from '#platform';

const READ_EVERY_MS = 1_000;
const MINUTE_MS = 60_000;

export class MinuteCount {
  count = 0;
  private readAt = -Infinity;

  constructor(private readonly sql: Sql) {}

  /** @param now milliseconds since the epoch */
  async refresh(now: number): Promise<void> {
    const isSameMinute = Math.floor(now / MINUTE_MS) === Math.floor(this.readAt / MINUTE_MS);
    if (isSameMinute && now - this.readAt < READ_EVERY_MS) return;
    this.readAt = now; // those who come while this is read need not read it, too
    const { rows } = await this.sql.query<{ count: number }>({
      name: 'count-minute',
      text: `select count(*)::integer as count from notifier.delivery
             where automatic_for = 'customer' and suppressed_by is null and created_at >= date_trunc('minute', now())`,
      values: [],
    });
    this.count = rows[0]!.count;
  }
}
