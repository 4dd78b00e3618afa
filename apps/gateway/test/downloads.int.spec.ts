/** Attachments and raw mail from a real PostgreSQL through real HTTP; where they are is answered in the place of tickets. */
import { getAttachment, getRawMail, type BlobReference } from '#contracts';
import {
  BLOB_SCHEMA,
  CHUNK_BYTES,
  connectNats,
  createLogger,
  inTransaction,
  putBlob,
  type StoredBlob,
  type WireReply,
} from '#platform';
import type { NatsConnection } from '@nats-io/transport-node';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startStack, type Stack } from '../../../tools/stack/stack.js';
import { AccessTokens } from '../src/auth/access-tokens.js';
import { startGateway, type Gateway } from './gateway.js';

const AUTH_SECRET = 'a secret of the tests, long enough';
const attachment = `/tickets/${randomUUID()}/attachments/${randomUUID()}`;
let stack: Stack;
let tickets: NatsConnection;
let database: pg.Pool;
let gateway: Gateway;
let token: string;
/** What the place of tickets answers about every attachment. */
let answer: WireReply;

beforeAll(async () => {
  stack = await startStack({ dir: mkdtempSync(join(tmpdir(), 'helpdesk-downloads-')), keepData: false });
  database = new pg.Pool({ connectionString: stack.databaseUrl });
  database.on('error', () => {}); // a closing connection may still hear that its server stops
  await database.query(BLOB_SCHEMA);
  tickets = await connectNats(
    stack.natsUrl,
    'tickets',
    createLogger('test', { NODE_ENV: 'test', LOG_LEVEL: 'silent' }),
  );
  for (const { subject } of [getAttachment, getRawMail]) {
    tickets.subscribe(subject, { callback: (_, message) => void message.respond(JSON.stringify(answer)) });
  }
  await tickets.flush();
  gateway = await startGateway({ NATS_URL: stack.natsUrl, DATABASE_URL: stack.databaseUrl, AUTH_SECRET });
  const tokens = new AccessTokens({ AUTH_SECRET, ACCESS_TOKEN_TTL_SECONDS: 600 });
  token = (await tokens.issue({ id: randomUUID(), kind: 'employee', name: 'Erik' })).accessToken;
});

afterAll(async () => {
  await gateway?.close();
  await tickets?.close();
  await database?.end();
  await stack?.stop();
});

async function keep(bytes: Buffer, name: string, type: string): Promise<StoredBlob> {
  const stored = await inTransaction(database, (sql) => putBlob(sql, [bytes] as never));
  answer = { ok: { ...stored, name, type } satisfies BlobReference };
  return stored;
}

const download = (path: string, method = 'GET') =>
  fetch(gateway.url + path, { method, headers: { authorization: `Bearer ${token}` } });

it.each([0, 1, CHUNK_BYTES, 3 * CHUNK_BYTES + 17])('hands out %d bytes as they were', async (size) => {
  const { sha256 } = await keep(randomBytes(size), 'Plan Zürich.png', 'image/png');
  const response = await download(attachment);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-length')).toBe(String(size));
  const bytes = Buffer.from(await response.arrayBuffer());
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256);
});

it('is a file to keep, whatever its sender called it', async () => {
  await keep(Buffer.from('<script>alert(1)</script>'), '../../evil "name".html', 'text/html');
  const { headers } = await download(attachment);
  expect(Object.fromEntries(headers)).toMatchObject({
    'content-type': 'application/octet-stream',
    'content-disposition': `attachment; filename="evil _name_.html"; filename*=UTF-8''evil%20%22name%22.html`,
    'content-security-policy': "sandbox; default-src 'none'",
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
  });
});

it('hands out the raw mail byte for byte', async () => {
  const mail = Buffer.from('Subject: caf\xe9\r\n\r\nx\0y', 'latin1');
  await keep(mail, 'entry.eml', 'message/rfc822');
  const response = await download(`/tickets/${randomUUID()}/timeline/${randomUUID()}/raw`);
  expect(response.headers.get('content-type')).toBe('message/rfc822');
  expect(Buffer.from(await response.arrayBuffer()).equals(mail)).toBe(true);
});

it('answers HEAD without the bytes', async () => {
  await keep(randomBytes(1000), 'a.bin', 'application/x-something');
  const response = await download(attachment, 'HEAD');
  expect(response.status).toBe(200);
  expect(response.headers.get('content-length')).toBe('1000');
});

it('answers a loss with a problem document, not with half a file', async () => {
  answer = { ok: { sha256: '0'.repeat(64), name: 'lost.png', type: 'image/png', size: 5 } };
  const response = await download(attachment);
  expect(response.status).toBe(500);
  expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(response.headers.get('content-disposition')).toBeNull();
});
