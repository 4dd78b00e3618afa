/** What became of every mail, as people see it, and what they decide about it; two instances of each service. */
import type { DecideAllResult, InboundDetail, InboundPage, InboundResult, InboundView } from '#contracts';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import { Api, type ApiError, eventually } from '../../tools/demo/api.js';
import { ACCOUNTS } from '../../tools/demo/directory.js';
import { sendRaw } from '../harness/raw-mail.js';
import { startWorld, stopWorld, type World } from '../harness/stack.js';

const COMMAND = fileURLToPath(new URL('../../dist/apps/mail-ingest/src/intake/inbound.command.js', import.meta.url));
const VERIFY = fileURLToPath(new URL('../../dist/apps/tickets/src/sla/verify.command.js', import.meta.url));
const MAX_BYTES = 65_536;

let world: World;
let database: pg.Pool;
let erik: Api;
let zoe: Api;
let mails = 0;

beforeAll(async () => {
  world = await startWorld({
    instances: 2,
    env: { 'mail-ingest': { IMAP_SCAN_INTERVAL_SECONDS: '1', MAIL_MAX_BYTES: String(MAX_BYTES) } },
  });
  database = new pg.Pool({ connectionString: world.stack.databaseUrl });
  database.on('error', () => {}); // a closing connection may still hear that its server stops
  [erik, zoe] = await Promise.all([logIn(ACCOUNTS.erik.email), logIn(ACCOUNTS.zoe.email)]);
});

afterAll(async () => {
  await database?.end();
  await stopWorld(world);
});

function logIn(email: string): Promise<Api> {
  return Api.logIn(world.services.apiUrl, email, world.stack.accountPassword(email));
}

function rawMail(headers: Record<string, string>, body: string): string {
  const all = { From: ACCOUNTS.zoe.email, 'Message-ID': `<inbound-${(mails += 1)}@customer.test>`, ...headers };
  return [...Object.entries(all).map(([name, value]) => `${name}: ${value}`), '', body].join('\r\n');
}

/** A note of a mail server about a mail that is not ours: no ticket comes of it. */
function strayBounce(subject: string): string {
  const type = 'multipart/report; report-type=delivery-status; boundary=b';
  return rawMail(
    { From: 'MAILER-DAEMON@mx.test', 'Return-Path': '<>', Subject: subject, 'Content-Type': type },
    '--b\r\n\r\nNot delivered.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nAction: failed\r\n--b--\r\n',
  );
}

const list = (query: string) => erik.request<InboundPage>('GET', `/inbound?${query}`);
const show = (id: string) => erik.request<InboundDetail>('GET', `/inbound/${id}`);
const decide = (id: string, action: string, api = erik) =>
  api.request<InboundResult>('POST', `/inbound/${id}/${action}`);

/** Sends the mail and waits for what becomes of it. */
async function receive(raw: string, from: string = ACCOUNTS.zoe.email): Promise<InboundView> {
  const subject = /^Subject: (.*)$/m.exec(raw)![1]!.trim();
  await sendRaw(world.stack, from, world.stack.mailboxes[0]!.address, raw);
  return eventually('a disposition', async () => {
    const { items } = await list('limit=20');
    return items.find((item) => item.subject === subject && item.disposition !== null);
  });
}

/** As if something of ours had kept these mails out. */
async function quarantine(rule: string, inbound: InboundView[]): Promise<void> {
  await database.query(
    `update mail.inbound_message set disposition = 'quarantined', rule = $1, error = 'kept out' where id = any($2::uuid[])`,
    [rule, inbound.map(({ id }) => id)],
  );
}

async function one<Row extends object>(statement: string, ...values: unknown[]): Promise<Row> {
  return (await database.query<Row>(statement, values)).rows[0]!;
}

async function statusOf(promise: Promise<unknown>): Promise<number> {
  return promise.then(
    () => 200,
    (error: unknown) => (error as ApiError).status,
  );
}

