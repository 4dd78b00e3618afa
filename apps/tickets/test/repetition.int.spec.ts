/**
 * Machines that answer each other without saying that they are machines. Over NATS as intake offers mails, with a real
 * PostgreSQL behind it.
 */
import {
  acceptMail,
  authenticate,
  createTicket,
  getTicket,
  getTimeline,
  updateTicket,
  type AcceptedMail,
  type IncomingMail,
  type PersonView,
  type TicketView,
} from '#contracts';
import { Bus, connectNats, createLogger } from '#platform';
import type { NatsConnection } from '@nats-io/transport-node';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { startWorld, stopWorld, type World } from '../../../test/harness/stack.js';
import { ACCOUNTS } from '../../../tools/demo/directory.js';

const WORDS = 'I have left the company.\nPlease write to the reception.';

let world: World;
let nats: NatsConnection;
let bus: Bus;
let database: pg.Pool;
let erik: PersonView;
let zoe: PersonView;
let otto: PersonView;

beforeAll(async () => {
  world = await startWorld({ only: ['tickets'], instances: 2, env: { tickets: { TEST_CLOCK: 'true' } } });
  const log = createLogger('test', { NODE_ENV: 'test', LOG_LEVEL: 'silent' });
  nats = await connectNats(world.stack.natsUrl, 'test', log);
  bus = new Bus(nats, 10_000);
  database = new pg.Pool({ connectionString: world.stack.databaseUrl });
  database.on('error', () => {}); // a closing connection may still hear that its server stops
  const logIn = async ({ email }: { email: string }) =>
    (await bus.expect(authenticate, { email, password: world.stack.accountPassword(email) })).person;
  [erik, zoe, otto] = await Promise.all([logIn(ACCOUNTS.erik), logIn(ACCOUNTS.zoe), logIn(ACCOUNTS.otto)]);
});

afterAll(async () => {
  await database?.end();
  await nats?.close();
  await stopWorld(world);
});

/** One that Erik works on. */
async function newTicket(): Promise<TicketView> {
  const asked = { subject: 'Line down', text: 'Since ten.' };
  const { ticket } = await bus.expect(createTicket, { actorId: zoe.id, ticket: asked });
  const change = { assigneeId: erik.id, status: 'in_progress', comment: 'Mine.' } as const;
  return (await bus.expect(updateTicket, { actorId: erik.id, ticketId: ticket.id, change })).ticket;
}

async function get({ id }: TicketView): Promise<TicketView> {
  return (await bus.expect(getTicket, { viewerId: erik.id, ticketId: id })).ticket;
}

async function timeline({ id }: TicketView, viewer = erik) {
  return (await bus.expect(getTimeline, { viewerId: viewer.id, ticketId: id, limit: 50 })).items;
}

function close({ id }: TicketView) {
  const change = { status: 'closed', resolutionType: 'fixed', comment: 'Done.' } as const;
  return bus.expect(updateTicket, { actorId: erik.id, ticketId: id, change });
}

function answer(ticket: TicketView, visibleText = WORDS, fields: Partial<IncomingMail> = {}): IncomingMail {
  const id = randomUUID();
  return {
    inboundId: id,
    mailbox: 'support@helpdesk.test',
    from: { name: 'Zoe', email: zoe.email },
    subject: 'Re: Line down',
    text: `${visibleText}\n\n> quoted ${id}`,
    visibleText,
    html: null,
    attachments: [],
    messageId: `${id}@sender.test`,
    referencedIds: [],
    repliedTo: 0,
    threadRoot: null,
    signedTicketNumber: ticket.number,
    threadClaims: [{ ticketNumber: ticket.number, carrier: 'reply-address', direct: true }],
    senderIdentified: true,
    senderVerification: 'unverified',
    spam: null,
    automatic: false,
    mayAutoReply: true,
    rawSha256: '0'.repeat(64),
    rawSize: 10,
    receivedAt: new Date().toISOString(),
    ...fields,
  };
}

async function accept(...mails: IncomingMail[]): Promise<AcceptedMail[]> {
  return (await bus.expect(acceptMail, { mails })).accepted;
}

/** Whom the events of the ticket's mails told, in order, and what the mails did. */
async function told({ number }: TicketView) {
  const { rows } = await database.query<{ effect: string; emails: string[] }>(
    `select payload #>> '{data,effect}' as effect,
       array(select jsonb_array_elements(payload #> '{data,recipients}') ->> 'email') as emails
     from tickets.outbox where payload ->> 'subject' = $1 and payload ->> 'type' like '%message_added%' order by id`,
    [String(number)],
  );
  return rows;
}

const notes = async (ticket: TicketView) => (await timeline(ticket)).filter(({ kind }) => kind === 'note');
const passMinutes = (minutes: number) =>
  database.query('update tickets.test_clock set shift = shift + make_interval(mins => $1)', [minutes]);

