/**
 * Intake between real servers: mail in Dovecot, rows and bytes in PostgreSQL, offers over NATS to a stand-in for
 * tickets. Each test has a mailbox of its own and runs the service as processes of its own.
 */
import { CHUNK_BYTES, connectNats, createLogger, openBlob } from '#platform';
import type { NatsConnection } from '@nats-io/transport-node';
import { createHash } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { memoryMiB } from '../../../tools/bench/usage.js';
import { eventually } from '../../../tools/demo/api.js';
import { startServices, type Services } from '../../../tools/services/services.js';
import { startStack, type Mailbox, type Stack } from '../../../tools/stack/stack.js';
import { FakeTickets } from './fake-tickets.js';
import { ImapProxy } from './imap-proxy.js';
import { countIn, fill, mail, ordinaryMails, urlOf, withImap } from './mailboxes.js';

const LOOP_TOKEN = 'helpdesk.test'; // as tools/services sets it

let directory: string;
let stack: Stack;
let nats: NatsConnection;
let database: pg.Pool;
let tickets: FakeTickets;
let box: Mailbox;
let running: Services[] = [];
let proxy: ImapProxy | undefined;
let boxes = 0;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'mail-ingest-test-'));
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
  box = await stack.addMailbox(`box${(boxes += 1)}@helpdesk.test`);
  tickets = new FakeTickets(nats);
  await tickets.start();
});

afterEach(async () => {
  await Promise.all(running.map((services) => services.stop()));
  running = [];
  await tickets.stop();
  await proxy?.stop();
  proxy = undefined;
});

async function start(url = urlOf(stack, box), env: Record<string, string> = {}, instances = 1): Promise<Services> {
  // all tests have the same senders
  const noLimits = { MAIL_FLOOD_PER_SENDER: '0', MAIL_FLOOD_PER_DOMAIN: '0' };
  const settings = { IMAP_MAILBOXES: url, IMAP_SCAN_INTERVAL_SECONDS: '1', ...noLimits, ...env };
  const services = await startServices({
    stack,
    logDirectory: join(directory, 'log'),
    only: ['mail-ingest'],
    instances,
    env: { 'mail-ingest': settings },
  });
  running.push(services);
  return services;
}

interface Row {
  id: string;
  disposition: string | null;
  rule: string | null;
  error: string | null;
  attempts: number;
  rawSha256: string;
  rawSize: number;
}

/** The mailbox's rows, oldest first. */
async function rows(): Promise<Row[]> {
  const { rows: found } = await database.query<Row>(
    `select m.id, m.disposition, m.rule, m.error, m.attempts, encode(m.raw_sha256, 'hex') as "rawSha256",
       m.raw_size::int as "rawSize"
     from mail.inbound_message m join mail.mailbox b on b.id = m.mailbox_id where b.address = $1 order by m.id`,
    [box.address],
  );
  return found;
}

/** Waits until there are that many rows and each has its disposition. */
async function disposed(count: number, limitMs = 60_000): Promise<Row[]> {
  return eventually(
    `${count} dispositions`,
    async () => {
      const found = await rows();
      return found.length >= count && found.every((row) => row.disposition !== null) ? found : undefined;
    },
    limitMs,
  );
}

async function emptied(folder = 'INBOX'): Promise<void> {
  await eventually(`${folder} emptied`, async () => ((await countIn(stack, box, folder)) === 0 ? true : undefined));
}

function counts(found: Row[]): Record<string, number> {
  const result: Record<string, number> = {};
  for (const { disposition } of found) result[disposition ?? 'none'] = (result[disposition ?? 'none'] ?? 0) + 1;
  return result;
}

const subjects = () => tickets.for(box.address).map(({ subject }) => subject);
const numbered = (count: number) => Array.from({ length: count }, (_, index) => `Mail ${index + 1}`);

/** A mail that takes the parser seconds: its bytes fit no charset, so that all of them are tried. */
function poison(): Buffer {
  return Buffer.from(mail({ From: 'p@customer.test', Subject: 'Poison' }, '\xe4\xff\x80\n'.repeat(8 << 20)), 'latin1');
}

