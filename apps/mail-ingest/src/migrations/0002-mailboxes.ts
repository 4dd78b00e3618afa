import { Migration } from '@mikro-orm/migrations';

/** Mailboxes as data: how they are opened, what is taken of them, and how it goes. */
export class Mailboxes extends Migration {
  override up(): void {
    this.addSql(`
      alter table mail.mailbox
        add column aliases text[] not null default '{}',
        add column origin text not null default 'environment' check (origin in ('environment', 'api')),
        add column host text,
        add column port integer,
        add column tls text check (tls in ('implicit', 'starttls', 'starttls_if_offered', 'none')),
        add column certificate_authority text,
        add column authentication text check (authentication in ('password', 'xoauth2')),
        add column username text,
        add column password text,
        add column token_endpoint text,
        add column client_id text,
        add column client_secret text,
        add column refresh_token text,
        add column scope text,
        add column access_token text,
        add column access_token_expires_at timestamptz(3),
        add column mode text check (mode in ('move', 'flag', 'leave')),
        add column inbox_folder text not null default 'INBOX',
        add column processed_folder text not null default 'Processed',
        add column failed_folder text not null default 'Failed',
        add column oversize_folder text not null default 'Oversize',
        add column default_organisation_id uuid,
        add column spam_policy text not null default 'take' check (spam_policy in ('take', 'quarantine')),
        add column trusted_authserv_id text,
        add column import_existing text not null default 'all' check (import_existing in ('all', 'none', 'since')),
        add column import_since timestamptz(3),
        add column paused boolean not null default false,
        add column version integer not null default 1,
        add column generation integer not null default 1,
        add column first_uid bigint,
        add column taken_since timestamptz(3),
        add column created_at timestamptz(3) not null default now(),
        add column active_since timestamptz(3) not null default now(),
        add column removed_at timestamptz(3),
        add column state text not null default 'new' check (state in ('new', 'running', 'failing', 'refused', 'reauthorise')),
        add column state_since timestamptz(3) not null default now(),
        add column last_error_kind text,
        add column last_error_at timestamptz(3),
        add column unfetched integer not null default 0,
        add column silent_since timestamptz(3);
      -- those that IMAP_MAILBOXES still names come back at the start, and go on where they were
      update mail.mailbox set removed_at = now(), first_uid = case when uid_validity is null then null else 1 end;
      alter table mail.mailbox
        add check (removed_at is not null
          or (host, port, tls, authentication, username, mode) is not null);

      alter table mail.inbound_message
        add column generation integer not null default 1,
        drop constraint inbound_message_delivery,
        add constraint inbound_message_delivery unique (mailbox_id, generation, uid_validity, uid);
    `);
  }
}
