/**
 * Takes mails apart in a thread of its own, so that a hostile one costs this thread and not the service. Raw bytes come
 * from the blob store and attachments go back there as streams: neither is ever held whole, nor crosses the threads.
 */
import { fallbackMail, MailUnreadable, parseMail, type ParsedMail } from '#mail';
// not the whole of #platform: this thread has to start fast
import { CHUNK_BYTES, openBlob, putBlob, putSmallBlobs, type StoredBlob } from '#platform/blobs.js';
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

export type ParseAnswer = { id: string } & (
  | { mail: ParsedMail; contentSha256: string }
  /** The mail is at fault when `permanent`; otherwise what it was read from. */
  | { error: string; permanent: boolean }
);

export interface WorkerSettings {
  databaseUrl: string;
  maxBytes: number;
}

const { databaseUrl, maxBytes } = workerData as WorkerSettings;
const pool = new pg.Pool({ connectionString: databaseUrl, max: 2, application_name: 'mail-ingest parser' });
pool.on('error', () => {}); // an idle connection was lost; the next query opens another

parentPort!.on('message', (task: ParseTask) => {
  void parse(task).then(
    (answer) => parentPort!.postMessage(answer),
    (error: unknown) => parentPort!.postMessage({ id: task.id, error: String(error), permanent: false }),
  );
});

async function parse({ id, rawSha256, rawSize }: ParseTask): Promise<ParseAnswer> {
  const raw = await openBlob(pool as Sql, rawSha256);
  if (!raw) return { id, error: `the raw bytes ${rawSha256} are missing`, permanent: true };
  const content = new ContentHash();
  const source = Readable.from(content.passing(raw));
  try {
    const mail = await parseMail(source, {
      limits: { rawBytes: maxBytes },
      onAttachment: (_meta, bytes) => storeAttachment(bytes),
    });
    return { id, mail, contentSha256: content.digest() };
  } catch (error) {
    if (!(error instanceof MailUnreadable)) throw error;
    // what its headers say is still a ticket that a person can look at
    return { id, mail: fallbackMail(error.head, rawSize, error.reason), contentSha256: rawSha256 };
  } finally {
    source.destroy();
  }
}

/** Most attachments fit into one chunk: one statement instead of a transaction. */
async function storeAttachment(bytes: Readable): Promise<StoredBlob> {
  const iterator = bytes[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const first: Buffer[] = [];
  let size = 0;
  while (size <= CHUNK_BYTES) {
    const next = await iterator.next();
    if (next.done) return (await putSmallBlobs(pool as Sql, [Buffer.concat(first)]))[0]!;
    first.push(next.value);
    size += next.value.length;
  }
  return inTransaction(pool, (sql) => putBlob(sql, continued(first, iterator)));
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

  async *passing(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
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
