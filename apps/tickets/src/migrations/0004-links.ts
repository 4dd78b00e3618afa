import { Migration } from '@mikro-orm/migrations';

/** Relations between tickets. Merging moves nothing: the merged ticket names its target, and views read both. */
export class Links extends Migration {
  override up(): void {
    this.addSql(`
      create table tickets.ticket_link (
        id uuid primary key,
        type text not null check (type in ('related', 'duplicate_of', 'child_of')),
        ticket_id uuid not null references tickets.ticket,
        other_id uuid not null references tickets.ticket,
        check (ticket_id <> other_id),
        check (type <> 'related' or ticket_id < other_id),
        constraint ticket_link_once unique (ticket_id, type, other_id)
      );
      create unique index ticket_link_parent on tickets.ticket_link (ticket_id) where type = 'child_of';
      create index ticket_link_other on tickets.ticket_link (other_id, type);

      alter table tickets.ticket
        add column merged_into integer references tickets.ticket (number),
        add constraint ticket_merged_is_closed check (merged_into is null or status = 'closed');
      create index ticket_merged_into on tickets.ticket (merged_into) where merged_into is not null;

      create table tickets.ticket_merge (
        ticket_id uuid primary key references tickets.ticket,
        target_id uuid not null references tickets.ticket,
        at timestamptz(0) not null,
        status text not null,
        suspension jsonb,
        participant_added boolean not null
      );

      alter table tickets.timeline_entry add column from_ticket integer references tickets.ticket (number);
    `);
  }
}
