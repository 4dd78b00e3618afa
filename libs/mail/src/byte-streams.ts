/** Bytes that come by: some to be looked at, all to be handed on. */
import { PassThrough, type Readable, type Transform } from 'node:stream';
import type { FirstBytes } from './first-bytes.js';

const SLICE_BYTES = 64 * 1024;

/** Up to a little more than `limit` bytes, and the rest when there is more. */
export async function beginning(
  content: Readable,
  limit: number,
): Promise<{ bytes: Buffer; rest: AsyncIterator<Buffer> | null }> {
  const rest = content[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const chunks: Buffer[] = [];
  let length = 0;
  for (let next = await rest.next(); !next.done; next = await rest.next()) {
    chunks.push(next.value);
    length += next.value.length;
    if (length > limit) return { bytes: Buffer.concat(chunks, length), rest };
  }
  return { bytes: Buffer.concat(chunks, length), rest: null };
}

/** What `beginning` took, and the rest behind it. */
export async function* continued(bytes: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield bytes;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}

/** Large buffers in pieces that a store likes. */
export function* slices(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) yield bytes.subarray(at, at + SLICE_BYTES);
}

/** Cut inside a character, a text would not be in its charset any more. */
export function wholeLines(bytes: Buffer): Buffer {
  const end = bytes.lastIndexOf(0x0a);
  if (end > bytes.length / 2) return bytes.subarray(0, end);
  let length = bytes.length;
  while (length > bytes.length - 4 && length > 0 && bytes[length - 1]! >= 0x80) length--;
  return bytes.subarray(0, length);
}

/** Keeps the first bytes of what passes. */
export function peekThrough(capture: FirstBytes): Transform {
  return new PassThrough({
    transform(chunk: Buffer, _encoding, done) {
      capture.add(chunk);
      done(null, chunk);
    },
  });
}
