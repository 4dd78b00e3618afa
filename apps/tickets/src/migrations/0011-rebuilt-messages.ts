import { Migration } from '@mikro-orm/migrations';

/** The text of a message may be rebuilt from its mail: the ticket's search document is then made anew. */
export class RebuiltMessages extends Migration {
  override up(): void {
    this.addSql(`
      create function tickets.search_rebuilt_entry() returns trigger language plpgsql as $$
      begin
        update tickets.ticket_search s set document = tickets.search_facts(t) || (
          select tickets.search_said(
            left(string_agg(tickets.search_text(e), ' ' order by position) filter (where kind = 'message'), 100000),
            left(string_agg(tickets.search_text(e), ' ' order by position) filter (where kind <> 'message'), 100000))
          from tickets.timeline_entry e where e.ticket_id = t.id)
        from tickets.ticket t where t.id = new.ticket_id and s.number = t.number;
        return null;
      end $$;
      create trigger timeline_entry_search_rebuilt after update on tickets.timeline_entry for each row
        when ((old.text, old.visible_text) is distinct from (new.text, new.visible_text))
        execute function tickets.search_rebuilt_entry();
    `);
  }
}