describe('the same words for the third time within an hour', () => {
  it('change nothing and are told to nobody, which is said once', async () => {
    const ticket = await newTicket();
    await accept(answer(ticket));
    await passMinutes(20);
    await accept(answer(ticket, WORDS.replace('\n', '\r\n  ')));
    expect(await told(ticket)).toEqual(
      Array.from({ length: 2 }, () => ({ effect: 'comment_added', emails: [erik.email] })),
    );
    await close(ticket);
    const closed = await get(ticket);
    for (let time = 3; time <= 6; time++) {
      expect(await accept(answer(ticket))).toMatchObject([{ result: 'appended', ticketId: ticket.id }]);
      await passMinutes(25);
    }
    // four mails and one note
    expect((await told(ticket)).slice(2)).toEqual(
      Array.from({ length: 5 }, () => ({ effect: 'comment_added', emails: [] })),
    );
    const { version, updatedAt: _, ...after } = await get(ticket);
    expect(closed).toMatchObject({ ...after, status: 'closed' });
    expect(version).toBe(closed.version + 5);
    expect(await notes(ticket)).toMatchObject([
      { author: { name: 'Mail system' }, text: expect.stringContaining('sent the same words 3 times within an hour') },
    ]);
    expect((await timeline(ticket, zoe)).filter(({ kind }) => kind === 'note')).toEqual([]);
  });

  it('hold up no other words, and no other person', async () => {
    const ticket = await newTicket();
    for (let time = 1; time <= 3; time++) await accept(answer(ticket));
    await close(ticket);
    await accept(answer(ticket, WORDS, { from: { name: 'Otto', email: otto.email } }));
    expect((await told(ticket)).at(-1)).toMatchObject({ effect: 'reopened' });
    await close(ticket);
    await accept(answer(ticket, 'It is down again.'));
    expect((await told(ticket)).at(-1)).toMatchObject({ effect: 'reopened' });
    expect(await notes(ticket)).toHaveLength(1);
  });

  it('are found within one batch, with the words that began the ticket', async () => {
    const first = answer(await newTicket(), WORDS, { text: WORDS, threadClaims: [], signedTicketNumber: null });
    const next = () => ({
      ...first,
      inboundId: randomUUID(),
      messageId: `${randomUUID()}@sender.test`,
      referencedIds: [first.messageId],
      repliedTo: 1,
    });
    const accepted = await accept(first, next(), next(), next());
    expect(accepted.map(({ result }) => result)).toEqual(['ticket_created', 'appended', 'appended', 'appended']);
    const entries = await timeline({ id: accepted[0]!.ticketId } as TicketView);
    expect(entries.map(({ kind }) => kind)).toEqual(['message', 'message', 'message', 'note', 'message']);
    const { rows } = await database.query<{ automatic: boolean }>(
      `select automatic from tickets.timeline_entry where ticket_id = $1 and kind = 'message' order by position`,
      [accepted[0]!.ticketId],
    );
    expect(rows.map(({ automatic }) => automatic)).toEqual([false, false, true, true]);
  });

  it('are a person’s again when nothing was heard of them for an hour', async () => {
    const ticket = await newTicket();
    for (let time = 1; time <= 3; time++) await accept(answer(ticket));
    await passMinutes(61);
    await accept(answer(ticket));
    expect((await told(ticket)).map(({ emails }) => emails.length)).toEqual([1, 1, 0, 0, 1]);
  });

  it('are nothing but photos when they come with files', async () => {
    const ticket = await newTicket();
    const photo = {
      name: 'a.jpg',
      type: 'image/jpeg',
      size: 1,
      sha256: 'a'.repeat(64),
      contentId: null,
      inline: false,
    };
    for (let time = 1; time <= 4; time++) await accept(answer(ticket, '(no text)', { attachments: [photo] }));
    expect((await told(ticket)).map(({ emails }) => emails.length)).toEqual([1, 1, 1, 1]);
  });
});

it('leaves histories that make the same tickets again', async () => {
  const command = join(import.meta.dirname, '../../../dist/apps/tickets/src/sla/verify.command.js');
  const env = { PATH: process.env['PATH'], DATABASE_URL: world.stack.databaseUrl, NATS_URL: world.stack.natsUrl };
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [command, '--all'], { env });
  expect(stdout).toBe('');
  expect(stderr).toMatch(/[1-9]\d* /);
});

it('a report that is offered again has the same answer', async () => {
  const ticket = await newTicket();
  const bounce = { messageId: 'ours@helpdesk.test', results: [] };
  const report = answer(ticket, 'Not delivered.', { automatic: true, senderIdentified: false, bounce });
  const [first] = await accept(report);
  const [again] = await accept(report);
  expect(first).toMatchObject({ result: 'bounce_linked', ticketId: ticket.id });
  expect(again).toMatchObject({ result: 'bounce_linked', ticketId: ticket.id });
});
