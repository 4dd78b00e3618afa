/**
 * Lists and searches tickets, newest first.
 *
 * - selection: the filters in SQL, as one or more branches that exclude each other. Within a branch some index gives the
 *   tickets in the order of the list, so that a page is the head of their merge, wherever it begins.
 * - cursor: the number of the page's last ticket. Numbers never change, so tickets that come or change while somebody
 *   turns pages neither repeat nor vanish.
 */
import { refuse, type ListTickets, type Refused, type TicketPage, type TicketView } from '#contracts';
import { normalTag, STATUSES, type PersonKind } from '#domain';
import { poolOf, type Sql } from '#platform';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { MikroORM } from '@mikro-orm/postgresql';
import { searchQuery, type SearchQuery } from './search-query.js';
import { FROM_TICKET, TicketQueries } from './ticket.queries.js';
import { TICKET_COLUMNS, type TicketRow } from './ticket.row.js';

/** PostgreSQL's integer. */
const MAX_NUMBER = 2_147_483_647;

/** Where customers' words count: facts and public messages. */
const PUBLIC_WEIGHTS = 'AB';

/** So many of the selection's newest tickets are looked through one by one, and then so many as a page should take. */
const FIRST_LOOK = 1_000;
const LONGEST_LOOK = 8_000;

/** Of words that fewer have, all tickets are sooner found by the index of words and sorted than a page by looking. */
const COMMON_SHARE = 0.006;

/** A number is drawn in the transaction that `created_at` is the beginning of, and none lasts this long. */
const LONGEST_TRANSACTION = `interval '1 day'`;

const viewerUnknown = () => refuse({ field: 'viewerId', code: 'viewer_unknown', message: 'the account is not active' });
const cursorInvalid = () => refuse({ field: 'after', code: 'cursor_invalid', message: 'not a cursor of this list' });
const wordsRequired = () =>
  refuse({ field: 'q', code: 'search_words_required', message: 'name at least one word that must occur' });

const tagsForEmployees = () => refuse({ field: 'tag', code: 'employees_only', message: 'only employees see tags' });

interface Viewer {
  id: string;
  kind: PersonKind;
  organisation_id: string | null;
}

@Injectable()
export class TicketList implements OnModuleInit {
  private sql: Sql;

  constructor(
    @Inject(MikroORM) private readonly orm: MikroORM,
    private readonly tickets: TicketQueries,
  ) {}

  async onModuleInit(): Promise<void> {
    this.sql = await poolOf(this.orm);
  }

  async page(query: ListTickets): Promise<TicketPage | Refused> {
    let before = query.after === undefined ? MAX_NUMBER : Number(query.after);
    if (!(Number.isInteger(before) && before > 0 && before <= MAX_NUMBER)) return cursorInvalid();
    const viewer = await this.viewer(query.viewerId);
    if (!viewer) return viewerUnknown();
    if (query.tag && viewer.kind === 'customer') return tagsForEmployees();
    const selection = selectionOf(query, viewer);
    const words =
      query.q === undefined ? undefined : searchQuery(query.q, viewer.kind === 'customer' ? PUBLIC_WEIGHTS : '');
    if (words === null) return wordsRequired();

    const items: TicketView[] = [];
    const wanted = query.limit + 1;
    for (let complete = false; items.length < wanted && !complete;) {
      const rows =
        words === undefined
          ? await this.rows(selection.numbers(before, wanted))
          : await this.rows(numbersIn(await this.search(selection, words, before, wanted)));
      const views = await this.tickets.views(rows, viewer);
      items.push(...(query.overdue === undefined ? views : views.filter(({ overdue }) => overdue === query.overdue)));
      complete = rows.length < wanted;
      before = rows.at(-1)?.number ?? 0;
    }
    const page = items.slice(0, query.limit);
    return { items: page, next: items.length > query.limit ? String(page.at(-1)!.number) : null };
  }

  /**
   * Common words are soon found by looking through the newest tickets; for rare ones their index is the shorter way. How
   * common these are together, only trying tells: the planner knows no more than the most frequent words one by one.
   */
  private async search(selection: Selection, query: SearchQuery, before: number, limit: number): Promise<number[]> {
    const found: number[] = [];
    let last = before;
    let indexed = query.words;
    for (let look = FIRST_LOOK, share = 1; share >= COMMON_SHARE;) {
      const newest = await this.lookThrough(selection, query, last, look, limit - found.length);
      found.push(...newest.numbers);
      if (found.length === limit || newest.seen < look) return found;
      last = newest.last;
      // gathering every word with a beginning takes the index long, and is worth it only when that rules much out
      const rare = newest.whole < look * COMMON_SHARE || newest.whole <= 2 * newest.numbers.length;
      if (query.wholeWords !== null && rare) indexed = query.wholeWords;
      share = newest.numbers.length / look;
      look = Math.min(LONGEST_LOOK, Math.ceil((1.5 * (limit - found.length)) / share));
    }
    const older = selection.having({ words: query.words, indexed }, last, limit - found.length);
    const { rows } = await this.sql.query<{ number: number }>(older.text, older.values);
    return [...found, ...rows.map(({ number }) => number)];
  }

