import { Migration } from '@mikro-orm/migrations';

export class Initial extends Migration {
  override up(): void {
    this.addSql(`
      create table notifier.processed_event (
        consumer text not null,
        event_id uuid not null,
        processed_at timestamptz not null default now(),
        primary key (consumer, event_id)
      );

      create table notifier.delivery (
        id uuid primary key,
        event_id uuid not null,
        ticket_number integer not null,
        sequence integer not null,
        recipient text not null check (recipient = lower(recipient)),
        role text not null,
        template text not null,
        message_id text not null,
        mail jsonb not null,
        state text not null default 'pending' check (state in ('pending', 'sending', 'sent', 'failed')),
        attempts integer not null default 0,
        due_at timestamptz default now(),
        smtp_response text,
        error text,
        created_at timestamptz not null default now(),
        sent_at timestamptz,
        constraint delivery_event_recipient unique (event_id, recipient),
        constraint delivery_message_id unique (message_id),
        check ((state in ('pending', 'sending')) = (due_at is not null)),
        check ((state = 'sent') = (sent_at is not null))
      );
      create index delivery_due on notifier.delivery (due_at) where due_at is not null;
      create index delivery_thread on notifier.delivery (ticket_number, recipient, sequence);
    `);
  }
}
