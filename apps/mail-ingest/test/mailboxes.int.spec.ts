/**
 * Mailboxes as data, between real servers: two instances of the service follow what is asked of them over NATS, Dovecot
 * has the mail, and an authorisation server gives and judges access tokens.
 */
import {
  createMailbox,
  getMailbox,
  isRefused,
  listMailboxes,
  removeMailbox,
  testMailbox,
  updateMailbox,
  type MailboxChange,
  type MailboxTest,
  type MailboxView,
  type NewMailbox,
  type Refused,
} from '#contracts';
import { Bus, connectNats, createLogger } from '#platform';
import type { NatsConnection } from '@nats-io/transport-node';
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import { eventually } from '../../../tools/demo/api.js';
import { startServices, type Services } from '../../../tools/services/services.js';
import { startStack, type Mailbox, type Stack } from '../../../tools/stack/stack.js';
import { AuthorisationServer } from './authorisation-server.js';
import { FakeTickets } from './fake-tickets.js';
import { ImapProxy } from './imap-proxy.js';
import { countIn, fill, mail, ordinaryMails, urlOf, withImap } from './mailboxes.js';

const COMMAND = fileURLToPath(
  new URL('../../../dist/apps/mail-ingest/src/mailbox/mailbox.command.js', import.meta.url),
);
const CANARY = 'canary-8f2c1d';

let directory: string;
let stack: Stack;
let authorisation: AuthorisationServer;
let nats: NatsConnection;
let bus: Bus;
let database: pg.Pool;
let tickets: FakeTickets;
let services: Services;
let box: Mailbox;
let proxy: ImapProxy;
let boxes = 0;

const ACTOR = { personId: null, name: 'test' };

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'mailboxes-test-'));
  authorisation = await AuthorisationServer.start();
  const introspectionUrl = `${authorisation.url}/introspect`;
  stack = await startStack({ dir: directory, keepData: false, introspectionUrl });
  nats = await connectNats(stack.natsUrl, 'test', createLogger('test', { NODE_ENV: 'test', LOG_LEVEL: 'silent' }));
  bus = new Bus(nats, 30_000);
  database = new pg.Pool({ connectionString: stack.databaseUrl });
  database.on('error', () => {}); // a closing connection may still hear that its server stops
  services = await start();
});

afterAll(async () => {
  await services?.stop();
  await database?.end();
  await nats?.close();
  await stack?.stop();
  await authorisation?.stop();
});

beforeEach(async () => {
  box = await stack.addMailbox(`box${(boxes += 1)}@helpdesk.test`);
  tickets = new FakeTickets(nats);
  await tickets.start();
  proxy = await ImapProxy.start(stack.imap);
});

afterEach(async () => {
  const { items } = await bus.expect(listMailboxes, {});
  for (const { id, origin } of items) {
    if (origin === 'api') await bus.expect(removeMailbox, { actor: ACTOR, mailboxId: id });
  }
  await tickets.stop();
  await proxy.stop();
});

async function start(env: Record<string, string> = {}): Promise<Services> {
  return startServices({
    stack,
    logDirectory: join(directory, 'log'),
    only: ['mail-ingest'],
    instances: 2,
    env: {
      'mail-ingest': { IMAP_MAILBOXES: '', IMAP_SCAN_INTERVAL_SECONDS: '1', MAILBOX_SILENT_SECONDS: '3', ...env },
    },
  });
}

/** The box as it is added; through the proxy, so that a test can see and disturb what is said. */
function settings(change: Partial<NewMailbox> = {}): NewMailbox {
  const { address, password } = box;
  return { address, host: '127.0.0.1', port: proxy.port, tls: 'none', password, ...change };
}

function withTokens(change: Partial<NewMailbox> = {}): NewMailbox {
  const { password: _password, ...others } = settings(change);
  const oauth2 = {
    tokenEndpoint: `${authorisation.url}/token`,
    clientId: 'helpdesk',
    clientSecret: 'client-secret',
    refreshToken: authorisation.authorise(box.user),
  };
  return { ...others, authentication: 'xoauth2', oauth2 };
}

const add = (mailbox: NewMailbox) => bus.expect(createMailbox, { actor: ACTOR, mailbox });
const change = (mailboxId: string, changed: MailboxChange) =>
  bus.expect(updateMailbox, { actor: ACTOR, mailboxId, change: changed });
const show = (mailboxId: string) => bus.expect(getMailbox, { mailboxId });
const tryOut = (mailboxId: string) => bus.expect(testMailbox, { mailboxId });

