/** Participants, tags and bulk updates as a program of the API sees them: real gateway, tickets service, NATS, PostgreSQL. */
import type { ParticipantList, ParticipantResult, TagList, TagsResult, TicketPage, TicketView } from '#contracts';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { startWorld, stopWorld, type World } from '../../../test/harness/stack.js';
import { Api } from '../../../tools/demo/api.js';
import { ACCOUNTS } from '../../../tools/demo/directory.js';
import type { BulkAnswer, BulkResult } from '../src/bulk/bulk.dto.js';

let world: World;
let database: pg.Pool;
let erik: Api;
let zoe: Api;
let otto: Api;
let ottoId: string;

beforeAll(async () => {
  world = await startWorld({ only: ['tickets', 'gateway'], env: { gateway: { RPC_TIMEOUT_MS: '2000' } } });
  database = new pg.Pool({ connectionString: world.stack.databaseUrl });
  database.on('error', () => {}); // a closing connection may still hear that its server stops
  const logIn = ({ email }: { email: string }) =>
    Api.logIn(world.services.apiUrl, email, world.stack.accountPassword(email));
  [erik, zoe, otto] = await Promise.all([logIn(ACCOUNTS.erik), logIn(ACCOUNTS.zoe), logIn(ACCOUNTS.otto)]);
  ottoId = (await otto.me()).id;
});

afterAll(async () => {
  await database?.end();
  await stopWorld(world);
});

async function newTicket(): Promise<TicketView> {
  const body = { subject: 'Line down', text: 'Since ten.' };
  return (await zoe.request<{ ticket: TicketView }>('POST', '/tickets', body)).ticket;
}

