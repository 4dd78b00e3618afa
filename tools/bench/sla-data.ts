/**
 * A schema `tickets` full of tickets, for measuring: 2,000 organisations of very different sizes, 10,000 customers, 200
 * employees, 5,000 infrastructures, about three messages a ticket with words as unevenly spread as in real mail. Filled by
 * a few statements, without triggers and indexes, which are made again afterwards: the role must be a superuser.
 *
 * The database must be migrated and hold no tickets yet.
 */
import type { Pool, PoolClient } from 'pg';

export interface Filling {
  tickets: number;
  /** How many of them, the newest ones, are not closed; default one in twenty. */
  liveShare?: number;
  /** The promises of the live ones break one after another, evenly within so many seconds from now; default 30 days. */
  dueWithinSeconds?: number;
}

const ORGANISATIONS = 2_000;
const PEOPLE_EACH = 5;
const EMPLOYEES = 200;
const INFRASTRUCTURES = 5_000;
const PARAGRAPHS = 30_000;
const WORDS_A_PARAGRAPH = 35;
/** Age of the oldest ticket. */
const HISTORY_SECONDS = 2 * 365 * 86_400;

/** The most frequent words, the most frequent first; the rest of the vocabulary is made of syllables. */
const COMMON_WORDS = `the to we is and of our on in for since this it not please line you can with from customer router
  network connection have was are at no link port be but traffic support packet circuit down office fiber interface site
  switch loss slow error outage still team latency ticket again check request today morning restart backup provider
  signal voice video access portal vpn firewall address route bgp peer prefix optic cable rack power module alarm
  maintenance window configuration change upgrade update device technician building branch customer's leitung störung
  länken nere ligne panne línea caída zürich bern oslo malmö hamburg berlin göteborg lyon milano porto`.split(/\s+/);

/** @returns the seconds that it took */
export async function fillTickets(pool: Pool, filling: Filling): Promise<number> {
  const started = performance.now();
  const { tickets, liveShare = 0.05, dueWithinSeconds = 30 * 86_400 } = filling;
  const client = await pool.connect();
  try {
    await client.query(`set session_replication_role = replica`); // neither triggers nor foreign keys
    await client.query(`set maintenance_work_mem = '1GB'; set work_mem = '256MB'; set jit = off`);
    await client.query('begin');
    const remake = await dropIndexes(client);
    await fillDirectory(client);
    await makeParagraphs(client);
    await makeTickets(client, tickets, Math.round(tickets * liveShare), dueWithinSeconds);
    await makeEntries(client);
    for (const statement of remake) await client.query(statement);
    await client.query(`select setval('tickets.ticket_number', (select max(number) from tickets.ticket))`);
    await client.query('commit');
    await client.query('vacuum analyze');
    await client.query('checkpoint');
  } finally {
    client.release(true);
  }
  return (performance.now() - started) / 1000;
}

/** @returns the statements that make them again */
async function dropIndexes(client: PoolClient): Promise<string[]> {
  const { rows } = await client.query<{ name: string; definition: string }>(
    `select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition from pg_index
     where indrelid in ('tickets.ticket'::regclass, 'tickets.timeline_entry'::regclass, 'tickets.ticket_search'::regclass)
       and not exists (select from pg_constraint where conindid = indexrelid)`,
  );
  for (const { name } of rows) await client.query(`drop index ${name}`);
  return rows.map(({ definition }) => definition);
}

