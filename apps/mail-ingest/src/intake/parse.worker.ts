/**
 * Takes mails apart and says what they mean, in a thread of its own, so that a hostile one costs this thread and not the
 * service. Raw bytes come from the blob store and attachments go back there: none of them crosses the threads, and large
 * ones only stream.
 *
 * A batch is answered as a whole, after its small attachments were committed together. Before each mail the thread says
 * which one it begins: should it not come back, that one is to blame.
 */
import type { SpamPolicy } from '#contracts';
import { fallbackMail, MailUnreadable, mailSigner, parseMail, type MailLimits, type ParsedMail } from '#mail';
// not the whole of #platform: this thread has to start fast
import { CHUNK_BYTES, openBlob, putBlob, putSmallBlobs, readSmallBlobs, type StoredBlob } from '#platform/blobs.js';
import { inTransaction, type Sql } from '#platform/sql.js';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { parentPort, workerData } from 'node:worker_threads';
import pg from 'pg';
import { ContentHash } from './content-hash.js';
import type { Identity } from './inbox.js';
import { interpret, shownOf, type Interpretation } from './interpretation.js';
import { policyOf, type SenderSettings } from './sender-policy.js';

/** What a mailbox's settings say about the mails that come to it. */
export interface MailboxTerms {
  address: string;
  aliases: string[];
  defaultOrganisationId: string | null;
  spamPolicy: SpamPolicy;
  trustedAuthservId: string | null;
  host: string | null;
}

export interface WorkerBatch {
  /** All that are read at present: their addresses are our own. */
  mailboxes: MailboxTerms[];
  tasks: ParseTask[];
}

export interface ParseTask {
  id: string;
  /** The support address whose mailbox it came to. */
  mailbox: string;
  rawSha256: string;
  rawSize: number;
  internalDate: Date;
  /** Why no more than the headers is to be read. */
  headersOnly?: string | undefined;
  /** A person decided that it is taken as a ticket, whatever it is. */
  released?: boolean;
  /** The mail itself, when it is at hand; otherwise it is read from the blob store. */
  raw?: Uint8Array | undefined;
}

export type ParseResult =
  | (Omit<Identity, 'id'> & { interpretation: Interpretation })
  /** `permanent`: this mail will never be read. Otherwise it may be tried again. */
  | { error: string; permanent: boolean };

export type WorkerMessage =
  | { begun: string }
  | { results: [id: string, result: ParseResult][] }
  /** The database did not let the batch be done; no mail is to blame. */
  | { unavailable: string };

export interface WorkerSettings {
  databaseUrl: string;
  limits: Partial<MailLimits>;
  own: { loopToken: string; signingKey: string };
  senders: SenderSettings;
}

/** Small attachments are held until this many bytes have come together, then committed in one statement. */
const HELD_BYTES = 8 * 1024 * 1024;

const { databaseUrl, limits, own, senders } = workerData as WorkerSettings;
const ourselves = { ...own, signer: mailSigner(own.signingKey) };
const pool = new pg.Pool({ connectionString: databaseUrl, max: 2, application_name: 'mail-ingest parser' });
pool.on('error', () => {}); // an idle connection was lost; the next query opens another
const sql = pool as Sql;

parentPort!.on('message', (batch: WorkerBatch) => {
  void parseBatch(batch).then(
    (results) => say({ results }),
    (error: unknown) => say({ unavailable: messageOf(error) }),
  );
});

function say(message: WorkerMessage): void {
  parentPort!.postMessage(message);
}

async function parseBatch({ mailboxes, tasks }: WorkerBatch): Promise<[string, ParseResult][]> {
  const attachments = new HeldAttachments();
  const held = await readSmallBlobs(
    sql,
    tasks.filter(({ raw }) => !raw).map(({ rawSha256 }) => rawSha256),
  );
  for (const { rawSha256, raw } of tasks)
    if (raw) held.set(rawSha256, Buffer.from(raw.buffer, raw.byteOffset, raw.length));
  const results: [string, ParseResult][] = [];
  for (const task of tasks) {
    say({ begun: task.id });
    results.push([task.id, await read(task, held.get(task.rawSha256), attachments, mailboxes)]);
  }
  await attachments.flush();
  return results;
}

