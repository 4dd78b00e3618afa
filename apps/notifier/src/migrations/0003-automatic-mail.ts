import { Migration } from '@mikro-orm/migrations';

/** What limits automatic mail to customers: who was written to and when, and what was held back. */
export class AutomaticMail extends Migration {
  override up(): void {
    this.addSql(`
      alter table notifier.delivery
        add column automatic boolean not null default false,
        add column suppressed_by text,
        drop constraint delivery_state_check,
        add constraint delivery_state_check
          check (state in ('pending', 'sending', 'sent', 'failed', 'suppressed')),
        add check ((state = 'suppressed') = (suppressed_by is not null));

      -- only ever added to, so that counting does not make the ledger's rows dearer; forgotten after a day
      create table notifier.automatic_mail (
        at timestamptz not null default now(),
        recipient text not null,
        domain text not null,
        -- the base subject of what it acknowledges
        acknowledges text,
        -- nobody whom we had written to before that day
        to_stranger boolean not null
      );
      create index automatic_mail_at on notifier.automatic_mail (at);
      create index automatic_mail_recipient on notifier.automatic_mail (recipient, at);
      create index automatic_mail_strangers on notifier.automatic_mail (domain, at) where to_stranger;

      create table notifier.correspondent (
        address text primary key,
        first_mail_at timestamptz not null default now(),
        -- a mail server said that nobody is known there; words of a person to the address take it back
        undeliverable_at timestamptz
      );
      insert into notifier.correspondent (address, first_mail_at)
        select recipient, min(created_at) from notifier.delivery group by recipient;
    `);
  }
}
