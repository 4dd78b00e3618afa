/**
 * The REST door by itself: real HTTP in front, a real nats-server behind, and on its other side a responder that speaks
 * the contracts' wire format in the place of the tickets service.
 */
import {
  addMessage,
  authenticate,
  createTicket,
  getClocks,
  getTicket,
  listInbound,
  listMailboxes,
  listPeople,
  listTickets,
  refuse,
  updateMailbox,
  updateTicket,
  type AddMessage,
  type FieldError,
  type PersonView,
  type Rpc,
  type TicketView,
  type UpdateTicket,
} from '#contracts';
import { connectNats, createLogger, type WireReply } from '#platform';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { connect as connectSocket } from 'node:net';
import { freePort } from '../../../tools/stack/ports.js';
import { describeApi } from '../src/openapi.js';
import { startGateway, type Gateway } from './gateway.js';

const erik: PersonView = {
  id: '0197f0a0-0000-7000-8000-000000000001',
  kind: 'employee',
  name: 'Erik Sørensen',
  email: 'erik@helpdesk.test',
  active: true,
  organisation: null,
};
const zoe: PersonView = {
  id: '0197f0a0-0000-7000-8000-000000000002',
  kind: 'customer',
  name: 'Zoë Müller',
  email: 'zoe@customer.test',
  active: true,
  organisation: { id: '0197f0a0-0000-7000-8000-000000000003', name: 'Käserei Müller AG' },
};
const ticket = {
  id: '0197f0a0-0000-7000-8000-000000000010',
  number: 1042,
  version: 3,
  subject: 'Line down',
  tags: [],
  channel: 'portal',
  reporter: { personId: zoe.id, name: zoe.name, email: zoe.email },
  organisation: zoe.organisation,
  infrastructure: null,
  assignee: null,
  status: 'open',
  priority: 'medium',
  remainingAssignSeconds: 3600,
  remainingResolveSeconds: 7200,
  assignDueAt: '2026-03-02T11:00:00Z',
  resolveDueAt: '2026-03-02T12:00:00Z',
  resolutionEta: '2026-03-02T12:00:00Z',
  resolutionEtaSource: 'computed',
  overdue: false,
  remainingSuspendedSeconds: null,
  suspensionCause: null,
  suspendedUntil: null,
  resolutionType: null,
  assignOutcome: null,
  resolveOutcome: null,
  assignEverBreached: false,
  resolveEverBreached: false,
  resolveGainSeconds: 0,
  followUpOf: null,
  mergedInto: null,
  createdAt: '2026-03-02T10:00:00Z',
  updatedAt: '2026-03-02T10:00:00Z',
  closedAt: null,
} satisfies TicketView;
const path = `/tickets/${ticket.id}`;
const good = { priority: 'high', comment: 'Good.' };

let natsServer: ChildProcess;
let natsUrl: string;
/** The connection of the other side. */
let tickets: NatsConnection;
let gateway: Gateway;
let url: string;

interface Asked<Request> {
  request: Request;
  headers: Record<string, string>;
}

/** Answers a contract until the test ends. @returns what was asked so far */
async function answer<Request extends object, Reply extends object>(
  contract: Rpc<Request, Reply>,
  reply: (request: Request) => WireReply | Promise<WireReply | null>,
): Promise<Asked<Request>[]> {
  const asked: Asked<Request>[] = [];
  const callback = async (_: Error | null, message: Msg): Promise<void> => {
    const request = message.json<Request>();
    const names = message.headers?.keys() ?? [];
    asked.push({ request, headers: Object.fromEntries(names.map((name) => [name, message.headers!.get(name)])) });
    const wire = await reply(request);
    if (wire) message.respond(JSON.stringify(wire));
  };
  const subscription = tickets.subscribe(contract.subject, {
    callback: (error, message) => void callback(error, message),
  });
  subscriptions.push(subscription);
  await tickets.flush();
  return asked;
}

const subscriptions: { unsubscribe(): void }[] = [];

const silent = () => new Promise<never>(() => {});

function refused(code: string, field = '', currentVersion?: number): WireReply {
  return { refused: Object.assign(refuse({ field, code, message: code }), { currentVersion }) };
}

