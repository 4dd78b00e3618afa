/** Webhooks between real servers: facts in from JetStream, requests out over HTTP, the queue in PostgreSQL. */
import {
  createWebhook,
  eventSubject,
  getWebhook,
  listDeadLetters,
  listWebhooks,
  pingWebhook,
  removeWebhook,
  replaceWebhookSecret,
  replayDeadLetters,
  ticketCreated,
  ticketMessageAdded,
  ticketUpdated,
  updateWebhook,
  type CloudEvent,
  type NewWebhook,
  type Refused,
  type WebhookWithSecret,
} from '#contracts';
import { Bus, connectNats, createLogger, ensureTicketStream } from '#platform';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { randomUUID } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startStack, type Stack } from '../../../tools/stack/stack.js';
import { created, envelope, messageAdded, updated } from './events.js';
import { MailServer } from './mail-server.js';
import { startNotifier, type RunningNotifier } from './notifier.js';
import { isSignedBy, WebhookReceiver } from './webhook-receiver.js';

const ACTOR = { personId: '0199d6a0-0000-7000-8000-000000000001', name: 'Eva Berg' };
const NOBODY = '0199d6a0-0000-7000-8000-00000000ffff';

let stack: Stack;
let nats: NatsConnection;
let bus: Bus;
let database: pg.Pool;
let mailServer: MailServer;
let receiver: WebhookReceiver;
let variables: Record<string, string>;
let running: RunningNotifier[] = [];

beforeAll(async () => {
  mailServer = await MailServer.create();
  await mailServer.start();
  const address = { host: '127.0.0.1', port: mailServer.port };
  stack = await startStack({
    dir: mkdtempSync(join(tmpdir(), 'webhooks-test-')),
    imap: { ...address, mailboxes: [] },
    smtp: address,
    keepData: false,
  });
  nats = await connectNats(stack.natsUrl, 'test', createLogger('test', { NODE_ENV: 'test', LOG_LEVEL: 'silent' }));
  bus = new Bus(nats, 10_000);
  await ensureTicketStream(await jetstreamManager(nats));
  database = new pg.Pool({ connectionString: stack.databaseUrl });
  database.on('error', () => {}); // a closing connection may still hear that its server stops
  variables = {
    NODE_ENV: 'test',
    DATABASE_URL: stack.databaseUrl,
    NATS_URL: stack.natsUrl,
    SMTP_URL: mailServer.url,
    MAIL_SIGNING_KEY: stack.secrets.mailSigning,
    MAIL_DOMAIN: 'helpdesk.test',
    MAIL_LOOP_TOKEN: 'loop-token-of-the-test',
    WEBHOOK_SECRET_KEY: stack.secrets.webhooks,
    WEBHOOK_PRIVATE_HOSTS: 'true',
  };
});

afterAll(async () => {
  await database?.end();
  await nats?.close();
  await stack?.stop();
  await mailServer?.stop();
});

beforeEach(async () => {
  receiver = await WebhookReceiver.start();
  await start();
});

afterEach(async () => {
  const { items } = await bus.expect(listWebhooks, {});
  for (const { id } of items) await bus.expect(removeWebhook, { actor: ACTOR, webhookId: id });
  await Promise.all(running.map((one) => one.stop()));
  running = [];
  await receiver.stop();
});

async function start(changed: Record<string, string> = {}): Promise<RunningNotifier> {
  const notifier = await startNotifier({ ...variables, ...changed });
  running.push(notifier);
  return notifier;
}

const make = (webhook: NewWebhook): Promise<WebhookWithSecret> => bus.expect(createWebhook, { actor: ACTOR, webhook });
const show = (webhookId: string) => bus.expect(getWebhook, { webhookId });
const pause = (webhookId: string, paused: boolean) =>
  bus.expect(updateWebhook, { actor: ACTOR, webhookId, change: { paused } });
const codes = async (reply: Promise<object>): Promise<string[]> =>
  ((await reply) as Refused).refusals.map(({ field, code }) => `${field} ${code}`);

let lastNumber = 7_000;
const nextTicket = () => ({ number: (lastNumber += 1) });

/** @param messageId the stream's own guard against repeats; a new one lets a repeat through */
async function publish(event: CloudEvent<object>, messageId: string = event.id): Promise<void> {
  await jetstream(nats).publish(eventSubject(event.type, Number(event.subject)), JSON.stringify(event), {
    msgID: messageId,
  });
}

