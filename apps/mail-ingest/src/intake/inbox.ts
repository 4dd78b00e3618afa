/** The statements on inbound messages: one function each. */
import type { Disposition, MailSender } from '#contracts';
import { inTransaction, putBlob, putSmallBlobs, type Sql, type StoredBlob } from '#platform';
import type pg from 'pg';
import { v7 as uuidv7 } from 'uuid';

/** Which of these mails are stored already, and whether only their headers are. */
export async function knownUids(sql: Sql, place: Place, uids: number[]): Promise<Map<number, { oversize: boolean }>> {
  const { rows } = await sql.query<{ uid: string; oversize: boolean }>(
    `select uid, headers_only as oversize from mail.inbound_message
     where mailbox_id = $1 and generation = $2 and uid_validity = $3 and uid = any($4::bigint[])`,
    [place.mailboxId, place.generation, place.uidValidity, uids],
  );
  return new Map(rows.map(({ uid, oversize }) => [Number(uid), { oversize }]));
}

export async function highestUid(sql: Sql, place: Place): Promise<number> {
  const { rows } = await sql.query<{ uid: string | null }>(
    `select max(uid) as uid from mail.inbound_message
     where mailbox_id = $1 and generation = $2 and uid_validity = $3`,
    [place.mailboxId, place.generation, place.uidValidity],
  );
  return Number(rows[0]?.uid ?? 0);
}

/** Where UIDs name mails. */
export interface Place {
  mailboxId: string;
  /** Which of its servers, users and folders. */
  generation: number;
  /** As text: it may be larger than a JavaScript number is exact. */
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
    const [id] = await insertRows(sql, place, [{ ...mail, ...blob }], { headersOnly: true });
    if (id) await quarantineWithTicket(sql, id, { rule: 'oversize', error: mail.error });
  });
}

async function insertRows(
  sql: Sql,
  place: Place,
  mails: (Delivery & StoredBlob)[],
  { headersOnly } = { headersOnly: false },
): Promise<string[]> {
  const { rows } = await sql.query<{ id: string }>(
    `insert into mail.inbound_message (id, mailbox_id, generation, uid_validity, uid, raw_sha256, raw_size,
       internal_date, headers_only)
     select g.id, $1, $2, $3, g.uid, g.sha256, g.size, g.internal_date, $9
     from unnest($4::uuid[], $5::bigint[], $6::bytea[], $7::bigint[], $8::timestamptz[])
       as g(id, uid, sha256, size, internal_date)
     on conflict on constraint inbound_message_delivery do nothing
     returning id`,
    [
      place.mailboxId,
      place.generation,
      place.uidValidity,
      mails.map(() => uuidv7()),
      mails.map((mail) => mail.uid),
      mails.map((mail) => Buffer.from(mail.sha256, 'hex')),
      mails.map((mail) => mail.size),
      mails.map((mail) => mail.internalDate),
      headersOnly,
    ],
  );
  return rows.map((row) => row.id);
}

