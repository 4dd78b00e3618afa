/**
 * Takes mails apart in a thread of its own, so that a hostile one costs this thread and not the service. Raw bytes come
 * from the blob store and attachments go back there: none of them crosses the threads, and large ones only stream.
 *
 * A batch is answered as a whole, after its small attachments were committed together. Before each mail the thread says
 * which one it begins: should it not come back, that one is to blame.
 */
import { fallbackMail, MailUnreadable, parseMail, type ParsedMail } from '#mail';
// not the whole of #platform: this thread has to start fast
import { CHUNK_BYTES, openBlob, putBlob, putSmallBlobs, readSmallBlobs, type StoredBlob } from '#platform/blobs.js';
import { inTransaction, type Sql } from '#platform/sql.js';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { parentPort, workerData } from 'node:worker_threads';
import pg from 'pg';

export interface ParseTask {
  id: string;
  rawSha256: string;
  rawSize: number;
}

export type ParseResult =
  | { mail: ParsedMail; contentSha256: string }
  /** `permanent`: this mail will never be read. Otherwise it may be tried again. */
  | { error: string; permanent: boolean };

export type WorkerMessage = { begun: string } | { results: [id: string, result: ParseResult][] };

export interface WorkerSettings {
  databaseUrl: string;
  maxBytes: number;
}

/** Small attachments are held until this many bytes have come together, then committed in one statement. */
const HELD_BYTES = 8 * 1024 * 1024;

const { databaseUrl, maxBytes } = workerData as WorkerSettings;
const pool = new pg.Pool({ connectionString: databaseUrl, max: 2, application_name: 'mail-ingest parser' });
pool.on('error', () => {}); // an idle connection was lost; the next query opens another
const sql = pool as Sql;

parentPort!.on('message', (tasks: ParseTask[]) => {
  void parseBatch(tasks).then((results) => say({ results }));
});

function say(message: WorkerMessage): void {
  parentPort!.postMessage(message);
}

async function parseBatch(tasks: ParseTask[]): Promise<[string, ParseResult][]> {
  const attachments = new HeldAttachments();
  try {
    const raw = await readSmallBlobs(
      sql,
      tasks.map((task) => task.rawSha256),
    );
    const results: [string, ParseResult][] = [];
    for (const task of tasks) {
      say({ begun: task.id });
      const result = await parse(task, raw.get(task.rawSha256), attachments).catch(transient);
      results.push([task.id, result]);
    }
    await attachments.flush();
    return results;
  } catch (error) {
    return tasks.map((task) => [task.id, transient(error)]); // the database is away: all of them are tried again
  }
}

function transient(error: unknown): ParseResult {
  return { error: error instanceof Error ? error.message : String(error), permanent: false };
}

async function parse(
  { rawSha256, rawSize }: ParseTask,
  small: Buffer | undefined,
  attachments: HeldAttachments,
): Promise<ParseResult> {
  const raw = small ? [small] : await openBlob(sql, rawSha256);
  if (!raw) return { error: `the raw bytes ${rawSha256} are missing`, permanent: true };
  const content = new ContentHash();
  const source = Readable.from(content.passing(raw));
  try {
    const mail = await parseMail(source, {
      limits: { rawBytes: maxBytes },
      onAttachment: (_meta, bytes) => attachments.store(bytes),
    });
    return { mail, contentSha256: content.digest() };
  } catch (error) {
    if (!(error instanceof MailUnreadable)) throw error;
    // what its headers say is still a ticket that a person can look at
    return { mail: fallbackMail(error.head, rawSize, error.reason), contentSha256: rawSha256 };
  } finally {
    source.destroy();
  }
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
      if (size > CHUNK_BYTES) return inTransaction(pool, (tx) => putBlob(tx, continued(first, iterator)));
    }
    return this.hold(Buffer.concat(first));
  }

  async flush(): Promise<void> {
    if (this.held.length > 0) await putSmallBlobs(sql, this.held);
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

async function* continued(first: Buffer[], rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield* first;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}

/** Hashes what follows the header block: trace fields differ between two deliveries of the same mail. */
class ContentHash {
  private readonly hash = createHash('sha256');
  private inHeaders = true;
  /** The end of what was seen of the headers, in case their end is split over two chunks. */
  private tail = Buffer.alloc(0);

  async *passing(source: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      this.update(chunk);
      yield chunk;
    }
  }

  digest(): string {
    return this.hash.digest('hex');
  }

  private update(chunk: Buffer): void {
    if (!this.inHeaders) {
      this.hash.update(chunk);
      return;
    }
    const seen = Buffer.concat([this.tail, chunk]);
    const end = /\r?\n\r?\n/.exec(seen.toString('latin1'));
    if (end) {
      this.inHeaders = false;
      this.hash.update(seen.subarray(end.index + end[0].length));
    } else {
      this.tail = seen.subarray(-3);
    }
  }
}