async function download(id: string): Promise<Response> {
  return fetch(`${world.services.apiUrl}/inbound/${id}/raw`, { headers: { authorization: `Bearer ${erik.token}` } });
}

describe('the list of inbound mail', () => {
  let taken: InboundView;
  let bounce: InboundView;
  const raw = rawMail(
    { From: 'Zoë <ZOE@customer.test>', Subject: 'Fibre =?utf-8?q?gest=C3=B6rt?=' },
    'Dunkel.\r\n\tÄ\r\n',
  );

  beforeAll(async () => {
    await sendRaw(world.stack, ACCOUNTS.zoe.email, world.stack.mailboxes[0]!.address, raw);
    bounce = await receive(strayBounce('Undelivered 1'), '');
    taken = await eventually('the first', async () => {
      const { items } = await list('sender=zoe@CUSTOMER.test&disposition=ticket_created');
      return items.find(({ subject }) => subject === 'Fibre gestört');
    });
  });

  it('says of each what it is and what became of it', async () => {
    expect(taken).toMatchObject({
      mailbox: world.stack.mailboxes[0]!.address,
      from: { email: expect.stringMatching(/^zoe@customer\.test$/i) },
      disposition: 'ticket_created',
      rule: 'new',
      error: null,
      ticketNumber: expect.any(Number),
      attempts: 0,
    });
    expect(taken.messageId).toMatch(/^inbound-\d+@customer\.test$/);
    expect(bounce).toMatchObject({ disposition: 'rejected', ticketId: null, from: { email: 'mailer-daemon@mx.test' } });
    expect(await show(taken.id)).toEqual({ ...taken, changes: [] });
  });

  it.each([
    ['disposition=rejected', () => [bounce.id]],
    ['disposition=waiting', () => []],
    ['mailbox=nobody@helpdesk.test', () => []],
    ['rule=new', () => [taken.id]],
    ['sender=Zoe@customer.test', () => [taken.id]],
    ['receivedAfter=2100-01-01T00:00:00Z', () => []],
    ['receivedBefore=2100-01-01T00:00:00Z&disposition=rejected,ticket_created', () => [bounce.id, taken.id]],
  ])('can be narrowed by %s', async (query, ids) => {
    const known = new Set([taken.id, bounce.id]);
    expect((await list(query)).items.map(({ id }) => id).filter((id) => known.has(id))).toEqual(ids());
  });

  it('can be narrowed to a ticket, and read in pages', async () => {
    expect((await list(`ticket=${taken.ticketNumber}`)).items.map(({ id }) => id)).toEqual([taken.id]);
    const first = await list('limit=1');
    const second = await list(`limit=1&after=${first.next}`);
    expect([...first.items, ...second.items]).toEqual((await list('limit=2')).items);
    await expect(list('after=x')).rejects.toMatchObject({ problem: { errors: [{ code: 'cursor_invalid' }] } });
  });

  it('hands out the bytes as they came, as a file to keep', async () => {
    const response = await download(taken.id);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'message/rfc822',
      'content-disposition': `attachment; filename="${taken.id}.eml"`,
      'x-content-type-options': 'nosniff',
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    // the mail server puts its own lines above
    expect(bytes.subarray(-Buffer.byteLength(raw)).toString()).toBe(raw);
    const { sha256 } = await one<{ sha256: string }>(
      `select encode(raw_sha256, 'hex') as sha256 from mail.inbound_message where id = $1`,
      taken.id,
    );
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256);
    expect(bytes.length).toBe(taken.size);
  });

  it('is for employees only', async () => {
    const paths = ['', `/${taken.id}`, `/${taken.id}/raw`];
    const reads = paths.map((path) => statusOf(zoe.request('GET', `/inbound${path}`)));
    const writes = ['release', 'reprocess', 'discard'].map((action) => statusOf(decide(taken.id, action, zoe)));
    const many = statusOf(zoe.request('POST', '/inbound/reprocess', { filter: { rule: 'new' } }));
    expect(new Set(await Promise.all([...reads, ...writes, many]))).toEqual(new Set([403]));
  });

  it('knows no mail that is not there', async () => {
    const nothing = '019ab0c5-9000-7d00-8000-0c7a5e0b9999';
    const asked = [show(nothing), ...['release', 'reprocess', 'discard'].map((action) => decide(nothing, action))];
    expect(await Promise.all(asked.map(statusOf))).toEqual([404, 404, 404, 404]);
    expect((await download(nothing)).status).toBe(404);
  });
});

