import { sqlOf } from '#platform';
import type { EntityManager } from '@mikro-orm/postgresql';
import { Counter } from 'prom-client';

const movedTotal = new Counter({
  name: 'sla_policy_moved_total',
  help: 'Tickets that went over to a newer version of their policy, by sweepers and movers',
});

/**
 * Writes down the progress of moves, as the last thing in the transaction that moved the tickets: everybody who moves
 * some waits for these rows.
 * @param versions what each ticket went over to
 */
export async function countMoves(em: EntityManager, versions: readonly number[]): Promise<void> {
  if (versions.length === 0) return;
  await em.flush();
  const counts = new Map<number, number>();
  for (const version of versions) counts.set(version, (counts.get(version) ?? 0) + 1);
  // in one order for all, or two that wait for each other never end
  for (const [version, count] of [...counts].sort(([a], [b]) => a - b)) {
    await sqlOf(em).query(
      'update tickets.policy_move set moved = moved + $2 where to_version = $1 and finished_at is null',
      [version, count],
    );
  }
  movedTotal.inc(versions.length);
}
