import { Migration } from '@mikro-orm/migrations';

/** What people see of a mail in a list without opening it, and what they decided about it. */
export class Dispositions extends Migration {
  override up(): void {
    this.addSql(`
      alter table mail.inbound_message
        add column from_address text,
        add column from_name text,
        add column subject text,
        add column headers_only boolean not null default false,
        add column filed boolean not null default false;
      update mail.inbound_message set headers_only = true where rule = 'oversize';
      update mail.inbound_message set filed = true where disposition = 'quarantined';
      create index inbound_message_sender on mail.inbound_message (from_address, id);
      create index inbound_message_received on mail.inbound_message (internal_date);
      create index inbound_message_ticket on mail.inbound_message (ticket_number, id) where ticket_number is not null;
      create index inbound_message_quarantined on mail.inbound_message (id) where disposition = 'quarantined';
      create index inbound_message_failed on mail.inbound_message (mailbox_id, id)
        where disposition = 'quarantined' and not filed;

      create table mail.disposition_change (
        id uuid primary key,
        inbound_id uuid not null references mail.inbound_message,
        action text not null check (action in ('release', 'reprocess', 'discard')),
        actor_person_id uuid,
        actor_name text not null,
        at timestamptz(3) not null default now(),
        disposition_before text not null,
        rule_before text not null,
        error_before text,
        disposition_after text not null,
        rule_after text not null
      );
      create index disposition_change_inbound on mail.disposition_change (inbound_id, id);

      create function mail.refuse_change() returns trigger language plpgsql as $$
      begin
        raise exception 'rows of % are only ever added', tg_table_name;
      end $$;
      create trigger disposition_change_append_only before update or delete on mail.disposition_change
        for each row execute function mail.refuse_change();
    `);
  }
}
