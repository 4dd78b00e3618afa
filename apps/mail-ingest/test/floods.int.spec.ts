/**
 * Floods and loops between real servers: mails in Dovecot, counters in PostgreSQL, offers to a stand-in for tickets. The
 * instants at which mails were received are fixed, so that no window of ten minutes ends in the middle of a test.
 */
import { Bus, connectNats, createLogger } from '#platform';
import { isRefused, releaseAll, reprocessAll, type DecidedInbound } from '#contracts';
import type { NatsConnection } from '@nats-io/transport-node';
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { eventually } from '../../../tools/demo/api.js';
import { startServices, type Services } from '../../../tools/services/services.js';
import { startStack, type Mailbox, type Stack } from '../../../tools/stack/stack.js';
import { FakeTickets } from './fake-tickets.js';
import { countIn, fill, fillDated, mail, urlOf } from './mailboxes.js';

const WINDOW_BEGINS = Date.parse('2026-03-02T10:00:00Z');
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const actor = { personId: null, name: 'test' };

let directory: string;
let stack: Stack;
let nats: NatsConnection;
let database: pg.Pool;
let tickets: FakeTickets;
let box: Mailbox;
let services: Services;
let boxes = 0;
let mails = 0;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'floods-test-'));
  stack = await startStack({ dir: directory, keepData: false });
  nats = await connectNats(stack.natsUrl, 'test', createLogger('test', { NODE_ENV: 'test', LOG_LEVEL: 'silent' }));
  database = new pg.Pool({ connectionString: stack.databaseUrl });
  database.on('error', () => {}); // a closing connection may still hear that its server stops
});

afterAll(async () => {
  await database?.end();
  await nats?.close();
  await stack?.stop();
});

beforeEach(async () => {
  box = await stack.addMailbox(`floods${(boxes += 1)}@helpdesk.test`);
  tickets = new FakeTickets(nats);
  await tickets.start();
});

afterEach(async () => {
  await services.stop();
  await tickets.stop();
});

async function start(env: Record<string, string> = {}, instances = 1): Promise<void> {
  const settings = { IMAP_MAILBOXES: urlOf(stack, box), IMAP_SCAN_INTERVAL_SECONDS: '1', ...env };
  services = await startServices({
    stack,
    logDirectory: join(directory, 'log'),
    only: ['mail-ingest'],
    instances,
    env: { 'mail-ingest': settings },
  });
}

/** @param everyMs the time from one to the next, by the mail server's clock */
function from(sender: string, count: number, { after = 0, everyMs = SECOND / 2 } = {}) {
  return Array.from({ length: count }, (_, index) => {
    const number = (mails += 1);
    const raw = mail(
      { From: sender, Subject: `Mail ${number}`, 'Message-ID': `<${number}@floods.test>` },
      `Words of mail ${number}`,
    );
    return { raw, receivedAt: new Date(WINDOW_BEGINS + after + index * everyMs) };
  });
}

interface Row {
  id: string;
  disposition: string | null;
  rule: string | null;
  error: string | null;
  sender: string;
}

/** Waits until there are that many rows and each has its disposition; oldest first. */
async function disposed(count: number, limitMs = 60_000): Promise<Row[]> {
  return eventually(
    `${count} dispositions`,
    async () => {
      const { rows } = await database.query<Row>(
        `select m.id, m.disposition, m.rule, m.error, m.from_address as sender
         from mail.inbound_message m join mail.mailbox b on b.id = m.mailbox_id where b.address = $1 order by m.id`,
        [box.address],
      );
      return rows.length >= count && rows.every(({ disposition }) => disposition !== null) ? rows : undefined;
    },
    limitMs,
  );
}

const isFlood = ({ disposition, rule }: Row) => disposition === 'quarantined' && rule === 'flood';
const offered = () => tickets.for(box.address);