  /** Also says how many tickets it has seen, which the oldest was, and how many of them have the whole words. */
  private async lookThrough(
    selection: Selection,
    { words, wholeWords }: SearchQuery,
    before: number,
    look: number,
    limit: number,
  ) {
    const newest = selection.numbers(before, look);
    const values = [...newest.values, words, wholeWords, limit];
    const [wordsAt, wholeAt, limitAt] = [placeholder(values, 2), placeholder(values, 1), placeholder(values, 0)];
    const { rows } = await this.sql.query<{ seen: number; last: number; whole: number; numbers: number[] }>(
      `with seen as materialized (${newest.text}),
       found as materialized (
         select seen.number from (select number from seen order by number desc) seen, ${matching('seen', wordsAt)}
         order by seen.number desc limit ${limitAt})
       select (select count(*)::integer from seen) as seen, (select min(number) from seen) as last,
         array(select number from found order by number desc) as numbers,
         case when ${wholeAt}::text is not null and (select count(*) from found) < ${limitAt}
           then (select count(*)::integer from seen, ${matching('seen', wholeAt)}) end as whole`,
      values,
    );
    return rows[0]!;
  }

  private async rows(numbers: Statement): Promise<TicketRow[]> {
    const { rows } = await this.sql.query<TicketRow>(
      `select ${TICKET_COLUMNS} from (${numbers.text}) page, ${FROM_TICKET}
       where t.number = page.number order by t.number desc`,
      numbers.values,
    );
    return rows;
  }

  private async viewer(id: string): Promise<Viewer | undefined> {
    const { rows } = await this.sql.query<Viewer>({
      name: 'viewer',
      text: 'select id, kind, organisation_id from tickets.person where id = $1 and active',
      values: [id],
    });
    return rows[0];
  }
}

interface Statement {
  text: string;
  values: unknown[];
}

class Selection {
  private readonly values: unknown[] = [];
  private readonly conditions: string[] = [];
  /**
   * For the index of words: the tickets that the viewer may see are all among those whose documents have these marks (a
   * tsquery) and those that are shared with them (an array of numbers).
   */
  scope?: { marks: string; shared: string };
  private branches: string[][] = [[]];

  /** @returns the value's placeholder */
  value(value: unknown): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }

  and(condition: string): void {
    this.conditions.push(condition);
  }

  /** Exactly one of these holds for what is selected. */
  oneOf(alternatives: string[]): void {
    this.branches = this.branches.flatMap((branch) => alternatives.map((alternative) => [...branch, alternative]));
  }

  /** The newest numbers below one, in a column `number`. */
  numbers(before: number, limit: number): Statement {
    const values = [...this.values, before, limit];
    const [beforeAt, limitAt] = [placeholder(values, 1), placeholder(values, 0)];
    const heads = this.branches.map(
      (branch) =>
        `(select t.number from tickets.ticket t
          where ${[...this.conditions, ...branch, `t.number < ${beforeAt}`].join(' and ')}
          order by t.number desc limit ${limitAt})`,
    );
    const text = `select number from (${heads.join(' union all ')}) heads order by number desc limit ${limitAt}`;
    return { text, values };
  }

  /** The same of what has the words, by their index; `indexed` is the part of them that is asked of it. */
  having({ words, indexed }: { words: string; indexed: string }, before: number, limit: number): Statement {
    const values = [...this.values, words, indexed, before, limit];
    const [wordsAt, indexedAt] = [placeholder(values, 3), placeholder(values, 2)];
    const [beforeAt, limitAt] = [placeholder(values, 1), placeholder(values, 0)];
    const branches = this.branches.map((branch) => ['true', ...branch].join(' and ')).join(' or ');
    const marks = this.scope ? ` && $$${this.scope.marks}$$::tsquery` : '';
    const shared = this.scope
      ? ` union select number from unnest(${this.scope.shared}) number where number < ${beforeAt}`
      : '';
    const text = `
      with found as materialized (
        select number from tickets.ticket_search
        where document @@ (to_tsquery('tickets.words', ${indexedAt})${marks}) and number < ${beforeAt}${shared})
      select newest.number from (select number from found order by number desc) newest, lateral (
        select from tickets.ticket t
        where t.number = newest.number and ${[...this.conditions, `(${branches})`].join(' and ')} offset 0) selected,
        ${matching('newest', wordsAt)}
      order by newest.number desc limit ${limitAt}`;
    return { text, values };
  }
}

