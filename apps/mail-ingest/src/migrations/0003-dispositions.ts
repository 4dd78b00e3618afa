import { Migration } from '@mikro-orm/migrations';

/** What people see of a mail in a list without opening it, and what they decided about it. */
export class Dispositions extends Migration {
  override up(): void {
    this.addSql(`
      alter table mail.inbound_message
        add column from_address text,
        add column from_name text,
        add column subject text;
    `);
  }
}