function alarms(key: string): Record<string, unknown>[] {
  const log = join(directory, 'log');
  return readdirSync(log)
    .flatMap((name) => readFileSync(join(log, name), 'utf8').split('\n'))
    .filter((line) => line.includes('"flood: ') && line.includes(`"${key}"`))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${services.instances[0]!.opsUrl}/metrics`)).text();
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
      ?.split(' ')[1] ?? 0,
  );
}

async function all(contract: typeof releaseAll): Promise<DecidedInbound[]> {
  const bus = new Bus(nats, 10_000);
  const results: DecidedInbound[] = [];
  for (let after: string | undefined; ;) {
    const answer = await bus.call(contract, {
      actor,
      filter: { disposition: ['quarantined'], rule: 'flood', mailbox: box.address },
      limit: 100,
      ...(after !== undefined && { after }),
    });
    if (isRefused(answer)) throw new Error(JSON.stringify(answer));
    results.push(...answer.results);
    if (answer.next === null) return results;
    after = answer.next;
  }
}

describe('a flood', () => {
  it('of one sender is held after the limit, with one alarm; others come through, and a person may release it', async () => {
    const sender = 'storm@one.test';
    await fillDated(stack, box, [
      ...from(sender, 50),
      ...from('mara@one.test', 1),
      ...from(sender, 50, { after: 30_000 }),
    ]);
    await start();
    const rows = await disposed(101);
    expect(offered().filter((one) => one.from.email === sender)).toHaveLength(60);
    const held = rows.filter(isFlood);
    expect(held.map((row) => row.sender)).toEqual(Array(40).fill(sender));
    expect(held[0]!.error).toBe(`61 mails of ${sender} within ten minutes, 60 are taken`);
    expect(rows.filter((row) => row.sender === 'mara@one.test')).toMatchObject([{ disposition: 'ticket_created' }]);
    expect(alarms(sender)).toMatchObject([
      { level: expect.anything(), count: 61, limit: 60, since: '2026-03-02T10:00:00.000Z' },
    ]);
    expect(await metric('mail_flood_held_total')).toBe(40);
    await eventually('them in Failed', async () => ((await countIn(stack, box, 'Failed')) === 40 ? true : undefined));

    expect((await all(reprocessAll)).filter(({ changed }) => changed)).toEqual([]);
    const released = await all(releaseAll);
    expect(released.map(({ id, changed, disposition }) => ({ id, changed, disposition }))).toEqual(
      held.map(({ id }) => ({ id, changed: true, disposition: 'ticket_created' })),
    );
    expect(offered()).toHaveLength(101);
    expect(await all(releaseAll)).toEqual([]);
  }, 120_000);

  it('of a whole domain is held, but the flood of one sender there holds up no other', async () => {
    const limits = { MAIL_FLOOD_PER_SENDER: '5', MAIL_FLOOD_PER_DOMAIN: '12' };
    await fillDated(stack, box, from('storm@two.test', 40));
    await start(limits);
    await disposed(40);
    expect(offered()).toHaveLength(5);
    const others = Array.from({ length: 10 }, (_, index) => from(`other${index}@two.test`, 1, { after: MINUTE })[0]!);
    await fillDated(stack, box, others);
    const rows = await disposed(50);
    expect(rows.slice(40).map(isFlood)).toEqual([...Array(7).fill(false), ...Array(3).fill(true)]);
    expect(rows[47]!.error).toBe('13 mails of @two.test within ten minutes, 12 are taken');
    expect(alarms('@two.test')).toHaveLength(1);
    expect(alarms('storm@two.test')).toHaveLength(1);
  });

  it('is counted once for all instances', async () => {
    const sender = 'storm@three.test';
    await start({}, 2);
    await fillDated(stack, box, from(sender, 40));
    await disposed(40);
    const leader = await eventually('a leader', async () => {
      for (const one of services.instances) {
        const text = await (await fetch(`${one.opsUrl}/metrics`)).text();
        if (/^mail_fetched_total(?:\{[^}]*\})? [1-9]/m.test(text)) return one;
      }
      return undefined;
    });
    await leader.end('SIGKILL');
    await fillDated(stack, box, from(sender, 60, { after: MINUTE }));
    expect((await disposed(100)).filter(isFlood)).toHaveLength(40);
    expect(offered()).toHaveLength(60);
    expect(alarms(sender)).toHaveLength(1);
  }, 120_000);

  it('is not what waited for tickets, however often the service began anew', async () => {
    await tickets.stop();
    await fillDated(stack, box, from('patient@four.test', 50));
    await start();
    for (let i = 0; i < 3; i++) {
      await eventually('all of them read', async () => {
        const { rows } = await database.query(
          `select 1 from mail.inbound_message where from_address = 'patient@four.test' and message_id is not null`,
        );
        return rows.length === 50 ? true : undefined;
      });
      await services.instances[0]!.end('SIGTERM');
      await services.instances[0]!.start();
    }
    await tickets.start();
    expect((await disposed(50)).filter(isFlood)).toEqual([]);
    expect(offered()).toHaveLength(50);
  }, 120_000);

  it('is not what came over many days and is taken all at once', async () => {
    await fillDated(stack, box, from('old@five.test', 1_000, { everyMs: 11 * MINUTE }));
    await start({ MAIL_FLOOD_PER_SENDER: '3', MAIL_FLOOD_PER_DOMAIN: '3' });
    expect((await disposed(1_000, 120_000)).filter(isFlood)).toEqual([]);
    expect(offered()).toHaveLength(1_000);
    const { rows } = await database.query(`select 1 from mail.flood_count where key = 'old@five.test'`);
    expect(rows.length).toBeGreaterThan(900);
  }, 240_000);

  it('is nothing that allowed senders, bounces or repeated mails make', async () => {
    const twice = from('mara@six.test', 1);
    const bounce = mail(
      {
        From: 'MAILER-DAEMON@six.test',
        'Return-Path': '<>',
        Subject: 'Undelivered Mail Returned to Sender',
        'Content-Type': 'multipart/report; report-type=delivery-status; boundary=b',
      },
      '--b\r\n\r\nNot delivered.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nAction: failed\r\n--b--\r\n',
    );
    await fillDated(stack, box, [
      ...from('alarms@allowed.test', 10),
      ...Array<(typeof twice)[number]>(10).fill(twice[0]!),
      ...Array.from({ length: 5 }, () => ({ raw: bounce, receivedAt: new Date(WINDOW_BEGINS) })),
    ]);
    await start({ MAIL_FLOOD_PER_SENDER: '2', MAIL_FLOOD_PER_DOMAIN: '2', MAIL_ALLOWED_SENDERS: 'allowed.test' });
    expect((await disposed(25)).filter(isFlood)).toEqual([]);
    expect(offered()).toHaveLength(11);
    const { rows } = await database.query(
      `select key, count from mail.flood_count where key like '%@six.test' or key like '%allowed.test' order by key`,
    );
    expect(rows).toEqual([
      { key: '@six.test', count: 1 },
      { key: 'mara@six.test', count: 1 },
    ]);
  });

  it('ends: what was counted long ago is forgotten', async () => {
    await fillDated(stack, box, from('past@seven.test', 1));
    await start();
    await disposed(1);
    await database.query(
      `update mail.flood_count set counted_since = now() - interval '61 minutes' where key = 'past@seven.test'`,
    );
    await services.instances[0]!.end('SIGTERM');
    await services.instances[0]!.start();
    const left = await eventually('something gone', async () => {
      const { rows } = await database.query<{ key: string }>(
        `select key from mail.flood_count where key like '%seven.test'`,
      );
      return rows.length < 2 ? rows : undefined;
    });
    expect(left).toEqual([{ key: '@seven.test' }]);
  });
});

it('holds a mail that goes round in circles, until a person releases it', async () => {
  const hop = 'Received: from a.test ([198.51.100.7]) by b.test with SMTP id 1\r\n';
  const [ordinary, looping] = [30, 31].map((hops) => hop.repeat(hops) + from('loop@eight.test', 1)[0]!.raw);
  await fill(stack, box, [ordinary!, looping!]);
  await start();
  const [first, second] = await disposed(2);
  expect(first).toMatchObject({ disposition: 'ticket_created' });
  expect(second).toMatchObject({ disposition: 'quarantined', rule: 'hops', error: expect.stringContaining('31') });
  const command = join(import.meta.dirname, '../../../dist/apps/mail-ingest/src/intake/inbound.command.js');
  const env = { PATH: process.env['PATH'], DATABASE_URL: stack.databaseUrl, NATS_URL: stack.natsUrl };
  const run = promisify(execFile);
  const args = ['release', '--disposition', 'quarantined', '--rule', 'hops'];
  const { stdout } = await run(process.execPath, [command, ...args], { env });
  expect(JSON.parse(stdout)).toMatchObject({ id: second!.id, changed: true, disposition: 'ticket_created' });
  expect(offered()).toHaveLength(2);
});