describe('a quarantined mail', () => {
  it('becomes exactly one ticket when it is released, also by several at once', async () => {
    const inbound = await receive(strayBounce('Undelivered 2'), '');
    await quarantine('hops', [inbound]);
    const results = await Promise.all(Array.from({ length: 6 }, () => decide(inbound.id, 'release')));
    expect(results.filter(({ changed }) => changed)).toHaveLength(1);
    const numbers = new Set(results.map((result) => result.inbound.ticketNumber));
    expect(numbers.size).toBe(1);
    expect(results[0]!.inbound).toMatchObject({ disposition: 'ticket_created', rule: 'released:new', error: null });
    const { count } = await one<{ count: number }>(
      `select count(*)::int as count from tickets.ticket where subject = 'Undelivered 2'`,
    );
    expect(count).toBe(1);
    const { id: personId, name } = await erik.me();
    expect((await show(inbound.id)).changes).toEqual([
      {
        action: 'release',
        actor: { personId, name },
        at: expect.any(String),
        dispositionBefore: 'quarantined',
        ruleBefore: 'hops',
        dispositionAfter: 'ticket_created',
        ruleAfter: 'released:new',
      },
    ]);
  });

  it('can be discarded, and is then left alone by reprocessing', async () => {
    const inbound = await receive(strayBounce('Undelivered 3'), '');
    await expect(statusOf(decide(inbound.id, 'discard'))).resolves.toBe(409);
    await quarantine('hops', [inbound]);
    const { inbound: discarded, changed } = await decide(inbound.id, 'discard');
    expect([discarded.disposition, discarded.rule, changed]).toEqual(['rejected', 'discarded', true]);
    expect((await decide(inbound.id, 'discard')).changed).toBe(false);
    expect(await decide(inbound.id, 'reprocess')).toMatchObject({ changed: false, inbound: { rule: 'discarded' } });
    expect((await show(inbound.id)).changes).toHaveLength(1);
  });

  it('keeps for ever who decided', async () => {
    await expect(database.query('update mail.disposition_change set actor_name = $1', ['Nobody'])).rejects.toThrow(
      'only ever added',
    );
    await expect(database.query('delete from mail.disposition_change')).rejects.toThrow('only ever added');
  });

  it('is decided about anew when it is reprocessed, many together and in parts', async () => {
    const inbound = await Promise.all([4, 5, 6].map((number) => receive(rawMail({ Subject: `Many ${number}` }, 'x'))));
    const bounce = await receive(strayBounce('Undelivered 7'), '');
    // as if they had been kept out before tickets heard of them
    await database.query(`update tickets.timeline_entry set inbound_id = null where inbound_id = any($1::uuid[])`, [
      inbound.map(({ id }) => id),
    ]);
    await quarantine('broken', [...inbound, bounce]);
    await database.query('update mail.inbound_message set ticket_id = null, ticket_number = null where rule = $1', [
      'broken',
    ]);
    const part = (after?: string) =>
      erik.request<DecideAllResult>('POST', '/inbound/reprocess', { filter: { rule: 'broken' }, limit: 3, after });
    const first = await part();
    const second = await part(first.next!);
    expect(second.next).toBeNull();
    const results = [...first.results, ...second.results];
    expect(results.map(({ id }) => id).toSorted()).toEqual([...inbound, bounce].map(({ id }) => id).toSorted());
    expect(results.filter(({ disposition }) => disposition === 'ticket_created')).toHaveLength(3);
    expect(results.filter(({ disposition }) => disposition === 'rejected')).toHaveLength(1);
    expect((await part()).results).toEqual([]);
    for (const filter of [{}, { ticket: 3_000_000_000 }, { receivedAfter: '2026-03-02T14:00:00+20:00' }]) {
      await expect(statusOf(erik.request('POST', '/inbound/reprocess', { filter }))).resolves.toBe(422);
    }
  });

  it('is released with all others that pass the filter, by employees only', async () => {
    const bounces = await Promise.all([1, 2].map((number) => receive(strayBounce(`Held ${number}`), '')));
    await quarantine('flood', bounces);
    const request = { filter: { disposition: ['quarantined'], rule: 'flood' } };
    const release = (api: typeof erik) => api.request<DecideAllResult>('POST', '/inbound/release', request);
    await expect(statusOf(release(zoe))).resolves.toBe(403);
    const { results, next } = await release(erik);
    expect(results.map(({ disposition }) => disposition)).toEqual(['ticket_created', 'ticket_created']);
    expect(next).toBeNull();
    const { changes } = await show(bounces[0]!.id);
    expect(changes).toMatchObject([{ action: 'release', ruleBefore: 'flood', ruleAfter: 'released:new' }]);
  });

  it('is a ticket with its headers when it is too large, and says where it is', async () => {
    const raw = rawMail({ Subject: 'Too large' }, 'x'.repeat(MAX_BYTES));
    const inbound = await receive(raw);
    expect(inbound).toMatchObject({ disposition: 'quarantined', rule: 'oversize', ticketId: expect.any(String) });
    expect(inbound.from!.email).toBe(ACCOUNTS.zoe.email);
    const [entry] = (await erik.timeline(inbound.ticketId!)).items;
    expect(entry!.text).toContain('the folder Oversize');
    const { inbound: released } = await decide(inbound.id, 'release');
    expect(released).toMatchObject({ disposition: 'ticket_created', ticketId: inbound.ticketId });
    expect((await erik.timeline(inbound.ticketId!)).items).toHaveLength(1);
  });
});

