/**
 * Immutable bytes named by their sha256: raw mail and attachments. They live in PostgreSQL's schema `blobs` in chunks,
 * are written in the caller's transaction and read as streams, so that a 50 MB mail is never held in memory whole.
 *
 * A row of `blob` names a content; the content's chunks are numbered from 0. A stream is written under a content id of
 * its own before its hash is known; when the same bytes are already there, the new chunks are taken away again.
 */
import { createHash, randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Sql } from './sql.js';

export const CHUNK_BYTES = 256 * 1024;

export const BLOB_SCHEMA = `
  create schema if not exists blobs;
  create table if not exists blobs.blob (
    sha256 bytea primary key check (length(sha256) = 32),
    size bigint not null,
    content uuid not null,
    created_at timestamptz not null default now()
  );
  create table if not exists blobs.chunk (
    content uuid not null,
    position int not null,
    bytes bytea not null,
    primary key (content, position)
  );
  alter table blobs.chunk alter column bytes set storage external;
`;

export interface StoredBlob {
  /** Hexadecimal. */
  sha256: string;
  /** Bytes. */
  size: number;
}

/** Writes a stream of any length, one chunk in memory at a time. Call it inside a transaction. */
export async function putBlob(sql: Sql, source: AsyncIterable<Buffer | Uint8Array>): Promise<StoredBlob> {
  const hash = createHash('sha256');
  const content = randomUUID();
  let size = 0;
  let position = 0;
  for await (const chunk of inChunks(source)) {
    hash.update(chunk);
    size += chunk.length;
    await sql.query('insert into blobs.chunk (content, position, bytes) values ($1, $2, $3)', [
      content,
      position,
      chunk,
    ]);
    position += 1;
  }
  const sha256 = hash.digest();
  const inserted = await sql.query(
    'insert into blobs.blob (sha256, size, content) values ($1, $2, $3) on conflict do nothing returning 1',
    [sha256, size, content],
  );
  if (inserted.rows.length === 0) await sql.query('delete from blobs.chunk where content = $1', [content]);
  return { sha256: sha256.toString('hex'), size };
}

/** Writes many small blobs (each at most CHUNK_BYTES) in one statement; the result is in the order given. */
export async function putSmallBlobs(sql: Sql, contents: Buffer[]): Promise<StoredBlob[]> {
  const stored = contents.map((bytes) => ({ sha256: createHash('sha256').update(bytes).digest(), bytes }));
  const distinct = [...new Map(stored.map((blob) => [blob.sha256.toString('hex'), blob])).values()];
  const lengths = distinct.map(({ bytes }) => bytes.length);
  // all bytes as one parameter, which travels as it is; those of an array would be spelled out in hexadecimal
  await sql.query(
    `with given as (
       select sha256, content, substring($4::bytea from (sum(length) over (order by place) - length + 1)::int for length) as bytes
       from unnest($1::bytea[], $2::uuid[], $3::int[]) with ordinality as g(sha256, content, length, place)
     ), fresh as (
       insert into blobs.blob (sha256, size, content)
       select sha256, length(bytes), content from given order by sha256
       on conflict do nothing
       returning content
     )
     insert into blobs.chunk (content, position, bytes)
     select given.content, 0, given.bytes from given join fresh using (content)`,
    [
      distinct.map(({ sha256 }) => sha256),
      distinct.map(() => randomUUID()),
      lengths,
      Buffer.concat(distinct.map(({ bytes }) => bytes)),
    ],
  );
  return stored.map(({ sha256, bytes }) => ({ sha256: sha256.toString('hex'), size: bytes.length }));
}

/** Reads blobs of at most CHUNK_BYTES in one statement, by their hash; larger and unknown ones are left out. */
export async function readSmallBlobs(sql: Sql, sha256s: string[]): Promise<Map<string, Buffer>> {
  const { rows } = await sql.query<{ sha256: string; bytes: Buffer }>({
    name: 'read-small-blobs',
    text: `select encode(b.sha256, 'hex') as sha256, c.bytes from blobs.blob b
           join blobs.chunk c on c.content = b.content and c.position = 0
           where b.sha256 = any($1::bytea[]) and b.size <= $2`,
    values: [sha256s.map((sha256) => Buffer.from(sha256, 'hex')), CHUNK_BYTES],
  });
  return new Map(rows.map((row) => [row.sha256, row.bytes]));
}

/** @returns the bytes as a stream, or null when there is no such blob */
export async function openBlob(sql: Sql, sha256: string): Promise<Readable | null> {
  const { rows } = await sql.query<{ content: string }>('select content from blobs.blob where sha256 = $1', [
    Buffer.from(sha256, 'hex'),
  ]);
  const content = rows[0]?.content;
  return content === undefined ? null : Readable.from(chunksOf(sql, content));
}

async function* chunksOf(sql: Sql, content: string): AsyncGenerator<Buffer> {
  for (let position = 0; ; position++) {
    const { rows } = await sql.query<{ bytes: Buffer }>({
      name: 'read-chunk',
      text: 'select bytes from blobs.chunk where content = $1 and position = $2',
      values: [content, position],
    });
    if (!rows[0]) return;
    yield rows[0].bytes;
    if (rows[0].bytes.length < CHUNK_BYTES) return;
  }
}

/** Re-cuts a stream into pieces of exactly CHUNK_BYTES, the last one shorter. */
async function* inChunks(source: AsyncIterable<Buffer | Uint8Array>): AsyncGenerator<Buffer> {
  let pending: Uint8Array[] = [];
  let length = 0;
  for await (const piece of source) {
    pending.push(piece);
    length += piece.length;
    while (length >= CHUNK_BYTES) {
      const joined = Buffer.concat(pending, length);
      yield joined.subarray(0, CHUNK_BYTES);
      const rest = joined.subarray(CHUNK_BYTES);
      pending = rest.length > 0 ? [rest] : [];
      length = rest.length;
    }
  }
  if (length > 0) yield Buffer.concat(pending, length);
}