/** Events 1, 2, 3, … of a ticket, which nobody is mailed about. */
async function publishMany(ticket: { number: number }, count: number): Promise<void> {
  for (let sequence = 1; sequence <= count; sequence++) {
    await publish(envelope(ticketMessageAdded, messageAdded({ ticket, recipients: [] }), { sequence }));
  }
}

async function eventually(what: string, condition: () => boolean | Promise<boolean>, limitMs = 20_000): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** All facts published so far are in the queue. */
async function consumed(): Promise<void> {
  const manager = await jetstreamManager(nats);
  await eventually('all events consumed', async () => {
    const { num_pending, num_ack_pending } = await manager.consumers.info('TICKETS', 'webhooks');
    return num_pending === 0 && num_ack_pending === 0;
  });
}

/** Lets time pass for what waits. */
async function hurry(webhookId: string): Promise<void> {
  await database.query(`update notifier.webhook set rest_until = now() where id = $1`, [webhookId]);
  await database.query(
    `update notifier.webhook_delivery set due_at = now() where webhook_id = $1 and state = 'pending'`,
    [webhookId],
  );
}

/** Three days later, for what waits now. */
async function expire(webhookId: string): Promise<void> {
  await database.query(
    `update notifier.webhook_delivery set expires_at = now() where webhook_id = $1 and due_at is not null`,
    [webhookId],
  );
  await hurry(webhookId);
}

const sequences = (path: string, ticket: { number: number }): number[] =>
  receiver.of(path).flatMap((one) => (one.ticket === ticket.number ? [one.sequence] : []));

it('posts the event as it was published, signed, to those who asked for its type', async () => {
  const all = await make({ url: receiver.url('/all'), description: 'Everything' });
  const some = await make({ url: receiver.url('/some'), eventTypes: [ticketUpdated.type] });
  const ticket = nextTicket();
  const first = { ...envelope(ticketCreated, created({ ticket, acknowledge: false })), extension: 'größer' };
  const second = envelope(ticketUpdated, updated({ ticket, recipients: [] }), { sequence: 2 });
  await publish(first);
  await publish(second);
  await eventually('three requests', () => receiver.received.length === 3);

  expect(receiver.of('/all').map(({ body }) => body)).toEqual([first, second].map((event) => JSON.stringify(event)));
  expect(receiver.of('/some').map(({ body }) => body)).toEqual([JSON.stringify(second)]);
  const [request] = receiver.of('/all') as [(typeof receiver.received)[0]];
  expect(request.headers).toMatchObject({ 'content-type': 'application/cloudevents+json', 'webhook-id': first.id });
  expect(isSignedBy(request, all.secret)).toBe(true);
  expect(isSignedBy(request, some.secret)).toBe(false);
  expect(isSignedBy({ ...request, body: request.body.replace('Line', 'Like') }, all.secret)).toBe(false);

  await eventually('recorded', async () => (await show(all.webhook.id)).waiting === 0);
  expect(await show(all.webhook.id)).toEqual({
    ...all.webhook,
    state: 'active',
    description: 'Everything',
    createdBy: ACTOR.name,
    lastSuccessAt: expect.any(String),
  });
});

it('delivers what comes twice once, and keeps no delivered event', async () => {
  const { webhook } = await make({ url: receiver.url() });
  const ticket = nextTicket();
  const event = envelope(ticketMessageAdded, messageAdded({ ticket, recipients: [] }));
  await publish(event);
  await eventually('delivered', async () => receiver.received.length === 1 && (await show(webhook.id)).waiting === 0);
  await publish(event, randomUUID());
  await publish(envelope(ticketMessageAdded, messageAdded({ ticket, recipients: [] }), { sequence: 2 }));
  await eventually('the next one', () => receiver.received.length === 2);
  expect(sequences('/', ticket)).toEqual([1, 2]);
  const { rows } = await database.query(
    `select event from notifier.webhook_delivery where webhook_id = $1 and state = 'delivered'`,
    [webhook.id],
  );
  expect(rows).toContainEqual({ event: null });
});

