/** The statements on mailboxes: one function each. */
import type { MailboxErrorKind, MailboxOrigin, MailboxState } from '#contracts';
import { ADVISORY_LOCK, type Sql } from '#platform';
import type { Place } from '../intake/inbox.js';
import type { MailboxSettings, SecretName } from './mailbox.settings.js';

/** Told to all instances after each change of settings. */
export const CHANNEL = 'mail_mailbox';

export interface MailboxRow extends MailboxSettings {
  id: string;
  origin: MailboxOrigin;
  /** Counts the changes of its settings. */
  version: number;
  /** Counts the places where its mails have been: server, user and folder. UIDs say nothing beyond one place. */
  generation: number;
  removed: boolean;
  state: Exclude<MailboxState, 'paused'>;
  stateSince: string;
  lastScanAt: string | null;
  lastError: string | null;
  lastErrorKind: MailboxErrorKind | null;
  lastErrorAt: string | null;
  unfetched: number;
  silentSince: string | null;
}

/** Columns that people set, by the name in the program. */
const SETTINGS: Record<keyof MailboxSettings, string> = {
  address: 'address',
  aliases: 'aliases',
  host: 'host',
  port: 'port',
  tls: 'tls',
  certificateAuthority: 'certificate_authority',
  authentication: 'authentication',
  user: 'username',
  password: 'password',
  tokenEndpoint: 'token_endpoint',
  clientId: 'client_id',
  clientSecret: 'client_secret',
  refreshToken: 'refresh_token',
  scope: 'scope',
  mode: 'mode',
  inboxFolder: 'inbox_folder',
  processedFolder: 'processed_folder',
  failedFolder: 'failed_folder',
  oversizeFolder: 'oversize_folder',
  defaultOrganisationId: 'default_organisation_id',
  spamPolicy: 'spam_policy',
  trustedAuthservId: 'trusted_authserv_id',
  importExisting: 'import_existing',
  importSince: 'import_since',
  paused: 'paused',
};
const SETTING_NAMES = Object.keys(SETTINGS) as (keyof MailboxSettings)[];

const COLUMNS = `id, ${SETTING_NAMES.map((name) => `${SETTINGS[name]} as "${name}"`).join(', ')}, origin, version, generation,
  removed_at is not null as removed, state, state_since as "stateSince", last_scan_at as "lastScanAt",
  last_error as "lastError", last_error_kind as "lastErrorKind", last_error_at as "lastErrorAt", unfetched,
  silent_since as "silentSince"`;

/** Those that are there, and those that were removed while mails of theirs wait. By address. */
export async function readMailboxes(sql: Sql): Promise<MailboxRow[]> {
  const { rows } = await sql.query<MailboxRow>(
    `select ${COLUMNS} from mail.mailbox b
     where host is not null and (removed_at is null
       or exists (select from mail.inbound_message m where m.mailbox_id = b.id and disposition is null))
     order by address`,
  );
  return rows.map(plain);
}

/** Removed ones, too. */
export async function readMailbox(
  sql: Sql,
  by: { id: string } | { address: string },
  { lock } = { lock: false },
): Promise<MailboxRow | null> {
  const [column, value] = 'id' in by ? ['id', by.id] : ['address', by.address];
  const { rows } = await sql.query<MailboxRow>(
    `select ${COLUMNS} from mail.mailbox where ${column} = $1 ${lock ? 'for update' : ''}`,
    [value],
  );
  return rows[0] ? plain(rows[0]) : null;
}

/** The driver gives instants in PostgreSQL's own form, or as dates: both are ISO 8601 in the end. */
function plain(row: MailboxRow): MailboxRow {
  const iso = (value: string | Date | null) => (value === null ? null : new Date(value).toISOString());
  return {
    ...row,
    importSince: iso(row.importSince),
    stateSince: iso(row.stateSince)!,
    lastScanAt: iso(row.lastScanAt),
    lastErrorAt: iso(row.lastErrorAt),
    silentSince: iso(row.silentSince),
  };
}

/** Until the transaction ends, nobody else adds a mailbox or changes an address. */
export async function lockAddresses(sql: Sql): Promise<void> {
  await sql.query('select pg_advisory_xact_lock($1)', [ADVISORY_LOCK.mailboxAddresses]);
}