async function logIn(person: PersonView, base = url): Promise<string> {
  await answer(authenticate, () => ({ ok: { person } }));
  const response = await fetch(`${base}/auth/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: person.email, password: 'right' }),
  });
  subscriptions.pop()!.unsubscribe();
  await tickets.flush();
  return ((await response.json()) as { accessToken: string }).accessToken;
}

interface Sending {
  method?: string;
  body?: unknown;
  headers?: Record<string, string>;
  token?: string | null;
  base?: string;
}

let employee: string;
let customer: string;

function send(to: string, { method = 'GET', body, headers = {}, token = employee, base = url }: Sending = {}) {
  return fetch(base + to, {
    method,
    headers: {
      ...(token !== null && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
}

interface ProblemBody {
  type: string;
  title: string;
  status: number;
  code: string;
  detail: string;
  correlationId: string;
  errors: FieldError[];
  currentVersion?: number;
}

async function problemOf(response: Response): Promise<ProblemBody> {
  expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  const problem = (await response.json()) as ProblemBody;
  expect(problem).toMatchObject({
    type: `/problems/${problem.code.replaceAll('_', '-')}`,
    title: expect.any(String),
    status: response.status,
    detail: expect.any(String),
    correlationId: response.headers.get('x-correlation-id'),
    errors: expect.any(Array),
  });
  return problem;
}

const golden = new URL('../../../libs/contracts/src/golden/', import.meta.url);

beforeAll(async () => {
  const port = await freePort();
  natsServer = spawn('nats-server', ['-a', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
  natsUrl = `nats://127.0.0.1:${port}`;
  const log = createLogger('test', { NODE_ENV: 'test', LOG_LEVEL: 'silent', LOG_FORMAT: 'json' });
  tickets = await connectNats(natsUrl, 'tickets', log);
  gateway = await startGateway({ NATS_URL: natsUrl });
  url = gateway.url;
  employee = await logIn(erik);
  customer = await logIn(zoe);
});

afterEach(async () => {
  for (const subscription of subscriptions.splice(0)) subscription.unsubscribe();
  await tickets.flush();
});

afterAll(async () => {
  await gateway?.close();
  await tickets?.close();
  const ended = once(natsServer, 'exit');
  natsServer.kill();
  await ended;
});

