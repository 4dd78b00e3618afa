import type { HistoryEntry } from '#domain';
import { instantOf } from '../ticket/instant.type.js';

/**
 * What replaying needs of a ticket's entries, as a JSON array in the order in which they were written. `t` is the ticket.
 * Time's own deeds are not replayed. Of comments only the beginning is read, but all of a forecast's: it is its reason.
 */
export const HISTORY = `coalesce((
  select jsonb_agg(jsonb_build_object(
    'at', e.at, 'personId', e.author_person_id, 'name', e.author_name, 'changes', e.changes, 'fixes', e.fixes,
    'comment', case when e.kind <> 'change' then null
      when e.changes @> '[{"field": "resolutionEta"}]' then e.text else left(e.text, 500) end) order by e.position)
  from tickets.timeline_entry e where e.ticket_id = t.id and not e.settled), '[]')`;

export interface HistoryRow {
  at: string;
  personId: string | null;
  name: string;
  changes: HistoryEntry['changes'];
  fixes: string[];
  comment: string | null;
}

export function historyOf(rows: HistoryRow[]): HistoryEntry[] {
  return rows.map(({ at, personId, name, changes, fixes, comment }) => ({
    at: instantOf(at),
    byPersonId: personId,
    byName: name,
    comment,
    changes,
    fixes,
    settled: false,
  }));
}