async function stateOf(id: string, state: MailboxView['health']['state']): Promise<MailboxView> {
  return eventually(`state ${state}`, async () => {
    const view = await show(id);
    return view.health.state === state ? view : undefined;
  });
}

async function codes(refusing: Promise<object | Refused>): Promise<string[]> {
  const answer = await refusing;
  return isRefused(answer) ? answer.refusals.map(({ field, code }) => `${field} ${code}`) : [];
}

const refusalsOf = (change_: Partial<NewMailbox>) =>
  codes(bus.call(createMailbox, { actor: ACTOR, mailbox: settings(change_) }));

const subjects = () => tickets.for(box.address).map(({ subject }) => subject);
const taken = (count: number) =>
  eventually(`${count} mails`, async () => (subjects().length >= count ? subjects() : undefined));
const numbered = (count: number, first = 1) => Array.from({ length: count }, (_, index) => `Mail ${first + index}`);

async function emptied(folder = 'INBOX'): Promise<void> {
  await eventually(`${folder} emptied`, async () => ((await countIn(stack, box, folder)) === 0 ? true : undefined));
}

function logs(): string {
  const folder = join(directory, 'log');
  const files = readdirSync(folder).filter((name) => name.startsWith('mail-ingest'));
  return files.map((name) => readFileSync(join(folder, name), 'utf8')).join('');
}

async function metrics(): Promise<string> {
  const answers = services.instances.map(async ({ opsUrl }) => (await fetch(`${opsUrl}/metrics`)).text());
  return (await Promise.all(answers)).join('');
}

async function readiness(): Promise<string> {
  const answers = services.instances.map(async ({ opsUrl }) => (await fetch(`${opsUrl}/health/ready`)).text());
  return (await Promise.all(answers)).join('');
}

