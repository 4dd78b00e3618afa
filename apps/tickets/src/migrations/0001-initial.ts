import { Migration } from '@mikro-orm/migrations';

export class Initial extends Migration {
  override up(): void {
    this.addSql(`
      create table tickets.organisation (
        id uuid primary key,
        name text not null unique,
        email_domains text[] not null default '{}'
      );
      create index organisation_email_domains on tickets.organisation using gin (email_domains);

      create table tickets.person (
        id uuid primary key,
        kind text not null check (kind in ('employee', 'customer')),
        name text not null,
        email text not null check (email = lower(email)),
        organisation_id uuid references tickets.organisation,
        active boolean not null default true,
        password_hash text,
        constraint person_email unique (email),
        check (kind = 'customer' or organisation_id is null)
      );
      create index person_name on tickets.person (name, id);

      create table tickets.infrastructure (
        id uuid primary key,
        name text not null,
        organisation_id uuid not null references tickets.organisation,
        constraint infrastructure_name unique (organisation_id, name)
      );

      create sequence tickets.ticket_number as integer start 1000;

      create table tickets.ticket (
        id uuid primary key,
        number integer not null unique,
        version integer not null,
        created_at timestamptz(0) not null,
        closed_at timestamptz(0),
        channel text not null check (channel in ('email', 'phone', 'portal', 'api')),
        reporter_person_id uuid references tickets.person,
        reporter_name text not null,
        reporter_email text,
        infrastructure_id uuid references tickets.infrastructure,
        assignee_id uuid references tickets.person,
        status text not null check (status in ('open', 'in_progress', 'suspended', 'closed')),
        priority text not null check (priority in ('low', 'medium', 'high', 'critical')),
        suspension_cause text
          check (suspension_cause in ('pending_change', 'pending_customer', 'pending_third_party', 'pending_closed')),
        suspension_until timestamptz(0),
        suspension_close_resolution_type text,
        resolution_type text,
        assign_budget_seconds integer not null,
        assign_consumed_seconds integer not null,
        assign_running_since timestamptz(0),
        assign_state text not null check (assign_state in ('running', 'paused', 'stopped')),
        assign_breached boolean not null,
        assign_ever_breached boolean not null,
        assign_outcome text check (assign_outcome in ('met', 'missed')),
        resolve_budget_seconds integer not null,
        resolve_consumed_seconds integer not null,
        resolve_running_since timestamptz(0),
        resolve_state text not null check (resolve_state in ('running', 'paused', 'stopped')),
        resolve_breached boolean not null,
        resolve_ever_breached boolean not null,
        resolve_outcome text check (resolve_outcome in ('met', 'missed')),
        resolve_gain_seconds integer not null,
        estimate_at timestamptz(0),
        estimate_reason text,
        estimate_by_person_id uuid references tickets.person,
        policy_version integer not null,
        subject text not null,
        organisation_id uuid references tickets.organisation,
        updated_at timestamptz(0) not null,
        next_timer_at timestamptz(0),
        follow_up_of integer references tickets.ticket (number),
        mailbox text not null,
        mail_references text[] not null default '{}',
        event_sequence integer not null,
        check ((status = 'suspended') = (suspension_until is not null)),
        check ((status = 'suspended') = (suspension_cause is not null)),
        check ((status = 'closed') = (resolution_type is not null)),
        check (status <> 'in_progress' or assignee_id is not null),
        check ((assign_state = 'running') = (assign_running_since is not null)),
        check ((resolve_state = 'running') = (resolve_running_since is not null))
      ) with (fillfactor = 85);
      create index ticket_organisation on tickets.ticket (organisation_id, number desc);
      create index ticket_reporter on tickets.ticket (reporter_person_id, number desc);
      create index ticket_assignee on tickets.ticket (assignee_id, number desc) where status <> 'closed';
      create index ticket_next_timer on tickets.ticket (next_timer_at) where next_timer_at is not null;

      create table tickets.participant (
        ticket_id uuid not null references tickets.ticket,
        person_id uuid not null references tickets.person,
        primary key (ticket_id, person_id)
      );

      create table tickets.timeline_entry (
        id uuid primary key,
        position bigint generated always as identity,
        ticket_id uuid not null references tickets.ticket,
        kind text not null check (kind in ('message', 'note', 'change')),
        at timestamptz(0) not null,
        author_person_id uuid references tickets.person,
        author_name text not null,
        author_email text,
        text text,
        visible_text text,
        html text,
        changes jsonb not null default '[]',
        fixes text[] not null default '{}',
        automatic boolean not null default false,
        message_id text,
        inbound_id uuid,
        raw_sha256 bytea,
        raw_size bigint,
        constraint timeline_entry_inbound unique (inbound_id)
      );
      create index timeline_entry_ticket on tickets.timeline_entry (ticket_id, position);
      create index timeline_entry_message_id on tickets.timeline_entry (message_id) where message_id is not null;

      create table tickets.attachment (
        id uuid primary key,
        entry_id uuid not null references tickets.timeline_entry,
        position integer not null,
        name text not null,
        type text not null,
        size bigint not null,
        sha256 bytea not null,
        content_id text,
        inline boolean not null
      );
      create index attachment_entry on tickets.attachment (entry_id, position);

      create table tickets.outbox (
        id bigint generated always as identity primary key,
        event_id uuid not null unique,
        subject text not null,
        payload jsonb not null,
        created_at timestamptz not null default now(),
        published_at timestamptz
      ) with (fillfactor = 70);
      create index outbox_unpublished on tickets.outbox (id) where published_at is null;

      create function tickets.notify_outbox() returns trigger language plpgsql as $$
      begin
        perform pg_notify('outbox', '');
        return null;
      end $$;
      create trigger outbox_notify after insert on tickets.outbox
        for each statement execute function tickets.notify_outbox();

      create table tickets.idempotency_key (
        actor_id uuid not null,
        key text not null,
        request_hash bytea not null,
        reply jsonb not null,
        created_at timestamptz not null default now(),
        primary key (actor_id, key)
      );
      create index idempotency_key_created on tickets.idempotency_key (created_at);
    `);
  }
}
