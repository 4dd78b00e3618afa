import { Migration } from '@mikro-orm/migrations';

/** Infrastructures become a small tree (site → device or circuit), and new tickets get their priority from data. */
export class Infrastructures extends Migration {
  override up(): void {
    this.addSql(`
      alter table tickets.organisation
        add column priority text check (priority in ('low', 'medium', 'high', 'critical'));

      alter table tickets.infrastructure
        add column kind text not null default 'device' check (kind in ('site', 'device', 'circuit')),
        add column parent_id uuid,
        add column priority text check (priority in ('low', 'medium', 'high', 'critical')),
        add constraint infrastructure_in_organisation unique (id, organisation_id),
        add foreign key (parent_id, organisation_id) references tickets.infrastructure (id, organisation_id),
        add check (parent_id <> id);
      create index infrastructure_parent on tickets.infrastructure (parent_id);

      create table tickets.priority_rule (
        position integer primary key,
        name text not null,
        conditions jsonb not null,
        priority text not null check (priority in ('low', 'medium', 'high', 'critical'))
      );
    `);
  }
}
