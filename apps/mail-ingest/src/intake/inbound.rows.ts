/** The statements behind what people see of inbound mail and decide about it: one function each. */
import type {
  InboundAction,
  InboundActor,
  InboundChangeView,
  InboundDetail,
  InboundFilter,
  InboundView,
  Disposition,
} from '#contracts';
import type { Sql } from '#platform';
import { v7 as uuidv7 } from 'uuid';
import type { Disposed } from './inbox.js';

interface InboundRow {
  id: string;
  mailbox_id: string;
  mailbox: string;
  internal_date: string;
  stored_at: string;
  raw_sha256: string;
  raw_size: string;
  message_id: string | null;
  from_address: string | null;
  from_name: string | null;
  subject: string | null;
  disposition: Disposition | null;
  rule: string | null;
  error: string | null;
  ticket_id: string | null;
  ticket_number: number | null;
  attempts: number;
  disposed_at: string | null;
  headers_only: boolean;
}

const COLUMNS = `m.id, m.mailbox_id, b.address as mailbox, m.internal_date, m.stored_at,
  encode(m.raw_sha256, 'hex') as raw_sha256, m.raw_size, m.message_id, m.from_address, m.from_name, m.subject,
  m.disposition, m.rule, m.error, m.ticket_id, m.ticket_number, m.attempts, m.disposed_at, m.headers_only`;
const FROM = 'mail.inbound_message m join mail.mailbox b on b.id = m.mailbox_id';

/** What is stored of a mail; more than people see. */
export interface StoredInbound extends InboundView {
  mailboxId: string;
  rawSha256: string;
  /** It was too large to be taken: the bytes are its header block. */
  headersOnly: boolean;
}

/**
 * A page of the mails that pass the filter.
 * @param after the id of the page before's last one
 */
export async function selectInbound(
  sql: Sql,
  filter: InboundFilter,
  { order, after, limit }: { order: 'latest' | 'oldest'; after?: string | undefined; limit: number },
): Promise<InboundView[]> {
  const values: unknown[] = [limit];
  const conditions: string[] = [];
  const add = (value: unknown, condition: (placeholder: string) => string): void => {
    if (value === undefined) return;
    values.push(value);
    conditions.push(condition(`$${values.length}`));
  };
  const dispositions = filter.disposition?.filter((one) => one !== 'waiting');
  const orWaiting = filter.disposition?.includes('waiting') ? ' or m.disposition is null' : '';
  add(dispositions, (is) => `(m.disposition = any(${is}::text[])${orWaiting})`);
  add(filter.mailbox?.toLowerCase(), (is) => `b.address = ${is}`);
  add(filter.rule, (is) => `m.rule = ${is}`);
  add(filter.sender?.toLowerCase(), (is) => `m.from_address = ${is}`);
  add(filter.ticket, (is) => `m.ticket_number = ${is}`);
  add(filter.receivedAfter, (is) => `m.internal_date >= ${is}`);
  add(filter.receivedBefore, (is) => `m.internal_date < ${is}`);
  add(after, (is) => `m.id ${order === 'latest' ? '<' : '>'} ${is}`);
  const where = conditions.length > 0 ? `where ${conditions.join(' and ')}` : '';
  const { rows } = await sql.query<InboundRow>(
    `select ${COLUMNS} from ${FROM} ${where} order by m.id ${order === 'latest' ? 'desc' : 'asc'} limit $1`,
    values,
  );
  return rows.map(viewOf);
}

/** @param lock nobody else decides about it until the transaction ends */
export async function readInbound(
  sql: Sql,
  id: string,
  { lock }: { lock: boolean } = { lock: false },
): Promise<StoredInbound | null> {
  const { rows } = await sql.query<InboundRow>(
    `select ${COLUMNS} from ${FROM} where m.id = $1 ${lock ? 'for update of m' : ''}`,
    [id],
  );
  const [row] = rows;
  if (!row) return null;
  return { ...viewOf(row), mailboxId: row.mailbox_id, rawSha256: row.raw_sha256, headersOnly: row.headers_only };
}

/** With what people decided about it. */
export async function readInboundDetail(sql: Sql, id: string): Promise<InboundDetail | null> {
  const row = await readInbound(sql, id);
  if (!row) return null;
  const { rows: changes } = await sql.query<Omit<InboundChangeView, 'actor' | 'at'> & { at: string } & InboundActor>(
    `select action, at, actor_person_id as "personId", actor_name as name,
       disposition_before as "dispositionBefore", rule_before as "ruleBefore",
       disposition_after as "dispositionAfter", rule_after as "ruleAfter"
     from mail.disposition_change where inbound_id = $1 order by id`,
    [id],
  );
  return {
    ...shown(row),
    changes: changes.map(({ personId, name, at, ...change }) => ({
      ...change,
      actor: { personId, name },
      at: iso(at),
    })),
  };
}

/** What people see of it. */
export function shown(row: StoredInbound): InboundView {
  const { mailboxId: _mailbox, rawSha256: _sha256, headersOnly: _headers, ...view } = row;
  return view;
}

/** Another disposition takes the place of the present one, and who decided so is kept. */
export async function changeDisposition(
  sql: Sql,
  before: StoredInbound & { disposition: Disposition },
  after: Disposed,
  { action, actor }: { action: InboundAction; actor: InboundActor },
): Promise<void> {
  await sql.query(
    `with changed as (
       update mail.inbound_message set disposition = $2, rule = $3, error = $4, ticket_id = $5, ticket_number = $6,
         message_id = coalesce($7, message_id), disposed_at = now()
       where id = $1
     )
     insert into mail.disposition_change (id, inbound_id, action, actor_person_id, actor_name, disposition_before,
       rule_before, error_before, disposition_after, rule_after)
     values ($8, $1, $9, $10, $11, $12, $13, $14, $2, $3)`,
    [
      before.id,
      after.disposition,
      after.rule,
      after.error ?? null,
      after.ticketId ?? null,
      after.ticketNumber ?? null,
      after.messageId ?? null,
      uuidv7(),
      action,
      actor.personId,
      actor.name,
      before.disposition,
      before.rule ?? '',
      before.error,
    ],
  );
}

function viewOf(row: InboundRow): InboundView {
  const isRead = row.subject !== null;
  return {
    id: row.id,
    mailbox: row.mailbox,
    receivedAt: iso(row.internal_date),
    storedAt: iso(row.stored_at),
    size: Number(row.raw_size),
    messageId: row.message_id,
    from: isRead ? { name: row.from_name ?? '', email: row.from_address } : null,
    subject: row.subject,
    disposition: row.disposition,
    rule: row.rule,
    error: row.error,
    ticketId: row.ticket_id,
    ticketNumber: row.ticket_number,
    attempts: row.attempts,
    disposedAt: row.disposed_at === null ? null : iso(row.disposed_at),
  };
}

function iso(instant: string): string {
  return new Date(instant).toISOString();
}
