/** The directory's tree of infrastructures, what an outage concerns, and the priority that new tickets begin with. */
import {
  acceptMail,
  authenticate,
  createTicket,
  getImpact,
  getTicket,
  getTimeline,
  isRefused,
  listInfrastructures,
  type IncomingMail,
  type PersonView,
} from '#contracts';
import { Bus, connectNats, createLogger } from '#platform';
import type { NatsConnection } from '@nats-io/transport-node';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import { startWorld, stopWorld, type World } from '../../../test/harness/stack.js';
import { ACCOUNTS } from '../../../tools/demo/directory.js';

const IMPORT = fileURLToPath(new URL('../../../dist/apps/tickets/src/directory/import.command.js', import.meta.url));
const BANK = 'Bank';
const CHEESE = 'Käserei Müller AG';

let world: World;
let nats: NatsConnection;
let bus: Bus;
let database: pg.Pool;
let erik: PersonView;
let zoe: PersonView;

beforeAll(async () => {
  world = await startWorld({ only: ['tickets'] });
  nats = await connectNats(
    world.stack.natsUrl,
    'test',
    createLogger('test', { NODE_ENV: 'test', LOG_LEVEL: 'silent' }),
  );
  bus = new Bus(nats, 10_000);
  database = new pg.Pool({ connectionString: world.stack.databaseUrl });
  database.on('error', () => {}); // a closing connection may still hear that its server stops
  const logIn = async ({ email }: { email: string }) =>
    (await bus.expect(authenticate, { email, password: world.stack.accountPassword(email) })).person;
  [erik, zoe] = await Promise.all([logIn(ACCOUNTS.erik), logIn(ACCOUNTS.zoe)]);
  await imported({
    organisations: [
      { name: BANK, emailDomains: ['bank.test'], priority: 'high' },
      { name: CHEESE, emailDomains: ['customer.test'] },
    ],
    infrastructures: [
      { name: 'gva-router-1', organisation: BANK, parent: 'gva' }, // before its site
      { name: 'gva', organisation: BANK, kind: 'site', parent: 'switzerland', priority: 'critical' },
      { name: 'switzerland', organisation: BANK, kind: 'site' },
      { name: 'gva-zrh', organisation: BANK, kind: 'circuit', parent: 'switzerland' },
      { name: 'cellar', organisation: CHEESE, kind: 'site' },
    ],
    priorityRules: [
      { name: 'newsletters', when: { subject: ['newsletter', 'Rundbrief'] }, priority: 'low' },
      {
        name: 'phone calls about Switzerland',
        when: { channel: 'phone', organisation: BANK, infrastructure: 'switzerland' },
        priority: 'high',
      },
    ],
  });
});

afterAll(async () => {
  await database?.end();
  await nats?.close();
  await stopWorld(world);
});