describe('a mailbox', () => {
  it('is read as soon as it is added, and not while it is paused or after it was removed', async () => {
    await fill(stack, box, ordinaryMails(3));
    const { id } = await add(settings());
    expect(await taken(3)).toEqual(numbered(3));
    await change(id, { paused: true });
    await eventually('an end of the session', async () => (proxy.present === 0 ? true : undefined));
    await fill(stack, box, ordinaryMails(2, 4));
    expect((await show(id)).health.state).toBe('paused');
    await change(id, { paused: false });
    expect(await taken(5)).toEqual(numbered(5));
    await emptied();
    await eventually('no backlog', async () => ((await show(id)).health.waiting === 0 ? true : undefined));
    expect(await stateOf(id, 'running')).toMatchObject({ health: { unfetched: 0, silentSince: null } });
    await bus.expect(removeMailbox, { actor: ACTOR, mailboxId: id });
    await eventually('an end of the session', async () => (proxy.present === 0 ? true : undefined));
    expect(await codes(bus.call(getMailbox, { mailboxId: id }))).toEqual(['mailboxId mailbox_unknown']);
    const { rows } = await database.query('select password from mail.mailbox where id = $1', [id]);
    expect(rows).toEqual([{ password: null }]);
    await fill(stack, box, ordinaryMails(1, 6));
    expect((await add(settings())).id).toBe(id);
    expect(await taken(6)).toEqual(numbered(6));
  });

  it('shows everything about itself but what opens it, which is sealed in the database', async () => {
    const organisation = '0199e1a4-3c00-7b10-8f00-5d1c7a0e2001';
    const certificate = null;
    const view = await add(
      settings({
        aliases: ['Help@Helpdesk.test', box.address],
        password: CANARY,
        folders: { processed: 'Done' },
        defaultOrganisationId: organisation,
        spamPolicy: 'quarantine',
        trustedAuthservId: 'mx.helpdesk.test',
        certificateAuthority: certificate,
        paused: true,
      }),
    );
    expect(view).toMatchObject({
      address: box.address,
      aliases: ['help@helpdesk.test'],
      origin: 'api',
      user: box.address,
      hasPassword: true,
      oauth2: null,
      mode: 'move',
      folders: { inbox: 'INBOX', processed: 'Done', failed: 'Failed', oversize: 'Oversize' },
      defaultOrganisationId: organisation,
      spamPolicy: 'quarantine',
      trustedAuthservId: 'mx.helpdesk.test',
      importExisting: 'all',
      paused: true,
    });
    expect(JSON.stringify([view, await show(view.id)])).not.toContain(CANARY);
    const { rows } = await database.query<{ row: string }>('select row_to_json(m)::text as row from mail.mailbox m');
    expect(rows.map(({ row }) => row).join()).not.toContain(CANARY);
    expect(logs()).not.toContain(CANARY);
  });

  it('is refused with every rule that it breaks', async () => {
    expect(await refusalsOf({ host: '169.254.169.254', tls: 'starttls' })).toEqual(['host host_forbidden']);
    expect(await refusalsOf({ host: 'mail.example.net' })).toEqual(['tls tls_required']);
    const { password: _password, ...open } = settings({ importExisting: 'since', certificateAuthority: 'none' });
    expect(await codes(bus.call(createMailbox, { actor: ACTOR, mailbox: open }))).toEqual([
      'certificateAuthority certificate_invalid',
      'importSince required',
      'password required',
    ]);
    expect(await refusalsOf({ folders: { failed: 'inbox' } })).toEqual(['folders.failed folder_is_inbox']);
    expect(await refusalsOf({ authentication: 'xoauth2' })).toEqual([
      'oauth2.tokenEndpoint required',
      'oauth2.clientId required',
      'oauth2.refreshToken required',
    ]);
    const oauth2 = { clientId: 'helpdesk', refreshToken: 'r' };
    for (const tokenEndpoint of [
      'http://login.example/token',
      'ftp://127.0.0.1/',
      'https://u:p@login.example/',
      'no',
    ]) {
      const refused = await refusalsOf({ authentication: 'xoauth2', oauth2: { ...oauth2, tokenEndpoint } });
      expect(refused).toEqual(['oauth2.tokenEndpoint url_invalid']);
    }
    const tokenEndpoint = 'https://[::ffff:169.254.169.254]/latest';
    expect(await refusalsOf({ authentication: 'xoauth2', oauth2: { ...oauth2, tokenEndpoint } })).toEqual([
      'oauth2.tokenEndpoint host_forbidden',
    ]);
    const { id } = await add(settings({ aliases: ['second@helpdesk.test'] }));
    expect(await refusalsOf({})).toEqual(['address address_taken']);
    expect(await refusalsOf({ address: 'second@helpdesk.test' })).toEqual(['address address_taken']);
    expect(await refusalsOf({ address: 'third@helpdesk.test', aliases: [box.address] })).toEqual([
      'aliases address_taken',
    ]);
    expect(await codes(bus.call(updateMailbox, { actor: ACTOR, mailboxId: id, change: { host: '10.0.0.1' } }))).toEqual(
      ['tls tls_required'],
    );
  });

  it('makes its addresses known as our own to all of them, and gives its organisation to new tickets', async () => {
    const organisation = '0199e1a4-3c00-7b10-8f00-5d1c7a0e2001';
    const other = await stack.addMailbox(`other${boxes}@helpdesk.test`);
    await add(settings({ defaultOrganisationId: organisation }));
    const { id } = await add({ ...settings(), address: other.address, password: other.password });
    await change(id, { aliases: ['alias@helpdesk.test'] });
    await stateOf(id, 'running');
    await fill(stack, box, [
      mail({ From: 'mara@customer.test', Subject: 'Question' }, 'Words'),
      mail({ From: 'alias@helpdesk.test', Subject: 'Ours' }, 'Words'),
      mail({ From: 'mara@customer.test', Subject: 'Another' }, 'Words'),
    ]);
    expect(await taken(3)).toEqual(['Question', 'Ours', 'Another']);
    const offers = tickets.for(box.address);
    expect(offers.map(({ automatic }) => automatic)).toEqual([false, true, false]);
    expect(new Set(offers.map(({ defaultOrganisationId }) => defaultOrganisationId))).toEqual(new Set([organisation]));
  });
});