describe('bad input', () => {
  it('no comment: the refusal of the rules, with every code', async () => {
    await answer(updateTicket, () => refused('comment_required', 'comment'));
    const response = await send(path, { method: 'PATCH', body: { priority: 'high' } });
    expect(await problemOf(response)).toMatchObject({
      status: 422,
      code: 'validation_failed',
      errors: [{ field: 'comment', code: 'comment_required' }],
    });
  });

  it('unknown fields are handed to the rules by name, so that all violations come back at once', async () => {
    const asked = await answer(updateTicket, ({ unknownFields = [] }: UpdateTicket) => ({
      refused: refuse(...unknownFields.map((field) => ({ field, code: 'unknown_field', message: 'no' }))),
    }));
    const body = { ...good, colour: 1, size: 2 };
    const problem = await problemOf(await send(path, { method: 'PATCH', body }));
    expect(problem.errors.map(({ field, code }) => [field, code])).toEqual([
      ['colour', 'unknown_field'],
      ['size', 'unknown_field'],
    ]);
    expect(asked[0]!.request.change).toEqual(good);
  });

  it('the assignee is a customer', async () => {
    await answer(updateTicket, () => refused('assignee_not_employee', 'assignee'));
    const response = await send(path, { method: 'PATCH', body: { assignee: zoe.id, comment: 'x' } });
    expect(await problemOf(response)).toMatchObject({ status: 422, errors: [{ code: 'assignee_not_employee' }] });
  });

  it('a bad UUID, named by its parameter', async () => {
    const response = await send(`${path}/attachments/seven`);
    expect(await problemOf(response)).toMatchObject({
      status: 400,
      code: 'uuid_invalid',
      errors: [{ field: 'attachmentId', code: 'uuid_invalid' }],
    });
  });

  it.each([
    ['lists', '/tickets', `{"subject":${'['.repeat(200_000)}${']'.repeat(200_000)},"text":"x"}`],
    ['objects', '/tickets', `{"subject":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)},"text":"x"}`],
    ['lists in what has no such field', '/tickets', `{"x":${'['.repeat(200_000)}${']'.repeat(200_000)}}`],
  ])('%s within each other without end', async (_what, where, body) => {
    const response = await send(where, {
      method: 'POST',
      body,
    });
    expect((await problemOf(response)).status).toBe(422);
  });

  it('an oversized body', async () => {
    const response = await send(path, { method: 'PATCH', body: { comment: 'x'.repeat(2 << 20) } });
    expect(await problemOf(response)).toMatchObject({ status: 413, code: 'body_too_large' });
  });

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'application/xml', 'multipart/form-data; boundary=x'])(
    'the wrong content type %s',
    async (type) => {
      const response = await send(path, { method: 'PATCH', body: 'priority=high', headers: { 'content-type': type } });
      expect(await problemOf(response)).toMatchObject({ status: 415, code: 'content_type_unsupported' });
    },
  );

  it('no token', async () => {
    const response = await send(path, { method: 'PATCH', body: good, token: null });
    expect(response.headers.get('www-authenticate')).toMatch(/^Bearer/);
    expect(await problemOf(response)).toMatchObject({ status: 401, code: 'token_missing' });
  });

  it("another organisation's ticket", async () => {
    await answer(getTicket, () => refused('ticket_unknown', 'ticketId'));
    expect(await problemOf(await send(path, { token: customer }))).toMatchObject({
      status: 404,
      code: 'ticket_unknown',
    });
  });

  it('a token that is not ours', async () => {
    const response = await send(path, { token: `${employee.slice(0, -3)}abc` });
    expect(response.headers.get('www-authenticate')).toContain('invalid_token');
    expect(await problemOf(response)).toMatchObject({ status: 401, code: 'token_invalid' });
  });

  it.each(['{"priority":', '', '{"__proto__":{"x":1}}', '\ufffd'])('the JSON %j', async (body) => {
    const response = await send(path, { method: 'PATCH', body });
    expect(await problemOf(response)).toMatchObject({ status: 400, code: 'json_invalid' });
  });

  it('a ticket with everything wrong, each field named', async () => {
    const body = { subject: '', priority: 1, colour: 'red', reporter: { email: 'nobody' } };
    const problem = await problemOf(await send('/tickets', { method: 'POST', body }));
    expect(problem.status).toBe(422);
    expect(problem.errors.map(({ field }) => field).sort()).toEqual([
      'colour',
      'priority',
      'reporter.email',
      'subject',
      'text',
    ]);
  });

  it('a query that no list knows', async () => {
    const problem = await problemOf(await send('/tickets?limit=0&status=open,lost&colour=red&number=1e12'));
    expect(problem.status).toBe(422);
    expect(problem.errors.map(({ field }) => field).sort()).toEqual(['colour', 'limit', 'number', 'status']);
  });

  it('an unknown path, and a known one with the wrong method', async () => {
    expect(await problemOf(await send('/nothing/here'))).toMatchObject({ status: 404, code: 'route_unknown' });
    const wrongMethod = await send(path, { method: 'DELETE' });
    expect(wrongMethod.headers.get('allow')).toBe('GET, HEAD, PATCH');
    expect(await problemOf(wrongMethod)).toMatchObject({ status: 405, code: 'method_not_allowed' });
  });

  it.each([
    ['a path that cannot be decoded', '/tickets/%ff', 400],
    ['an endless path parameter', `/tickets/${'x'.repeat(500)}`, 414],
  ])('%s', async (_title, bad, status) => {
    expect((await problemOf(await send(bad))).status).toBe(status);
  });

  it('something that is not HTTP', async () => {
    const socket = connectSocket(Number(new URL(url).port), '127.0.0.1');
    socket.end('HELO there\r\n\r\n');
    let text = '';
    for await (const piece of socket) text += String(piece);
    expect(text).toMatch(/^HTTP\/1.1 400 /);
    expect(text).toContain('application/problem+json');
  });

  it.each(['/people', `${path}/timeline/${ticket.id}/raw`])('a customer at %s', async (forEmployees) => {
    expect(await problemOf(await send(forEmployees, { token: customer }))).toMatchObject({
      status: 403,
      code: 'employees_only',
    });
  });

  it.each([
    ['GET', '/inbound', listInbound],
    ['GET', '/mailboxes', listMailboxes],
    ['POST', `/mailboxes/${ticket.id}/pause`, updateMailbox],
  ])('somebody who is no employee any more, at %s %s', async (method, forEmployees, contract) => {
    const asked = await answer<object, object>(contract, () => refused('mailbox_unknown'));
    await answer(listPeople, () => refused('viewer_unknown', 'viewerId'));
    expect(await problemOf(await send(forEmployees, { method }))).toMatchObject({
      status: 401,
      code: 'viewer_unknown',
    });
    subscriptions.pop()!.unsubscribe();
    await answer(listPeople, () => refused('employees_only'));
    expect(await problemOf(await send(forEmployees, { method }))).toMatchObject({
      status: 403,
      code: 'employees_only',
    });
    expect(asked).toEqual([]);
  });

  it('a customer who writes a note: nothing is asked of the tickets service', async () => {
    const asked = await answer(addMessage, () => refused('employees_only'));
    const response = await send(`${path}/notes`, { method: 'POST', body: { text: 'x' }, token: customer });
    expect(await problemOf(response)).toMatchObject({ status: 403 });
    expect(asked).toEqual([]);
  });
});