/** Whether a row's ticket matches, asked row by row: `offset 0` keeps the planner from what it takes to be shorter. */
function matching(row: string, words: string): string {
  return `lateral (select from tickets.ticket_search s
    where s.number = ${row}.number and s.document @@ to_tsquery('tickets.words', ${words}) offset 0) matching`;
}

/** Of the value that has so many others after it. */
function placeholder(values: unknown[], after: number): string {
  return `$${values.length - after}`;
}

function numbersIn(numbers: number[]): Statement {
  return { text: 'select unnest($1::integer[]) as number', values: [numbers] };
}

function selectionOf(query: ListTickets, viewer: Viewer): Selection {
  const selection = new Selection();
  const equal = (column: string, value: unknown): void => {
    if (value !== undefined) selection.and(`${column} = ${selection.value(value)}`);
  };
  if (viewer.kind === 'customer') {
    const id = selection.value(viewer.id);
    const own = `t.reporter_person_id = ${id}`;
    const organisation = `t.organisation_id = ${selection.value(viewer.organisation_id)}`;
    const notOwn = `t.reporter_person_id is distinct from ${id}`;
    const shared = sharedWith(id);
    selection.oneOf([
      own,
      `${organisation} and ${notOwn}`,
      `t.number = any(${shared}) and ${notOwn} and (${organisation}) is not true`,
    ]);
    selection.scope = { marks: `'/person/${viewer.id}' | '/organisation/${viewer.organisation_id}'`, shared };
  }
  equal('t.number', query.number);
  equal('t.organisation_id', query.organisationId);
  equal('t.infrastructure_id', query.infrastructureId);
  if (query.reporter?.includes('@')) equal('lower(t.reporter_email)', query.reporter.toLowerCase());
  else equal('t.reporter_person_id', query.reporter);
  if (query.assignee === 'none') selection.and('t.assignee_id is null');
  else equal('t.assignee_id', query.assignee);
  if (query.tag) selection.and(`(t.tags <> '{}' and t.tags @> ${selection.value(query.tag.map(normalTag))}::text[])`);
  if (query.priority) selection.and(`t.priority = any(${selection.value(query.priority)})`);
  const statuses = new Set(query.status);
  if (statuses.size > 0 && statuses.size < STATUSES.length) {
    selection.oneOf([...statuses].map((status) => `t.status = ${selection.value(status)}`));
  }
  if (query.createdAfter !== undefined) {
    const after = selection.value(query.createdAfter);
    selection.and(`t.created_at >= ${after} and t.number > coalesce((select number from tickets.ticket
      where created_at < ${after}::timestamptz - ${LONGEST_TRANSACTION} order by created_at desc limit 1), 0)`);
  }
  if (query.createdBefore !== undefined) {
    const before = selection.value(query.createdBefore);
    selection.and(`t.created_at < ${before} and t.number < coalesce((select number from tickets.ticket
      where created_at > ${before}::timestamptz + ${LONGEST_TRANSACTION} order by created_at limit 1), ${MAX_NUMBER})`);
  }
  if (query.updatedAfter !== undefined) selection.and(`t.updated_at >= ${selection.value(query.updatedAfter)}`);
  if (query.overdue !== undefined) selection.oneOf(query.overdue ? MAY_BE_OVERDUE : MAY_BE_IN_TIME);
  return selection;
}

/** The numbers of the tickets that are shared with a person: few, and looked up once. */
function sharedWith(person: string): string {
  return `array(select shared.number from tickets.participant p join tickets.ticket shared on shared.id = p.ticket_id
    where p.person_id = ${person} and not p.told_only)`;
}

/**
 * The rules say which tickets are overdue at this instant (TicketView.overdue); these are the ones worth asking. What
 * has a timer due is not settled yet. Business time never runs faster than the wall's.
 */
const UNSETTLED = 't.next_timer_at <= tickets.transaction_time()';
const BUDGET_PAST = `coalesce(t.suspension_until, t.resolve_running_since)
  + make_interval(secs => t.resolve_budget_seconds - t.resolve_consumed_seconds) < tickets.transaction_time()`;
const BREACHED = `t.resolve_breached and t.status <> 'closed'`;
const MAY_BE_OVERDUE = [BREACHED, `not t.resolve_breached and ${UNSETTLED} and ${BUDGET_PAST}`];
const MAY_BE_IN_TIME = [`(not t.resolve_breached or t.status = 'closed' or ${UNSETTLED})`];
