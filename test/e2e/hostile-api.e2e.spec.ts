/** Attacks on the door, the events and the mails that go out, against the running services. */
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connectNats, createLogger } from '#platform';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Api, eventually } from '../../tools/demo/api.js';
import { ACCOUNTS } from '../../tools/demo/directory.js';
import { awaitMail } from '../../tools/demo/mail.js';
import { percentile } from '../../tools/bench/usage.js';
import { imapUrl, startServices } from '../../tools/services/services.js';
import { Attack, lines } from '../harness/hostile.js';

let attack: Attack;
let foreign: Api;
let ticketId: string;

beforeAll(async () => {
  attack = await Attack.begin();
  const { world } = attack;
  const logIn = ({ email }: { email: string }) =>
    Api.logIn(world.services.apiUrl, email, world.stack.accountPassword(email));
  const [zoe, otto] = await Promise.all([logIn(ACCOUNTS.zoe), logIn(ACCOUNTS.otto)]);
  foreign = otto;
  const created = await zoe.request<{ ticket: { id: string } }>('POST', '/tickets', {
    subject: 'S',
    text: 'T',
  });
  ticketId = created.ticket.id;
});
afterAll(() => attack?.end());

function call(api: Api, method: string, path: string, body?: string, headers: Record<string, string> = {}) {
  return fetch(attack.world.services.apiUrl + path, {
    method,
    headers: { authorization: `Bearer ${api.token}`, ...(body && { 'content-type': 'application/json' }), ...headers },
    ...(body && { body }),
  });
}

async function row(): Promise<unknown> {
  const { rows } = await attack.database.query('select to_jsonb(t) as ticket from tickets.ticket t where id = $1', [
    ticketId,
  ]);
  return rows[0].ticket;
}

it.each([
  '"resolveDueAt":"2030-01-01T00:00:00Z"',
  '"remainingResolveSeconds":1',
  '"version":99',
  '"reporter":{"email":"x@y.example"}',
  '"createdAt":"2030-01-01T00:00:00Z"',
  '"id":"0199d6a0-0000-7000-8000-000000000001"',
  '"__proto__":{"status":"closed"}',
  '"constructor":{"prototype":{}}',
])('an update cannot set %s', async (field) => {
  const before = await row();
  const body = `{"priority":"high","comment":"x",${field}}`;
  const response = await call(attack.employee, 'PATCH', `/tickets/${ticketId}`, body);
  const prototype = /__proto__|constructor/.test(field); // such a body is not read at all
  expect(response.status).toBe(prototype ? 400 : 422);
  if (!prototype) expect(JSON.stringify(await response.json())).toContain('unknown_field');
  expect(await row()).toEqual(before);
});

describe("somebody else's ticket", () => {
  const unknown = '0199d6a0-0000-7000-8000-0000000000ff';

  it('does not exist: the same answer as for one that was never made, as fast', async () => {
    const ask = async (id: string) => {
      const begun = performance.now();
      const response = await call(foreign, 'GET', `/tickets/${id}`);
      const body = (await response.text()).replaceAll(id, 'ID');
      return { status: response.status, body, time: performance.now() - begun };
    };
    const times: Record<string, number[]> = { [ticketId]: [], [unknown]: [] };
    const seen = new Set<string>();
    for (let i = 0; i < 60; i++) {
      for (const id of [ticketId, unknown]) {
        const { status, body, time } = await ask(id);
        times[id]!.push(time);
        seen.add(`${status} ${body.replace(/"correlationId":"[^"]*"|"instance":"[^"]*"/g, '')}`);
      }
    }
    expect([...seen]).toHaveLength(1);
    expect([...seen][0]).toMatch(/^404 /);
    expect(Math.abs(percentile(times[ticketId]!, 0.5) - percentile(times[unknown]!, 0.5))).toBeLessThan(5);
  });

  it.each([
    ['GET', '/timeline', undefined],
    ['GET', '/clocks', undefined],
    ['POST', '/replies', '{"text":"x"}'],
    ['PATCH', '', '{"priority":"high","comment":"x"}'],
  ])('answers 404 or 403 to %s %s and changes nothing', async (method, path, body) => {
    const before = await row();
    const response = await call(foreign, method, `/tickets/${ticketId}${path}`, body);
    expect([403, 404]).toContain(response.status);
    expect(await response.text()).not.toContain('Käserei');
    expect(await row()).toEqual(before);
  });

  it.each(['q=S', 'organisation=x', 'after=999999999', 'limit=100'])('is on no list: %s', async (query) => {
    expect(await (await call(foreign, 'GET', `/tickets?${query}`)).text()).not.toContain(ticketId);
  });

  it('cannot be made for a foreign customer', async () => {
    const response = await call(
      foreign,
      'POST',
      '/tickets',
      JSON.stringify({ subject: 'S', text: 'T', reporter: { email: ACCOUNTS.zoe.email } }),
    );
    expect([403, 422]).toContain(response.status);
  });
});