describe('log in', () => {
  const attempt = (password: string, email = 'zoe@customer.test') =>
    send('/auth/token', { method: 'POST', body: { email, password }, token: null });

  it('gives a token that names the person', async () => {
    await answer(authenticate, () => ({ ok: { person: erik } }));
    const body = await (await attempt('right', erik.email)).json();
    expect(body).toMatchObject({ tokenType: 'Bearer', expiresInSeconds: 28_800, person: { id: erik.id } });
    const me = await send('/me', { token: (body as { accessToken: string }).accessToken });
    expect(await me.json()).toEqual({ id: erik.id, kind: 'employee', name: erik.name });
  });

  it('refuses wrong credentials, and after ten of them makes that caller wait', async () => {
    await answer(authenticate, ({ password }) =>
      password === 'right' ? { ok: { person: zoe } } : refused('credentials_invalid'),
    );
    const email = 'guessed@customer.test';
    for (let i = 0; i < 10; i++) {
      const response = await attempt('wrong', email);
      expect(await problemOf(response)).toMatchObject({ status: 401, code: 'credentials_invalid' });
    }
    const response = await attempt('right', email);
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await problemOf(response)).toMatchObject({ status: 429, code: 'too_many_attempts' });
    expect((await attempt('right', 'other@customer.test')).status).toBe(200);
  });
});

describe('the service behind', () => {
  it('nobody answers: 503, at once, with Retry-After', async () => {
    const response = await send(path);
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await problemOf(response)).toMatchObject({ status: 503, code: 'service_unavailable' });
  });

  it('no answer in time: 504', async () => {
    const impatient = await startGateway({ NATS_URL: natsUrl, RPC_TIMEOUT_MS: '100' });
    try {
      await answer(getTicket, silent);
      const response = await send(path, { base: impatient.url });
      expect(await problemOf(response)).toMatchObject({ status: 504, code: 'service_timeout' });
    } finally {
      await impatient.close();
    }
  });

  it('a fault there: 500 without its words', async () => {
    await answer(getTicket, () => ({ fault: { reason: 'internal', message: 'relation "secret" does not exist' } }));
    const problem = await problemOf(await send(path));
    expect(problem).toMatchObject({ status: 500, code: 'internal_error' });
    expect(JSON.stringify(problem)).not.toContain('secret');
  });

  it('is named by readiness when it is not there; being alive needs nobody', async () => {
    expect((await send('/health/live', { token: null })).status).toBe(200);
    const response = await send('/health/ready', { token: null });
    expect(response.status).toBe(503);
    const { failing } = (await response.json()) as { failing: { name: string }[] };
    expect(failing.map(({ name }) => name).sort()).toEqual(['postgres', 'tickets']);
  });
});