async function fillDirectory(client: PoolClient): Promise<void> {
  await client.query(`
    create temp table syllable on commit drop as select syllable, ordinality as id
      from unnest(string_to_array('ba ce di fo gu ha ki lo mu na pe ri so tu va we xi yo za bro cli dra fle gri kno', ' '))
        with ordinality as s(syllable, ordinality);
    create function pg_temp.name(seed bigint) returns text language sql as $$
      select string_agg(syllable, '' order by place) from generate_series(0, 2 + (abs(hashint8(seed)) % 2)) place
        join syllable on id = 1 + abs(hashint8(seed * 31 + place)) % 25 $$;

    create temp table filled_organisation on commit drop as select i, uuidv7() as id
      from generate_series(1, ${ORGANISATIONS}) i;
    insert into tickets.organisation (id, name, email_domains)
      select id, initcap(pg_temp.name(i)) || ' Networks ' || i, array[pg_temp.name(i) || i || '.example']
      from filled_organisation;

    create temp table filled_person on commit drop as
      select i, uuidv7() as id, (i - 1) % ${ORGANISATIONS} + 1 as organisation,
        initcap(pg_temp.name(i + 50000)) || ' ' || initcap(pg_temp.name(i + 90000)) as name
      from generate_series(1, ${ORGANISATIONS * PEOPLE_EACH}) i;
    insert into tickets.person (id, kind, name, email, organisation_id)
      select p.id, 'customer', p.name, replace(lower(p.name), ' ', '.') || p.i || '@' || o.email_domains[1], o.id
      from filled_person p join filled_organisation f on f.i = p.organisation join tickets.organisation o on o.id = f.id;

    create temp table filled_employee on commit drop as select i, uuidv7() as id,
      initcap(pg_temp.name(i + 200000)) || ' ' || initcap(pg_temp.name(i + 300000)) as name
      from generate_series(1, ${EMPLOYEES}) i;
    insert into tickets.person (id, kind, name, email)
      select id, 'employee', name, 'employee' || i || '@helpdesk.example' from filled_employee;

    create temp table filled_infrastructure on commit drop as
      select i, uuidv7() as id, (i - 1) % ${ORGANISATIONS} + 1 as organisation,
        (i - 1) / ${ORGANISATIONS} as place
      from generate_series(1, ${INFRASTRUCTURES}) i;
    insert into tickets.infrastructure (id, name, organisation_id)
      select n.id, (array['zrh', 'brn', 'osl', 'mma', 'ham', 'ber', 'got', 'lyn'])[1 + n.i % 8] || '-'
        || (array['core', 'edge', 'ring', 'access'])[1 + n.i % 4] || '-' || n.i, f.id
      from filled_infrastructure n join filled_organisation f on f.i = n.organisation;
    analyze filled_organisation, filled_person, filled_employee, filled_infrastructure;
  `);
}

/** Paragraphs with their words, so that no text has to be taken apart twice. Words follow Zipf's law. */
async function makeParagraphs(client: PoolClient): Promise<void> {
  await client.query(
    `create temp table word on commit drop as
       select row_number() over () as rank, word from (
         select word from unnest($1::text[]) as common(word)
         union all select pg_temp.name(i + 1000000) || case when i > 8000 then pg_temp.name(i) else '' end
         from generate_series(1, 30000) i) words`.replace(
      '$1',
      client.escapeLiteral(`{${COMMON_WORDS.map((word) => JSON.stringify(word)).join(',')}}`),
    ),
  );
  await client.query(`
    create unique index on word (rank);
    create temp table paragraph on commit drop as
      select id, string_agg(word, ' ' order by place) as body, null::tsvector as words
      from (select id, place, floor(exp(random() * ln((select count(*) from word))))::bigint as rank
            from generate_series(1, ${PARAGRAPHS}) id, generate_series(1, ${WORDS_A_PARAGRAPH}) place) picked
        join word using (rank)
      group by id;
    update paragraph set words = tickets.search_words(body);
    create unique index on paragraph (id);
    analyze paragraph;
  `);
}

/**
 * Live tickets: one in four open, two in progress, one suspended; one in five overdue and told so to the last step of the
 * ladder. The others' next timer is the breach, which the warnings have gone before.
 */