it('keeps the order of a ticket while one of its events fails, and lets other tickets pass', async () => {
  const { webhook } = await make({ url: receiver.url() });
  const [slow, quick] = [nextTicket(), nextTicket()];
  let isDown = true;
  receiver.answer = ({ ticket }) => ({ status: ticket === slow.number && isDown ? 500 : 200 });
  await publishMany(slow, 3);
  await publishMany(quick, 3);
  await eventually('the other ticket', () => sequences('/', quick).length === 3);
  expect(sequences('/', quick)).toEqual([1, 2, 3]);
  expect(sequences('/', slow)).toEqual([1]);
  await eventually('settled', async () => (await show(webhook.id)).waiting === 3);
  expect((await show(webhook.id)).lastError).toBe('the endpoint answers 500');
  isDown = false;
  await hurry(webhook.id);
  await eventually('the first ticket', () => sequences('/', slow).length === 4);
  expect(sequences('/', slow)).toEqual([1, 1, 2, 3]);
});

it('tries again by itself', async () => {
  await make({ url: receiver.url() });
  let attempts = 0;
  receiver.answer = () => ({ status: (attempts += 1) === 1 ? 503 : 200 });
  await publishMany(nextTicket(), 1);
  const begun = performance.now();
  await eventually('a second attempt', () => receiver.received.length === 2);
  expect(performance.now() - begun).toBeGreaterThan(3_500);
  const [first, second] = receiver.received as [(typeof receiver.received)[0], (typeof receiver.received)[0]];
  expect(second.headers['webhook-id']).toBe(first.headers['webhook-id']);
  expect(second.body).toBe(first.body);
});

it('shows what fails for a while as failing, asks it less, and forgets that with the first success', async () => {
  const { webhook } = await make({ url: receiver.url() });
  receiver.answer = () => ({ status: 502 });
  const tickets = Array.from({ length: 20 }, nextTicket);
  for (const ticket of tickets) await publishMany(ticket, 1);
  await consumed();
  await eventually('failing', async () => (await show(webhook.id)).state === 'failing');
  const { items } = await bus.expect(listWebhooks, { state: 'failing' });
  expect(items.map(({ id, failingSince }) => [id, typeof failingSince])).toEqual([[webhook.id, 'string']]);
  const asked = receiver.received.length;
  expect(asked).toBeLessThan(tickets.length);
  receiver.answer = () => ({ status: 200 });
  await eventually('all delivered', async () => {
    await hurry(webhook.id);
    return (await show(webhook.id)).waiting === 0;
  });
  expect(await show(webhook.id)).toMatchObject({ state: 'active', failingSince: null });
  expect(new Set(receiver.received.map(({ ticket }) => ticket)).size).toBe(tickets.length);
});

it('leaves an endpoint alone for as long as it asks', async () => {
  const { webhook } = await make({ url: receiver.url() });
  receiver.answer = () => ({ status: 429, headers: { 'retry-after': '600' } });
  await publishMany(nextTicket(), 1);
  await eventually('settled', async () => (await show(webhook.id)).lastError !== null);
  const { rows } = await database.query<{ rest: number }>(
    `select extract(epoch from rest_until - now())::float8 as rest from notifier.webhook where id = $1`,
    [webhook.id],
  );
  expect(rows[0]!.rest).toBeGreaterThan(590);
  await publishMany(nextTicket(), 1);
  await consumed();
  expect(receiver.received).toHaveLength(1);
});

it('is paused by 410 until somebody resumes it, and loses nothing', async () => {
  const { webhook } = await make({ url: receiver.url() });
  receiver.answer = () => ({ status: 410 });
  const ticket = nextTicket();
  await publishMany(ticket, 1);
  await eventually('gone', async () => (await show(webhook.id)).state === 'gone');
  receiver.answer = () => ({ status: 200 });
  await publish(envelope(ticketMessageAdded, messageAdded({ ticket, recipients: [] }), { sequence: 2 }));
  await eventually('two waiting', async () => (await show(webhook.id)).waiting === 2);
  expect((await pause(webhook.id, false)).state).toBe('active');
  await eventually('delivered', async () => (await show(webhook.id)).waiting === 0);
  expect(sequences('/', ticket)).toEqual([1, 1, 2]);
});

it('sends nothing while it is paused, and all of it after that', async () => {
  const { webhook } = await make({ url: receiver.url(), paused: true });
  const ticket = nextTicket();
  await publishMany(ticket, 5);
  await eventually('all waiting', async () => (await show(webhook.id)).waiting === 5);
  expect((await show(webhook.id)).state).toBe('paused');
  expect(receiver.received).toEqual([]);
  await pause(webhook.id, false);
  await eventually('delivered', async () => (await show(webhook.id)).waiting === 0);
  expect(sequences('/', ticket)).toEqual([1, 2, 3, 4, 5]);
});