describe('what is passed on', () => {
  it('the correlation id and trace, there and back, also for a request with a body', async () => {
    const asked = await answer(updateTicket, () => ({ ok: { ticket, changed: true, fixes: [] } }));
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const response = await send(path, {
      method: 'PATCH',
      body: good,
      headers: { 'x-correlation-id': 'order-7.a_b', traceparent },
    });
    expect(response.headers.get('x-correlation-id')).toBe('order-7.a_b');
    expect(asked[0]!.headers).toEqual({ 'x-correlation-id': 'order-7.a_b', traceparent });
  });

  it('a correlation id of its own instead of one that is not sane', async () => {
    const asked = await answer(getTicket, () => ({ ok: { ticket } }));
    const response = await send(path, { headers: { 'x-correlation-id': 'a b"; drop' } });
    const id = response.headers.get('x-correlation-id');
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    expect(asked[0]!.headers['x-correlation-id']).toBe(id);
  });

  it('contexts of requests at the same time stay apart', async () => {
    const asked = await answer(updateTicket, () => ({ ok: { ticket, changed: true, fixes: [] } }));
    const ids = Array.from({ length: 20 }, (_, index) => `request-${index}`);
    await Promise.all(
      ids.map((id) => send(path, { method: 'PATCH', body: { comment: id }, headers: { 'x-correlation-id': id } })),
    );
    expect(asked).toHaveLength(20);
    for (const { request, headers } of asked) expect(headers['x-correlation-id']).toBe(request.change.comment);
  });

  it('who asks', async () => {
    const asked = await answer(listTickets, () => ({ ok: { items: [ticket], next: '1042' } }));
    const response = await send(`/tickets?status=open,closed&assignee=none&limit=5&after=2000`, { token: customer });
    expect(await response.json()).toEqual({ items: [ticket], next: '1042' });
    expect(asked[0]!.request).toEqual({
      viewerId: zoe.id,
      status: ['open', 'closed'],
      assignee: 'none',
      limit: 5,
      after: '2000',
    });
  });

  it('If-Match as the expected version, the Idempotency-Key, and the version as ETag', async () => {
    const asked = await answer(updateTicket, () => ({ ok: { ticket, changed: true, fixes: [] } }));
    const headers = { 'if-match': '"2"', 'idempotency-key': 'key-1' };
    const response = await send(path, { method: 'PATCH', body: good, headers });
    expect(response.headers.get('etag')).toBe('"3"');
    expect(await response.json()).toEqual({ ticket, changed: true, fixes: [] });
    expect(asked[0]!.request).toEqual({
      actorId: erik.id,
      ticketId: ticket.id,
      change: good,
      expectedVersion: 2,
      idempotencyKey: 'key-1',
    });
    await send(path, { method: 'PATCH', body: good, headers: { 'if-match': '*' } });
    expect(asked[1]!.request).toEqual({ actorId: erik.id, ticketId: ticket.id, change: good });
  });

  it('a version conflict as 409 with the present version', async () => {
    await answer(updateTicket, () => refused('version_conflict', 'version', 9));
    const response = await send(path, { method: 'PATCH', body: good, headers: { 'if-match': '"2"' } });
    expect(await problemOf(response)).toMatchObject({ status: 409, code: 'version_conflict', currentVersion: 9 });
  });

  it('a new ticket as 201 with its place', async () => {
    const asked = await answer(createTicket, () => ({ ok: { ticket } }));
    const body = { subject: 'S', text: 'T', reporter: { email: 'a@customer.test', name: 'A' } };
    const response = await send('/tickets', { method: 'POST', body, headers: { 'idempotency-key': 'key-2' } });
    expect(response.status).toBe(201);
    expect(response.headers.get('location')).toBe(path);
    expect(response.headers.get('etag')).toBe('"3"');
    expect(await response.json()).toEqual({ ticket });
    expect(asked[0]!.request).toEqual({ actorId: erik.id, ticket: body, idempotencyKey: 'key-2' });
  });

  it('replies and notes with their visibility', async () => {
    const asked = await answer(addMessage, () => ({
      ok: { ticket, entryId: ticket.id, effect: 'comment_added', fixes: [] },
    }));
    for (const kind of ['replies', 'notes']) {
      const response = await send(`${path}/${kind}`, { method: 'POST', body: { text: 'Words' } });
      expect(response.status).toBe(201);
    }
    expect(asked.map(({ request }: { request: AddMessage }) => request.visibility)).toEqual(['public', 'internal']);
  });
});

it('sends security headers with every answer, and no CORS permission', async () => {
  for (const to of ['/health/live', '/nothing', '/docs', '/openapi.json']) {
    const { headers } = await send(to, { token: null, headers: { origin: 'https://example.org' } });
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(headers.get('strict-transport-security')).toContain('max-age');
    expect(headers.get('access-control-allow-origin')).toBeNull();
  }
});