describe('what opens a mailbox', () => {
  it('is left alone when it is refused, says so everywhere, and is told to nobody', async () => {
    await fill(stack, box, ordinaryMails(1));
    const { id } = await add(settings({ password: CANARY }));
    const refused = await stateOf(id, 'refused');
    expect(refused.health).toMatchObject({ lastErrorKind: 'credentials', lastError: expect.stringMatching(/refuses/) });
    expect(proxy.connections).toBe(1);
    expect(logs()).toMatch(/"mailbox needs a person"/);
    await eventually('a figure', async () =>
      (await metrics()).includes(`mailbox_state{mailbox="${box.address}",state="refused"`) ? true : undefined,
    );
    expect(await readiness()).toContain('refuses user or password');
    // neither a server that repeats everything nor a broken question tells it
    const echo = await echoingServer();
    await change(id, { port: echo.port });
    await eventually('another refusal', async () => (echo.logins() > 0 ? true : undefined));
    await stateOf(id, 'refused');
    expect((await tryOut(id)).problem).toMatchObject({ field: 'password', code: 'credentials_refused' });
    await echo.stop();
    const heard = [logs(), await metrics(), await readiness(), JSON.stringify(await bus.expect(listMailboxes, {}))];
    for (const words of heard) {
      expect(words).not.toContain(CANARY);
      expect(words).not.toContain(Buffer.from(CANARY).toString('base64').replaceAll('=', ''));
    }
    await change(id, { port: proxy.port, password: box.password });
    expect(await taken(1)).toEqual(numbered(1));
    await stateOf(id, 'running');
  });

  it('is sealed anew when the key is replaced, and the old one may be dropped', async () => {
    const { id } = await add(settings());
    await stateOf(id, 'running');
    await services.stop();
    const [old, next] = [stack.secrets.mailboxes, 'another key of the tests that is long enough'];
    services = await start({ MAILBOX_SECRET_KEY: `${next},${old}` });
    await services.stop();
    services = await start({ MAILBOX_SECRET_KEY: next });
    await fill(stack, box, ordinaryMails(1));
    expect(await taken(1)).toEqual(numbered(1));
    // without any key that fits, the mailbox says which of its settings is to be set again
    const { rows } = await database.query<{ password: string }>('select password from mail.mailbox where id = $1', [
      id,
    ]);
    const sealed = rows[0]!.password.split('.').with(1, 'lost').join('.');
    await database.query('update mail.mailbox set password = $2 where id = $1', [id, sealed]);
    await change(id, { aliases: [`again${boxes}@helpdesk.test`] });
    const { health } = await stateOf(id, 'failing');
    expect(health).toMatchObject({ lastErrorKind: 'settings', lastError: expect.stringContaining('set it again') });
    await change(id, { password: box.password });
    await stateOf(id, 'running');
    await services.stop();
    await database.query('update mail.mailbox set removed_at = now() where id = $1', [id]);
    services = await start();
  }, 120_000);
});

describe('a mailbox that is silent', () => {
  it('raises an alarm once, until it is looked through again', async () => {
    const closed = await closedPort();
    const { id } = await add(settings({ port: closed }));
    const silent = await eventually('an alarm', async () => {
      const view = await show(id);
      return view.health.silentSince === null ? undefined : view;
    });
    expect(silent.health).toMatchObject({
      state: 'failing',
      lastErrorKind: 'network',
      lastError: 'nobody listens there',
    });
    const figure = new RegExp(`mailbox_silent\\{mailbox="${box.address}"[^}]*\\} 1`);
    await eventually('a figure', async () => (figure.test(await metrics()) ? true : undefined));
    expect(await readiness()).toContain('no successful look since');
    const alarms = () =>
      logs()
        .split('\n')
        .filter((line) => line.includes(box.address) && line.includes('no mail is taken'));
    expect(alarms()).toHaveLength(1);
    await change(id, { port: proxy.port });
    const { health } = await stateOf(id, 'running');
    expect(health.silentSince).toBeNull();
    await eventually('readiness', async () => ((await readiness()).includes('not_ready') ? undefined : true));
  });
});

