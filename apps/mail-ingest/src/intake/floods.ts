/**
 * Holds back what is over the limits of a sender or of a mail domain, in all mailboxes and instances together. A mail
 * counts when the mail server received it, so that old mails that are taken all at once are no flood.
 *
 * Only mails within their sender's limit count for their domain: one sender's flood holds up no other of the domain. What
 * is held goes on to count, so that a flood is held until it ebbs.
 */
import type { Logger, Sql } from '#platform';
import { Counter } from 'prom-client';
import type { MailIngestEnv } from '../env.js';

export const FLOOD = 'flood';
const WINDOW_MS = 10 * 60_000;
/** More of an address than anybody has. */
const MAX_KEY = 320;

const held = new Counter({
  name: 'mail_flood_held_total',
  help: 'Mails that were quarantined because their sender or its domain sent too many',
  labelNames: ['limit'],
});

export interface CountedMail {
  id: string;
  /** An address in lower case. */
  sender: string;
  receivedAt: Date;
}

/** So many mails within ten minutes are taken; 0 for no limit. */
export interface FloodLimits {
  sender: number;
  domain: number;
}

export function floodLimitsOf(env: MailIngestEnv): FloodLimits {
  return { sender: env.MAIL_FLOOD_PER_SENDER, domain: env.MAIL_FLOOD_PER_DOMAIN };
}

type Limit = keyof FloodLimits;

const KEYS: Record<Limit, (sender: string) => string | null> = {
  sender: (sender) => sender,
  domain: (sender) => (sender.includes('@') ? sender.slice(sender.lastIndexOf('@')) : null),
};

export class FloodGuard {
  constructor(private readonly options: { sql: Sql; log: Logger; limits: FloodLimits }) {}

  /** Counts the mails. @returns those that are over a limit, by id, each with a sentence that says so */
  async over(mails: CountedMail[]): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    for (const limit of ['sender', 'domain'] as const) {
      const left = mails.filter(({ id }) => !found.has(id));
      for (const [id, sentence] of await this.overOne(limit, left)) found.set(id, sentence);
    }
    return found;
  }

  private async overOne(limit: Limit, mails: CountedMail[]): Promise<Map<string, string>> {
    const most = this.options.limits[limit];
    const arrivals = mails.flatMap(({ id, sender, receivedAt }) => {
      const key = KEYS[limit](sender)?.slice(0, MAX_KEY);
      return key === undefined ? [] : [{ id, key, receivedAt }];
    });
    if (most === 0 || arrivals.length === 0) return new Map();
    const floods = overLimit(arrivals, await countAll(this.options.sql, tally(arrivals)), most);
    held.inc({ limit }, floods.length);
    await this.alarm(floods, most);
    return new Map(
      floods.map(({ id, key, count }) => [id, `${count} mails of ${key} within ten minutes, ${most} are taken`]),
    );
  }

  private async alarm(floods: Flood[], limit: number): Promise<void> {
    for (const { key, window, count } of await firstOfWindow(this.options.sql, floods)) {
      const since = new Date(window * WINDOW_MS).toISOString();
      this.options.log.error({ key, count, limit, since }, 'flood: further mails are quarantined');
    }
  }
}

export interface Arrival {
  id: string;
  key: string;
  receivedAt: Date;
}

/** Of one key, mails of one window of ten minutes, which are numbered since 1970. */
export interface Tally {
  key: string;
  window: number;
  /** Of this batch. */
  added: number;
}

export interface Count extends Tally {
  /** With this batch. */
  count: number;
  /** Of the window before. */
  previous: number;
}

interface Flood {
  id: string;
  key: string;
  window: number;
  count: number;
}

export function tally(arrivals: Arrival[]): Tally[] {
  const tallies = new Map<string, Tally>();
  for (const { key, receivedAt } of arrivals) {
    const window = windowOf(receivedAt);
    const known = tallies.get(nameOf(key, window));
    if (known) known.added += 1;
    else tallies.set(nameOf(key, window), { key, window, added: 1 });
  }
  return [...tallies.values()];
}

/** The arrivals that are over the limit, in their order. */
export function overLimit(arrivals: Arrival[], counts: Count[], limit: number): Flood[] {
  const byName = new Map(counts.map((one) => [nameOf(one.key, one.window), { ...one, seen: one.count - one.added }]));
  return arrivals.flatMap(({ id, key, receivedAt }) => {
    const window = windowOf(receivedAt);
    const present = byName.get(nameOf(key, window))!;
    present.seen += 1;
    // the ten minutes before a mail reach into the window before: of that one they have this share, taken as even
    const share = 1 - (receivedAt.getTime() - window * WINDOW_MS) / WINDOW_MS;
    const count = Math.ceil(present.seen + share * present.previous);
    return count > limit ? [{ id, key, window, count }] : [];
  });
}

function windowOf(instant: Date): number {
  return Math.floor(instant.getTime() / WINDOW_MS);
}

function nameOf(key: string, window: number): string {
  return `${window} ${key}`;
}

async function countAll(sql: Sql, tallies: Tally[]): Promise<Count[]> {
  // one order for all writers, so that two batches cannot deadlock
  const { rows } = await sql.query<{ key: string; window: number; count: number; previous: number }>({
    name: 'count-floods',
    text: `insert into mail.flood_count as c (key, window_number, count)
           select g.key, g.window_number, g.added
           from unnest($1::text[], $2::int[], $3::int[]) as g(key, window_number, added)
           order by g.key, g.window_number
           on conflict (key, window_number) do update set count = c.count + excluded.count
           returning key, window_number as window, count, coalesce((select p.count from mail.flood_count p
             where p.key = c.key and p.window_number = c.window_number - 1), 0) as previous`,
    values: [tallies.map(({ key }) => key), tallies.map(({ window }) => window), tallies.map(({ added }) => added)],
  });
  const counted = new Map(rows.map((row) => [nameOf(row.key, row.window), row]));
  return tallies.map((one) => {
    const row = counted.get(nameOf(one.key, one.window))!;
    // the statement does not see what it has added itself
    const before = counted.get(nameOf(one.key, one.window - 1));
    return { ...one, count: row.count, previous: before?.count ?? row.previous };
  });
}

/** Of each key and window the first flood that anybody saw. */
async function firstOfWindow(sql: Sql, floods: Flood[]): Promise<Flood[]> {
  if (floods.length === 0) return [];
  const { rows } = await sql.query<{ key: string; window: number }>(
    `update mail.flood_count c set alarmed = true
     from (select key, window_number from mail.flood_count
           where (key, window_number) in (select * from unnest($1::text[], $2::int[])) and not alarmed
           order by key, window_number for update) as first
     where (c.key, c.window_number) = (first.key, first.window_number)
     returning c.key, c.window_number as window`,
    [floods.map(({ key }) => key), floods.map(({ window }) => window)],
  );
  return rows.map(({ key, window }) => floods.find((one) => one.key === key && one.window === window)!);
}

/** Long after a window counts for any mail that is on its way. */
export async function forgetFloods(sql: Sql): Promise<void> {
  await sql.query(`delete from mail.flood_count where counted_since < now() - interval '1 hour'`);
}