it('shows documentation whose parts all come from here', async () => {
  const page = await (await send('/docs', { token: null })).text();
  const parts = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, part]) => new URL(part!, `${url}/docs`).href);
  expect(parts.length).toBeGreaterThan(3);
  for (const part of parts) {
    if (part.startsWith('http://www.w3.org')) continue;
    expect(part.startsWith(url)).toBe(true);
    expect((await fetch(part)).status).toBe(200);
  }
  expect(page).not.toMatch(/<script>/); // the policy forbids inline scripts
});

it('asks for eight tickets of a bulk update at a time', async () => {
  let [inHand, most] = [0, 0];
  const waiting: (() => void)[] = [];
  await answer(updateTicket, async () => {
    most = Math.max(most, (inHand += 1));
    await new Promise<void>((resolve) => {
      waiting.push(resolve);
      if (waiting.length === 8) waiting.splice(0).forEach((go) => go());
    });
    inHand -= 1;
    return { ok: { ticket, changed: true, fixes: [] } };
  });
  const asked = Array.from({ length: 24 }, () => ({ id: randomUUID() }));
  const response = await send('/tickets', { method: 'PATCH', body: { tickets: asked, change: good } });
  const { results } = (await response.json()) as { results: { id: string; status: number }[] };
  expect(results.map(({ id, status }) => [id, status])).toEqual(asked.map(({ id }) => [id, 200]));
  expect(most).toBe(8);
});

it('is described by the committed document', async () => {
  const committed = JSON.parse(readFileSync(new URL('../../../openapi.json', import.meta.url), 'utf8'));
  const operations = (document: { paths: object }) =>
    Object.entries(document.paths).flatMap(([at, methods]) => Object.keys(methods).map((method) => `${method} ${at}`));
  expect(operations(describeApi(gateway.app))).toEqual(operations(committed));
  const served = await (await send('/openapi.json', { token: null })).json();
  expect(operations(served as { paths: object })).toEqual(operations(committed));
});

it('closing lets a request in hand finish, takes no new ones, and is not held up by keep-alive', async () => {
  const closing = await startGateway({ NATS_URL: natsUrl });
  let release: (reply: WireReply) => void = () => {};
  const arrived = new Promise<void>((resolve) => {
    void answer(getTicket, () => {
      resolve();
      return new Promise((answerNow) => (release = answerNow));
    });
  });
  const agent = new Agent({ keepAlive: true });
  try {
    const inHand = get(`${closing.url}${path}`, agent);
    await arrived;
    const idle = await get(`${closing.url}/health/live`, agent); // its connection stays open, idle
    expect(idle.status).toBe(200);
    const begun = performance.now();
    const closed = closing.app.close();
    await refusesConnections(closing.url);
    release({ ok: { ticket } });
    const response = await inHand;
    expect(response).toMatchObject({ status: 200, connection: 'close' });
    expect(JSON.parse(response.body)).toEqual({ ticket });
    await closed;
    expect(performance.now() - begun).toBeLessThan(5_000);
  } finally {
    agent.destroy();
    await closing.nats.close();
  }
});

function get(from: string, agent: Agent): Promise<{ status: number; connection: string | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(from, { agent, headers: { authorization: `Bearer ${employee}` } }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (piece: string) => (body += piece));
      response.on('end', () => {
        resolve({ status: response.statusCode!, connection: response.headers.connection, body });
      });
    });
    outgoing.on('error', reject).end();
  });
}

/** Resolves when the port takes no connection any more. */
async function refusesConnections(base: string): Promise<void> {
  const port = Number(new URL(base).port);
  const connects = () =>
    new Promise<boolean>((resolve) => {
      const socket = connectSocket(port, '127.0.0.1');
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
  while (await connects());
}

it('explains the clocks of a ticket to whoever asks', async () => {
  const recorded = readFileSync(new URL(`${getClocks.subject}.json`, golden), 'utf8');
  const { reply } = JSON.parse(recorded) as { reply: object };
  const asked = await answer(getClocks, () => ({ ok: reply }));
  const response = await send(`${path}/clocks`, { token: customer });
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual(reply);
  expect(asked[0]!.request).toEqual({ viewerId: zoe.id, ticketId: ticket.id });
});
