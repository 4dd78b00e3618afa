import { Migration } from '@mikro-orm/migrations';

export class Initial extends Migration {
  override up(): void {
    this.addSql(`
      create table mail.mailbox (
        id uuid primary key,
        address text not null unique,
        uid_validity bigint,
        last_scan_at timestamptz(3),
        last_error text
      );

      create table mail.inbound_message (
        id uuid primary key,
        mailbox_id uuid not null references mail.mailbox,
        uid_validity bigint not null,
        uid bigint not null,
        raw_sha256 bytea not null,
        raw_size bigint not null,
        internal_date timestamptz(3) not null,
        stored_at timestamptz(3) not null default now(),
        message_id text,
        content_sha256 bytea,
        attempts integer not null default 0,
        refusals integer not null default 0,
        retry_at timestamptz(3) not null default now(),
        disposition text check (disposition in ('ticket_created', 'appended', 'bounce_linked', 'auto_linked',
          'duplicate', 'own_mail', 'rejected', 'quarantined')),
        rule text,
        ticket_id uuid,
        ticket_number integer,
        error text,
        disposed_at timestamptz(3),
        constraint inbound_message_delivery unique (mailbox_id, uid_validity, uid),
        check ((disposition is null) = (disposed_at is null)),
        check (disposition <> 'quarantined' or error is not null)
      );
      create index inbound_message_waiting on mail.inbound_message (mailbox_id, id) where disposition is null;
      create unique index inbound_message_identity on mail.inbound_message (mailbox_id, message_id, content_sha256)
        where disposition is distinct from 'duplicate';
    `);
  }
}
