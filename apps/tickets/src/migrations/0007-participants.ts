import { Migration } from '@mikro-orm/migrations';

/** Participants have a role and may be muted; tickets have tags. */
export class Participants extends Migration {
  override up(): void {
    this.addSql(`
      alter table tickets.participant
        add column role text not null default 'follower' check (role in ('follower', 'collaborator')),
        add column muted boolean not null default false,
        add column told_only boolean not null default false;
      create index participant_person on tickets.participant (person_id, ticket_id);

      update tickets.participant p set told_only = true
        from tickets.ticket_merge m join tickets.ticket t on t.id = m.ticket_id
        where m.participant_added and p.ticket_id = m.target_id and p.person_id = t.reporter_person_id;

      alter table tickets.ticket add column tags text[] not null default '{}';
      create index ticket_tags on tickets.ticket using gin (tags) where tags <> '{}';
    `);
  }
}
