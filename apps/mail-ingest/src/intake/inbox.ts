/** The statements on mailboxes and inbound messages: one function each. */
import { inTransaction, putBlob, putSmallBlobs, type Sql, type StoredBlob } from '#platform';
import type pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import type { Disposition } from './inbound-message.entity.js';

export interface MailboxRow {
  id: string;
  /** As text: it may be larger than a JavaScript number is exact. */
  uidValidity: string | null;
}

export async function openMailbox(sql: Sql, address: string): Promise<MailboxRow> {
  await sql.query('insert into mail.mailbox (id, address) values ($1, $2) on conflict (address) do nothing', [
    uuidv7(),
    address,
  ]);
  const { rows } = await sql.query<MailboxRow>(
    'select id, uid_validity as "uidValidity" from mail.mailbox where address = $1',
    [address],
  );
  return rows[0]!;
}

export async function setUidValidity(sql: Sql, mailboxId: string, uidValidity: string): Promise<void> {
  await sql.query('update mail.mailbox set uid_validity = $2 where id = $1', [mailboxId, uidValidity]);
}

/** @param error null after a look through the whole mailbox without one */
export async function recordScan(sql: Sql, mailboxId: string, error: string | null): Promise<void> {
  await sql.query(
    `update mail.mailbox set last_error = $2::text, last_scan_at = case when $2::text is null then now() else last_scan_at end
     where id = $1`,
    [mailboxId, error],
  );
}

/** Which of these mails are stored already, and whether only their headers are. */
export async function knownUids(sql: Sql, place: Place, uids: number[]): Promise<Map<number, { oversize: boolean }>> {
  const { rows } = await sql.query<{ uid: string; oversize: boolean }>(
    `select uid, rule is not distinct from 'oversize' as oversize from mail.inbound_message
     where mailbox_id = $1 and uid_validity = $2 and uid = any($3::bigint[])`,
    [place.mailboxId, place.uidValidity, uids],
  );
  return new Map(rows.map(({ uid, oversize }) => [Number(uid), { oversize }]));
}

export async function highestUid(sql: Sql, place: Place): Promise<number> {
  const { rows } = await sql.query<{ uid: string | null }>(
    'select max(uid) as uid from mail.inbound_message where mailbox_id = $1 and uid_validity = $2',
    [place.mailboxId, place.uidValidity],
  );
  return Number(rows[0]?.uid ?? 0);
}

export interface Place {
  mailboxId: string;
  uidValidity: string;
}

export interface Delivery {
  uid: number;
  internalDate: Date;
}

/**
 * Commits small mails together: bytes and rows, or nothing.
 * @returns where their bytes are, in the order given
 */
export function storeSmall(
  pool: pg.Pool,
  place: Place,
  mails: (Delivery & { source: Buffer })[],
): Promise<StoredBlob[]> {
  return inTransaction(pool, async (sql) => {
    const blobs = await putSmallBlobs(
      sql,
      mails.map((mail) => mail.source),
    );
    await insertRows(
      sql,
      place,
      mails.map((mail, index) => ({ ...mail, ...blobs[index]! })),
    );
    return blobs;
  });
}

/** Commits one mail of any size while it streams in. */
export function storeLarge(
  pool: pg.Pool,
  place: Place,
  mail: Delivery & { source: AsyncIterable<Buffer> },
): Promise<void> {
  return inTransaction(pool, async (sql) => {
    await insertRows(sql, place, [{ ...mail, ...(await putBlob(sql, mail.source)) }]);
  });
}

/** Commits the headers of a mail that is too large to be taken. */
export function storeOversize(
  pool: pg.Pool,
  place: Place,
  mail: Delivery & { headers: Buffer; error: string },
): Promise<void> {
  return inTransaction(pool, async (sql) => {
    const blob = await putBlob(
      sql,
      (async function* () {
        yield mail.headers;
      })(),
    );
    const [id] = await insertRows(sql, place, [{ ...mail, ...blob }]);
    if (id) await dispose(sql, [{ id, disposition: 'quarantined', rule: 'oversize', error: mail.error }]);
  });
}

async function insertRows(sql: Sql, place: Place, mails: (Delivery & StoredBlob)[]): Promise<string[]> {
  const { rows } = await sql.query<{ id: string }>(
    `insert into mail.inbound_message (id, mailbox_id, uid_validity, uid, raw_sha256, raw_size, internal_date)
     select g.id, $1, $2, g.uid, g.sha256, g.size, g.internal_date
     from unnest($3::uuid[], $4::bigint[], $5::bytea[], $6::bigint[], $7::timestamptz[])
       as g(id, uid, sha256, size, internal_date)
     on conflict on constraint inbound_message_delivery do nothing
     returning id`,
    [
      place.mailboxId,
      place.uidValidity,
      mails.map(() => uuidv7()),
      mails.map((mail) => mail.uid),
      mails.map((mail) => Buffer.from(mail.sha256, 'hex')),
      mails.map((mail) => mail.size),
      mails.map((mail) => mail.internalDate),
    ],
  );
  return rows.map((row) => row.id);
}

export interface WaitingMessage {
  id: string;
  rawSha256: string;
  rawSize: number;
  internalDate: Date;
  attempts: number;
  refusals: number;
  /** What went wrong last. */
  error: string | null;
}