describe('a mailbox with OAuth 2.0', () => {
  it('is read with an access token, across expiry, rotation and another instance', async () => {
    authorisation.lifeSeconds = 4;
    await fill(stack, box, ordinaryMails(1));
    const before = authorisation.requests.length;
    const { id } = await add(withTokens());
    expect(await taken(1)).toEqual(numbered(1));
    const count = () => authorisation.requests.length - before;
    expect(count()).toBe(1);
    // the server ends the session when the token has come to its end
    for (let round = 2; round <= 4; round++) {
      await eventually('the end of a token', async () => {
        const { rows } = await database.query(
          'select 1 from mail.mailbox where id = $1 and access_token_expires_at < now()',
          [id],
        );
        return rows.length > 0 ? true : undefined;
      });
      await fill(stack, box, ordinaryMails(1, round));
      proxy.cut();
      expect(await taken(round)).toEqual(numbered(round));
    }
    expect(count()).toBe(4);
    expect(new Set(authorisation.requests.slice(before))).toEqual(new Set([200]));
    await Promise.all(services.instances.map((instance) => instance.end('SIGKILL')));
    await Promise.all(services.instances.map((instance) => instance.start()));
    await fill(stack, box, ordinaryMails(1, 5));
    expect(await taken(5)).toEqual(numbered(5));
    expect((await show(id)).oauth2).toEqual({
      tokenEndpoint: `${authorisation.url}/token`,
      clientId: 'helpdesk',
      scope: null,
      hasClientSecret: true,
      hasRefreshToken: true,
    });
    const { rows } = await database.query<{ row: string }>('select row_to_json(m)::text as row from mail.mailbox m');
    const heard = rows.map(({ row }) => row).join() + logs() + JSON.stringify(await show(id));
    expect(authorisation.secrets().length).toBeGreaterThan(4);
    expect(authorisation.secrets().filter((secret) => heard.includes(secret))).toEqual([]);
  }, 120_000);

  it('asks for one token however many want it at once, whichever instance they ask', async () => {
    authorisation.lifeSeconds = 3_600;
    const before = authorisation.requests.length;
    const { id } = await add(withTokens({ paused: true }));
    const tests = await Promise.all(Array.from({ length: 12 }, () => tryOut(id)));
    expect(tests.map(({ problem }) => problem)).toEqual(tests.map(() => null));
    expect(authorisation.requests.slice(before)).toEqual([200]);
  });

  it('gets another token when the server takes the present one no longer', async () => {
    authorisation.lifeSeconds = 3_600;
    const { id } = await add(withTokens());
    await stateOf(id, 'running');
    const before = authorisation.requests.length;
    authorisation.revoke(box.user);
    await fill(stack, box, ordinaryMails(1));
    proxy.cut();
    expect(await taken(1)).toEqual(numbered(1));
    expect(authorisation.requests.slice(before)).toEqual([200]);
  });

  it('waits for a person when the grant is withdrawn, without asking again and again', async () => {
    authorisation.lifeSeconds = 3_600;
    const { id } = await add(withTokens());
    await stateOf(id, 'running');
    const before = authorisation.requests.length;
    authorisation.revoke(box.user, { grants: true });
    proxy.cut();
    const { health } = await stateOf(id, 'reauthorise');
    expect(health).toMatchObject({
      lastErrorKind: 'authorisation',
      lastError: expect.stringContaining('invalid_grant'),
    });
    expect(authorisation.requests.slice(before)).toEqual([400]);
    expect((await tryOut(id)).problem).toMatchObject({ field: 'oauth2.refreshToken', code: 'grant_refused' });
    await fill(stack, box, ordinaryMails(1));
    await change(id, { oauth2: { refreshToken: authorisation.authorise(box.user) } });
    expect(await taken(1)).toEqual(numbered(1));
  });

  it('goes on after the token endpoint was ill, and does not take that for a refusal', async () => {
    authorisation.failWith = 503;
    await fill(stack, box, ordinaryMails(1));
    const { id } = await add(withTokens());
    const { health } = await stateOf(id, 'failing');
    expect(health).toMatchObject({ lastErrorKind: 'network', lastError: 'the token endpoint answers 503' });
    authorisation.failWith = null;
    expect(await taken(1)).toEqual(numbered(1));
  });
});

