import { Migration } from '@mikro-orm/migrations';

/** Who is told of events by HTTP, and what is still to be told to whom. */
export class Webhooks extends Migration {
  override up(): void {
    this.addSql(`
      create table notifier.webhook (
        id uuid primary key,
        url text not null,
        -- empty: all
        event_types text[] not null default '{}',
        description text not null default '',
        -- sealed
        secret text not null,
        former_secret text,
        former_secret_until timestamptz,
        paused_at timestamptz,
        -- paused by an answer 410
        gone boolean not null default false,
        -- attempts since the last success
        failures integer not null default 0,
        failing_since timestamptz,
        -- nothing is sent before
        rest_until timestamptz not null default now(),
        last_success_at timestamptz,
        last_error text,
        last_error_at timestamptz,
        created_at timestamptz not null default now(),
        created_by text not null,
        check ((former_secret is null) = (former_secret_until is null)),
        check (not gone or paused_at is not null),
        check ((last_error is null) = (last_error_at is null))
      );

      create table notifier.webhook_delivery (
        webhook_id uuid not null references notifier.webhook on delete cascade,
        event_id uuid not null,
        event_type text not null,
        ticket_number integer not null,
        sequence integer not null,
        -- the CloudEvent in JSON; null once it is delivered
        event text,
        state text not null default 'pending' check (state in ('pending', 'sending', 'delivered', 'dead')),
        attempts integer not null default 0,
        due_at timestamptz default now(),
        expires_at timestamptz not null default now() + interval '3 days',
        recorded_at timestamptz not null default now(),
        ended_at timestamptz,
        error text,
        primary key (webhook_id, event_id),
        check ((state in ('pending', 'sending')) = (due_at is not null)),
        check ((state in ('delivered', 'dead')) = (ended_at is not null)),
        check ((state = 'delivered') = (event is null))
      );
      create index webhook_delivery_due on notifier.webhook_delivery (webhook_id, due_at) where due_at is not null;
      create index webhook_delivery_order on notifier.webhook_delivery (webhook_id, ticket_number, sequence)
        where due_at is not null;
      create index webhook_delivery_dead on notifier.webhook_delivery (webhook_id, ticket_number, sequence, event_id)
        where state = 'dead';
      create index webhook_delivery_expires on notifier.webhook_delivery (expires_at) where due_at is not null;
      create index webhook_delivery_ended on notifier.webhook_delivery (ended_at) where ended_at is not null;
    `);
  }
}