describe('a mail that became a message', () => {
  const type = 'multipart/mixed; boundary=b';
  const body = [
    '--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nDie Leitung flackert.',
    '--b\r\nContent-Type: text/csv; name=a.csv\r\nContent-Disposition: attachment; filename=a.csv\r\n\r\n1;2',
    '--b--\r\n',
  ].join('\r\n');
  let inbound: InboundView;

  const facts = () =>
    one(
      `select status, priority, assignee_id, assign_consumed_seconds, assign_state, resolve_state, resolve_running_since,
         reporter_person_id, (select count(*)::int from notifier.delivery where ticket_number = number) as told
       from tickets.ticket where id = $1`,
      inbound.ticketId,
    );

  beforeAll(async () => {
    inbound = await receive(rawMail({ Subject: 'Rebuilt', 'MIME-Version': '1.0', 'Content-Type': type }, body));
    await eventually('the acknowledgement', async () => {
      const { told } = (await facts()) as { told: number };
      return told > 0 ? true : undefined;
    });
  });

  it('is rebuilt in place once, however often it is reprocessed', async () => {
    const [before] = (await erik.timeline(inbound.ticketId!)).items;
    const untouched = await decide(inbound.id, 'reprocess');
    expect(untouched).toMatchObject({ changed: false, inbound });
    // as an older version of ours may have read it
    await database.query(
      `update tickets.timeline_entry set text = 'Zeichensalat', visible_text = 'Zeichensalat', html = '<p>x</p>' where id = $1`,
      [before!.id],
    );
    await database.query(`update tickets.attachment set name = 'wrong' where entry_id = $1`, [before!.id]);
    await database.query(
      `insert into tickets.attachment select gen_random_uuid(), entry_id, 1, 'more', type, size, '\\x00', null, false
       from tickets.attachment where entry_id = $1`,
      [before!.id],
    );
    expect((await erik.tickets('?q=Zeichensalat')).items).toHaveLength(1);
    const standing = await facts();

    const results = await Promise.all(Array.from({ length: 4 }, () => decide(inbound.id, 'reprocess')));
    expect(results.filter(({ changed }) => changed)).toHaveLength(1);
    const [after, note, ...others] = (await erik.timeline(inbound.ticketId!)).items;
    expect(after).toEqual(before);
    expect(note).toMatchObject({
      kind: 'change',
      author: { name: ACCOUNTS.erik.name },
      text: expect.stringContaining('again'),
    });
    expect(others).toEqual([]);
    expect((await zoe.timeline(inbound.ticketId!)).items).toHaveLength(1);
    expect(await facts()).toEqual(standing);
    const env = { PATH: process.env['PATH'], DATABASE_URL: world.stack.databaseUrl };
    const verified = await promisify(execFile)(process.execPath, [VERIFY, '--all'], { env });
    expect(verified.stdout).toBe('');
    expect((await erik.tickets('?q=Zeichensalat')).items).toEqual([]);
    expect((await erik.tickets('?q=flackert')).items.map(({ id }) => id)).toEqual([inbound.ticketId]);
    expect((await show(inbound.id)).changes.map(({ action }) => action)).toEqual(['reprocess']);
    await expect(statusOf(decide(inbound.id, 'discard'))).resolves.toBe(409);
    expect((await decide(inbound.id, 'release')).changed).toBe(false);
  });

  it('is there at the command line, too', async () => {
    const env = {
      PATH: process.env['PATH'],
      DATABASE_URL: world.stack.databaseUrl,
      NATS_URL: world.stack.natsUrl,
    };
    const command = async (...words: string[]) =>
      (await promisify(execFile)(process.execPath, [COMMAND, ...words], { env, encoding: 'buffer' })).stdout;
    const lines = async (...words: string[]) =>
      (await command(...words))
        .toString()
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as InboundView);
    expect(await lines('list', '--ticket', String(inbound.ticketNumber))).toMatchObject([{ id: inbound.id }]);
    expect(await lines('show', inbound.id)).toMatchObject([{ id: inbound.id, changes: [{ action: 'reprocess' }] }]);
    const bytes = Buffer.from(await (await download(inbound.id)).arrayBuffer());
    expect((await command('raw', inbound.id)).equals(bytes)).toBe(true);
    expect(await lines('reprocess', inbound.id)).toMatchObject([{ changed: false }]);
    const stray = await receive(strayBounce('Undelivered 8'), '');
    await quarantine('console', [stray]);
    expect(await lines('reprocess', '--rule', 'console')).toMatchObject([{ id: stray.id, disposition: 'rejected' }]);
    expect(await lines('release', stray.id)).toMatchObject([{ changed: true }]);
    expect((await show(stray.id)).changes.at(-1)!.actor).toEqual({ personId: null, name: expect.any(String) });
    await expect(command('release', inbound.ticketId!)).rejects.toMatchObject({ code: 1 });
    await expect(command('show')).rejects.toMatchObject({ code: 2 });
  });
});

describe('while tickets is away', () => {
  it('nothing is decided, and who asks is told to try again', async () => {
    const inbound = await receive(strayBounce('Undelivered 9'), '');
    await quarantine('hops', [inbound]);
    const tickets = world.services.of('tickets');
    await Promise.all(tickets.map((instance) => instance.end('SIGTERM')));
    await expect(statusOf(decide(inbound.id, 'release'))).resolves.toBe(503);
    expect(await show(inbound.id)).toMatchObject({ disposition: 'quarantined', rule: 'hops', changes: [] });
    await Promise.all(tickets.map((instance) => instance.start()));
    expect(await decide(inbound.id, 'release')).toMatchObject({ changed: true });
  });
});
