/** Bad input at the API: the right status, a problem document that names every offending field, and nothing changed. */
import pg from 'pg';
import { startWorld, stopWorld, type World } from '../harness/stack.js';
import { Api } from '../../tools/demo/api.js';
import { ACCOUNTS } from '../../tools/demo/directory.js';

const { erik, zoe, otto } = ACCOUNTS;
let world: World;
let database: pg.Pool;
let employee: Api;
let customer: Api;
let stranger: Api;
let ticketId: string;
let customerId: string;

beforeAll(async () => {
  world = await startWorld({ only: ['tickets', 'gateway'] });
  database = new pg.Pool({ connectionString: world.stack.databaseUrl });
  database.on('error', () => {}); // a closing connection may still hear that its server stops
  const logIn = ({ email }: { email: string }) =>
    Api.logIn(world.services.apiUrl, email, world.stack.accountPassword(email));
  [employee, customer, stranger] = await Promise.all([logIn(erik), logIn(zoe), logIn(otto)]);
  customerId = (await customer.me()).id;
  const created = await customer.request<{ ticket: { id: string } }>('POST', '/tickets', { subject: 'S', text: 'T' });
  ticketId = created.ticket.id;
});

afterAll(async () => {
  await database?.end();
  await stopWorld(world);
});

/** Everything that a request could have changed. */
async function state(): Promise<string> {
  const { rows } = await database.query(
    `select (select jsonb_agg(t order by id) from tickets.ticket t) as tickets,
            (select count(*) from tickets.timeline_entry) as entries, (select count(*) from tickets.outbox) as events,
            (select count(*) from tickets.idempotency_key) as keys`,
  );
  return JSON.stringify(rows);
}

interface Case {
  title: string;
  status: number;
  codes: string[];
  send: () => Promise<Response>;
}

function request(api: Api, method: string, path: string, body?: string): Promise<Response> {
  const headers = { authorization: `Bearer ${api.token}`, ...(body && { 'content-type': 'application/json' }) };
  return fetch(world.services.apiUrl + path, { method, headers, ...(body && { body }) });
}

function patch(api: Api | null, id: string, body: string, type = 'application/json'): Promise<Response> {
  const headers = { 'content-type': type, ...(api && { authorization: `Bearer ${api.token}` }) };
  return fetch(`${world.services.apiUrl}/tickets/${id}`, { method: 'PATCH', headers, body });
}

const good = JSON.stringify({ priority: 'high', comment: 'Good.' });

const CASES: Case[] = [
  {
    title: 'no comment',
    status: 422,
    codes: ['comment_required'],
    send: () => patch(employee, ticketId, JSON.stringify({ priority: 'high' })),
  },
  {
    title: 'unknown fields, together with a wrong priority',
    status: 422,
    codes: ['priority_unknown', 'unknown_field', 'unknown_field'],
    send: () => patch(employee, ticketId, JSON.stringify({ priority: 'urgent', colour: 1, size: 2, comment: 'x' })),
  },
  {
    title: 'the assignee is a customer',
    status: 422,
    codes: ['assignee_not_employee'],
    send: () => patch(employee, ticketId, JSON.stringify({ assignee: customerId, comment: 'x' })),
  },
  {
    title: 'a bad UUID in the path',
    status: 400,
    codes: ['uuid_invalid'],
    send: () => patch(employee, 'not-a-uuid', good),
  },
  {
    title: 'an oversized body',
    status: 413,
    codes: [],
    send: () => patch(employee, ticketId, JSON.stringify({ comment: 'x'.repeat(2 << 20) })),
  },
  {
    title: 'a wrong content type',
    status: 415,
    codes: [],
    send: () => patch(employee, ticketId, 'priority=high', 'text/plain'),
  },
  { title: 'no token', status: 401, codes: [], send: () => patch(null, ticketId, good) },
  {
    title: "another organisation's ticket",
    status: 404,
    codes: ['ticket_unknown'],
    send: () => patch(stranger, ticketId, good),
  },
  {
    title: 'a customer at the update endpoint',
    status: 403,
    codes: ['actor_not_employee'],
    send: () => patch(customer, ticketId, good),
  },
  {
    title: 'a blank subject and a blank text',
    status: 422,
    codes: ['format_invalid', 'format_invalid'],
    send: () => request(customer, 'POST', '/tickets', JSON.stringify({ subject: ' ', text: '\n' })),
  },
  ...['9999999999', 'x', '-1'].map((after) => ({
    title: `a cursor "${after}" that no list of tickets gave`,
    status: 422,
    codes: ['cursor_invalid'],
    send: () => request(employee, 'GET', `/tickets?after=${after}`),
  })),
  ...['x', Buffer.from('-'.repeat(36)).toString('base64url')].map((after) => ({
    title: `a cursor "${after}" that no list of people gave`,
    status: 422,
    codes: ['cursor_invalid'],
    send: () => request(employee, 'GET', `/people?after=${after}`),
  })),
  { title: 'broken JSON', status: 400, codes: [], send: () => patch(employee, ticketId, '{"priority":') },
];

it.each(CASES)('$title: $status, and nothing is changed', async ({ status, codes, send }) => {
  const before = await state();
  const response = await send();
  expect(response.status).toBe(status);
  expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  const problem = (await response.json()) as {
    status: number;
    title: string;
    type: string;
    errors?: { code: string; field: string }[];
  };
  expect(problem).toMatchObject({ status, title: expect.any(String), type: expect.any(String) });
  if (codes.length > 0) expect(problem.errors?.map((error) => error.code).sort()).toEqual(codes);
  expect(await state()).toBe(before);
});

it('accepts the good twin of the bad requests', async () => {
  expect((await patch(employee, ticketId, good)).status).toBe(200);
});

it('gives one of two writers with the same If-Match a 409', async () => {
  const { version } = await employee.ticket(ticketId);
  const write = (priority: string) =>
    fetch(`${world.services.apiUrl}/tickets/${ticketId}`, {
      method: 'PATCH',
      headers: {
        authorization: `Bearer ${employee.token}`,
        'content-type': 'application/json',
        'if-match': `"${version}"`,
      },
      body: JSON.stringify({ priority, comment: 'race' }),
    });
  const statuses = (await Promise.all([write('critical'), write('low')])).map((response) => response.status);
  expect(statuses.sort((a, b) => a - b)).toEqual([200, 409]);
});

it.each(['2026-03-02T14:00:00%2B20:00', `2026-03-02T14:00:00.${'1'.repeat(200)}Z`])(
  'a list from an instant that no calendar has: %s',
  async (instant) => {
    for (const field of ['createdAfter', 'createdBefore', 'updatedAfter']) {
      expect((await request(employee, 'GET', `/tickets?${field}=${instant}`)).status).toBe(422);
    }
  },
);
