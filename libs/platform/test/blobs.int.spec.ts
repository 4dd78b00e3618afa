/** Blobs in a real PostgreSQL. */
import { randomBytes, createHash } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startStack, type Stack } from '../../../tools/stack/stack.js';
import { BLOB_SCHEMA, CHUNK_BYTES, openBlob, putBlob, putSmallBlobs, readSmallBlobs } from '../src/blobs.js';
import { inTransaction, type Sql } from '../src/sql.js';

let stack: Stack;
let pool: pg.Pool;
let sql: Sql;

beforeAll(async () => {
  stack = await startStack({ dir: mkdtempSync(join(tmpdir(), 'helpdesk-test-')), keepData: false });
  pool = new pg.Pool({ connectionString: stack.databaseUrl });
  pool.on('error', () => {}); // a closing connection may still hear that its server stops
  sql = pool;
  await pool.query(BLOB_SCHEMA);
});

afterAll(async () => {
  await pool?.end();
  await stack?.stop();
});

async function* pieces(bytes: Buffer, size = 10_000): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

function put(bytes: Buffer) {
  return inTransaction(pool, (tx) => putBlob(tx, pieces(bytes)));
}

async function get(sha256: string): Promise<Buffer> {
  const stream = await openBlob(sql, sha256);
  return Buffer.concat((await stream!.toArray()) as Buffer[]);
}

async function chunks(): Promise<number> {
  const { rows } = await pool.query('select count(*)::int as count from blobs.chunk');
  return rows[0].count;
}

it.each([0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3_000_000])(
  'gives back %i bytes as they were',
  async (size) => {
    const bytes = randomBytes(size);
    const stored = await put(bytes);
    expect(stored).toEqual({ sha256: createHash('sha256').update(bytes).digest('hex'), size });
    expect((await get(stored.sha256)).equals(bytes)).toBe(true);
  },
);

it('keeps the same bytes once, also when they are written at the same time', async () => {
  const bytes = randomBytes(CHUNK_BYTES * 2);
  const before = await chunks();
  const stored = await Promise.all([put(bytes), put(bytes), put(bytes)]);
  expect(new Set(stored.map((blob) => blob.sha256)).size).toBe(1);
  await put(bytes);
  expect(await chunks()).toBe(before + 2);
});

it('leaves nothing of a transaction that is rolled back', async () => {
  const before = await chunks();
  const bytes = randomBytes(CHUNK_BYTES + 1);
  const failing = inTransaction(pool, async (tx) => {
    await putBlob(tx, pieces(bytes));
    throw new Error('changed my mind');
  });
  await expect(failing).rejects.toThrow('changed my mind');
  expect(await chunks()).toBe(before);
  expect(await openBlob(sql, createHash('sha256').update(bytes).digest('hex'))).toBeNull();
});

it('writes and reads many small ones in one statement, repeats included', async () => {
  const [a, b] = [randomBytes(100), randomBytes(200)];
  const stored = await putSmallBlobs(sql, [a, b, a]);
  expect(stored.map((blob) => blob.size)).toEqual([100, 200, 100]);
  expect(stored[0]).toEqual(stored[2]);
  const large = await put(randomBytes(CHUNK_BYTES + 1));
  const read = await readSmallBlobs(sql, [...stored.map((blob) => blob.sha256), large.sha256, '0'.repeat(64)]);
  expect([...read.keys()].sort()).toEqual([stored[0]!.sha256, stored[1]!.sha256].sort());
  expect(read.get(stored[1]!.sha256)!.equals(b)).toBe(true);
});