/** Of these addresses, those that another mailbox has. */
export async function takenAddresses(sql: Sql, addresses: string[], exceptId: string): Promise<string[]> {
  const { rows } = await sql.query<{ taken: string }>(
    `select distinct taken from mail.mailbox, unnest(aliases || address) as taken
     where removed_at is null and id <> $2 and taken = any($1::text[])`,
    [addresses, exceptId],
  );
  return rows.map(({ taken }) => taken);
}

/** Adds a mailbox, or brings a removed one back with these settings. */
export async function insertMailbox(
  sql: Sql,
  id: string,
  settings: MailboxSettings,
  origin: MailboxOrigin,
): Promise<void> {
  await sql.query(
    `insert into mail.mailbox (id, origin, ${SETTING_NAMES.map((name) => SETTINGS[name]).join(', ')})
     values ($1, $2, ${SETTING_NAMES.map((_, index) => `$${index + 3}`).join(', ')})`,
    [id, origin, ...SETTING_NAMES.map((name) => settings[name])],
  );
  await tell(sql, id);
}

/**
 * @param elsewhere its mails are at another place now
 * @param anew it is to be read, and was not before
 */
export async function updateMailbox(
  sql: Sql,
  id: string,
  settings: MailboxSettings,
  { origin, elsewhere, anew }: { origin: MailboxOrigin; elsewhere: boolean; anew: boolean },
): Promise<void> {
  const sets = SETTING_NAMES.map((name, index) => `${SETTINGS[name]} = $${index + 5}`).join(', ');
  await sql.query(
    `update mail.mailbox set origin = $2, ${sets}, version = version + 1, removed_at = null, state = 'new',
       state_since = now(), access_token = null, access_token_expires_at = null,
       generation = generation + case when $3 then 1 else 0 end,
       uid_validity = case when $3 then null else uid_validity end,
       first_uid = case when $3 then null else first_uid end,
       active_since = case when $4 then now() else active_since end,
       silent_since = case when $4 then null else silent_since end
     where id = $1`,
    [id, origin, elsewhere, anew, ...SETTING_NAMES.map((name) => settings[name])],
  );
  await tell(sql, id);
}

/** Forgets what opens it. Where its mails were is kept: should it come back, nothing is taken twice. */
export async function removeMailbox(sql: Sql, id: string): Promise<void> {
  await sql.query(
    `update mail.mailbox set removed_at = now(), version = version + 1, password = null, client_secret = null,
       refresh_token = null, access_token = null, access_token_expires_at = null, unfetched = 0, silent_since = null
     where id = $1`,
    [id],
  );
  await tell(sql, id);
}

async function tell(sql: Sql, id: string): Promise<void> {
  await sql.query('select pg_notify($1, $2)', [CHANNEL, id]);
}

const SECRET_COLUMNS = { password: 'password', clientSecret: 'client_secret', refreshToken: 'refresh_token' } as const;

/** Seals anew; nothing happens when somebody has changed it meanwhile. */
export async function resealSecret(
  sql: Sql,
  id: string,
  name: SecretName,
  { before, after }: { before: string; after: string },
): Promise<void> {
  const column = SECRET_COLUMNS[name];
  await sql.query(`update mail.mailbox set ${column} = $3 where id = $1 and ${column} = $2`, [id, before, after]);
}

/** Where a session begins. */
export interface Start extends Place {
  /** The server's numbering before; null at the first connection to this place. */
  uidValidityBefore: string | null;
  /** Mails from this UID on are taken. */
  firstUid: number;
  /** Of those before it, mails that the server received at this instant or later; null: none. */
  takenSince: Date | null;
}

/**
 * A connection has opened the inbox: remembers its numbering and, at the first connection or after a renumbering, from
 * where on mails are taken.
 */
