/** The beginning of a stream, kept while it passes: at most `limit` bytes. */
export class FirstBytes {
  protected readonly chunks: Buffer[] = [];
  protected length = 0;

  constructor(private readonly limit: number) {}

  get full(): boolean {
    return this.length >= this.limit;
  }

  add(chunk: Buffer): void {
    if (this.full) return;
    const kept = chunk.subarray(0, this.limit - this.length);
    this.chunks.push(kept);
    this.length += kept.length;
  }

  bytes(): Buffer {
    return Buffer.concat(this.chunks, this.length);
  }
}

/** The beginning up to the first empty line, which ends the headers (RFC 5322 §2.1); a little more may follow. */
export class HeadBytes extends FirstBytes {
  private complete = false;
  private tail = '';

  override add(chunk: Buffer): void {
    if (this.complete) return;
    super.add(chunk);
    const end = this.tail + chunk.toString('latin1');
    this.complete = this.full || /\n\r?\n/.test(end);
    this.tail = end.slice(-2);
  }
}