describe('mail that is there already', () => {
  it('stays out of a mailbox that is only flagged or left as it is', async () => {
    for (const mode of ['flag', 'leave'] as const) {
      box = await stack.addMailbox(`${mode}${boxes}@helpdesk.test`);
      await fill(stack, box, ordinaryMails(3));
      const { id } = await add(settings({ mode }));
      await stateOf(id, 'running');
      await fill(stack, box, ordinaryMails(2, 4));
      expect(await taken(2)).toEqual(numbered(2, 4));
      await eventually('marks', async () => ((await marked()) === (mode === 'flag' ? 2 : 0) ? true : undefined));
      // nor does it come in later, with another session
      proxy.cut();
      await fill(stack, box, ordinaryMails(1, 6));
      expect(await taken(3)).toEqual(numbered(3, 4));
      expect(await countIn(stack, box, 'INBOX')).toBe(6);
    }
  });

  it('is taken when that is asked for, and from an instant on', async () => {
    await fill(stack, box, ordinaryMails(2));
    const { id } = await add(settings({ mode: 'leave', importExisting: 'all' }));
    expect(await taken(2)).toEqual(numbered(2));
    await change(id, { paused: true });
    box = await stack.addMailbox(`since${boxes}@helpdesk.test`);
    await withImap(stack, box, async (client) => {
      for (const [index, raw] of ordinaryMails(4).entries()) {
        await client.append('INBOX', Buffer.from(raw), [], new Date(`2026-01-0${index + 1}T12:00:00Z`));
      }
    });
    await add(settings({ importExisting: 'since', importSince: '2026-01-02T18:00:00Z' }));
    expect(await taken(2)).toEqual(numbered(2, 3));
    await fill(stack, box, ordinaryMails(1, 5));
    expect(await taken(3)).toEqual(numbered(3, 3));
    await eventually('the rest', async () => ((await countIn(stack, box, 'INBOX')) === 2 ? true : undefined));
  });

  it('is recognised when the mailbox is to be read at another place, and what is new there is taken', async () => {
    await fill(stack, box, ordinaryMails(3));
    const { id } = await add(settings({ folders: { processed: 'Archive/Done' } }));
    await taken(3);
    await emptied();
    await withImap(stack, box, (client) => client.mailboxCreate('Other'));
    await fill(stack, box, [...ordinaryMails(2), ...ordinaryMails(2, 4)], 'Other');
    // as if the other folder had the same numbering: its UIDs say nothing about these mails
    await database.query('update mail.inbound_message set uid_validity = $1 where mailbox_id = $2', [
      await withImap(stack, box, async (client) => String((await client.mailboxOpen('Other')).uidValidity)),
      id,
    ]);
    await change(id, { folders: { inbox: 'Other' } });
    expect(await taken(5)).toEqual(numbered(5));
    await emptied('Other');
    expect(await countIn(stack, box, 'Archive/Done')).toBe(7);
  });
});