it('not more guesses of a password are checked than the limit allows, however many come at once', async () => {
  const { email } = ACCOUNTS.eva;
  const statuses = await Promise.all(
    Array.from({ length: 200 }, async (_, i) => {
      const spelled = i % 2 ? email : email.toUpperCase();
      const response = await fetch(`${attack.world.services.apiUrl}/auth/token`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-forwarded-for': `203.0.113.${i}` },
        body: JSON.stringify({ email: spelled, password: `guess ${i}` }),
      });
      return response.status;
    }),
  );
  expect(statuses.filter((status) => status !== 429).length).toBeLessThanOrEqual(10);
  expect(new Set(statuses)).toEqual(new Set([401, 429]));
});

it('no origin but our own may read, and a cookie opens nothing', async () => {
  const response = await call(attack.employee, 'GET', `/tickets/${ticketId}`, undefined, {
    origin: 'https://evil.example',
  });
  expect(response.headers.get('access-control-allow-origin')).toBeNull();
  const preflight = await fetch(`${attack.world.services.apiUrl}/tickets/${ticketId}`, {
    method: 'OPTIONS',
    headers: { origin: 'https://evil.example', 'access-control-request-method': 'PATCH' },
  });
  expect(preflight.headers.get('access-control-allow-origin')).toBeNull();
  const withCookie = await fetch(`${attack.world.services.apiUrl}/tickets/${ticketId}`, {
    method: 'PATCH',
    headers: { cookie: `token=${attack.employee.token}`, 'content-type': 'application/json' },
    body: '{"priority":"low","comment":"x"}',
  });
  expect(withCookie.status).toBe(401);
});

it('passwords that are wrong are in no log, no answer and no event', async () => {
  const canary = 'canary-4f1d9b';
  const { stack } = attack.world;
  const logDirectory = mkdtempSync(join(tmpdir(), 'helpdesk-canary-'));
  const mailbox = { ...stack.mailboxes[0]!, address: 'canary@helpdesk.test', password: canary };
  const withPassword = (url: string) => Object.assign(new URL(url), { password: canary }).href;
  const wrong = await Promise.allSettled([
    startServices({
      stack,
      logDirectory,
      only: ['mail-ingest'],
      env: {
        'mail-ingest': {
          IMAP_MAILBOXES: [...stack.mailboxes, mailbox].map((one) => imapUrl(stack, one)).join(' '),
        },
      },
    }).then((services) => services.stop()),
    startServices({ stack, logDirectory, only: ['tickets'], databaseUrl: withPassword(stack.databaseUrl) }).then(
      (services) => services.stop(),
    ),
    startServices({
      stack,
      logDirectory,
      only: ['notifier'],
      env: { notifier: { SMTP_URL: `smtp://user:${canary}@${stack.smtp.host}:${stack.smtp.port}` } },
    }).then((services) => services.stop()),
  ]);
  const said = wrong.flatMap((one) => (one.status === 'rejected' ? [String(one.reason)] : []));
  const logs = readdirSync(logDirectory).map((name) => readFileSync(join(logDirectory, name), 'utf8'));
  expect(logs.join('').length).toBeGreaterThan(100);
  expect([...logs, ...said].join('\n')).not.toContain(canary);
  const { rows } = await attack.database.query(`select count(*)::int as n from mail.mailbox where last_error like $1`, [
    `%${canary}%`,
  ]);
  expect(rows[0].n).toBe(0);
}, 180_000);

/** Two that the notifier cannot read; webhooks, who take events of every type, cannot read the third, either. */
const FORGED = 2 + 3;

