/**
 * Intake is killed at exact moments of its work, as SIGKILL or a power cut would do it, and started again: every mail
 * ends in exactly one row with exactly one disposition and in exactly one ticket.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startServices, type Instance } from '../../tools/services/services.js';
import type { Mailbox } from '../../tools/stack/stack.js';
import { eventually } from '../../tools/demo/api.js';
import { countIn, fill, mail, urlOf, withImap } from '../../apps/mail-ingest/test/mailboxes.js';
import { startWorld, stopWorld, type World } from '../harness/stack.js';
import { Tripwire, type Wire } from '../harness/tripwire.js';

const MAILS = 20;
const STORES = [/insert into blobs\.blob/, /insert into mail\.inbound_message/];
const OFFER = /PUB \S*tickets\.accept-mail/;
const DISPOSES = /update mail\.inbound_message m set disposition/;

const POINTS: [name: string, line: 'imap' | 'postgres' | 'nats', wire: Wire][] = [
  ['before it asks for the mails', 'imap', { says: [/UID FETCH .*BODY\.PEEK\[\]/], moment: 'unheard' }],
  ['in the middle of a literal', 'imap', { says: [/UID FETCH .*BODY\.PEEK\[\]/], moment: 'halfheard' }],
  ['with the mails fetched, before it stores them', 'postgres', { says: [STORES[0]!], moment: 'unheard' }],
  ['between the bytes and the rows', 'postgres', { says: [STORES[1]!], moment: 'unheard' }],
  ['before the commit', 'postgres', { says: [...STORES, /commit/], moment: 'unheard' }],
  ['after the commit, before it knows', 'postgres', { says: [...STORES, /commit/], moment: 'unanswered' }],
  ['before it acknowledges to the server', 'imap', { says: [/UID MOVE/], moment: 'unheard' }],
  ['after the server has moved, before it knows', 'imap', { says: [/UID MOVE/], moment: 'unanswered' }],
  ['before it counts the attempt', 'postgres', { says: [/set attempts = attempts \+ 1/], moment: 'unheard' }],
  [
    'with the mails parsed, before they have an identity',
    'postgres',
    { says: [/set message_id =/], moment: 'unheard' },
  ],
  ['before it offers them to tickets', 'nats', { says: [OFFER], moment: 'unheard' }],
  ['after tickets took them, before it knows', 'nats', { says: [OFFER], moment: 'unanswered', answer: /MSG _INBOX/ }],
  ['before it writes down what became of them', 'postgres', { says: [DISPOSES], moment: 'unheard' }],
  ['after it wrote that down, before it knows', 'postgres', { says: [DISPOSES], moment: 'unanswered' }],
];

let world: World;
let database: pg.Pool;
let wires: Record<'imap' | 'postgres' | 'nats', Tripwire>;
let ingest: Instance | undefined;
let boxes = 0;
const logDirectory = mkdtempSync(join(tmpdir(), 'helpdesk-kill-'));

beforeAll(async () => {
  world = await startWorld({ only: ['tickets'] });
  const { stack } = world;
  database = new pg.Pool({ connectionString: stack.databaseUrl });
  database.on('error', () => {});
  const at = (url: string) => ({ host: new URL(url).hostname, port: Number(new URL(url).port) });
  wires = {
    imap: await Tripwire.before(stack.imap),
    postgres: await Tripwire.before(at(stack.databaseUrl)),
    nats: await Tripwire.before(at(stack.natsUrl)),
  };
});

afterEach(async () => {
  await ingest?.end('SIGKILL');
});

afterAll(async () => {
  for (const wire of Object.values(wires ?? {})) await wire.stop();
  await database?.end();
  await stopWorld(world);
  rmSync(logDirectory, { recursive: true });
});

async function startIngest(box: Mailbox): Promise<Instance> {
  const { stack } = world;
  const through = (url: string, wire: Tripwire) => Object.assign(new URL(url), { port: String(wire.port) }).href;
  const { instances } = await startServices({
    stack,
    logDirectory,
    only: ['mail-ingest'],
    env: {
      'mail-ingest': {
        IMAP_MAILBOXES: urlOf({ imap: { ...stack.imap, port: wires.imap.port } }, box),
        DATABASE_URL: through(stack.databaseUrl, wires.postgres),
        NATS_URL: through(stack.natsUrl, wires.nats),
        IMAP_SCAN_INTERVAL_SECONDS: '1',
        MAIL_BATCH_SIZE: '8',
        MAIL_FLOOD_PER_SENDER: '1000000', // all tests have the same sender
        MAIL_FLOOD_PER_DOMAIN: '1000000',
      },
    },
  });
  return instances[0]!;
}

/** All at once, so that the first look finds many. */
async function deliver(box: Mailbox, mails: string[]): Promise<void> {
  await withImap(world.stack, box, async (client) => client.mailboxCreate('Staging'));
  await fill(world.stack, box, mails, 'Staging');
  await withImap(world.stack, box, async (client) => {
    await client.mailboxOpen('Staging');
    await client.messageMove('1:*', 'INBOX');
  });
}

it.each(POINTS)('killed %s, it loses nothing and doubles nothing', async (name, line, wire) => {
  const box = await world.stack.addMailbox(`point${(boxes += 1)}@helpdesk.test`);
  const mails = Array.from({ length: MAILS }, (_, index) =>
    mail(
      {
        From: 'Mara <mara@customer.test>',
        Subject: `${name} ${index}`,
        'Message-ID': `<${boxes}.${index}@customer.test>`,
      },
      `Words of mail ${index}. `.repeat(20),
    ),
  );
  ingest = await startIngest(box);
  const { pid } = ingest;
  const killed = wires[line].arm(wire, () => process.kill(pid, 'SIGKILL'));
  await deliver(box, mails);
  await killed;
  await ingest.end('SIGKILL');
  await ingest.start();

  await eventually('all mails accounted for', async () =>
    (await countIn(world.stack, box, 'INBOX')) === 0 ? true : undefined,
  );
  const { rows } = await eventually('all mails disposed', async () => {
    const answer = await database.query<{ disposition: string | null; subject: string; ticket_id: string }>(
      `select m.disposition, t.subject, m.ticket_id from mail.inbound_message m join mail.mailbox b on b.id = m.mailbox_id
       left join tickets.ticket t on t.id = m.ticket_id where b.address = $1`,
      [box.address],
    );
    return answer.rows.length >= MAILS && answer.rows.every((row) => row.disposition !== null) ? answer : undefined;
  });
  expect(rows.map((row) => row.disposition)).toEqual(Array.from({ length: MAILS }, () => 'ticket_created'));
  const subjects = mails.map((_, index) => `${name} ${index}`);
  expect(rows.map((row) => row.subject).toSorted()).toEqual(subjects.toSorted());
  const tickets = await database.query('select subject from tickets.ticket where subject like $1', [`${name} %`]);
  expect(tickets.rows).toHaveLength(MAILS);
  expect(await countIn(world.stack, box, 'Processed')).toBe(MAILS);
});