/** @returns what the command says on stderr; empty when it succeeded */
async function imported(file: object): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'helpdesk-directory-'));
  try {
    const path = join(folder, 'directory.json');
    await writeFile(path, JSON.stringify(file));
    const { databaseUrl: DATABASE_URL, natsUrl: NATS_URL } = world.stack;
    const env = { PATH: process.env['PATH'], DATABASE_URL, NATS_URL, SUPPORT_ADDRESS: 'support@helpdesk.test' };
    await promisify(execFile)(process.execPath, [IMPORT, path], { env });
    return '';
  } catch (error) {
    return (error as { stderr: string }).stderr.replaceAll(/^.*directory\.json: /gm, '');
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function infrastructures(viewer = erik) {
  return (await bus.expect(listInfrastructures, { viewerId: viewer.id, limit: 200 })).items;
}

async function idOf(name: string): Promise<string> {
  return (await infrastructures()).find((one) => one.name === name)!.id;
}

async function byPhone(fields: { subject?: string; infrastructure?: string; email?: string; priority?: 'low' } = {}) {
  const { subject = 'It is slow', infrastructure, email = 'teller@bank.test', priority } = fields;
  const infrastructureId = infrastructure && (await idOf(infrastructure));
  const ticket = {
    subject,
    text: 'She called.',
    reporter: { email, name: 'Teller' },
    channel: 'phone' as const,
    ...(infrastructureId && { infrastructureId }),
    ...(priority && { priority }),
  };
  return (await bus.expect(createTicket, { actorId: erik.id, ticket })).ticket;
}

describe('the tree', () => {
  it('shows kind and site', async () => {
    const tree = (await infrastructures()).map(({ name, kind, parent }) => [name, kind, parent?.name ?? null]);
    expect(tree).toEqual(
      expect.arrayContaining([
        ['gva', 'site', 'switzerland'],
        ['gva-router-1', 'device', 'gva'],
        ['gva-zrh', 'circuit', 'switzerland'],
        ['switzerland', 'site', null],
        ['zrh-core-1', 'device', null],
      ]),
    );
  });

  it.each([
    [
      'a site that nobody has',
      { name: 'x', organisation: BANK, parent: 'moon' },
      'the organisation has no infrastructure "moon"',
    ],
    [
      'a site of somebody else',
      { name: 'x', organisation: BANK, parent: 'cellar' },
      'the organisation has no infrastructure "cellar"',
    ],
    [
      'a part of a device',
      { name: 'x', organisation: BANK, parent: 'gva-router-1' },
      '"gva-router-1" is a device, and only a site has parts',
    ],
    ['a circle', { name: 'switzerland', organisation: BANK, parent: 'gva' }, '"switzerland" would be a part of itself'],
    ['a part of itself', { name: 'gva', organisation: BANK, parent: 'gva' }, '"gva" would be a part of itself'],
  ])('refuses %s, names the place, and imports nothing', async (_, record, message) => {
    const before = await infrastructures();
    const good = { name: `good-${randomUUID()}`, organisation: BANK };
    expect(await imported({ infrastructures: [good, record] })).toBe(`infrastructures.1.parent: ${message}\n`);
    expect(await infrastructures()).toEqual(before);
  });

  it('names every wrong place at once', async () => {
    const said = await imported({
      infrastructures: [{ name: 'x', organisation: 'Nobody' }],
      priorityRules: [{ name: 'r', when: { organisation: BANK, infrastructure: 'cellar' }, priority: 'low' }],
    });
    expect(said.trim().split('\n')).toEqual([
      'infrastructures.0.organisation: there is no organisation "Nobody"',
      'priorityRules.0.when.infrastructure: the rule\'s organisation has no infrastructure "cellar"',
    ]);
    expect(await imported({ organisations: [{ name: 'y', priority: 'urgent' }] })).toContain(
      'organisations.0.priority',
    );
  });

  it('keeps circles out of the database, too', async () => {
    const id = await idOf('gva');
    const parentOfItself = database.query('update tickets.infrastructure set parent_id = id where id = $1', [id]);
    await expect(parentOfItself).rejects.toThrow(/check constraint/);
    const parentOfOthers = database.query('update tickets.infrastructure set parent_id = $2 where id = $1', [
      id,
      await idOf('cellar'),
    ]);
    await expect(parentOfOthers).rejects.toThrow(/foreign key/);
  });
});

describe('what an outage concerns', () => {
  it('is everything below and its tickets that are not closed', async () => {
    const router = await byPhone({ infrastructure: 'gva-router-1' });
    const circuit = await byPhone({ infrastructure: 'gva-zrh' });
    const impact = await bus.expect(getImpact, { viewerId: erik.id, infrastructureId: await idOf('switzerland') });
    expect(impact.infrastructures.map(({ name }) => name)).toEqual(['switzerland', 'gva', 'gva-zrh', 'gva-router-1']);
    expect(impact.organisations.map(({ name }) => name)).toEqual([BANK]);
    expect(impact.tickets.map(({ number }) => number)).toEqual([circuit.number, router.number]);
    expect(impact.tickets[1]).toMatchObject({ infrastructure: { name: 'gva-router-1' }, status: 'open' });
    expect(impact.ticketCount).toBe(2);
    const below = await bus.expect(getImpact, { viewerId: erik.id, infrastructureId: await idOf('gva') });
    expect(below.tickets.map(({ number }) => number)).toEqual([router.number]);
  });

  it('is told to customers of their own organisation only', async () => {
    const foreign = await bus.call(getImpact, { viewerId: zoe.id, infrastructureId: await idOf('gva') });
    expect(isRefused(foreign) && foreign.refusals[0]!.code).toBe('infrastructure_unknown');
    const own = await bus.expect(getImpact, { viewerId: zoe.id, infrastructureId: await idOf('cellar') });
    expect(own.infrastructures).toHaveLength(1);
  });
});

describe('the priority of a new ticket', () => {
  it('is what the employee says, else a rule’s, else the nearest infrastructure’s, else the organisation’s', async () => {
    expect((await byPhone({ infrastructure: 'gva', priority: 'low' })).priority).toBe('low');
    expect((await byPhone({ infrastructure: 'gva-router-1' })).priority).toBe('high'); // calls about Switzerland
    expect((await byPhone({ subject: 'Your NEWSLETTER' })).priority).toBe('low');
    expect((await byPhone()).priority).toBe('high');
    expect((await byPhone({ email: 'somebody@nowhere.test' })).priority).toBe('medium');
  });

  it('is decided for mails of one batch, and says why to the house only', async () => {
    const mail = (email: string, subject: string): IncomingMail => ({
      inboundId: randomUUID(),
      mailbox: 'support@helpdesk.test',
      from: { name: 'Somebody', email },
      subject,
      text: 'words',
      visibleText: 'words',
      html: null,
      attachments: [],
      messageId: `${randomUUID()}@sender.test`,
      referencedIds: [],
      signedTicketNumber: null,
      automatic: false,
      mayAutoReply: true,
      rawSha256: '0'.repeat(64),
      rawSize: 10,
      receivedAt: new Date().toISOString(),
    });
    const { accepted } = await bus.expect(acceptMail, {
      mails: [mail('x@bank.test', 'It is down'), mail(zoe.email, 'Down'), mail(zoe.email, 'Rundbrief: down')],
    });
    const tickets = await Promise.all(
      accepted.map(({ ticketId }) => bus.expect(getTicket, { viewerId: erik.id, ticketId })),
    );
    expect(tickets.map(({ ticket }) => ticket.priority)).toEqual(['high', 'medium', 'low']);
    const timeline = async (viewer: PersonView) =>
      (await bus.expect(getTimeline, { viewerId: viewer.id, ticketId: accepted[2]!.ticketId!, limit: 10 })).items;
    const reason = { field: 'priorityReason', before: null, after: 'rule “newsletters”' };
    expect((await timeline(erik))[0]!.changes).toContainEqual(reason);
    expect((await timeline(zoe))[0]!.changes.map(({ field }) => field)).toEqual(['status', 'priority']);
  });
});