describe('the mails of a mailbox', () => {
  it('are each taken once, in order, and moved away', async () => {
    await fill(stack, box, ordinaryMails(120));
    await start();
    expect(counts(await disposed(120))).toEqual({ ticket_created: 120 });
    expect(subjects()).toEqual(numbered(120));
    await emptied();
    expect(await countIn(stack, box, 'Processed')).toBe(120);
  });

  it('are each taken once, of whatever kind', async () => {
    const from = { From: 'Mara <mara@customer.test>' };
    const kinds: Record<string, Buffer | string> = {
      'no Message-ID': mail({ ...from, Subject: 'no Message-ID' }, 'Hello'),
      'no From': mail({ Subject: 'no From', 'Message-ID': '<no-from@x.test>' }, 'Hello'),
      'no usable From': mail({ From: '"x" <>', Subject: 'no usable From' }, 'Hello'),
      'no body': mail({ ...from, Subject: 'no body' }, ''),
      'no header': '\r\nonly text',
      'an unknown charset': Buffer.from(
        mail({ ...from, Subject: 'charset', 'Content-Type': 'text/plain; charset=x-none' }, 'words \xe4\xf6'),
        'latin1',
      ),
      'bytes that are not UTF-8': Buffer.from(
        mail({ ...from, Subject: 'bytes', 'Content-Type': 'text/plain; charset=utf-8' }, 'words \xff\xfe'),
        'latin1',
      ),
      garbage: Buffer.from(Array.from({ length: 4_000 }, (_, i) => (i * 7919) % 256)),
      'a boundary that never comes': mail(
        { ...from, Subject: 'boundary', 'Content-Type': 'multipart/mixed; boundary=b' },
        'words',
      ),
      'more parts than anybody needs': mail(
        { ...from, Subject: 'parts', 'Content-Type': 'multipart/mixed; boundary=b' },
        '--b\r\n\r\nx\r\n'.repeat(3_000),
      ),
      'headers without end': `From: mara@customer.test\r\nSubject: headers\r\n${'X-Long: y\r\n'.repeat(150_000)}\r\nHello`,
      'a subject without end': mail({ ...from, Subject: 's'.repeat(800_000) }, 'Hello'),
      'a text without end': mail({ ...from, Subject: 'text' }, '"words"\r\n'.repeat(400_000)),
      'deep HTML': mail({ ...from, Subject: 'deep', 'Content-Type': 'text/html' }, '<div>'.repeat(30_000)),
      'NUL bytes': mail({ ...from, Subject: 'a\0b' }, 'a\0b'),
    };
    await fill(stack, box, Object.values(kinds));
    await start();
    const found = await disposed(Object.keys(kinds).length);
    expect(Object.keys(kinds).map((kind, index) => [kind, found[index]!.disposition])).toEqual(
      Object.keys(kinds).map((kind) => [kind, 'ticket_created']),
    );
    expect(new Set(tickets.for(box.address).map(({ inboundId }) => inboundId)).size).toBe(found.length);
    expect(tickets.for(box.address)[1]!.from.email).toBeNull();
    expect(tickets.largestRequest).toBeLessThan(1_000_000);
    await emptied();
  });

  it('are kept byte for byte, with an attachment of 20 MB, in little memory and without holding up the process', async () => {
    const content = Buffer.alloc(20 << 20, 'helpdesk!');
    const raw = mail(
      { From: 'mara@customer.test', Subject: 'big', 'Content-Type': 'multipart/mixed; boundary=b' },
      [
        '--b\r\nContent-Type: text/plain\r\n\r\nSee attachment.',
        '--b\r\nContent-Type: application/octet-stream; name=big.bin',
        'Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment\r\n',
        content.toString('base64').replaceAll(/.{76}/g, '$&\r\n'),
        '--b--\r\n',
      ].join('\r\n'),
    );
    const services = await start();
    const [instance] = services.instances as [Services['instances'][number]];
    await fill(stack, box, ordinaryMails(1));
    await disposed(1);
    await metric(instance.opsUrl, 'nodejs_eventloop_lag_max_seconds'); // reading it begins a new measurement
    const before = memoryMiB(instance.pid).now;
    await fill(stack, box, [raw]);
    const [, row] = await disposed(2);
    expect(row).toMatchObject({ disposition: 'ticket_created', rawSize: raw.length });
    expect(row!.rawSha256).toBe(createHash('sha256').update(raw).digest('hex'));
    expect((await storedBytes(row!.rawSha256)).equals(Buffer.from(raw))).toBe(true);
    const [, offer] = tickets.for(box.address);
    expect(offer!.attachments).toMatchObject([
      { name: 'big.bin', size: content.length, sha256: createHash('sha256').update(content).digest('hex') },
    ]);
    const lag = await metric(instance.opsUrl, 'nodejs_eventloop_lag_max_seconds');
    expect(memoryMiB(instance.pid).peak - before).toBeLessThan(250);
    expect(lag).toBeLessThan(0.2);
  });

  it('do not wait for one that the parser does not survive', async () => {
    await fill(stack, box, [poison(), ...ordinaryMails(99)]);
    await start(urlOf(stack, box), { MAIL_PARSE_TIMEOUT_MS: '300' });
    const begun = performance.now();
    await eventually('99 others', async () => (subjects().length === 99 ? true : undefined), 60_000);
    expect(subjects()).toEqual(numbered(99));
    expect(performance.now() - begun).toBeLessThan(30_000);
    const [first, ...others] = await disposed(100, 90_000);
    expect(first).toMatchObject({ disposition: 'quarantined', rule: 'attempts', error: expect.stringMatching(/pars/) });
    expect(first!.attempts).toBe(3);
    const told = tickets.for(box.address).find(({ inboundId }) => inboundId === first!.id);
    expect(told).toMatchObject({ subject: 'Poison', text: expect.stringContaining('Only the headers') });
    expect(counts(others)).toEqual({ ticket_created: 99 });
    await emptied();
  }, 180_000);

  it('do not wait for one that tickets stumbles over', async () => {
    tickets.stumblesOver = ({ subject }) => subject === 'Mail 7';
    await fill(stack, box, ordinaryMails(20));
    await start();
    await eventually('19 others', async () => (subjects().length === 19 ? true : undefined), 60_000);
    for (let refusals = 1; refusals < 3; refusals++) {
      await refused(refusals);
      await database.query('update mail.inbound_message set retry_at = now() where disposition is null');
    }
    const found = await disposed(20);
    expect(counts(found)).toEqual({ ticket_created: 19, quarantined: 1 });
    expect(found[6]).toMatchObject({ rule: 'refused', error: expect.stringContaining('stumbled') });
    await eventually('it in Failed', async () => ((await countIn(stack, box, 'Failed')) === 1 ? true : undefined));
    expect(await countIn(stack, box, 'Processed')).toBe(19);
    await fill(stack, box, ordinaryMails(1, 21));
    expect(counts(await disposed(21))).toEqual({ ticket_created: 20, quarantined: 1 });
  });

  it('are not blamed when tickets takes nothing at all', async () => {
    tickets.stumblesOver = () => true;
    await fill(stack, box, ordinaryMails(3));
    await start();
    // three times together, then each alone as often
    await eventually('tickets being asked', async () => (tickets.requests >= 12 ? true : undefined));
    tickets.stumblesOver = () => false;
    expect(counts(await disposed(3))).toEqual({ ticket_created: 3 });
    const { rows: blamed } = await database.query(
      'select 1 from mail.inbound_message where refusals > 0 and id = any($1::uuid[])',
      [tickets.for(box.address).map(({ inboundId }) => inboundId)],
    );
    expect(blamed).toEqual([]);
  });

  it('wait for tickets as long as it is away, stored and acknowledged', async () => {
    await tickets.stop();
    await fill(stack, box, ordinaryMails(60));
    const services = await start();
    await emptied();
    expect(counts(await rows())).toEqual({ none: 60 });
    // three stops in the meantime do not count against them
    for (let i = 0; i < 3; i++) {
      await services.instances[0]!.end('SIGTERM');
      await services.instances[0]!.start();
    }
    const { opsUrl } = services.instances[0]!;
    expect(await metric(opsUrl, 'mail_overdue')).toBe(0);
    await database.query(
      `update mail.inbound_message set stored_at = now() - interval '11 minutes' where disposition is null`,
    );
    expect(await metric(opsUrl, 'mail_overdue')).toBe(60);
    await tickets.start();
    expect(counts(await disposed(60))).toEqual({ ticket_created: 60 });
    expect(subjects()).toEqual(numbered(60));
    expect(await metric(opsUrl, 'mail_overdue')).toBe(0);
  }, 120_000);

  it('are told apart: repeated, our own, bounced, and the same id with other words', async () => {
    const [first] = ordinaryMails(1) as [string];
    const own = { From: 'support@helpdesk.test', 'X-Helpdesk-Loop': LOOP_TOKEN };
    await fill(stack, box, [
      first,
      `Received: by another.test\r\n${first}`,
      first.replace('Words', 'Other words'),
      mail({ ...own, Subject: 'Ours', 'Message-ID': '<own@helpdesk.test>' }, 'Come back'),
      mail(
        {
          From: 'MAILER-DAEMON@mx.test',
          'Return-Path': '<>',
          Subject: 'Undelivered Mail Returned to Sender',
          'Content-Type': 'multipart/report; report-type=delivery-status; boundary=b',
        },
        '--b\r\n\r\nNot delivered.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nAction: failed\r\n--b--\r\n',
      ),
    ]);
    await start();
    const found = await disposed(5);
    expect(found.map(({ disposition }) => disposition)).toEqual([
      'ticket_created',
      'duplicate',
      'ticket_created',
      'own_mail',
      'rejected',
    ]);
    expect(tickets.for(box.address)).toHaveLength(2);
  });

  it('are not downloaded when they are too large', async () => {
    await fill(stack, box, [mail({ From: 'a@x.test', Subject: 'Huge' }, 'x'.repeat(300_000)), ...ordinaryMails(1)]);
    await start(urlOf(stack, box), { MAIL_MAX_BYTES: '65536' });
    const [huge, ordinary] = await disposed(2);
    expect(huge).toMatchObject({ disposition: 'quarantined', rule: 'oversize' });
    expect(huge!.error).toContain('Oversize');
    expect((await storedBytes(huge!.rawSha256)).toString()).toContain('Subject: Huge');
    expect(huge!.rawSize).toBeLessThan(1_000);
    const told = tickets.for(box.address).find(({ inboundId }) => inboundId === huge!.id);
    expect(told).toMatchObject({ subject: 'Huge', text: expect.stringContaining('the folder Oversize') });
    expect(ordinary!.disposition).toBe('ticket_created');
    await emptied();
    expect(await countIn(stack, box, 'Oversize')).toBe(1);
  });
});

