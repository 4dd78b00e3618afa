import { createHash } from 'node:crypto';

/**
 * Hashes what follows the header block while it passes: trace fields differ between two deliveries of the same mail,
 * the content does not.
 */
export class ContentHash {
  private readonly hash = createHash('sha256');
  private inHeaders = true;
  /** The end of what was seen of the headers, in case their end is split over two chunks. */
  private tail = Buffer.alloc(0);
  /** The first chunk, for a mail of which nothing else can be read. */
  head: Buffer = Buffer.alloc(0);

  async *passing(source: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      if (this.head.length === 0) this.head = chunk;
      this.update(chunk);
      yield chunk;
    }
  }

  /** Hexadecimal sha256. */
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