it('forged events end among the dead letters, replayed ones change nothing, and the consumer goes on', async () => {
  const { stack } = attack.world;
  const log = createLogger('attack', { NODE_ENV: 'test', LOG_LEVEL: 'silent' });
  const nats = await connectNats(stack.natsUrl, 'attack', log);
  try {
    const stream = jetstream(nats);
    const manager = await jetstreamManager(nats);
    const letters = async () => (await manager.streams.info('DEAD_LETTERS')).state.messages;
    const deliveries = async () =>
      (await attack.database.query('select count(*)::int as n from notifier.delivery')).rows[0].n as number;
    const { rows } = await attack.database.query<{ subject: string; payload: object }>(
      `select subject, payload from tickets.outbox where subject like 'ticket.created%' and published_at is not null limit 1`,
    );
    const genuine = rows[0]!;
    const [lettersBefore, deliveriesBefore] = [await letters(), await deliveries()];
    await stream.publish(genuine.subject, JSON.stringify(genuine.payload), { msgID: 'another id' });
    await stream.publish('ticket.exploded.v1.1000', '{"specversion":"1.0"}');
    await stream.publish('ticket.created.v1.1000', JSON.stringify({ ...genuine.payload, specversion: '9', id: 'x' }));
    await stream.publish('ticket.created.v1.1000', 'no JSON at all {{{');
    await expect(stream.publish('ticket.created.v1.1000', Buffer.alloc(8 << 20))).rejects.toThrow(/payload/i);
    await eventually('the forged ones put away', async () =>
      (await letters()) >= lettersBefore + FORGED ? true : undefined,
    );
    const [after] = await attack.receive(
      lines('From: z@after.example', 'Message-ID: <after@x>', 'Subject: after', '', 'x'),
    );
    await eventually('the consumer at work', async () => {
      const found = await attack.database.query('select 1 from notifier.delivery where ticket_number = $1', [
        after!.ticketNumber,
      ]);
      return found.rows.length > 0 ? true : undefined;
    });
    expect(await letters()).toBe(lettersBefore + FORGED);
    expect(await deliveries()).toBe(deliveriesBefore + 1);
  } finally {
    await nats.close();
  }
});

describe('what goes out by mail', () => {
  const INJECTION = '\r\nBcc: x@evil.example\r\nRCPT TO:<x@evil.example>';
  const encoded = (text: string) => `=?utf-8?B?${Buffer.from(text).toString('base64')}?=`;

  it('has templates of strangers as mere words', async () => {
    const { stack } = attack.world;
    const words = '{{constructor.constructor("return 1")()}} ${7*7} <%= 7*7 %> #{7*7}';
    const mailbox = await stack.addMailbox('template@customer.test');
    const [result] = await attack.receive(
      lines('From: "{{7*7}}" <template@customer.test>', 'Message-ID: <template@x>', `Subject: ${words}`, '', words),
    );
    await attack.employee.reply(result!.ticketId!, `Answer ${words}`);
    const mail = await awaitMail(stack, mailbox, ({ text }) => text?.includes('Answer') ?? false);
    expect(mail.subject).toContain(words);
    expect(mail.text).toContain(`Answer ${words}`);
    expect(mail.text).not.toContain('49');
  });

  it('has one recipient and no header of a stranger', async () => {
    const { stack } = attack.world;
    const mailbox = await stack.addMailbox('crlf@customer.test');
    const [result] = await attack.receive(
      lines(
        `From: ${encoded(`Mara${INJECTION}`)} <crlf@customer.test>`,
        'Message-ID: <crlf@x>',
        `Subject: ${encoded(`Hi${INJECTION}`)}`,
        'MIME-Version: 1.0',
        'Content-Type: multipart/mixed; boundary=b',
        '',
        '--b',
        '',
        'text',
        '--b',
        `Content-Disposition: attachment; filename="${encoded(`a${INJECTION}.txt`)}"`,
        '',
        'x',
        '--b--',
        '',
      ),
    );
    await attack.employee.update(result!.ticketId!, { priority: 'high', comment: `Comment${INJECTION}` });
    await attack.employee.reply(result!.ticketId!, `Answer${INJECTION}`);
    const mail = await awaitMail(stack, mailbox, ({ text }) => text?.includes('Answer') ?? false);
    expect(mail.bcc).toBeUndefined();
    expect([mail.to].flat().flatMap((to) => to?.value.map(({ address }) => address) ?? [])).toEqual([
      'crlf@customer.test',
    ]);
    expect(mail.subject).toContain('Hi');
    for (const { line } of mail.headerLines) expect(line.replaceAll(/\r?\n[ \t]/g, '')).not.toMatch(/[\r\n]/);
    const { rows } = await attack.database.query(
      'select distinct recipient from notifier.delivery where ticket_number = $1',
      [result!.ticketNumber],
    );
    expect(rows.map(({ recipient }) => recipient).filter((recipient) => recipient.includes('evil'))).toEqual([]);
  });
});