it('gives up after three days, and delivers again what is replayed', async () => {
  const { webhook } = await make({ url: receiver.url() });
  const webhookId = webhook.id;
  receiver.answer = () => ({ status: 500 });
  const ticket = nextTicket();
  await publishMany(ticket, 3);
  await eventually('all dead', async () => {
    await expire(webhookId);
    return (await show(webhookId)).deadLetters === 3;
  });
  expect((await show(webhookId)).waiting).toBe(0);

  const first = await bus.expect(listDeadLetters, { webhookId, limit: 2 });
  expect(first.items.map(({ sequence }) => sequence)).toEqual([1, 2]);
  expect(first.items[0]).toMatchObject({
    eventType: ticketMessageAdded.type,
    ticketNumber: ticket.number,
    lastError: 'the endpoint answers 500',
  });
  const rest = await bus.expect(listDeadLetters, { webhookId, limit: 2, after: first.next! });
  expect([rest.items.map(({ sequence }) => sequence), rest.next]).toEqual([[3], null]);

  receiver.answer = () => ({ status: 200 });
  receiver.received.length = 0;
  const { eventId } = first.items[1]!;
  expect(await bus.expect(replayDeadLetters, { actor: ACTOR, webhookId, eventId })).toEqual({ replayed: 1 });
  await hurry(webhookId);
  await eventually('one', () => receiver.received.length === 1);
  expect(sequences('/', ticket)).toEqual([2]);
  expect(await bus.expect(replayDeadLetters, { actor: ACTOR, webhookId })).toEqual({ replayed: 2 });
  await eventually('all', async () => (await show(webhookId)).waiting === 0);
  expect(sequences('/', ticket)).toEqual([2, 1, 3]);
  expect(await show(webhookId)).toMatchObject({ waiting: 0, deadLetters: 0, state: 'active' });
  expect(await codes(bus.call(replayDeadLetters, { actor: ACTOR, webhookId, eventId }))).toEqual([
    'eventId dead_letter_unknown',
  ]);
});

it('signs with both secrets while one is being replaced', async () => {
  const { webhook, secret: former } = await make({ url: receiver.url() });
  const { secret, webhook: view } = await bus.expect(replaceWebhookSecret, { actor: ACTOR, webhookId: webhook.id });
  expect(view.formerSecretUntil).not.toBeNull();
  await publishMany(nextTicket(), 1);
  await eventually('one request', () => receiver.received.length === 1);
  expect([former, secret].map((one) => isSignedBy(receiver.received[0]!, one))).toEqual([true, true]);

  await database.query(`update notifier.webhook set former_secret_until = now()`);
  expect((await show(webhook.id)).formerSecretUntil).toBeNull();
  await publishMany(nextTicket(), 1);
  await eventually('another request', () => receiver.received.length === 2);
  expect([former, secret].map((one) => isSignedBy(receiver.received[1]!, one))).toEqual([false, true]);
});

it('seals secrets, also with a new key', async () => {
  const { webhook, secret } = await make({ url: receiver.url() });
  const stored = async () =>
    (await database.query<{ secret: string }>('select secret from notifier.webhook where id = $1', [webhook.id]))
      .rows[0]!.secret;
  const before = await stored();
  expect(before).not.toContain(secret.slice(6, 30));
  const key = 'another key of this test that is long enough';
  await Promise.all(running.splice(0).map((one) => one.stop()));
  await start({ WEBHOOK_SECRET_KEY: `${key},${stack.secrets.webhooks}` });
  expect(await stored()).not.toBe(before);
  await Promise.all(running.splice(0).map((one) => one.stop()));
  await start({ WEBHOOK_SECRET_KEY: key });
  await publishMany(nextTicket(), 1);
  await eventually('one request', () => receiver.received.length === 1);
  expect(isSignedBy(receiver.received[0]!, secret)).toBe(true);
});

