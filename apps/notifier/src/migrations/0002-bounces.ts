import { Migration } from '@mikro-orm/migrations';

/** What came back later of what the mail server had taken. */
export class Bounces extends Migration {
  override up(): void {
    this.addSql(`
      alter table notifier.delivery
        add column bounced_at timestamptz,
        add column bounce_action text,
        add column bounce_status text,
        add column bounce_kind text,
        add column bounce_diagnostic text,
        add check ((bounced_at is null) = (bounce_action is null));
    `);
  }
}