/** The oldest mails without a disposition that may be tried now and are not in hand already. */
export async function waitingMessages(
  sql: Sql,
  mailboxId: string,
  inHand: string[],
  limit: number,
): Promise<WaitingMessage[]> {
  const { rows } = await sql.query<{
    id: string;
    raw_sha256: string;
    raw_size: string;
    internal_date: string;
    attempts: number;
    refusals: number;
    error: string | null;
  }>({
    name: 'waiting-messages',
    text: `select id, encode(raw_sha256, 'hex') as raw_sha256, raw_size, internal_date, attempts, refusals, error
           from mail.inbound_message
           where mailbox_id = $1 and disposition is null and retry_at <= now() and id <> all($2::uuid[])
           order by id limit $3`,
    values: [mailboxId, inHand, limit],
  });
  return rows.map((row) => ({
    id: row.id,
    rawSha256: row.raw_sha256,
    rawSize: Number(row.raw_size),
    internalDate: new Date(row.internal_date),
    attempts: row.attempts,
    refusals: row.refusals,
    error: row.error,
  }));
}

export async function countWaiting(sql: Sql, mailboxId: string): Promise<number> {
  const { rows } = await sql.query<{ count: number }>({
    name: 'count-waiting',
    text: 'select count(*)::int as count from mail.inbound_message where mailbox_id = $1 and disposition is null',
    values: [mailboxId],
  });
  return rows[0]!.count;
}

/**
 * Counted before the work begins, so that a mail that kills the process is found out. It need not survive the machine,
 * so nobody waits for the disk.
 */
export async function beginAttempt(sql: Sql, ids: string[]): Promise<void> {
  await sql.query(
    `with asynchronous as (select set_config('synchronous_commit', 'off', true))
     update mail.inbound_message set attempts = attempts + 1 from asynchronous where id = any($1::uuid[])`,
    [ids],
  );
}

/** The work was cut off by something that is not the mails' fault. */
export async function takeBackAttempt(sql: Sql, ids: string[]): Promise<void> {
  await sql.query('update mail.inbound_message set attempts = greatest(attempts - 1, 0) where id = any($1::uuid[])', [
    ids,
  ]);
}

/** @returns how often it was refused by now */
export async function countRefusal(sql: Sql, id: string, error: string): Promise<number> {
  const { rows } = await sql.query<{ refusals: number }>(
    'update mail.inbound_message set refusals = refusals + 1, error = $2 where id = $1 returning refusals',
    [id, error],
  );
  return rows[0]!.refusals;
}

/** Puts a mail aside for a while: others go first. */
export async function retryLater(sql: Sql, id: string, { error, delayMs }: { error: string; delayMs: number }) {
  await sql.query(
    'update mail.inbound_message set error = $2, retry_at = now() + make_interval(secs => $3) where id = $1',
    [id, error, delayMs / 1000],
  );
}

export interface Identity {
  id: string;
  messageId: string;
  contentSha256: string;
}

/**
 * Gives parsed mails their identity and starts their count of attempts anew.
 * @returns the ids of those that were taken before, or that repeat an earlier one of the list
 */
export async function identify(sql: Sql, mailboxId: string, mails: Identity[]): Promise<Set<string>> {
  const key = (mail: Pick<Identity, 'messageId' | 'contentSha256'>) => `${mail.contentSha256} ${mail.messageId}`;
  const { rows } = await sql.query<{ id: string; message_id: string; content: string }>(
    `select id, message_id, encode(content_sha256, 'hex') as content from mail.inbound_message
     where mailbox_id = $1 and message_id = any($2::text[]) and disposition is distinct from 'duplicate'`,
    [mailboxId, mails.map((mail) => mail.messageId)],
  );
  const owners = new Map(rows.map((row) => [key({ messageId: row.message_id, contentSha256: row.content }), row.id]));
  const fresh: Identity[] = [];
  const duplicates = new Set<string>();
  for (const mail of mails) {
    const owner = owners.get(key(mail)) ?? mail.id;
    owners.set(key(mail), owner);
    if (owner === mail.id) fresh.push(mail);
    else duplicates.add(mail.id);
  }
  await sql.query(
    `update mail.inbound_message m set message_id = g.message_id, content_sha256 = g.content, attempts = 0
     from unnest($1::uuid[], $2::text[], $3::bytea[]) as g(id, message_id, content) where m.id = g.id`,
    [
      fresh.map((mail) => mail.id),
      fresh.map((mail) => mail.messageId),
      fresh.map((mail) => Buffer.from(mail.contentSha256, 'hex')),
    ],
  );
  return duplicates;
}

export interface Disposed {
  id: string;
  disposition: Disposition;
  rule: string;
  ticketId?: string;
  ticketNumber?: number;
  error?: string;
}

export async function dispose(sql: Sql, mails: Disposed[]): Promise<void> {
  if (mails.length === 0) return;
  await sql.query(
    `update mail.inbound_message m set disposition = g.disposition, rule = g.rule, ticket_id = g.ticket_id,
       ticket_number = g.ticket_number, error = g.error, disposed_at = now()
     from unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::int[], $6::text[])
       as g(id, disposition, rule, ticket_id, ticket_number, error)
     where m.id = g.id and m.disposition is null`,
    [
      mails.map((mail) => mail.id),
      mails.map((mail) => mail.disposition),
      mails.map((mail) => mail.rule),
      mails.map((mail) => mail.ticketId ?? null),
      mails.map((mail) => mail.ticketNumber ?? null),
      mails.map((mail) => mail.error ?? null),
    ],
  );
}
