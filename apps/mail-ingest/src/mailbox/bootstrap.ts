/**
 * Mailboxes that IMAP_MAILBOXES names become rows when the service starts. It decides about server, user, password, inbox
 * and mode of those; everything else about them is changed like that of any other. One that it names no more is removed.
 */
import { inTransaction, type Logger, type SecretBox, SecretUnreadable } from '#platform';
import type pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import type { MailIngestEnv } from '../env.js';
import { type MailboxUrl, parseMailboxUrls } from './mailbox-url.js';
import {
  insertMailbox,
  lockAddresses,
  type MailboxRow,
  readMailbox,
  readMailboxes,
  removeMailbox,
  takenAddresses,
  updateMailbox,
} from './mailbox.rows.js';
import { changed, isElsewhere, newSettings, type MailboxSettings, type Seal } from './mailbox.settings.js';
import { placeOf } from './secrets.js';

/** Several instances may start at once: each looks at what the one before has done. */
export async function bootstrapMailboxes(
  pool: pg.Pool,
  env: Pick<MailIngestEnv, 'IMAP_MAILBOXES'>,
  box: SecretBox,
  log: Logger,
): Promise<void> {
  const named = parseMailboxUrls(env.IMAP_MAILBOXES);
  await inTransaction(pool, async (sql) => {
    await lockAddresses(sql);
    for (const url of named) {
      const row = await readMailbox(sql, { address: url.address });
      const id = row?.id ?? uuidv7();
      const [taken] = await takenAddresses(sql, [url.address], id);
      if (taken !== undefined) {
        log.error({ mailbox: url.address }, 'IMAP_MAILBOXES names an alias of another mailbox: not read');
        continue;
      }
      const seal: Seal = (name, text) => box.seal(text, placeOf(name, id));
      const settings = settingsOf(url, row, seal, (sealed) => box.open(sealed, placeOf('password', id)));
      if (!row) {
        await insertMailbox(sql, id, settings, 'environment');
      } else if (row.removed || row.origin !== 'environment' || isDifferent(row, settings)) {
        const elsewhere = row.host !== null && isElsewhere(row, settings);
        await updateMailbox(sql, id, settings, { origin: 'environment', elsewhere, anew: row.removed });
      }
    }
    const addresses = named.map(({ address }) => address);
    for (const row of await readMailboxes(sql)) {
      if (row.origin === 'environment' && !row.removed && !addresses.includes(row.address)) {
        await removeMailbox(sql, row.id);
        log.info({ mailbox: row.address }, 'IMAP_MAILBOXES names this mailbox no more: removed');
      }
    }
  });
}

function settingsOf(
  url: MailboxUrl,
  row: MailboxRow | null,
  seal: Seal,
  open: (sealed: string) => string,
): MailboxSettings {
  const { address, host, port, tls, user, password, folder, mode, importExisting } = url;
  const fresh = newSettings(address, host, { tls, mode });
  const kept: MailboxSettings = row && row.host !== null ? row : { ...fresh, ...(row && { aliases: row.aliases }) };
  const settings = changed(
    { ...kept, authentication: 'password', importExisting: fresh.importExisting },
    { host, port, tls, user, mode, folders: { inbox: folder }, ...(importExisting && { importExisting }) },
    seal,
  );
  const isSame = settings.password !== null && opened(settings.password, open) === password;
  return { ...settings, password: isSame ? settings.password : seal('password', password) };
}

function opened(sealed: string, open: (sealed: string) => string): string | null {
  try {
    return open(sealed);
  } catch (error) {
    if (error instanceof SecretUnreadable) return null;
    throw error;
  }
}

function isDifferent(row: MailboxRow, settings: MailboxSettings): boolean {
  return Object.entries(settings).some(
    ([name, value]) => JSON.stringify(row[name as keyof MailboxSettings]) !== JSON.stringify(value),
  );
}