describe('when something breaks', () => {
  it('takes mail again after the server was away, and says meanwhile what is missing', async () => {
    const services = await start();
    await fill(stack, box, ordinaryMails(5));
    await disposed(5);
    await stack.dovecot.stop();
    const failing = await eventually('not ready', async () => {
      const response = await fetch(`${services.instances[0]!.opsUrl}/health/ready`);
      return response.status === 503 ? ((await response.json()) as { failing: { name: string }[] }).failing : undefined;
    });
    expect(failing).toMatchObject([{ name: `mailbox ${box.address}`, reason: expect.any(String) }]);
    await stack.dovecot.start();
    await fill(stack, box, ordinaryMails(5, 6));
    expect(counts(await disposed(10))).toEqual({ ticket_created: 10 });
    await services.instances[0]!.ready();
  });

  it('stores no part of a mail when the line is cut in the middle of it', async () => {
    proxy = await ImapProxy.start(stack.imap);
    let cuts = 0;
    proxy.cutAfter = (bytes) => bytes > 2_000_000 && cuts++ === 0;
    const raw = mail({ From: 'a@x.test', Subject: 'Long' }, 'words and words\r\n'.repeat(300_000));
    await fill(stack, box, [raw]);
    await start(urlOf({ imap: { host: '127.0.0.1', port: proxy.port } }, box));
    const [row, ...others] = await disposed(1);
    expect(cuts).toBeGreaterThan(0);
    expect(proxy.connections).toBeGreaterThan(1);
    expect(others).toEqual([]);
    expect(row).toMatchObject({ disposition: 'ticket_created', rawSize: raw.length });
    expect(row!.rawSha256).toBe(createHash('sha256').update(raw).digest('hex'));
  });

  it('passes over a mail that the server does not hand out, and says so', async () => {
    proxy = await ImapProxy.start(stack.imap);
    const withheld = new Set<string>();
    proxy.hold = (command) => {
      const asked = /^(\S+) UID FETCH ([\d,:]+) .*BODY/.exec(command);
      if (asked && asked[2]!.split(/[,:]/).includes('3')) withheld.add(asked[1]!);
      return undefined;
    };
    proxy.reword = (words) =>
      words.replace(/^(\S+) OK/gm, (all, tag: string) => (withheld.has(tag) ? `${tag} NO` : all));
    const services = await start(urlOf({ imap: { host: '127.0.0.1', port: proxy.port } }, box));
    await fill(stack, box, ordinaryMails(5));
    await disposed(4);
    expect(subjects()).toEqual(['Mail 1', 'Mail 2', 'Mail 4', 'Mail 5']);
    await eventually('not ready', async () => {
      const response = await fetch(`${services.instances[0]!.opsUrl}/health/ready`);
      return (await response.text()).includes('does not hand out the mail with UID 3') ? true : undefined;
    });
    proxy.hold = () => undefined;
    proxy.reword = (words) => words;
    await disposed(5);
    await emptied();
  });

  it('takes nothing twice when the line is cut between the commit and the move', async () => {
    proxy = await ImapProxy.start(stack.imap);
    let cuts = 0;
    proxy.cutBefore = (command) => /\bMOVE\b/.test(command) && cuts++ < 2;
    await fill(stack, box, ordinaryMails(70));
    await start(urlOf({ imap: { host: '127.0.0.1', port: proxy.port } }, box));
    await emptied();
    expect(cuts).toBeGreaterThanOrEqual(2);
    expect(counts(await disposed(70))).toEqual({ ticket_created: 70 });
    expect(subjects()).toEqual(numbered(70));
    expect(await countIn(stack, box, 'Processed')).toBe(70);
  });

  it('takes nothing again when the server numbers its mails anew', async () => {
    const mails = ordinaryMails(40);
    const refill = async (client: Parameters<Parameters<typeof withImap>[2]>[0]) => {
      await client.mailboxDelete('Shared').catch(() => {}); // it is not there the first time
      await client.mailboxCreate('Shared');
      for (const raw of mails) await client.append('Shared', Buffer.from(raw));
    };
    await withImap(stack, box, refill);
    const services = await start(urlOf(stack, box, { folder: 'Shared', mode: 'leave' }));
    await disposed(40);
    await services.instances[0]!.end('SIGTERM');
    await withImap(stack, box, refill);
    await services.instances[0]!.start();
    expect(counts(await disposed(80))).toEqual({ ticket_created: 40, duplicate: 40 });
    expect(tickets.for(box.address)).toHaveLength(40);
    expect(await countIn(stack, box, 'Shared')).toBe(40);
  });

  it('flags mails where it may not move them, and leaves them in their place', async () => {
    await fill(stack, box, ordinaryMails(5));
    await start(urlOf(stack, box, { mode: 'flag' }));
    await disposed(5);
    await eventually('flags', async () => ((await flagged()) === 5 ? true : undefined));
    await fill(stack, box, ordinaryMails(2, 6));
    await disposed(7);
    await eventually('more flags', async () => ((await flagged()) === 7 ? true : undefined));
    expect(await countIn(stack, box, 'INBOX')).toBe(7);
    expect(subjects()).toEqual(numbered(7));
  });

  it('goes on with a second instance when the first is killed, and takes nothing twice', async () => {
    await fill(stack, box, ordinaryMails(200));
    const services = await start(urlOf(stack, box), {}, 2);
    await fill(stack, box, ordinaryMails(100, 201));
    await eventually('some of them', async () => ((await rows()).length > 50 ? true : undefined));
    const fetched = await Promise.all(services.instances.map(({ opsUrl }) => metric(opsUrl, 'mail_fetched_total')));
    expect(fetched.filter((count) => count > 0)).toHaveLength(1);
    await services.instances[fetched.findIndex((count) => count > 0)]!.end('SIGKILL');
    await fill(stack, box, ordinaryMails(100, 301));
    expect(counts(await disposed(400))).toEqual({ ticket_created: 400 });
    expect(new Set(subjects()).size).toBe(400);
    expect(subjects()).toHaveLength(400);
    await emptied();
  }, 120_000);

  it('ends in good order within ten seconds in the middle of its work', async () => {
    await fill(stack, box, ordinaryMails(300));
    const services = await start();
    await eventually('some of them', async () => (subjects().length > 30 ? true : undefined));
    const milliseconds = await services.instances[0]!.end('SIGTERM');
    expect(milliseconds).toBeLessThan(10_000);
    await services.instances[0]!.start();
    expect(counts(await disposed(300))).toEqual({ ticket_created: 300 });
    expect(subjects()).toEqual(numbered(300));
  });
});

/** Waits until tickets has refused a mail that often and it waits for its next turn. */
async function refused(times: number): Promise<void> {
  await eventually(`refusal ${times}`, async () => {
    const { rows: found } = await database.query(
      'select 1 from mail.inbound_message where disposition is null and refusals = $1 and retry_at > now()',
      [times],
    );
    return found.length > 0 ? true : undefined;
  });
}

async function storedBytes(sha256: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of (await openBlob(database, sha256))!) {
    expect((chunk as Buffer).length).toBeLessThanOrEqual(CHUNK_BYTES);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

async function flagged(): Promise<number> {
  return withImap(stack, box, async (client) => {
    await client.mailboxOpen('INBOX', { readOnly: true });
    return ((await client.search({ keyword: '$TicketDone' }, { uid: true })) || []).length;
  });
}

async function metric(opsUrl: string, name: string): Promise<number> {
  const text = await (await fetch(`${opsUrl}/metrics`)).text();
  return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)![1]);
}
