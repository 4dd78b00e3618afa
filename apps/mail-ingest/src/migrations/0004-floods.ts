import { Migration } from '@mikro-orm/migrations';

/**
 * How many mails each sender and each mail domain sent lately. Unlogged: nobody waits for the disk, and after a crash of
 * the database counting begins anew.
 */
export class Floods extends Migration {
  override up(): void {
    this.addSql(`
      create unlogged table mail.flood_count (
        key text not null,
        window_number integer not null,
        count integer not null,
        alarmed boolean not null default false,
        counted_since timestamptz(3) not null default now(),
        primary key (key, window_number)
      );
    `);
  }
}
