/**
 * Who may write on a ticket by mail: what names a ticket is one question, whether the sender may write there another. Over
 * NATS as intake offers mails, with a real PostgreSQL behind it.
 */
import {
  acceptMail,
  authenticate,
  createTicket,
  getTicket,
  getTimeline,
  rebuildMessage,
  removeParticipant,
  setParticipant,
  updateTicket,
  type AcceptedMail,
  type IncomingMail,
  type PersonView,
  type ThreadClaim,
  type TicketView,
} from '#contracts';
import { Bus, connectNats, createLogger } from '#platform';
import type { NatsConnection } from '@nats-io/transport-node';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import { startWorld, stopWorld, type World } from '../../../test/harness/stack.js';
import { ACCOUNTS } from '../../../tools/demo/directory.js';

const VERIFY = fileURLToPath(new URL('../../../dist/apps/tickets/src/sla/verify.command.js', import.meta.url));
const MAILBOX = 'support@helpdesk.test';

let world: World;
let nats: NatsConnection;
let bus: Bus;
let database: pg.Pool;
let erik: PersonView;
let eva: PersonView;
let zoe: PersonView;
let otto: PersonView;

beforeAll(async () => {
  world = await startWorld({ only: ['tickets'], instances: 2 });
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
  [erik, eva, zoe, otto] = await Promise.all([
    logIn(ACCOUNTS.erik),
    logIn(ACCOUNTS.eva),
    logIn(ACCOUNTS.zoe),
    logIn(ACCOUNTS.otto),
  ]);
});

afterAll(async () => {
  await database?.end();
  await nats?.close();
  await stopWorld(world);
});

async function newTicket(subject = 'Line down', reporter = zoe): Promise<TicketView> {
  return (await bus.expect(createTicket, { actorId: reporter.id, ticket: { subject, text: 'Since ten.' } })).ticket;
}

async function get({ ticketId }: { ticketId: string | null }): Promise<TicketView> {
  return (await bus.expect(getTicket, { viewerId: erik.id, ticketId: ticketId! })).ticket;
}

async function timeline(ticketId: string | null, viewer = erik) {
  return (await bus.expect(getTimeline, { viewerId: viewer.id, ticketId: ticketId!, limit: 50 })).items;
}

function close(ticket: TicketView) {
  const change = { status: 'closed', resolutionType: 'fixed', comment: 'Done.' } as const;
  return bus.expect(updateTicket, { actorId: erik.id, ticketId: ticket.id, change });
}

