import { Migration } from '@mikro-orm/migrations';

/**
 * What lists and searches read.
 *
 * Each ticket has one search document, in a table of its own: a ticket's row is rewritten with every change and every
 * timer, and a document that lay in it would be written, and indexed, again each time. Triggers keep it, in the
 * transaction of what it indexes, so that no writer can forget to: entries as one statement for all that were inserted
 * together, names only when one of them has changed.
 *
 * A word's weight says where it was found: A in the facts (number, subject, names, address), which are replaced as a
 * whole; B in public messages, C in internal notes and comments of changes, which are only ever added to. Customers
 * search for `word:AB`, so that a word of the house neither finds a ticket for them nor, negated, hides one.
 *
 * Languages are mixed, hence no stemming: words are compared without case and accents. Of an entry its first 30,000
 * characters count, and a document does not grow beyond some 100 kB, about six thousand different words: it is written
 * anew with each addition. PostgreSQL's own limits (1 MB; words above 2 kB are left out) are out of reach.
 */
export class Search extends Migration {
  override up(): void {
    this.addSql(`
      create extension if not exists unaccent schema tickets;
      create text search configuration tickets.words (copy = simple);
      do $$
      begin
        -- somebody may have installed it in another schema before
        execute format(
          'alter text search configuration tickets.words
             alter mapping for word, numword, hword, numhword, hword_part, hword_numpart with %s, simple',
          (select oid::regdictionary from pg_ts_dict where dictname = 'unaccent' limit 1));
      end $$;

      -- Letters and digits make words, and dots between digits: 10.2.3.4 is one word, zrh-core-1 and zoe@customer.test are
      -- three each. The parser alone would take signs, quotes and tags for parts of words.
      create function tickets.search_words(content text) returns tsvector language sql immutable parallel safe
      return to_tsvector('tickets.words'::regconfig, regexp_replace(
        (case when content ~ U&'[\\0300-\\036f]' then normalize(content) else content end) collate "pg_c_utf8",
        '[^[:alnum:].]+|\\.(?!\\d)|(?<!\\d)\\.', ' ', 'g'));

      -- The ids at the end are no words that anybody could look for: they tell the index whose ticket it is.
      create function tickets.search_facts(t tickets.ticket) returns tsvector language sql stable as $$
        select setweight(tickets.search_words(concat_ws(' ', t.number, t.subject, t.reporter_name, t.reporter_email,
          (select name from tickets.person where id = t.assignee_id),
          (select name from tickets.organisation where id = t.organisation_id),
          (select name from tickets.infrastructure where id = t.infrastructure_id))), 'A')
          || array_to_tsvector(array_remove(
            array['/person/' || t.reporter_person_id, '/organisation/' || t.organisation_id], null))
      $$;

      -- What time has done is said in the same words on every ticket: not worth finding.
      create function tickets.search_text(e tickets.timeline_entry) returns text language sql immutable
      return case when e.kind <> 'change' or e.author_person_id is not null
        then left(case when e.kind = 'message' then coalesce(e.visible_text, e.text) else e.text end, 30000) end;

      create function tickets.search_said(public_text text, house_text text) returns tsvector language sql immutable
      return setweight(tickets.search_words(coalesce(public_text, '')), 'B')
        || setweight(tickets.search_words(coalesce(house_text, '')), 'C');

      create table tickets.ticket_search (
        number integer primary key references tickets.ticket (number) on delete cascade,
        document tsvector not null
      );

      insert into tickets.ticket_search
        select t.number, tickets.search_facts(t) || (
          select tickets.search_said(
            left(string_agg(tickets.search_text(e), ' ' order by position) filter (where kind = 'message'), 60000),
            left(string_agg(tickets.search_text(e), ' ' order by position) filter (where kind <> 'message'), 60000))
          from tickets.timeline_entry e where e.ticket_id = t.id)
        from tickets.ticket t;

      create index ticket_search_document on tickets.ticket_search using gin (document);

      create function tickets.search_entries() returns trigger language plpgsql as $$
      begin
        with said as materialized (
          select ticket_id, tickets.search_said(
            string_agg(tickets.search_text(e), ' ') filter (where kind = 'message'),
            string_agg(tickets.search_text(e), ' ') filter (where kind <> 'message')) as words
          from added e group by ticket_id
        ), grown as (
          update tickets.ticket_search s set document = s.document || said.words
          from said join tickets.ticket t on t.id = said.ticket_id
          where s.number = t.number and said.words <> '' and pg_column_size(s.document || '') < 100000
        )
        insert into tickets.ticket_search
          select t.number, tickets.search_facts(t) || said.words
          from said join tickets.ticket t on t.id = said.ticket_id
          where not exists (select from tickets.ticket_search s where s.number = t.number);
        return null;
      end $$;
      create trigger timeline_entry_search after insert on tickets.timeline_entry
        referencing new table as added for each statement execute function tickets.search_entries();

      -- The argument is the ticket's column that names the changed row.
      create function tickets.search_names() returns trigger language plpgsql as $$
      begin
        execute format(
          'update tickets.ticket_search s
           set document = tickets.search_facts(t) || ts_filter(s.document, ''{b,c}'')
           from tickets.ticket t where t.%I = $1 and s.number = t.number', tg_argv[0]) using new.id;
        return null;
      end $$;
      create trigger ticket_search_names after update on tickets.ticket for each row
        when ((old.subject, old.reporter_person_id, old.reporter_name, old.reporter_email, old.assignee_id,
            old.organisation_id, old.infrastructure_id) is distinct from
          (new.subject, new.reporter_person_id, new.reporter_name, new.reporter_email, new.assignee_id,
            new.organisation_id, new.infrastructure_id))
        execute function tickets.search_names('id');
      create trigger person_search_names after update on tickets.person for each row
        when (old.name <> new.name) execute function tickets.search_names('assignee_id');
      create trigger organisation_search_names after update on tickets.organisation for each row
        when (old.name <> new.name) execute function tickets.search_names('organisation_id');
      create trigger infrastructure_search_names after update on tickets.infrastructure for each row
        when (old.name <> new.name) execute function tickets.search_names('infrastructure_id');

      -- One index for each filter that may be rare, in the order of the list.
      create index ticket_status on tickets.ticket (status, number desc);
      create index ticket_assigned on tickets.ticket (assignee_id, number desc) where assignee_id is not null;
      create index ticket_unassigned on tickets.ticket (number desc) where assignee_id is null;
      create index ticket_infrastructure on tickets.ticket (infrastructure_id, number desc);
      create index ticket_reporter_email on tickets.ticket (lower(reporter_email), number desc);
      create index ticket_overdue on tickets.ticket (number desc) where resolve_breached and status <> 'closed';
      create index ticket_created on tickets.ticket (created_at);
      create index ticket_updated on tickets.ticket (updated_at);
    `);
  }
}