/** @returns status, ETag and body; an empty body as undefined */
async function send<Answer>(
  api: Api,
  method: string,
  path: string,
  body?: object,
  headers: Record<string, string> = {},
) {
  const response = await fetch(world.services.apiUrl + path, {
    method,
    headers: {
      authorization: `Bearer ${api.token}`,
      ...(body && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const answer = (text === '' ? undefined : JSON.parse(text)) as Answer;
  return { status: response.status, etag: response.headers.get('etag'), body: answer };
}

interface ProblemBody {
  code: string;
  errors: { field: string; code: string }[];
}

async function problem(api: Api, method: string, path: string, body?: object, headers?: Record<string, string>) {
  const answer = await send<ProblemBody>(api, method, path, body, headers);
  return [answer.status, ...answer.body.errors.map(({ field, code }) => `${code} ${field}`.trim()).sort()];
}

describe('participants', () => {
  it('share a ticket with a customer until they leave', async () => {
    const { id } = await newTicket();
    const path = `/tickets/${id}/participants`;
    expect(await problem(otto, 'GET', path)).toEqual([404, 'ticket_unknown ticketId']);
    const added = await send<ParticipantResult>(erik, 'PUT', `${path}/${ottoId}`, {});
    expect(added).toMatchObject({
      status: 200,
      body: { changed: true, participant: { role: 'follower', muted: false } },
    });
    expect((await otto.ticket(id)).id).toBe(id);
    const shown = await send<ParticipantList>(zoe, 'GET', path);
    expect(shown.body.participants).toMatchObject([{ name: ACCOUNTS.otto.name, email: null, role: null }]);
    expect(await problem(zoe, 'DELETE', `${path}/${ottoId}`)).toEqual([403, 'employees_only personId']);
    expect(await send(otto, 'DELETE', `${path}/${ottoId}`)).toMatchObject({ status: 204, body: undefined });
    expect(await send(erik, 'DELETE', `${path}/${ottoId}`)).toMatchObject({ status: 204 });
    expect(await problem(otto, 'GET', path)).toEqual([404, 'ticket_unknown ticketId']);
  });

  it('are refused with every offending field', async () => {
    const { id } = await newTicket();
    const path = `/tickets/${id}/participants`;
    expect(await problem(erik, 'PUT', `${path}/${ottoId}`, { role: 'boss', muted: 'yes', colour: 1 })).toEqual([
      422,
      'unknown_field colour',
      'value_invalid muted',
      'value_unknown role',
    ]);
    expect(await problem(erik, 'PUT', `${path}/me`, {})).toEqual([400, 'uuid_invalid personId']);
    expect(await problem(erik, 'PUT', `${path}/${ottoId}`, { role: 'collaborator' })).toEqual([
      422,
      'role_not_for_customers role',
    ]);
  });
});

describe('tags', () => {
  it('are set, found by and completed by employees, and are nothing to customers', async () => {
    const { id, number } = await newTicket();
    const path = `/tickets/${id}/tags`;
    const tagged = await send<TagsResult>(erik, 'PUT', path, { tags: ['Ring 2', 'a,b'] }, { 'if-match': '"1"' });
    expect(tagged).toMatchObject({ status: 200, etag: '"2"', body: { ticket: { tags: ['a,b', 'ring 2'] } } });
    expect(await problem(erik, 'PUT', path, { tags: [] }, { 'if-match': '"1"' })).toEqual([
      409,
      'version_conflict version',
    ]);
    expect(await problem(erik, 'PUT', path, { tags: ['a', 'b', 'c', ' '] })).toEqual([
      422,
      'tag_length_invalid tags.3',
    ]);
    expect(await problem(erik, 'PUT', path, { tags: 'a' })).toEqual([422, 'list_expected tags']);
    expect(await problem(zoe, 'PUT', path, { tags: [] })).toEqual([403, 'employees_only']);

    const found = await erik.request<TicketPage>('GET', '/tickets?tag=a,b&tag=RING%202');
    expect(found.items.map((ticket) => ticket.number)).toEqual([number]);
    expect(await problem(zoe, 'GET', '/tickets?tag=a,b')).toEqual([403, 'employees_only tag']);
    const { tags } = await erik.request<TagList>('GET', '/tags');
    expect(tags).toContainEqual({ tag: 'ring 2', liveTickets: 1 });
    expect(await problem(zoe, 'GET', '/tags')).toEqual([403, 'employees_only']);
    expect((await zoe.ticket(id)).tags).toEqual([]);
  });
});

describe('a bulk update', () => {
  const change = { priority: 'high', comment: 'The ring is cut.' };
  const bulk = (body: object, headers: Record<string, string> = {}, query = '') =>
    send<BulkAnswer>(erik, 'PATCH', `/tickets${query}`, body, headers);
  const brief = ({ id, status, code, changed }: BulkResult) => [id, status, code ?? changed];
  const versionOf = async ({ id }: TicketView) => (await erik.ticket(id)).version;

  it('gives each ticket its own result, in the order of the request', async () => {
    const [good, stale, closed, same] = await Promise.all([newTicket(), newTicket(), newTicket(), newTicket()]);
    await erik.update(closed.id, { status: 'closed', resolutionType: 'fixed', comment: 'Done.' });
    await erik.update(same.id, { priority: 'high', comment: 'Before.' });
    const unknown = randomUUID();
    const tickets = [
      { id: stale.id, version: 7 },
      { id: good.id.toUpperCase(), version: 1 },
      ...[unknown, closed.id, same.id].map((id) => ({ id })),
    ];
    const { status, body } = await bulk({ tickets, change });
    expect(status).toBe(200);
    expect(body.results.map(brief)).toEqual([
      [stale.id, 409, 'version_conflict'],
      [good.id, 200, true],
      [unknown, 404, 'ticket_unknown'],
      [closed.id, 409, 'ticket_closed'],
      [same.id, 200, false],
    ]);
    const [conflict, changed] = body.results;
    expect(conflict).toMatchObject({ currentVersion: 1, errors: [{ field: 'version', code: 'version_conflict' }] });
    expect(changed).toMatchObject({ fixes: [], ticket: { priority: 'high', version: 2 } });
    expect(await versionOf(stale)).toBe(1);
  });

  it('is refused as a whole only when it cannot be read', async () => {
    const { id } = await newTicket();
    const refused = (body: object) => problem(erik, 'PATCH', '/tickets', body);
    expect(await refused({ tickets: [], change })).toEqual([422, 'too_few tickets']);
    expect(await refused({ tickets: [{ id }, { id: id.toUpperCase() }], change })).toEqual([422, 'repeated tickets']);
    const many = Array.from({ length: 101 }, () => ({ id: randomUUID() }));
    expect(await refused({ tickets: many, change })).toEqual([422, 'too_many tickets']);
    expect(await refused({ tickets: [{ id, version: 'x' }, { id: 7 }] })).toEqual([
      422,
      'integer_expected tickets.0.version',
      'required change',
      'uuid_invalid tickets.1.id',
    ]);
    expect((await refused({ tickets: [null], change }))[0]).toBe(422);
    expect(await refused({ tickets: [{ id }], change: { comment: 5 } })).toEqual([
      422,
      'string_expected change.comment',
    ]);
    expect(await problem(zoe, 'PATCH', '/tickets', { tickets: [{ id }], change })).toEqual([403, 'employees_only']);
    const unknown = await bulk({ tickets: [{ id }], change: { colour: 1 } });
    expect(unknown.body.results[0]!.errors!.map(({ field, code }) => `${code} ${field}`).sort()).toEqual([
      'comment_required comment',
      'unknown_field colour',
    ]);
  });

  it('changes nothing when it is only tried', async () => {
    const tickets = [await newTicket(), await newTicket()];
    const { body } = await bulk({ tickets: tickets.map(({ id }) => ({ id })), change }, {}, '?dryRun=true');
    expect(body.results).toMatchObject(
      tickets.map(({ id }) => ({ id, status: 200, preview: { accepted: true, after: { priority: 'high' } } })),
    );
    expect(await Promise.all(tickets.map(versionOf))).toEqual([1, 1]);
  });

  it('lets one ticket that does not answer hold up no other, and does nothing twice when it is repeated', async () => {
    const tickets = await Promise.all(Array.from({ length: 12 }, newTicket));
    const request = { tickets: tickets.map(({ id }) => ({ id })), change };
    const headers = { 'idempotency-key': randomUUID() };
    const holder = await database.connect();
    await holder.query('begin');
    await holder.query('select from tickets.ticket where id = $1 for update', [tickets[3]!.id]);
    const { status, body } = await bulk(request, headers);
    await holder.query('rollback');
    holder.release();
    expect(status).toBe(200);
    expect(body.results[3]).toEqual({ id: tickets[3]!.id, status: 504, code: 'service_timeout', retryable: true });
    const others = (results: BulkResult[]) => results.filter((_, index) => index !== 3);
    expect(others(body.results).map(brief)).toEqual(
      others(tickets.map(({ id }) => ({ id, status: 200, changed: true }))).map(brief),
    );

    const again = await bulk(request, headers);
    expect(again.body.results.map(brief)).toEqual(tickets.map(({ id }) => [id, 200, true]));
    expect(await Promise.all(tickets.map(versionOf))).toEqual(tickets.map(() => 2));
    const { rows } = await database.query(
      `select count(*)::int as changes from tickets.timeline_entry where ticket_id = any($1) and kind = 'change'`,
      [tickets.map(({ id }) => id)],
    );
    expect(rows[0].changes).toBe(tickets.length);
  });

  it('says of every ticket that asking again can help while nobody answers', async () => {
    const { id } = await newTicket();
    const [service] = world.services.of('tickets');
    await service!.end('SIGKILL');
    const { status, body } = await bulk({ tickets: [{ id }, { id: randomUUID() }], change });
    await service!.start();
    expect(status).toBe(200);
    expect(body.results.map(({ status: one, code, retryable }) => [one, code, retryable])).toEqual([
      [503, 'service_unavailable', true],
      [503, 'service_unavailable', true],
    ]);
  });
});