/** A failure of the blob store while a mail is read. */
class StoreFailed extends Error {}

function storeFailed(error: unknown): never {
  throw new StoreFailed(messageOf(error));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** @throws StoreFailed, and nothing else */
async function read(
  task: ParseTask,
  small: Buffer | undefined,
  attachments: HeldAttachments,
  mailboxes: MailboxTerms[],
): Promise<ParseResult> {
  const raw = small ? [small] : await openBlob(sql, task.rawSha256).catch(storeFailed);
  if (!raw) return { error: `the raw bytes ${task.rawSha256} are missing`, permanent: true };
  try {
    const { mail, contentSha256 } = await parse(task, raw, attachments);
    // a mail without a Message-ID gets one from its bytes: the same mail always gets the same
    const messageId = mail.messageId ?? `${task.rawSha256}@synthetic.invalid`;
    const terms = mailboxes.find(({ address }) => address === task.mailbox);
    const { aliases = [], defaultOrganisationId = null, host: server = null } = terms ?? {};
    const received = {
      ...task,
      inboundId: task.id,
      receivedAt: task.internalDate,
      aliases,
      server,
      defaultOrganisationId,
    };
    const addresses = mailboxes.flatMap((mailbox) => [mailbox.address, ...mailbox.aliases]);
    const policy = policyOf(senders, terms);
    const interpretation = interpret(mail, messageId, received, { ...ourselves, addresses }, policy);
    return { messageId, contentSha256, ...shownOf(mail, policy), interpretation };
  } catch (error) {
    if (error instanceof StoreFailed) throw error;
    return { error: messageOf(error), permanent: false };
  }
}

async function parse(
  { rawSha256, rawSize, headersOnly }: ParseTask,
  raw: AsyncIterable<Buffer> | Iterable<Buffer>,
  attachments: HeldAttachments,
): Promise<{ mail: ParsedMail; contentSha256: string }> {
  if (headersOnly !== undefined) {
    const mail = fallbackMail(await firstChunk(fromStore(raw)), rawSize, 'headers only');
    return {
      mail: { ...mail, text: `(Only the headers of this mail were read: ${headersOnly}.)` },
      contentSha256: rawSha256,
    };
  }
  const content = new ContentHash();
  const source = Readable.from(content.passing(fromStore(raw)));
  try {
    const mail = await parseMail(source, {
      limits,
      onAttachment: (_meta, bytes) => attachments.store(bytes),
    });
    return { mail, contentSha256: content.digest() };
  } catch (error) {
    if (error instanceof StoreFailed) throw error;
    // what its headers say is still a ticket that a person can look at
    const { head, reason } = error instanceof MailUnreadable ? error : { head: content.head, reason: 'malformed' };
    return { mail: fallbackMail(head, rawSize, reason), contentSha256: rawSha256 };
  } finally {
    source.destroy();
  }
}

async function firstChunk(source: AsyncGenerator<Buffer>): Promise<Buffer> {
  const { value } = await source.next();
  await source.return(undefined);
  return value ?? Buffer.alloc(0);
}

/** Attachments on their way to the blob store: small ones gather, large ones stream into a transaction of their own. */
class HeldAttachments {
  private held: Buffer[] = [];
  private bytes = 0;

  async store(content: Readable): Promise<StoredBlob> {
    const iterator = content[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    const first: Buffer[] = [];
    let size = 0;
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
      first.push(next.value);
      size += next.value.length;
      if (size <= CHUNK_BYTES) continue;
      return inTransaction(pool, (tx) => putBlob(tx, continued(first, iterator))).catch(storeFailed);
    }
    return this.hold(Buffer.concat(first));
  }

  async flush(): Promise<void> {
    if (this.held.length > 0) await putSmallBlobs(sql, this.held).catch(storeFailed);
    this.held = [];
    this.bytes = 0;
  }

  private async hold(bytes: Buffer): Promise<StoredBlob> {
    this.held.push(bytes);
    this.bytes += bytes.length;
    if (this.bytes > HELD_BYTES) await this.flush();
    return { sha256: createHash('sha256').update(bytes).digest('hex'), size: bytes.length };
  }
}

async function* fromStore(raw: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* raw;
  } catch (error) {
    storeFailed(error);
  }
}

async function* continued(first: Buffer[], rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield* first;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}
