import { Migration } from '@mikro-orm/migrations';

/** Automatic mails that a limit holds back, and what the limits count. */
export class Suppression extends Migration {
  override up(): void {
    this.addSql(`
      alter table notifier.delivery
        add column automatic_for text check (automatic_for in ('customer', 'employee')),
        add column acknowledged_subject text,
        add column newcomer_domain text,
        add column suppressed_by text,
        drop constraint delivery_state_check,
        add constraint delivery_state_check check (state in ('pending', 'sending', 'sent', 'failed', 'suppressed')),
        add check ((state = 'suppressed') = (suppressed_by is not null)),
        add check (suppressed_by is null or automatic_for is not null);

      create index delivery_recipient on notifier.delivery (recipient, created_at);
      create index delivery_newcomer on notifier.delivery (newcomer_domain, created_at)
        where newcomer_domain is not null and suppressed_by is null;
      create index delivery_automatic on notifier.delivery (created_at)
        where automatic_for = 'customer' and suppressed_by is null;
      create index delivery_bounce on notifier.delivery (recipient, bounced_at) where bounce_action = 'failed';
    `);
  }
}