function mailFrom(email: string, fields: Partial<IncomingMail> = {}): IncomingMail {
  return {
    inboundId: randomUUID(),
    mailbox: MAILBOX,
    from: { name: 'Somebody', email },
    subject: 'Re: [#1] Line down',
    text: 'words\n\n> quoted',
    visibleText: 'words',
    html: '<p>words</p><blockquote>quoted</blockquote>',
    attachments: [],
    messageId: `${randomUUID()}@sender.test`,
    referencedIds: [],
    repliedTo: 0,
    threadRoot: null,
    signedTicketNumber: null,
    threadClaims: [],
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

const attachment = {
  name: 'a.txt',
  type: 'text/plain',
  size: 1,
  sha256: 'a'.repeat(64),
  contentId: null,
  inline: false,
};

function claim(ticket: TicketView, carrier: ThreadClaim['carrier'], direct = true): ThreadClaim {
  return { ticketNumber: ticket.number, carrier, direct };
}

/** Claims, best first. */
function naming(...threadClaims: ThreadClaim[]): Partial<IncomingMail> {
  return { threadClaims };
}

async function accept(...mails: IncomingMail[]): Promise<AcceptedMail[]> {
  return (await bus.expect(acceptMail, { mails })).accepted;
}

async function acceptOne(mail: IncomingMail): Promise<AcceptedMail> {
  return (await accept(mail))[0]!;
}

/** Every row that belongs to a ticket, to the last byte. */
async function rowsOf({ id, number }: TicketView): Promise<string> {
  const { rows } = await database.query(
    `select (select t::text from tickets.ticket t where id = $1) as ticket,
       (select array_agg(e::text order by position) from tickets.timeline_entry e where ticket_id = $1) as entries,
       (select array_agg(a::text order by a.id) from tickets.attachment a
          join tickets.timeline_entry e on e.id = a.entry_id where e.ticket_id = $1) as attachments,
       (select array_agg(p::text order by person_id) from tickets.participant p where ticket_id = $1) as participants,
       (select array_agg(payload::text order by id) from tickets.outbox where payload ->> 'subject' = $2) as events`,
    [id, String(number)],
  );
  return JSON.stringify(rows);
}

async function lastEvent({ number }: { number: number }) {
  const { rows } = await database.query(
    `select payload from tickets.outbox where payload ->> 'subject' = $1 order by id desc limit 1`,
    [String(number)],
  );
  return rows[0].payload;
}

describe('a stranger', () => {
  it.each(['message-id', 'subject-tag'] as const)(
    'who has the %s of a ticket changes nothing of it',
    async (carrier) => {
      const ticket = await newTicket();
      const before = await rowsOf(ticket);
      const mail = mailFrom('attacker@evil.test', {
        ...naming(claim(ticket, carrier)),
        subject: `Re: [#${ticket.number}] Line down`,
        attachments: [attachment],
        senderVerification: 'verified',
      });
      const result = await acceptOne(mail);
      expect(result).toMatchObject({ result: 'ticket_created', rule: `follow-up:${carrier}` });
      expect(await get(result)).toMatchObject({ followUpOf: ticket.number, subject: 'Re: Line down' });
      expect(await rowsOf(ticket)).toBe(before);
    },
  );

  it('who knows the id of a stored mail changes nothing either', async () => {
    const first = mailFrom(zoe.email);
    const ticket = await get(await acceptOne(first));
    const before = await rowsOf(ticket);
    const result = await acceptOne(mailFrom('attacker@evil.test', { referencedIds: [first.messageId], repliedTo: 1 }));
    expect(result).toMatchObject({ result: 'ticket_created', rule: 'follow-up:stored-id' });
    expect(await rowsOf(ticket)).toBe(before);
  });

  it('who uses the id of a mail once more does not get its answers', async () => {
    const first = mailFrom(zoe.email);
    const mine = await acceptOne(first);
    const theirs = await acceptOne(mailFrom('attacker@evil.test', { messageId: first.messageId }));
    expect(theirs).toMatchObject({ result: 'ticket_created', rule: 'new' });
    const answer = await acceptOne(mailFrom(zoe.email, { referencedIds: [first.messageId], repliedTo: 1 }));
    expect(answer).toMatchObject({ result: 'appended', ticketId: mine.ticketId });
  });
});

describe('a sender whom their own domain denies, or who is not clear', () => {
  it.each([
    ['failed', true],
    ['unverified', false],
  ] as const)('(%s) is shown and has no rights', async (senderVerification, isDenied) => {
    const ticket = await newTicket();
    const before = await rowsOf(ticket);
    const result = await acceptOne(
      mailFrom(zoe.email, {
        ...naming(claim(ticket, 'message-id')),
        senderIdentified: false,
        senderVerification,
        mayAutoReply: false,
      }),
    );
    expect(result).toMatchObject({ result: 'ticket_created', rule: 'follow-up:message-id' });
    const forged = await get(result);
    expect(forged).toMatchObject({ reporter: { personId: null, email: zoe.email }, organisation: null });
    expect(forged.tags).toEqual(isDenied ? ['dmarc-fail'] : []);
    expect((await timeline(result.ticketId))[0]).toMatchObject({ senderVerification });
    expect(await lastEvent(forged)).toMatchObject({ data: { acknowledge: false, recipients: [] } });
    expect(await rowsOf(ticket)).toBe(before);
  });
});

describe('a number in the subject', () => {
  const tagged = (ticket: TicketView, subject: string) => ({
    ...naming(claim(ticket, 'subject-tag')),
    subject: subject.replace('#', `#${ticket.number}`),
  });

  it('is enough for the reporter under the same subject, or when verified', async () => {
    const ticket = await newTicket();
    expect(await acceptOne(mailFrom(zoe.email, tagged(ticket, 'AW: [#] line down')))).toMatchObject({
      result: 'appended',
      rule: 'subject-tag',
      ticketId: ticket.id,
    });
    expect(await acceptOne(mailFrom(zoe.email, tagged(ticket, '[#] one more thing')))).toMatchObject({
      result: 'ticket_created',
      rule: 'follow-up:subject-tag',
    });
    const verified = { ...tagged(ticket, '[#] one more thing'), senderVerification: 'verified' } as const;
    expect(await acceptOne(mailFrom(zoe.email, verified))).toMatchObject({ result: 'appended', ticketId: ticket.id });
  });

  it('is not enough for colleagues and employees whom nobody vouches for', async () => {
    const ticket = await newTicket();
    const before = await rowsOf(ticket);
    for (const email of ['colleague@customer.test', erik.email]) {
      const result = await acceptOne(mailFrom(email, tagged(ticket, 'Re: [#] Line down')));
      expect(result).toMatchObject({ result: 'ticket_created', rule: 'follow-up:subject-tag' });
    }
    expect(await rowsOf(ticket)).toBe(before);
  });

  it('of a ticket that there is not is nothing', async () => {
    const result = await acceptOne(
      mailFrom(zoe.email, { threadClaims: [{ ticketNumber: 999_999_999, carrier: 'subject-tag', direct: true }] }),
    );
    expect(result).toMatchObject({ result: 'ticket_created', rule: 'new' });
  });
});

describe('a mail that names two tickets', () => {
  it.each([
    [0, 1],
    [1, 0],
  ])('belongs to the one that the sender may write on (order %d, %d)', async (...order) => {
    const [mine, theirs] = [await newTicket(), await newTicket('Line down', otto)];
    const before = await rowsOf(theirs);
    const claims = [claim(mine, 'message-id'), claim(theirs, 'message-id')];
    const result = await acceptOne(mailFrom(zoe.email, naming(...order.map((index) => claims[index]!))));
    expect(result).toMatchObject({ result: 'appended', ticketId: mine.id, rule: 'message-id' });
    expect(await rowsOf(theirs)).toBe(before);
  });

  it('belongs to the one of the reply address when the sender may write on both', async () => {
    const [one, other] = [await newTicket(), await newTicket()];
    const both = naming(claim(one, 'reply-address'), claim(other, 'message-id'));
    expect(await acceptOne(mailFrom(zoe.email, both))).toMatchObject({ ticketId: one.id, rule: 'reply-address' });
  });
});

describe('a reply address', () => {
  it('gives the right to whom it was given, also when they follow no more', async () => {
    const ticket = await newTicket();
    const otherwise = { actorId: erik.id, ticketId: ticket.id, personId: otto.id };
    await bus.expect(setParticipant, { ...otherwise, change: {} });
    await bus.expect(removeParticipant, otherwise);
    const answer = await acceptOne(mailFrom(otto.email, naming(claim(ticket, 'reply-address'))));
    expect(answer).toMatchObject({ result: 'appended', ticketId: ticket.id });
    const byId = await acceptOne(mailFrom(otto.email, naming(claim(ticket, 'message-id'))));
    expect(byId).toMatchObject({ result: 'ticket_created', rule: 'follow-up:message-id' });
  });
});

describe('a new matter under an old conversation', () => {
  it('is a new ticket when only References lead to the old one and the subject is another', async () => {
    const ticket = await newTicket();
    const old = naming(claim(ticket, 'message-id', false));
    const other = await acceptOne(mailFrom(zoe.email, { ...old, subject: 'Invoice for May' }));
    expect(other).toMatchObject({ result: 'ticket_created', rule: 'follow-up:message-id:references' });
    expect((await get(other)).followUpOf).toBe(ticket.number);
    const same = await acceptOne(mailFrom(zoe.email, { ...old, subject: `Antw: [#${ticket.number}] Line down` }));
    expect(same).toMatchObject({ result: 'appended', rule: 'message-id:references' });
    const direct = naming(claim(ticket, 'message-id'));
    expect(await acceptOne(mailFrom(zoe.email, { ...direct, subject: 'Solved!' }))).toMatchObject({
      result: 'appended',
    });
  });

  it('is none when a machine puts its own words before the subject', async () => {
    const ticket = await newTicket();
    const absent = { ...naming(claim(ticket, 'message-id', false)), automatic: true, mayAutoReply: false };
    const result = await acceptOne(mailFrom(zoe.email, { ...absent, subject: 'Automatic reply: Line down' }));
    expect(result).toMatchObject({ result: 'appended', ticketId: ticket.id });
  });
});

describe('a mail that opens no ticket', () => {
  const appendOnly = 'calendar:reply';
  const counted = async () =>
    (await database.query('select count(*)::int as n from tickets.ticket')).rows[0].n as number;

  it('is taken where it may be written, else rejected without a trace', async () => {
    const ticket = await newTicket();
    const named = { ...naming(claim(ticket, 'message-id')), appendOnly, automatic: true, mayAutoReply: false };
    expect(await acceptOne(mailFrom(zoe.email, named))).toMatchObject({ result: 'appended', ticketId: ticket.id });
    const [before, rows] = [await counted(), await rowsOf(ticket)];
    for (const mail of [mailFrom(zoe.email, { appendOnly }), mailFrom('attacker@evil.test', named)]) {
      expect(await acceptOne(mail)).toEqual({
        inboundId: mail.inboundId,
        result: 'rejected',
        ticketId: null,
        ticketNumber: null,
        rule: appendOnly,
      });
    }
    expect(await counted()).toBe(before);
    expect(await rowsOf(ticket)).toBe(rows);
  });
});

describe('another mailbox', () => {
  it("takes no mail for its neighbour's ticket: a new one that is linked", async () => {
    const first = mailFrom(zoe.email);
    const ticket = await get(await acceptOne(first));
    const before = await rowsOf(ticket);
    for (const named of [naming(claim(ticket, 'message-id')), { referencedIds: [first.messageId], repliedTo: 1 }]) {
      const result = await acceptOne(mailFrom(zoe.email, { ...named, mailbox: 'sales@helpdesk.test' }));
      expect(result.result).toBe('ticket_created');
      expect((await get(result)).followUpOf).toBe(ticket.number);
    }
    expect(await rowsOf(ticket)).toBe(before);
  });
});

it('a mailbox takes mail for the tickets of its other addresses', async () => {
  const ticket = await newTicket();
  const mail = { ...naming(claim(ticket, 'message-id')), mailbox: 'help@helpdesk.test', mailboxAliases: [MAILBOX] };
  expect(await acceptOne(mailFrom(zoe.email, mail))).toMatchObject({ result: 'appended', ticketId: ticket.id });
});

describe('a conversation that nobody has a ticket for', () => {
  const conversation = () => ({ root: `${randomUUID()}@customer.test`, subject: `Matter ${randomUUID()}` });
  const replyTo = (root: string) => ({ threadRoot: root, referencedIds: [root], repliedTo: 1 });

  it('becomes one ticket when its answers come at once', async () => {
    const { root, subject } = conversation();
    const mails = Array.from({ length: 8 }, () => mailFrom(zoe.email, { ...replyTo(root), subject: `Re: ${subject}` }));
    const results = (await Promise.all(mails.map((mail) => accept(mail)))).flat();
    expect(new Set(results.map(({ ticketId }) => ticketId)).size).toBe(1);
    expect(results.filter(({ result }) => result === 'ticket_created')).toHaveLength(1);
    expect(results.filter(({ rule }) => rule === 'thread-root')).toHaveLength(7);
  });

  it('becomes one ticket within one batch, too', async () => {
    const { root, subject } = conversation();
    const results = await accept(
      mailFrom(zoe.email, { ...replyTo(root), subject }),
      mailFrom(zoe.email, { ...replyTo(root), subject }),
    );
    expect(results.map(({ rule }) => rule)).toEqual(['new', 'thread-root']);
  });

  it('takes the mail that began it in when it comes behind its answer', async () => {
    const { root, subject } = conversation();
    const answer = await acceptOne(mailFrom(zoe.email, { ...replyTo(root), subject: `Re: ${subject}` }));
    const parent = await acceptOne(mailFrom(zoe.email, { messageId: root, subject }));
    expect(parent).toMatchObject({ result: 'appended', rule: 'thread-root', ticketId: answer.ticketId });
  });

  it('is joined by nobody who may not write there, and by no other matter or mailbox', async () => {
    const { root, subject } = conversation();
    const first = await acceptOne(mailFrom(zoe.email, { ...replyTo(root), subject }));
    const ticket = await get(first);
    const before = await rowsOf(ticket);
    const stranger = await acceptOne(mailFrom('attacker@evil.test', { ...replyTo(root), subject }));
    expect(stranger).toMatchObject({ result: 'ticket_created', rule: 'follow-up:thread-root' });
    const matter = await acceptOne(mailFrom(zoe.email, { ...replyTo(root), subject: 'Invoice' }));
    expect(matter).toMatchObject({ result: 'ticket_created', rule: 'new' });
    const elsewhere = await acceptOne(
      mailFrom(zoe.email, { ...replyTo(root), subject, mailbox: 'sales@helpdesk.test' }),
    );
    expect(elsewhere).toMatchObject({ result: 'ticket_created', rule: 'new' });
    expect(await rowsOf(ticket)).toBe(before);
  });
});

describe('an employee by mail', () => {
  it('answers the customer when verified, with their own words only', async () => {
    const ticket = await newTicket();
    const verified = { ...naming(claim(ticket, 'reply-address')), senderVerification: 'verified' } as const;
    const forgedName = { name: 'The Director', email: erik.email };
    await acceptOne(mailFrom(erik.email, { ...verified, from: forgedName, attachments: [attachment] }));
    const answer = (await timeline(ticket.id, zoe)).find(({ author }) => author.personId === erik.id);
    expect(answer).toMatchObject({ kind: 'message', text: 'words', html: null, author: { name: ACCOUNTS.erik.name } });
    expect(answer).toMatchObject({ senderVerification: null, attachments: [{ name: 'a.txt' }] });
    expect((await timeline(ticket.id)).at(-1)).toMatchObject({ senderVerification: 'verified' });
    expect(await get({ ticketId: ticket.id })).toMatchObject({ assignee: { id: erik.id } });
    const event = await lastEvent(ticket);
    expect(event.data).toMatchObject({ visibility: 'public', text: 'words', effect: 'assigned' });
    expect(event.data.recipients.map(({ email }: { email: string }) => email)).toEqual([zoe.email]);
  });

  it.each(['unverified', 'automatic'])('only leaves a note when %s', async (how) => {
    const ticket = await newTicket();
    const verification = how === 'automatic' ? 'verified' : 'unverified';
    const mail = { senderVerification: verification, automatic: how === 'automatic' } as const;
    await acceptOne(mailFrom(eva.email, { ...naming(claim(ticket, 'message-id')), ...mail }));
    expect(await timeline(ticket.id, zoe)).toHaveLength(1);
    expect((await timeline(ticket.id)).at(-1)).toMatchObject({ kind: 'note', senderVerification: verification });
    expect(await lastEvent(ticket)).toMatchObject({ data: { visibility: 'internal', text: null, recipients: [] } });
  });

  it('writes as a customer on what they reported themselves', async () => {
    const opened = await acceptOne(mailFrom(eva.email));
    await acceptOne(mailFrom(eva.email, { threadClaims: [claim(await get(opened), 'reply-address')] }));
    const last = (await timeline(opened.ticketId)).at(-1);
    expect(last).toMatchObject({ kind: 'message', author: { personId: eva.id }, text: 'words\n\n> quoted' });
    expect(await get(opened)).toMatchObject({ assignee: null });
  });
});

describe('a mail that an employee passes on', () => {
  const passedOn = (email: string, fields: Partial<IncomingMail> = {}): Partial<IncomingMail> => ({
    senderVerification: 'verified',
    subject: 'Fwd: Line down',
    text: 'Please look at it.\n\n---------- Forwarded message ---------\nNo light.',
    forwarded: {
      from: { name: 'Petra', email },
      subject: 'Line down',
      comment: 'Please look at it, she is impatient.',
      text: 'No light.',
      messageIds: [],
    },
    attachments: [attachment],
    ...fields,
  });

  it('is its author’s ticket, with the forwarder as a follower whose words stay in the house', async () => {
    const result = await acceptOne(mailFrom(erik.email, passedOn('Petra@customer.test')));
    expect(result).toMatchObject({ result: 'ticket_created', rule: 'forwarded' });
    expect(await get(result)).toMatchObject({
      subject: 'Line down',
      reporter: { personId: null, name: 'Petra', email: 'petra@customer.test' },
      organisation: { name: 'Käserei Müller AG' },
      infrastructure: { name: 'zrh-core-1' },
      version: 2,
    });
    const [request, note, ...more] = await timeline(result.ticketId);
    expect(more).toEqual([]);
    expect(request).toMatchObject({
      kind: 'message',
      text: 'No light.',
      html: null,
      author: { name: 'Petra' },
      attachments: [{ name: 'a.txt' }],
    });
    expect(note).toMatchObject({
      kind: 'note',
      author: { personId: erik.id },
      text: expect.stringContaining('impatient'),
    });
    const seen = await timeline(result.ticketId, zoe);
    expect(seen).toHaveLength(1);
    expect(JSON.stringify(seen)).not.toContain('impatient');
    const { rows } = await database.query('select person_id from tickets.participant where ticket_id = $1', [
      result.ticketId,
    ]);
    expect(rows).toEqual([{ person_id: erik.id }]);
    const { rows: events } = await database.query(
      `select payload::text as event from tickets.outbox where payload ->> 'subject' = $1`,
      [String(result.ticketNumber)],
    );
    expect(events).toHaveLength(2);
    for (const { event } of events) expect(event).not.toContain('impatient');
  });

  it('belongs to somebody whom the directory knows', async () => {
    const result = await acceptOne(mailFrom(erik.email, passedOn('ZOE@customer.test')));
    expect(await get(result)).toMatchObject({ reporter: { personId: zoe.id, name: ACCOUNTS.zoe.name } });
  });

  it.each([
    ['an employee whom nobody vouches for', () => erik.email, { senderVerification: 'unverified' }],
    ['a customer', () => otto.email, {}],
  ] as const)('is the mail of who sent it when that is %s', async (_title, sender, fields) => {
    const result = await acceptOne(mailFrom(sender(), passedOn(zoe.email, fields)));
    expect(result.rule).toBe('new');
    expect(await get(result)).toMatchObject({ reporter: { email: sender() } });
  });

  it('and that is known already, is linked', async () => {
    const first = mailFrom(zoe.email);
    const ticket = await get(await acceptOne(first));
    const before = await rowsOf(ticket);
    const again = passedOn(zoe.email);
    again.forwarded!.messageIds = [first.messageId];
    const result = await acceptOne(mailFrom(erik.email, again));
    expect(result).toMatchObject({ result: 'ticket_created', rule: 'follow-up:forwarded-id' });
    expect((await get(result)).followUpOf).toBe(ticket.number);
    expect(await rowsOf(ticket)).toBe(before);
  });

  it('under the ticket that it belongs to, is a note and no answer', async () => {
    const ticket = await newTicket();
    await acceptOne(mailFrom(erik.email, { ...passedOn(zoe.email), ...naming(claim(ticket, 'message-id')) }));
    expect(await timeline(ticket.id, zoe)).toHaveLength(1);
    expect((await timeline(ticket.id)).at(-1)).toMatchObject({ kind: 'note', author: { personId: erik.id } });
  });

  it('is rebuilt as the request alone', async () => {
    const mail = mailFrom(erik.email, passedOn(zoe.email));
    const { ticketId } = await acceptOne(mail);
    const better = { ...mail, forwarded: { ...mail.forwarded!, text: 'No light at all.' } };
    await bus.expect(rebuildMessage, { actor: { personId: erik.id, name: erik.name }, mail: better });
    expect((await timeline(ticketId, zoe))[0]).toMatchObject({ text: 'No light at all.', html: null });
    await bus.expect(rebuildMessage, {
      actor: { personId: erik.id, name: erik.name },
      mail: { ...mail, forwarded: null },
    });
    expect((await timeline(ticketId, zoe))[0]).toMatchObject({ text: 'No light at all.', html: null });
  });
});

describe('spam', () => {
  it('becomes a ticket that says so and of which nobody is told, except from who may write on the ticket', async () => {
    const spam = { spam: 'x-spam-flag', mayAutoReply: false };
    const result = await acceptOne(mailFrom('offers@cheap.test', spam));
    const ticket = await get(result);
    expect(ticket.tags).toEqual(['spam']);
    expect(await lastEvent(ticket)).toMatchObject({ data: { acknowledge: false, recipients: [] } });
    const known = await newTicket();
    await acceptOne(mailFrom(zoe.email, { ...spam, ...naming(claim(known, 'message-id')) }));
    expect(await get({ ticketId: known.id })).toMatchObject({ tags: [] });
    expect(await timeline(known.id)).toHaveLength(2);
  });
});

describe('the histories', () => {
  it('of all tickets so far can be replayed', async () => {
    const env = { PATH: process.env['PATH'], DATABASE_URL: world.stack.databaseUrl };
    // it ends with another code when something differs
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [VERIFY, '--all'], { env });
    expect(stdout).toBe('');
    expect(stderr).toMatch(/[1-9]\d* /);
  });
});

describe('a closed ticket', () => {
  it('is not reopened by a machine, but by a person', async () => {
    const ticket = await newTicket();
    await close(ticket);
    const answer = naming(claim(ticket, 'message-id'));
    await acceptOne(mailFrom(zoe.email, { ...answer, automatic: true, mayAutoReply: false }));
    expect(await get({ ticketId: ticket.id })).toMatchObject({ status: 'closed' });
    await acceptOne(mailFrom(zoe.email, answer));
    expect(await get({ ticketId: ticket.id })).toMatchObject({ status: 'open' });
  });

  it('that was closed long ago stays as it is: a new one, without the old number in its subject', async () => {
    const ticket = await newTicket();
    await close(ticket);
    await database.query(`update tickets.ticket set closed_at = closed_at - interval '1 year' where id = $1`, [
      ticket.id,
    ]);
    const before = await rowsOf(ticket);
    const late = { ...naming(claim(ticket, 'message-id')), subject: `Re: [#${ticket.number}] Line down` };
    const result = await acceptOne(mailFrom(zoe.email, late));
    expect(result).toMatchObject({ result: 'ticket_created', rule: 'follow-up:message-id' });
    expect(await get(result)).toMatchObject({ followUpOf: ticket.number, subject: 'Re: Line down' });
    expect(await rowsOf(ticket)).toBe(before);
  });
});