async function makeTickets(client: PoolClient, tickets: number, live: number, dueWithin: number): Promise<void> {
  await client.query(`
    create temp table drawn on commit drop as
      select i, 1000 + i as number, i > ${tickets - live} as live,
        1 + floor(${ORGANISATIONS} * random() ^ 3)::integer as organisation,
        1 + floor(${EMPLOYEES} * random() ^ 2)::integer as employee,
        floor(random() * ${PEOPLE_EACH})::integer as colleague, random() as fate, random() as urgency,
        1 + floor(${PARAGRAPHS} * random())::integer as first, 1 + floor(${PARAGRAPHS} * random())::integer as second,
        1 + floor(${PARAGRAPHS} * random())::integer as third,
        ${dueWithin}::float8 * (i - ${tickets - live}) / ${Math.max(live, 1)} as due_in,
        date_trunc('second', tickets.transaction_time())
          - make_interval(secs => (${tickets} - i) * ${HISTORY_SECONDS}::float8 / ${tickets}) as created_at
      from generate_series(1, ${tickets}) i;

    create temp table shaped on commit drop as
      select d.*, uuidv7() as id, o.id as organisation_id, p.id as person_id, p.name as person_name,
        person.email as person_email, e.id as employee_id, e.name as employee_name, n.id as infrastructure_id,
        case when not live then 'closed' when fate < 0.25 then 'open' when fate < 0.75 then 'in_progress'
          else 'suspended' end as status,
        live and fate between 0.65 and 0.75 or live and fate < 0.1 as overdue,
        case when urgency < 0.05 then 'critical' when urgency < 0.2 then 'high' when urgency < 0.8 then 'medium'
          else 'low' end as priority,
        case when urgency < 0.05 then 14400 when urgency < 0.2 then 28800 when urgency < 0.8 then 86400 else 144000 end
          as target,
        date_trunc('second', tickets.transaction_time()) as now,
        ceil(extract(epoch from tickets.transaction_time() - created_at))::integer as age, ceil(due_in)::integer as due
      from drawn d
        join filled_organisation o on o.i = d.organisation
        join filled_person p on p.i = d.organisation + colleague * ${ORGANISATIONS}
        join tickets.person person on person.id = p.id
        join filled_employee e on e.i = employee
        left join filled_infrastructure n on n.organisation = d.organisation and n.place = colleague % 3
      order by d.i;
    analyze shaped;

    insert into tickets.ticket (id, number, version, created_at, closed_at, channel, reporter_person_id, reporter_name,
      reporter_email, infrastructure_id, assignee_id, status, priority, suspension_cause, suspension_until,
      resolution_type, assign_budget_seconds, assign_consumed_seconds, assign_running_since, assign_state,
      assign_breached, assign_ever_breached, assign_outcome, resolve_budget_seconds, resolve_consumed_seconds,
      resolve_running_since, resolve_state, resolve_breached, resolve_ever_breached, resolve_outcome,
      resolve_gain_seconds, policy_version, subject, organisation_id, updated_at, next_timer_at, mailbox,
      mail_references, event_sequence, assign_warned_percent, assign_rungs_taken, resolve_warned_percent,
      resolve_rungs_taken)
    select s.id, number, 3, created_at, case when not live then least(created_at + make_interval(secs => target), now) end,
      (array['email', 'email', 'email', 'portal', 'phone', 'api'])[1 + i % 6], person_id, person_name, person_email,
      infrastructure_id, case when status <> 'open' then employee_id end, status, priority,
      case when status = 'suspended' then 'pending_customer' end,
      case when status = 'suspended' then now + make_interval(secs => due) + interval '1 second' end,
      case when not live then 'fixed' end,
      target / 4, least(age, target / 8), case when status = 'open' then created_at end,
      case when status = 'open' then 'running' else 'stopped' end,
      status = 'open', status = 'open', case when status <> 'open' then 'met' end,
      case when overdue or not live then least(target, age) else age + due end,
      case when status = 'suspended' then age / 2 when live then 0 else least(target, age) / 2 end,
      case when status in ('open', 'in_progress') then created_at end,
      case when not live then 'stopped' when status = 'suspended' then 'paused' else 'running' end,
      overdue, overdue, case when not live then 'met' end, 0,
      (select max(number) from tickets.policy_version), left(body, 60), organisation_id,
      case when live then least(created_at + interval '1 hour', now) else least(created_at + make_interval(secs => target), now) end,
      case when live and not overdue then now + make_interval(secs => due) + interval '1 second' end,
      'support@helpdesk.example', '{}', 0, 80, 1, 80, case when overdue then 1 else 0 end
    from shaped s join paragraph on paragraph.id = first;
  `);
}

/** The request, an answer or, on every fourth ticket, a note, and the reporter's last word; with the search documents. */
async function makeEntries(client: PoolClient): Promise<void> {
  await client.query(`
    insert into tickets.timeline_entry (id, ticket_id, kind, at, author_person_id, author_name, author_email, text,
      visible_text, message_id)
    select uuidv7(), s.id, case when place = 2 and i % 4 = 0 then 'note' else 'message' end,
      least(created_at + make_interval(secs => 600 * (place - 1)), now),
      case when place = 2 then employee_id else person_id end, case when place = 2 then employee_name else person_name end,
      case when place <> 2 then person_email end, body || ' Reference SN-' || to_hex(number),
      body || ' Reference SN-' || to_hex(number),
      case when place = 1 then number || '.' || place || '@mail.example' end
    from shaped s cross join generate_series(1, 3) place
      join paragraph on paragraph.id = case place when 1 then first when 2 then second else third end;

    insert into tickets.ticket_search
      select number, setweight(tickets.search_words(concat_ws(' ', number, left(one.body, 60), person_name, person_email,
          case when status <> 'open' then employee_name end, o.name, n.name)), 'A')
        || array_to_tsvector(array['/person/' || person_id, '/organisation/' || s.organisation_id])
        || setweight(one.words || three.words, 'B') || setweight(two.words, house)
        || format('reference:201B,202%2$s,203B sn:204B,205%2$s,206B %1$s:207B,208%2$s,209B', to_hex(number), house)::tsvector
      from shaped s join paragraph one on one.id = first join paragraph two on two.id = second
        join paragraph three on three.id = third join tickets.organisation o on o.id = s.organisation_id
        left join tickets.infrastructure n on n.id = infrastructure_id,
        lateral (select case when i % 4 = 0 then 'C' else 'B' end::"char" as house) weight
      order by number;
  `);
}