it('is tried out by a ping', async () => {
  const { webhook, secret } = await make({ url: receiver.url(), paused: true });
  expect(await bus.expect(pingWebhook, { webhookId: webhook.id })).toMatchObject({ delivered: true, status: 204 });
  const [ping] = receiver.received as [(typeof receiver.received)[0]];
  expect(JSON.parse(ping.body)).toMatchObject({ type: 'webhook.ping.v1', data: { webhookId: webhook.id } });
  expect(isSignedBy(ping, secret)).toBe(true);
  receiver.answer = () => ({ status: 302, headers: { location: receiver.url('/other') } });
  expect(await bus.expect(pingWebhook, { webhookId: webhook.id })).toMatchObject({
    delivered: false,
    status: 302,
    error: 'the endpoint answers 302, and redirects are not followed',
  });
  expect(receiver.of('/other')).toEqual([]);
  expect(await show(webhook.id)).toMatchObject({ state: 'paused', lastError: null });
});

it('refuses what cannot be', async () => {
  const { webhook } = await make({ url: receiver.url() });
  const ask = (url: string) => codes(bus.call(createWebhook, { actor: ACTOR, webhook: { url } }));
  expect(await ask('example.net')).toEqual(['url url_invalid']);
  expect(await ask('http://169.254.169.254/')).toEqual(['url host_forbidden']);
  const change = { url: 'ftp://example.net/' };
  expect(await codes(bus.call(updateWebhook, { actor: ACTOR, webhookId: webhook.id, change }))).toEqual([
    'url url_invalid',
  ]);
  const unknown = ['webhookId webhook_unknown'];
  const one = { actor: ACTOR, webhookId: NOBODY };
  expect(await codes(bus.call(getWebhook, one))).toEqual(unknown);
  expect(await codes(bus.call(updateWebhook, { ...one, change: {} }))).toEqual(unknown);
  expect(await codes(bus.call(replaceWebhookSecret, one))).toEqual(unknown);
  expect(await codes(bus.call(removeWebhook, one))).toEqual(unknown);
  expect(await codes(bus.call(pingWebhook, one))).toEqual(unknown);
  expect(await codes(bus.call(listDeadLetters, { ...one, limit: 1 }))).toEqual(unknown);
  expect(await codes(bus.call(replayDeadLetters, one))).toEqual(unknown);
  expect(await codes(bus.call(listDeadLetters, { webhookId: webhook.id, limit: 1, after: NOBODY }))).toEqual([
    'after cursor_invalid',
  ]);
});

it('goes to no private address unless it may, even when it was made while it might', async () => {
  const { webhook } = await make({ url: receiver.url() });
  await Promise.all(running.splice(0).map((one) => one.stop()));
  await start({ WEBHOOK_PRIVATE_HOSTS: 'false' });
  await publishMany(nextTicket(), 1);
  await eventually('an attempt', async () => (await show(webhook.id)).lastError !== null);
  expect((await show(webhook.id)).lastError).toBe('connections to 127.0.0.1 are not allowed');
  expect(await codes(bus.call(createWebhook, { actor: ACTOR, webhook: { url: 'https://localhost/' } }))).toEqual([
    'url host_forbidden',
  ]);
  expect(receiver.received).toEqual([]);
});

it('delivers each event once and in order with two notifiers, one of which stops in between', async () => {
  const other = await start();
  const { webhook } = await make({ url: receiver.url() });
  const tickets = Array.from({ length: 10 }, nextTicket);
  const publishing = Promise.all(tickets.map((ticket) => publishMany(ticket, 20)));
  await eventually('some', () => receiver.received.length > 50);
  running = running.filter((one) => one !== other);
  await other.stop();
  await publishing;
  await consumed();
  await eventually('all', async () => (await show(webhook.id)).waiting === 0);
  const inOrder = Array.from({ length: 20 }, (_, index) => index + 1);
  for (const ticket of tickets) expect(sequences('/', ticket)).toEqual(inOrder);
});

it('makes a request again whose sender has died', async () => {
  const { webhook } = await make({ url: receiver.url(), paused: true });
  await publishMany(nextTicket(), 1);
  await eventually('waiting', async () => (await show(webhook.id)).waiting === 1);
  await database.query(
    `update notifier.webhook_delivery set state = 'sending', attempts = 1, due_at = now() where webhook_id = $1`,
    [webhook.id],
  );
  await pause(webhook.id, false);
  await eventually('delivered', async () => (await show(webhook.id)).waiting === 0);
  expect(receiver.received).toHaveLength(1);
});
