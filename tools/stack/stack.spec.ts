import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, lstatSync, mkdtempSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { ImapFlow } from 'imapflow';
import { createTransport } from 'nodemailer';
import { Client } from 'pg';
import { isAlive, orphansIn } from './processes.ts';
import { type Mailbox, type Stack, startStack } from './stack.ts';

const MAIN = resolve('tools/stack/main.ts');

/** A data directory below one that only its owner can enter, as in a checkout made by root with mktemp -d. */
function privateDirectory(): string {
  return join(mkdtempSync(join(tmpdir(), 'stack-spec-')), 'stack');
}

async function query(databaseUrl: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

function connectNats(natsUrl: string) {
  const { host, username, password } = new URL(natsUrl);
  return connect({ servers: host, user: username, pass: password });
}

function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

describe('a stack', () => {
  const directory = privateDirectory();
  let stack: Stack;

  beforeAll(async () => {
    stack = await startStack({ dir: directory, keepData: false });
  });

  afterAll(async () => {
    const data = realpathSync(join(directory, 'data'));
    const pids = Object.values(stack.processes);
    await stack.stop();
    expect(pids.filter(isRunning)).toEqual([]);
    expect(existsSync(data)).toBe(false);
    expect(existsSync(directory)).toBe(false);
    rmSync(resolve(directory, '..'), { recursive: true });
  });

  async function inMailbox<T>({ user, password }: Mailbox, use: (client: ImapFlow) => Promise<T>): Promise<T> {
    const client = new ImapFlow({ ...stack.imap, secure: false, logger: false, auth: { user, pass: password } });
    await client.connect();
    const lock = await client.getMailboxLock('INBOX');
    try {
      return await use(client);
    } finally {
      lock.release();
      await client.logout();
    }
  }

  const messages = (mailbox: Mailbox) =>
    inMailbox(mailbox, async (client) => {
      const all = await client.fetchAll('1:*', { source: true });
      return all.map((message) => message.source?.toString('utf8') ?? '');
    });

  const send = (mail: { from: string; to: string | string[]; subject: string; text?: string }) =>
    createTransport({ ...stack.smtp, secure: false, ignoreTLS: true }).sendMail(mail);

  it('has a PostgreSQL that keeps what it has committed', async () => {
    expect(await query(stack.databaseUrl, 'select 1 as one')).toEqual([{ one: 1 }]);
    expect(await query(stack.databaseUrl, 'show fsync')).toEqual([{ fsync: 'on' }]);
    expect(await query(stack.databaseUrl, 'show synchronous_commit')).toEqual([{ synchronous_commit: 'on' }]);
  });

  it('has the extensions citext and pg_trgm', async () => {
    await query(stack.databaseUrl, 'create extension citext; create extension pg_trgm');
    expect(await query(stack.databaseUrl, `select 'Ä'::citext = 'ä'::citext as same`)).toEqual([{ same: true }]);
  });

  it('refuses a database client without the password', async () => {
    const url = new URL(stack.databaseUrl);
    url.password = 'guess';
    await expect(query(url.href, 'select 1')).rejects.toThrow(/password authentication failed/);
  });

  it('has a NATS that acknowledges what JetStream has stored, and only to those who know the password', async () => {
    const connection = await connectNats(stack.natsUrl);
    const manager = await jetstreamManager(connection);
    await manager.streams.add({ name: 'SPEC', subjects: ['spec.>'] });
    expect(await jetstream(connection).publish('spec.one', 'hello')).toMatchObject({ stream: 'SPEC', seq: 1 });
    await connection.close();
    await expect(connect({ servers: new URL(stack.natsUrl).host })).rejects.toThrow(/authorization/i);
  });

  it('delivers mail to a plus address into the mailbox, with its trace', async () => {
    const [support] = stack.mailboxes;
    await send({ from: 'anna@customer.test', to: `support+12.tok@${stack.domain}`, subject: 'Router down' });
    const [mail] = await messages(support!);
    expect(mail).toMatch(/^Return-Path: <anna@customer\.test>\r\nDelivered-To: support/);
    expect(mail).toMatch(/^Received: from .*\r\n\tby .* with ESMTP id /m);
    expect(mail).toMatch(/^Subject: Router down\r$/m);
  });

  it('takes mail for several mailboxes, of any domain, and a mailbox twice is the same one', async () => {
    const anna = await stack.addMailbox('Anna@customer.test');
    const emil = await stack.addMailbox('emil@helpdesk.test');
    expect((await stack.addMailbox('anna@customer.test')).password).toBe(anna.password);
    const subject = 'To the two of you';
    await send({ from: `support@${stack.domain}`, to: ['anna@customer.test', 'emil@helpdesk.test'], subject });
    for (const mailbox of [anna, emil]) expect((await messages(mailbox)).join()).toContain(subject);
  });

  it('delivers what Unicode senders write', async () => {
    const jose = await stack.addMailbox('jose@customer.test');
    await send({ from: 'josé@kunde.test', to: 'jose@customer.test', subject: 'Grüße', text: 'Straße' });
    expect((await messages(jose)).join()).toContain('Stra=C3=9Fe');
  });

  it('refuses mail for somebody unknown', async () => {
    const sending = send({ from: 'anna@customer.test', to: 'nobody-here@customer.test', subject: 'Lost' });
    await expect(sending).rejects.toMatchObject({ responseCode: 550, response: expect.stringContaining('5.1.1') });
  });

  it('refuses a message over 60 MB and delivers no part of it', async () => {
    const big = await stack.addMailbox('big@customer.test');
    const line = `${'x'.repeat(998)}\r\n`;
    const raw = `From: a@customer.test\r\nTo: big@customer.test\r\n\r\n${line.repeat(63 * 1024)}`;
    const envelope = { from: 'a@customer.test', to: 'big@customer.test' };
    const transport = createTransport({ ...stack.smtp, secure: false, ignoreTLS: true });
    await expect(transport.sendMail({ envelope, raw })).rejects.toMatchObject({ responseCode: 552 });
    expect(await messages(big)).toEqual([]);
  });

  it('asks the sender to try again while Dovecot is down, and delivers when it is back', async () => {
    const later = await stack.addMailbox('later@customer.test');
    const mail = { from: 'anna@customer.test', to: 'later@customer.test', subject: 'Patience' };
    await stack.dovecot.stop();
    await expect(send(mail)).rejects.toMatchObject({ responseCode: 451 });
    await stack.dovecot.start();
    await send(mail);
    expect(await messages(later)).toHaveLength(1);
  });

  it('gets a server back that was killed, with its data, at the same address', async () => {
    await query(stack.databaseUrl, 'create table kept as select 42 as answer');
    const before = stack.processes;
    await stack.postgres.kill();
    await stack.nats.kill();
    await stack.dovecot.kill();
    expect(stack.processes).toEqual({});
    await Promise.all([stack.postgres.start(), stack.nats.start(), stack.dovecot.start()]);
    expect(stack.processes.postgres).not.toBe(before.postgres);
    expect(await query(stack.databaseUrl, 'select answer from kept')).toEqual([{ answer: 42 }]);
    const connection = await connectNats(stack.natsUrl);
    expect((await (await jetstreamManager(connection)).streams.info('SPEC')).state.messages).toBe(1);
    await connection.close();
    expect(await messages(stack.mailboxes[0]!)).toHaveLength(1);
  });

  it('keeps its secrets to its owner, and no server runs as root', () => {
    expect(statSync(join(directory, 'secrets.json')).mode & 0o077).toBe(0);
    const owners = Object.values(stack.processes).map((pid) => statSync(`/proc/${pid}`).uid);
    expect(owners).toHaveLength(3);
    expect(owners).not.toContain(0);
  });

  if (process.getuid?.() === 0) {
    it('started by root below a private directory keeps its data where the servers can reach it', () => {
      expect(lstatSync(join(directory, 'data')).isSymbolicLink()).toBe(true);
    });
  }
});

describe('a launcher that is killed', () => {
  const directory = privateDirectory();
  let launcher: ChildProcess;
  let servers: { name: string; pid: number }[];
  let databaseUrl: string;
  let stack: Stack | undefined;

  beforeEach(async () => {
    launcher = spawn(process.execPath, [MAIN, '--dir', directory], { stdio: ['ignore', 'pipe', 'inherit'] });
    for await (const chunk of launcher.stdout!) if (String(chunk).includes('Ctrl-C')) break;
    const register = JSON.parse(readFileSync(join(directory, 'stack.json'), 'utf8'));
    servers = register.servers;
    databaseUrl = register.addresses.databaseUrl;
  });

  afterEach(async () => {
    launcher.kill('SIGKILL');
    stack ??= await startStack({ dir: directory });
    await stack.stop();
    stack = undefined;
  });

  afterAll(async () => {
    const last = await startStack({ dir: directory, keepData: false });
    await last.stop();
    rmSync(resolve(directory, '..'), { recursive: true });
  });

  const running = () => servers.filter(({ pid }) => isRunning(pid));

  async function killLauncher(): Promise<void> {
    launcher.kill('SIGKILL');
    await once(launcher, 'exit');
  }

  it('keeps others out while it lives', async () => {
    const starting = startStack({ dir: directory });
    await expect(starting).rejects.toThrow(`already running in ${directory} (process ${launcher.pid})`);
    expect(running()).toHaveLength(3);
  });

  it('takes its servers with it', async () => {
    await killLauncher();
    while (running().length > 0) await delay(10);
    expect(running()).toEqual([]);
  });

  it('leaves nothing that the next start does not end, and the data', async () => {
    await query(databaseUrl, 'create table kept as select 42 as answer');
    // Suspended, they do not notice the launcher's death.
    for (const { pid } of servers) process.kill(pid, 'SIGSTOP');
    await killLauncher();
    expect(running()).toHaveLength(3);

    const lines: string[] = [];
    stack = await startStack({ dir: directory, log: (line) => lines.push(line) });
    expect(running()).toEqual([]);
    expect(lines[0]).toContain(`Cleaning up after process ${launcher.pid}`);
    expect(await query(stack.databaseUrl, 'select answer from kept')).toEqual([{ answer: 42 }]);
  });

  it('leaves no helper of a server that was killed too', async () => {
    const helpers = orphansIn([realpathSync(join(directory, 'data'))]).filter(({ name }) => name === 'imap-login');
    expect(helpers).toHaveLength(1);
    for (const { pid } of helpers) process.kill(pid, 'SIGSTOP');
    await killLauncher();
    for (const { pid } of running()) process.kill(pid, 'SIGKILL');
    while (running().length > 0) await delay(10);
    expect(helpers.filter(isAlive)).toHaveLength(1);

    stack = await startStack({ dir: directory });
    expect(helpers.filter(isAlive)).toEqual([]);
  });
});