export interface WaitingMessage {
  id: string;
  /** The address of its mailbox. */
  mailbox: string;
  rawSha256: string;
  rawSize: number;
  internalDate: Date;
  attempts: number;
  refusals: number;
  /** What went wrong last. */
  error: string | null;
  /** The rule by which it is to be quarantined, with a ticket that tells of it made from its headers; `error` says why. */
  rule: string | null;
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
    mailbox: string;
    raw_sha256: string;
    raw_size: string;
    internal_date: string;
    attempts: number;
    refusals: number;
    error: string | null;
    rule: string | null;
  }>({
    name: 'waiting-messages',
    text: `select m.id, b.address as mailbox, encode(raw_sha256, 'hex') as raw_sha256, raw_size, internal_date, attempts,
             refusals, error, rule
           from mail.inbound_message m join mail.mailbox b on b.id = mailbox_id
           where mailbox_id = $1 and disposition is null and retry_at <= now() and m.id <> all($2::uuid[])
           order by m.id limit $3`,
    values: [mailboxId, inHand, limit],
  });
  return rows.map((row) => ({
    id: row.id,
    mailbox: row.mailbox,
    rawSha256: row.raw_sha256,
    rawSize: Number(row.raw_size),
    internalDate: new Date(row.internal_date),
    attempts: row.attempts,
    refusals: row.refusals,
    error: row.error,
    rule: row.rule,
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

/** The mail will be quarantined, as soon as a ticket made from its headers tells of it. */
export async function quarantineWithTicket(
  sql: Sql,
  id: string,
  { rule, error }: { rule: string; error: string },
): Promise<void> {
  await sql.query(
    `update mail.inbound_message set rule = $2, error = $3, retry_at = now() where id = $1 and disposition is null`,
    [id, rule, error],
  );
}

export interface Identity {
  id: string;
  messageId: string;
  contentSha256: string;
  from: MailSender;
  subject: string;
}

/** Of mails that were read, by id. */
export interface Identified {
  /** They were taken before, or repeat an earlier one of the list. */
  duplicates: Set<string>;
  /** They had the same identity before: only their reading is repeated. */
  repeated: Set<string>;
}

/**
 * Gives parsed mails their identity, sender and subject, and starts their count of attempts anew, unless only the headers
 * were read. Those that were taken before have no identity until they are disposed of as duplicates.
 */
export async function identify(sql: Sql, mailboxId: string, mails: Identity[]): Promise<Identified> {
  const key = (mail: Pick<Identity, 'messageId' | 'contentSha256'>) => `${mail.contentSha256} ${mail.messageId}`;
  const { rows } = await sql.query<{ id: string; message_id: string; content: string }>(
    `select id, message_id, encode(content_sha256, 'hex') as content from mail.inbound_message
     where mailbox_id = $1 and message_id = any($2::text[]) and disposition is distinct from 'duplicate'`,
    [mailboxId, mails.map((mail) => mail.messageId)],
  );
  const owners = new Map(rows.map((row) => [key({ messageId: row.message_id, contentSha256: row.content }), row.id]));
  const duplicates = new Set<string>();
  const repeated = new Set(mails.filter((mail) => owners.get(key(mail)) === mail.id).map(({ id }) => id));
  for (const mail of mails) {
    const owner = owners.get(key(mail)) ?? mail.id;
    owners.set(key(mail), owner);
    if (owner !== mail.id) duplicates.add(mail.id);
  }
  const own = <T>({ id }: Identity, value: T): T | null => (duplicates.has(id) ? null : value);
  await sql.query(
    `update mail.inbound_message m set message_id = coalesce(g.message_id, m.message_id),
       content_sha256 = coalesce(g.content, m.content_sha256),
       from_address = g.from_address, from_name = g.from_name, subject = g.subject,
       attempts = case when m.disposition is not null then m.attempts when m.rule is null then 0 else m.attempts - 1 end
     from unnest($1::uuid[], $2::text[], $3::bytea[], $4::text[], $5::text[], $6::text[])
       as g(id, message_id, content, from_address, from_name, subject) where m.id = g.id`,
    [
      mails.map((mail) => mail.id),
      mails.map((mail) => own(mail, mail.messageId)),
      mails.map((mail) => own(mail, Buffer.from(mail.contentSha256, 'hex'))),
      mails.map((mail) => mail.from.email?.toLowerCase() ?? null),
      mails.map((mail) => mail.from.name),
      mails.map((mail) => mail.subject),
    ],
  );
  return { duplicates, repeated };
}

export interface Disposed {
  id: string;
  disposition: Disposition;
  rule: string;
  ticketId?: string;
  ticketNumber?: number;
  error?: string;
  /** Of a duplicate, which has no identity of its own. */
  messageId?: string;
}

/**
 * Records what became of mails. Those that are to be quarantined with a ticket are, as soon as they have it.
 * @returns what was recorded: nothing of a mail that has its disposition already
 */
export async function dispose(sql: Sql, mails: Disposed[]): Promise<Disposed[]> {
  if (mails.length === 0) return [];
  const { rows } = await sql.query<Disposed>(
    `update mail.inbound_message m set disposition =
         case when m.rule is not null and g.ticket_id is not null then 'quarantined' else g.disposition end,
       rule = case when m.rule is not null and g.ticket_id is not null then m.rule else g.rule end,
       error = case when m.rule is not null and g.ticket_id is not null then m.error else g.error end,
       ticket_id = g.ticket_id, ticket_number = g.ticket_number, message_id = coalesce(g.message_id, m.message_id),
       disposed_at = now()
     from unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::int[], $6::text[], $7::text[])
       as g(id, disposition, rule, ticket_id, ticket_number, error, message_id)
     where m.id = g.id and m.disposition is null
     returning m.id, m.disposition, m.rule, m.error`,
    [
      mails.map((mail) => mail.id),
      mails.map((mail) => mail.disposition),
      mails.map((mail) => mail.rule),
      mails.map((mail) => mail.ticketId ?? null),
      mails.map((mail) => mail.ticketNumber ?? null),
      mails.map((mail) => mail.error ?? null),
      mails.map((mail) => mail.messageId ?? null),
    ],
  );
  return rows;
}

/** Quarantined mails of which the mailbox does not show so yet, and which can be found there by their Message-ID. */
export async function failedMails(
  sql: Sql,
  mailboxId: string,
  limit: number,
): Promise<{ id: string; messageId: string }[]> {
  const { rows } = await sql.query<{ id: string; messageId: string }>({
    name: 'failed-mails',
    text: `select id, message_id as "messageId" from mail.inbound_message
           where mailbox_id = $1 and disposition = 'quarantined' and not filed and not headers_only
             and message_id not like '%@synthetic.invalid'
           order by id limit $2`,
    values: [mailboxId, limit],
  });
  return rows;
}

export async function rememberFiled(sql: Sql, ids: string[]): Promise<void> {
  await sql.query('update mail.inbound_message set filed = true where id = any($1::uuid[])', [ids]);
}
