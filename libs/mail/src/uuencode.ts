/**
 * Files written into a text by uuencode (POSIX), as old programs still send them: from a line `begin 644 name` to a line
 * `end`.
 */
import { Transform, type TransformCallback } from 'node:stream';
import { decodeRaw } from './headers.js';

export interface UuencodedFile {
  /** As the sender wrote it, not safe; may be empty. */
  name: string;
  bytes: Buffer;
}

const BEGIN = /^begin [0-7]{3,4} (.{0,250})$/;
/** Longer lines are no uuencode: at most 63 bytes are in one. */
const MAX_LINE = 256;

/**
 * Takes the uuencoded files out of a text.
 *
 * @param bytes a text in a charset that has ASCII in it
 * @param max files at most; later ones stay in the text
 * @returns null when there are none
 */
export function takeUuencoded(bytes: Buffer, max: number): { text: Buffer; files: UuencodedFile[] } | null {
  if (!bytes.includes('begin ')) return null;
  const lines = bytes.toString('latin1').split('\n');
  const rest: string[] = [];
  const files: UuencodedFile[] = [];
  for (let at = 0; at < lines.length; at++) {
    const name = lines[at]!.startsWith('begin ') ? nameIn(lines[at]!) : undefined;
    const block = name !== undefined && files.length < max ? readBlock(lines, at + 1) : null;
    if (block) {
      files.push({ name: name!, bytes: block.bytes });
      at = block.last;
    } else {
      rest.push(lines[at]!);
    }
  }
  return files.length === 0 ? null : { text: Buffer.from(rest.join('\n'), 'latin1'), files };
}

function nameIn(line: string): string | undefined {
  const name = line.length > MAX_LINE * 2 ? undefined : BEGIN.exec(line.replace(/\r$/, ''))?.[1];
  return name === undefined ? undefined : decodeRaw(name.trim());
}

/** Null when the lines are no uuencode after all. One that breaks off with the text is taken as far as it goes. */
function readBlock(lines: string[], from: number): { bytes: Buffer; last: number } | null {
  const pieces: Buffer[] = [];
  for (let at = from; at < lines.length; at++) {
    const line = lines[at]!.replace(/\r$/, '');
    if (line === 'end') return pieces.length > 0 ? { bytes: Buffer.concat(pieces), last: at } : null;
    const piece = decodeLine(line);
    if (piece === null) return null;
    pieces.push(piece);
  }
  return pieces.some(({ length }) => length > 0) ? { bytes: Buffer.concat(pieces), last: lines.length } : null;
}

/** A line's first character says how many bytes are in it. Null when it is no such line. */
function decodeLine(line: string): Buffer | null {
  if (line === '') return Buffer.alloc(0);
  if (line.length > MAX_LINE || !/^[ -`]+$/.test(line)) return null;
  const length = (line.charCodeAt(0) - 32) & 63;
  const expected = Math.ceil(length / 3) * 4;
  // a checksum character may follow; blanks at the end are often lost on the way
  if (line.length - 1 > expected + 2) return null;
  const bytes = Buffer.alloc(Math.ceil(length / 3) * 3);
  for (let group = 0; group * 3 < length; group++) {
    let bits = 0;
    for (let i = 1; i <= 4; i++) {
      const code = line.charCodeAt(group * 4 + i);
      bits = (bits << 6) | (Number.isNaN(code) ? 0 : (code - 32) & 63);
    }
    bytes.writeUIntBE(bits, group * 3, 3);
  }
  return bytes.subarray(0, length);
}

/** Undoes the transfer encoding `x-uuencode` of one part while it passes. Lines outside of the block are dropped. */
export class UudecodeStream extends Transform {
  /** From the begin line, once that has passed. */
  fileName: string | null = null;
  private pending = '';
  private inside = false;

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const lines = (this.pending + chunk.toString('latin1')).split('\n');
    // a line without end is none, and is not gathered
    this.pending = lines.pop()!.slice(0, MAX_LINE + 1);
    this.push(Buffer.concat(lines.map((line) => this.decoded(line))));
    done();
  }

  override _flush(done: TransformCallback): void {
    this.push(this.decoded(this.pending));
    done();
  }

  private decoded(raw: string): Buffer {
    const line = raw.replace(/\r$/, '');
    if (this.inside && line !== 'end') return decodeLine(line) ?? Buffer.alloc(0);
    this.inside = false;
    const name = nameIn(line);
    if (name !== undefined && this.fileName === null) {
      this.fileName = name;
      this.inside = true;
    }
    return Buffer.alloc(0);
  }
}

/** Content-Transfer-Encoding, as senders write it. */
export function isUuencode(transferEncoding: string): boolean {
  return /^\s*(?:x-)?uu(?:encode|e)?\s*$/i.test(transferEncoding);
}
