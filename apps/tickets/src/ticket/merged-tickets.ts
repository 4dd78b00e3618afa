/**
 * What a merge does to reading: nothing was moved, so a ticket is read together with those that are merged into it, and
 * with those that are merged into these.
 */
import type { TicketView } from '#contracts';
import type { Sql } from '#platform';
import { MAY_SEE } from './access.js';

/**
 * A recursive relation `merged (id, number)`: the ticket whose id is the parameter, and all that are merged into it,
 * whoever may see them.
 */
export function mergedInto(parameter: string): string {
  return `merged as (
    select id, number from tickets.ticket where id = ${parameter}
    union select t.id, t.number from merged join tickets.ticket t on t.merged_into = merged.number)`;
}

/** Takes the numbers of targets away that the viewer may not see. */
export async function withoutHiddenTargets(sql: Sql, viewerId: string, views: TicketView[]): Promise<TicketView[]> {
  const targets = views.flatMap(({ mergedInto: target }) => target ?? []);
  if (targets.length === 0) return views;
  const { rows } = await sql.query<{ number: number }>(
    `select t.number from tickets.person v, tickets.ticket t where v.id = $1 and t.number = any($2::int[]) and ${MAY_SEE}`,
    [viewerId, targets],
  );
  const seen = new Set(rows.map((row) => row.number));
  return views.map((view) => (seen.has(view.mergedInto ?? NaN) ? view : { ...view, mergedInto: null }));
}
