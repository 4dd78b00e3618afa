/** Tries a mailbox: connects, logs in, looks around, and leaves everything as it is. */
import type { MailboxTest } from '#contracts';
import type { ImapFlow } from 'imapflow';
import { Folders } from './folders.js';
import { connect, type ConnectionOptions, folderMissing, problemOf } from './imap-connection.js';
import type { MailboxRow } from './mailbox.rows.js';

/** Whoever asks waits for the answer. */
const LIMIT_MS = 20_000;
const MAX_FOLDERS = 200;
const MAX_LITERAL_BYTES = 1024 * 1024;

export async function testConnection(
  mailbox: MailboxRow,
  options: Omit<ConnectionOptions, 'maxLiteralSize'>,
): Promise<MailboxTest> {
  const begun = performance.now();
  const elapsed = () => Math.round(performance.now() - begun);
  const found: MailboxTest = {
    ok: false,
    serverAddress: null,
    loginMs: null,
    totalMs: 0,
    encrypted: false,
    capabilities: null,
    mails: null,
    folders: [],
    problem: null,
    warnings: [],
  };
  const limit = AbortSignal.timeout(LIMIT_MS);
  let client: ImapFlow | undefined;
  const giveUp = () => client?.close();
  limit.addEventListener('abort', giveUp);
  try {
    const connection = await connect(mailbox, { ...options, maxLiteralSize: MAX_LITERAL_BYTES }, limit);
    client = connection.client;
    found.loginMs = elapsed();
    found.serverAddress = connection.address;
    found.encrypted = client.secureConnection;
    await lookAround(client, mailbox, found);
    found.ok = true;
    await client.logout();
  } catch (error) {
    found.problem = found.ok ? null : problemOf(limit.aborted ? outOfTime() : error, mailbox);
  } finally {
    limit.removeEventListener('abort', giveUp);
    client?.close();
  }
  return { ...found, totalMs: elapsed(), warnings: found.ok ? warningsOf(found, mailbox) : [] };
}

async function lookAround(client: ImapFlow, mailbox: MailboxRow, found: MailboxTest): Promise<void> {
  const folders = new Folders(client);
  const listing = await folders.list();
  found.folders = listing
    .slice(0, MAX_FOLDERS)
    .map(({ path, specialUse }) => ({ path, specialUse: specialUse ?? null }));
  const inbox = await folders.find(mailbox.inboxFolder);
  if (inbox === null) throw folderMissing(mailbox.inboxFolder);
  const { exists, permanentFlags } = await client.mailboxOpen(inbox, { readOnly: mailbox.mode === 'leave' });
  const has = (name: string) => client.capabilities.has(name);
  found.mails = exists;
  found.capabilities = {
    move: has('MOVE'),
    uidplus: has('UIDPLUS'),
    idle: has('IDLE'),
    specialUse: has('SPECIAL-USE'),
    keywords: !permanentFlags || permanentFlags.has('\\*'),
  };
}

function warningsOf({ capabilities, encrypted }: MailboxTest, { mode }: MailboxRow): string[] {
  const { move, uidplus, idle, keywords } = capabilities!;
  const warnings: [applies: boolean, sentence: string][] = [
    [!encrypted, 'The connection is not encrypted.'],
    [!idle, 'The server has no IDLE: new mail is noticed at the next look only.'],
    [mode === 'move' && !move && uidplus, 'The server has no MOVE: mails are copied and removed.'],
    [mode === 'move' && !move && !uidplus, 'The server has neither MOVE nor UIDPLUS: mails are flagged and stay.'],
    [mode !== 'leave' && !keywords, 'The server takes no keywords: mails are marked with \\Flagged.'],
  ];
  return warnings.flatMap(([applies, sentence]) => (applies ? [sentence] : []));
}

function outOfTime(): Error {
  return Object.assign(new Error(), { code: 'ETIMEDOUT' });
}