describe('folders', () => {
  it('are made below the prefix of the server, with its delimiter', async () => {
    const namespace = { 'namespace/inbox/prefix': 'INBOX.', 'namespace/inbox/separator': '.' };
    box = await stack.addMailbox(`prefix${boxes}@helpdesk.test`, namespace);
    await fill(stack, box, ordinaryMails(2));
    const { id } = await add(settings({ folders: { processed: 'Help desk/Done' } }));
    await taken(2);
    await emptied();
    const { folders } = await tryOut(id);
    expect(folders.map(({ path }) => path)).toEqual(expect.arrayContaining(['INBOX', 'INBOX.Help desk.Done']));
    expect(await countIn(stack, box, 'INBOX.Help desk.Done')).toBe(2);
    await change(id, { folders: { inbox: 'INBOX/Team' } });
    expect((await stateOf(id, 'failing')).health).toMatchObject({ lastErrorKind: 'folder' });
    await withImap(stack, box, (client) => client.mailboxCreate('INBOX.Team'));
    await fill(stack, box, ordinaryMails(1, 3), 'INBOX.Team');
    expect(await taken(3)).toEqual(numbered(3));
  });

  it('are found by their use, however they are called', async () => {
    await withImap(stack, box, (client) => client.mailboxCreate('Archiv'));
    await fill(stack, box, ordinaryMails(2));
    await add(settings({ folders: { processed: '\\Archive' } }));
    await taken(2);
    await emptied();
    expect(await countIn(stack, box, 'Archiv')).toBe(2);
  });

  it('never get a mail twice from a server without MOVE, whatever goes wrong', async () => {
    proxy.reword = (words) => words.replaceAll(' MOVE ', ' XMOV ');
    let cuts = 0;
    // the line is cut before each removal: the copies are made by then
    proxy.cutBefore = (command) => /UID STORE \S+ \+FLAGS(\.SILENT)? \(?\\Deleted/.test(command) && cuts++ < 2;
    await fill(stack, box, ordinaryMails(5));
    const { id } = await add(settings());
    await taken(5);
    await eventually('cuts', async () => (cuts > 0 ? true : undefined));
    await stateOf(id, 'running');
    await fill(stack, box, ordinaryMails(5, 6));
    await taken(10);
    await fill(stack, box, ordinaryMails(20, 11));
    expect(await taken(30)).toEqual(numbered(30));
    await eventually('moves', async () => ((await countIn(stack, box, 'Processed')) === 30 ? true : undefined));
    const left = await countIn(stack, box, 'INBOX');
    expect(left).toBe(await marked());
    expect(left).toBeLessThan(30);
  });
});

it('is ready and not silent while many mails are still to be fetched', async () => {
  await fill(stack, box, ordinaryMails(501));
  let release = () => {};
  // the sizes of what is behind the first five hundred
  proxy.hold = (command) =>
    command.includes('UID FETCH 501 ') ? new Promise<void>((resolve) => (release = resolve)) : undefined;
  const { id } = await add(settings());
  await taken(500);
  await eventually('a report', async () => ((await show(id)).health.unfetched === 1 ? true : undefined));
  expect((await show(id)).health).toMatchObject({ state: 'running', lastSuccessAt: expect.any(String) });
  await eventually('readiness', async () => ((await readiness()).includes(box.address) ? undefined : true));
  proxy.hold = () => undefined;
  release();
  expect(await taken(501)).toHaveLength(501);
}, 120_000);

it('goes on past mails that somebody else removes between the look and the fetch', async () => {
  await fill(stack, box, ordinaryMails(5));
  let removed: Promise<void> | undefined;
  // their sizes are known by then, and the bytes are asked for next
  proxy.hold = (command) => {
    if (removed || !/UID FETCH .*BODY\.PEEK\[\]/.test(command)) return undefined;
    removed = withImap(stack, box, async (client) => {
      await client.mailboxOpen('INBOX');
      await client.messageDelete('2,4');
    });
    return removed;
  };
  await add(settings());
  expect(await taken(3)).toEqual(['Mail 1', 'Mail 3', 'Mail 5']);
  expect(removed).toBeDefined();
  await fill(stack, box, ordinaryMails(1, 6));
  expect(await taken(4)).toEqual(['Mail 1', 'Mail 3', 'Mail 5', 'Mail 6']);
  await emptied();
  expect(await countIn(stack, box, 'Processed')).toBe(4);
});

describe('a test of a mailbox', () => {
  it('says what the server can do', async () => {
    await fill(stack, box, ordinaryMails(2));
    const { id } = await add(settings({ paused: true }));
    const found = await tryOut(id);
    expect(found).toMatchObject<Partial<MailboxTest>>({
      ok: true,
      serverAddress: '127.0.0.1',
      encrypted: false,
      mails: 2,
      capabilities: { move: true, uidplus: true, idle: true, specialUse: false, keywords: true },
      problem: null,
      warnings: ['The connection is not encrypted.'],
    });
    expect(found.loginMs).toBeLessThanOrEqual(found.totalMs);
    expect(await countIn(stack, box, 'INBOX')).toBe(2);
    expect(found.folders.map(({ path }) => path)).toEqual(['INBOX']);
    proxy.reword = (words) =>
      words.replaceAll(/ (MOVE|UIDPLUS|IDLE) /g, ' XNOT ').replaceAll(/ (MOVE|UIDPLUS|IDLE) /g, ' XNOT ');
    const poor = await tryOut(id);
    expect(poor.capabilities).toMatchObject({ move: false, idle: false });
    expect(poor.warnings.join()).toMatch(/no IDLE.*(MOVE)/);
  });

  it('names the setting that stands in the way', async () => {
    const { id } = await add(settings({ paused: true }));
    const problemWith = async (changed: MailboxChange) => {
      await change(id, { ...settings(), user: box.user, ...changed });
      const { ok, problem } = await tryOut(id);
      return ok ? null : `${problem!.field} ${problem!.code}`;
    };
    const closed = await closedPort();
    expect(await problemWith({ password: 'wrong' })).toBe('password credentials_refused');
    expect(await problemWith({ user: 'nobody@helpdesk.test' })).toBe('password credentials_refused');
    expect(await problemWith({ port: closed })).toBe('port server_unreachable');
    expect(await problemWith({ tls: 'implicit' })).toBe('tls tls_not_spoken');
    expect(await problemWith({ tls: 'starttls' })).toBe('tls starttls_not_offered');
    expect(await problemWith({ host: 'no-such-host.invalid', tls: 'implicit' })).toBe('host host_unknown');
    expect(await problemWith({ folders: { inbox: 'Missing' } })).toBe('folders.inbox folder_unknown');
    expect(await problemWith({ folders: { inbox: 'INBOX' } })).toBeNull();
  });
});

describe('IMAP_MAILBOXES', () => {
  it('makes a mailbox, decides about its server, and removes it', async () => {
    await services.stop();
    services = await start({ IMAP_MAILBOXES: urlOf(stack, box) });
    const { items } = await bus.expect(listMailboxes, { address: box.address });
    const [{ id }] = items as [MailboxView];
    expect(items).toMatchObject([
      { origin: 'environment', tls: 'starttls_if_offered', mode: 'move', hasPassword: true },
    ]);
    const refused = codes(
      bus.call(updateMailbox, { actor: ACTOR, mailboxId: id, change: { port: 1, folders: { inbox: 'Other' } } }),
    );
    expect(await refused).toEqual(['port set_by_environment', 'folders.inbox set_by_environment']);
    expect(await codes(bus.call(removeMailbox, { actor: ACTOR, mailboxId: id }))).toEqual([' set_by_environment']);
    await change(id, { aliases: ['alias@helpdesk.test'], folders: { processed: 'Done' } });
    await fill(stack, box, ordinaryMails(2));
    await taken(2);
    await eventually('moves', async () => ((await countIn(stack, box, 'Done')) === 2 ? true : undefined));
    await services.stop();
    services = await start({ IMAP_MAILBOXES: urlOf(stack, box) });
    expect(await show(id)).toMatchObject({ aliases: ['alias@helpdesk.test'], folders: { processed: 'Done' } });
    await services.stop();
    services = await start();
    expect((await bus.expect(listMailboxes, { address: box.address })).items).toEqual([]);
  }, 120_000);
});

describe('the command', () => {
  it('adds, lists, tests, pauses and resumes', async () => {
    const run = async (...words: string[]) => {
      const env = { PATH: process.env['PATH'], DATABASE_URL: stack.databaseUrl, NATS_URL: stack.natsUrl };
      const { stdout } = await promisify(execFile)(process.execPath, [COMMAND, ...words], { env });
      return stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as MailboxView & MailboxTest]));
    };
    expect(await addByCommand(JSON.stringify(settings({ host: '169.254.169.254' })))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('host: connections to 169.254.169.254 are not allowed (host_forbidden)'),
    });
    expect(await addByCommand('{')).toMatchObject({ code: 1 });
    expect(await addByCommand(JSON.stringify(settings({ password: CANARY })))).toMatchObject({ code: 0 });
    expect((await run('list')).map(({ address }) => address)).toEqual([box.address]);
    await expect(run('test', box.address)).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^password: .*credentials_refused/),
    });
    expect(await run('pause', box.address)).toMatchObject([{ paused: true }]);
    const { items } = await bus.expect(listMailboxes, {});
    await change(items[0]!.id, { password: box.password });
    expect(await run('test', items[0]!.id)).toMatchObject([{ ok: true }]);
    expect(await run('resume', box.address)).toMatchObject([{ paused: false }]);
    await expect(run('pause', 'nobody@helpdesk.test')).rejects.toMatchObject({ code: 1 });
    await expect(run('remove')).rejects.toMatchObject({ code: 2 });
    expect(logs()).not.toContain(CANARY);
  });

  async function addByCommand(json: string): Promise<{ code: number | null; stderr: string }> {
    const env = { PATH: process.env['PATH'], DATABASE_URL: stack.databaseUrl, NATS_URL: stack.natsUrl };
    const child = spawn(process.execPath, [COMMAND, 'add', '-'], { env, stdio: ['pipe', 'ignore', 'pipe'] });
    child.stdin.end(json);
    const stderr = await text(child.stderr);
    return { code: child.exitCode ?? (await new Promise((resolve) => child.once('exit', resolve))), stderr };
  }
});

async function marked(): Promise<number> {
  return withImap(stack, box, async (client) => {
    await client.mailboxOpen('INBOX', { readOnly: true });
    return ((await client.search({ keyword: '$TicketDone' }, { uid: true })) || []).length;
  });
}

/** A port on which nobody listens, most probably. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A server that refuses every login by repeating it, as it was said and decoded. */
async function echoingServer(): Promise<{ port: number; logins: () => number; stop: () => Promise<void> }> {
  let logins = 0;
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.write('* OK [CAPABILITY IMAP4rev1] ready\r\n');
    socket.on('data', (chunk) => {
      for (const line of chunk.toString().split('\r\n')) {
        const [tag, command] = line.split(' ');
        if (command === 'CAPABILITY') socket.write(`* CAPABILITY IMAP4rev1\r\n${tag} OK done\r\n`);
        else if (command === 'LOGIN') {
          logins += 1;
          socket.write(`${tag} NO [AUTHENTICATIONFAILED] wrong: ${line.replaceAll('"', '')} ${CANARY}\r\n`);
        } else if (tag) socket.write(`${tag} NO ${line} ${CANARY}\r\n`);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => sockets.add(socket));
  return {
    port: (server.address() as AddressInfo).port,
    logins: () => logins,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
