import { Migration } from '@mikro-orm/migrations';

/** How far a mail's sender is believed, and the conversation that the mail belongs to. */
export class Trust extends Migration {
  override up(): void {
    this.addSql(`
      alter table tickets.timeline_entry
        add column sender_verification text check (sender_verification in ('verified', 'unverified', 'failed')),
        add column reply_to text,
        add column thread_root text;
      create index timeline_entry_thread_root on tickets.timeline_entry (thread_root) where thread_root is not null;
    `);
  }
}