export async function openPlace(
  sql: Sql,
  mailboxId: string,
  { uidValidity, uidNext }: { uidValidity: string; uidNext: number },
): Promise<Start> {
  const { rows } = await sql.query<{
    generation: number;
    first_uid: string;
    taken_since: string | null;
    before: string | null;
  }>(
    `with present as (select id, uid_validity from mail.mailbox where id = $1 for update)
     update mail.mailbox m set uid_validity = $2,
       first_uid = case when m.uid_validity = $2 and m.first_uid is not null then m.first_uid
         when m.import_existing = 'all' then 1 else $3 end,
       taken_since = coalesce(m.taken_since,
         case m.import_existing when 'none' then now() when 'since' then m.import_since end)
     from present where present.id = m.id
     returning m.generation, m.first_uid, m.taken_since, present.uid_validity as before`,
    [mailboxId, uidValidity, uidNext],
  );
  const [row] = rows as [(typeof rows)[number]];
  return {
    mailboxId,
    generation: row.generation,
    uidValidity,
    uidValidityBefore: row.before,
    firstUid: Number(row.first_uid),
    takenSince: row.taken_since === null ? null : new Date(row.taken_since),
  };
}

/** The mailbox was looked through without an error, but for so many mails that are still to be fetched. */
export async function recordSuccess(sql: Sql, mailboxId: string, unfetched: number): Promise<void> {
  await sql.query(
    `update mail.mailbox set last_scan_at = now(), state = 'running', unfetched = $2, silent_since = null,
       state_since = case when state = 'running' then state_since else now() end
     where id = $1`,
    [mailboxId, unfetched],
  );
}

/** @returns whether it is in that state since now */
export async function recordProblem(
  sql: Sql,
  mailboxId: string,
  { state, kind, message }: { state: MailboxRow['state']; kind: MailboxErrorKind; message: string },
): Promise<boolean> {
  const { rows } = await sql.query<{ before: string }>(
    `with present as (select id, state from mail.mailbox where id = $1 for update)
     update mail.mailbox m set state = $2, last_error_kind = $3, last_error = $4, last_error_at = now(),
       state_since = case when m.state = $2 then m.state_since else now() end
     from present where present.id = m.id returning present.state as before`,
    [mailboxId, state, kind, message],
  );
  return rows[0]?.before !== state;
}

/** Those of which nothing was heard for so long; each is given once, to one instance. */
export async function markSilent(sql: Sql, seconds: number): Promise<{ address: string; lastError: string | null }[]> {
  const { rows } = await sql.query<{ address: string; lastError: string | null }>(
    `update mail.mailbox set silent_since = now()
     where removed_at is null and not paused and silent_since is null
       and greatest(last_scan_at, active_since) < now() - make_interval(secs => $1)
     returning address, last_error as "lastError"`,
    [seconds],
  );
  return rows;
}

export interface StoredTokens {
  /** Sealed, like those below. */
  refreshToken: string | null;
  accessToken: string | null;
  expiresAt: Date | null;
}

/** Until the transaction ends, nobody else asks for tokens of this mailbox. */
export async function lockTokens(sql: Sql, mailboxId: string): Promise<StoredTokens | null> {
  await sql.query('select pg_advisory_xact_lock($1, hashtext($2))', [ADVISORY_LOCK.mailboxTokens, mailboxId]);
  const { rows } = await sql.query<{
    refreshToken: string | null;
    accessToken: string | null;
    expiresAt: string | null;
  }>(
    `select refresh_token as "refreshToken", access_token as "accessToken", access_token_expires_at as "expiresAt"
     from mail.mailbox where id = $1 and removed_at is null`,
    [mailboxId],
  );
  const [row] = rows;
  return row ? { ...row, expiresAt: row.expiresAt === null ? null : new Date(row.expiresAt) } : null;
}

/** @returns false when somebody has set another refresh token meanwhile, which stays */
export async function saveTokens(
  sql: Sql,
  mailboxId: string,
  before: StoredTokens,
  after: StoredTokens,
): Promise<boolean> {
  const { rowCount } = await sql.query(
    `update mail.mailbox set refresh_token = $3, access_token = $4, access_token_expires_at = $5
     where id = $1 and refresh_token is not distinct from $2`,
    [mailboxId, before.refreshToken, after.refreshToken, after.accessToken, after.expiresAt],
  );
  return rowCount === 1;
}
