/** Participants and tags: over NATS, with a real PostgreSQL behind; what customers see of both. */
import {
  acceptMail,
  addMessage,
  authenticate,
  createTicket,
  getTicket,
  getTimeline,
  isRefused,
  listParticipants,
  listTags,
  listTickets,
  mergeTicket,
  previewUpdate,
  removeParticipant,
  setParticipant,
  setTags,
  updateTicket,
  type CloudEvent,
  type IncomingMail,
  type ParticipantChange,
  type PersonView,
  type Refused,
  type TicketChange,
  type TicketEventData,
  type TicketView,
} from '#contracts';
import { Bus, connectNats, createLogger } from '#platform';
import type { NatsConnection } from '@nats-io/transport-node';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { startWorld, stopWorld, type World } from '../../../test/harness/stack.js';
import { eventually } from '../../../tools/demo/api.js';
import { ACCOUNTS } from '../../../tools/demo/directory.js';

type Person = Pick<PersonView, 'id' | 'email'>;
type Event = CloudEvent<TicketEventData & Record<string, unknown>>;

let world: World;
let nats: NatsConnection;
let bus: Bus;
let database: pg.Pool;
let erik: PersonView;
let eva: PersonView;
/** A customer and her colleague, and a customer of another organisation. */
let zoe: PersonView;
let bob: Person;
let otto: PersonView;

beforeAll(async () => {
  world = await startWorld({
    only: ['tickets'],
    env: { tickets: { TEST_CLOCK: 'true', TEAM_ADDRESS: 'team@helpdesk.test' } },
  });
  const log = createLogger('test', { NODE_ENV: 'test', LOG_LEVEL: 'silent' });
  nats = await connectNats(world.stack.natsUrl, 'test', log);
  bus = new Bus(nats, 30_000);
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
  await accept(mailFrom('bob@customer.test'));
  bob = (await database.query(`select id, email from tickets.person where email = 'bob@customer.test'`)).rows[0];
});

afterAll(async () => {
  await database?.end();
  await nats?.close();
  await stopWorld(world);
});

async function newTicket(reporter: Person = zoe, subject = 'Line down'): Promise<TicketView> {
  return (await bus.expect(createTicket, { actorId: reporter.id, ticket: { subject, text: 'Since ten.' } })).ticket;
}

function put(ticket: TicketView, person: { id: string }, change: ParticipantChange = {}, actor: Person = erik) {
  return bus.call(setParticipant, { actorId: actor.id, ticketId: ticket.id, personId: person.id, change });
}

function remove(ticket: TicketView, person: { id: string }, actor: Person = erik) {
  return bus.call(removeParticipant, { actorId: actor.id, ticketId: ticket.id, personId: person.id });
}

function list(ticket: TicketView, viewer: Person = erik) {
  return bus.call(listParticipants, { viewerId: viewer.id, ticketId: ticket.id });
}

function update(ticket: TicketView, change: TicketChange, actor: Person = erik) {
  const request = { actorId: actor.id, ticketId: ticket.id, change: { comment: 'because', ...change } };
  return bus.expect(updateTicket, request);
}

function say(ticket: TicketView, actor: Person, visibility: 'public' | 'internal' = 'public') {
  return bus.call(addMessage, { actorId: actor.id, ticketId: ticket.id, visibility, text: `Words of ${actor.email}.` });
}

function tag(ticket: TicketView, tags: string[], actor: Person = erik) {
  return bus.call(setTags, { actorId: actor.id, ticketId: ticket.id, tags });
}

function mailFrom(email: string, fields: Partial<IncomingMail> = {}): IncomingMail {
  return {
    inboundId: randomUUID(),
    mailbox: 'support@helpdesk.test',
    from: { name: 'Somebody', email },
    subject: 'Mail',
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
    ...fields,
  };
}

async function accept(...mails: IncomingMail[]) {
  return (await bus.expect(acceptMail, { mails })).accepted;
}

async function get(ticket: TicketView, viewer: Person = erik) {
  return bus.call(getTicket, { viewerId: viewer.id, ticketId: ticket.id });
}

async function timeline(ticket: TicketView, viewer: Person = erik) {
  const { items } = await bus.expect(getTimeline, { viewerId: viewer.id, ticketId: ticket.id, limit: 200 });
  return items;
}

/** The ticket's events, oldest first. */
async function eventsOf(ticket: TicketView): Promise<Event[]> {
  const { rows } = await database.query<{ payload: Event }>(
    `select payload from tickets.outbox where payload ->> 'subject' = $1 order by id`,
    [String(ticket.number)],
  );
  return rows.map((row) => row.payload);
}

const recipientsIn = (event: Event | undefined) =>
  event?.data.recipients.map(({ role, email }) => `${role} ${email.split('@')[0]}`).sort();

/** Who was told of the ticket's last event. */
async function lastTold(ticket: TicketView) {
  return recipientsIn((await eventsOf(ticket)).at(-1));
}

/** All that is kept of a ticket, as text. */
async function everythingOf(ticket: TicketView): Promise<string> {
  const { rows } = await database.query<{ all: string }>(
    `select jsonb_build_array(to_jsonb(t),
       (select jsonb_agg(p order by person_id) from tickets.participant p where ticket_id = t.id),
       (select jsonb_agg(e order by position) from tickets.timeline_entry e where ticket_id = t.id),
       (select count(*) from tickets.outbox where payload ->> 'subject' = t.number::text))::text as all
     from tickets.ticket t where id = $1`,
    [ticket.id],
  );
  return rows[0]!.all;
}

function good<Reply extends object>(reply: Reply | Refused): Reply {
  if (isRefused(reply)) throw new Error(`refused: ${JSON.stringify(reply.refusals)}`);
  return reply;
}

function refusal(reply: object): string[] {
  if (!isRefused(reply)) throw new Error(`not refused: ${JSON.stringify(reply)}`);
  return reply.refusals.map(({ code, field }) => `${code} ${field}`).sort();
}

describe('adding, changing and removing', () => {
  it('writes one entry and one event for each change, and nothing for a repeat', async () => {
    const ticket = await newTicket();
    expect(good(await put(ticket, eva))).toEqual({
      changed: true,
      participant: {
        personId: eva.id,
        name: eva.name,
        kind: 'employee',
        email: eva.email,
        role: 'follower',
        muted: false,
        toldOnly: false,
      },
    });
    const before = await everythingOf(ticket);
    expect(good(await put(ticket, eva, { role: 'follower', muted: false }))).toMatchObject({ changed: false });
    expect(await everythingOf(ticket)).toBe(before);

    expect(good(await put(ticket, eva, { role: 'collaborator' }))).toMatchObject({ changed: true });
    expect(good(await put(ticket, eva, { muted: true }))).toMatchObject({
      participant: { role: 'collaborator', muted: true },
    });
    expect(good(await remove(ticket, eva))).toEqual({ changed: true });
    const after = await everythingOf(ticket);
    expect(good(await remove(ticket, eva))).toEqual({ changed: false });
    expect(await everythingOf(ticket)).toBe(after);

    const names = (change: { beforeName?: string; afterName?: string }) => [change.beforeName, change.afterName];
    const entries = (await timeline(ticket)).slice(1);
    expect(entries.map(({ kind, author, changes }) => [kind, author.name, ...names(changes[0]!)])).toEqual([
      ['change', erik.name, undefined, `${eva.name} (follower)`],
      ['change', erik.name, `${eva.name} (follower)`, `${eva.name} (collaborator)`],
      ['change', erik.name, `${eva.name} (collaborator)`, `${eva.name} (collaborator, muted)`],
      ['change', erik.name, `${eva.name} (collaborator, muted)`, undefined],
    ]);
    const events = (await eventsOf(ticket)).slice(1);
    expect(events.map((event) => [event.type, (event.data['changes'] as { field: string }[])[0]!.field])).toEqual(
      Array.from({ length: 4 }, () => ['ticket.updated.v1', 'participants']),
    );
    expect(good(await get(ticket)).ticket.version).toBe(5);
  });

  it('gives many who add the same person at once one participant and one entry', async () => {
    const ticket = await newTicket();
    const replies = await Promise.all(Array.from({ length: 8 }, () => put(ticket, eva)));
    expect(replies.filter((reply) => good(reply).changed)).toHaveLength(1);
    expect(good(await get(ticket)).ticket.version).toBe(2);
  });

  it('refuses whom nobody knows, who has left, and a role that customers cannot have', async () => {
    const ticket = await newTicket();
    const before = await everythingOf(ticket);
    expect(refusal(await put(ticket, { id: randomUUID() }))).toEqual(['person_not_registered personId']);
    expect(refusal(await put(ticket, otto, { role: 'collaborator' }))).toEqual(['role_not_for_customers role']);
    expect(refusal(await put({ ...ticket, id: randomUUID() }, eva))).toEqual(['ticket_unknown ticketId']);
    await accept(mailFrom('gone@customer.test'));
    const { rows } = await database.query(
      `update tickets.person set active = false where email = 'gone@customer.test' returning id`,
    );
    expect(refusal(await put(ticket, rows[0]))).toEqual(['person_inactive personId']);
    expect(await everythingOf(ticket)).toBe(before);
  });
});

describe('what customers may', () => {
  it('add, mute and remove themselves where they may see the ticket, and nobody else', async () => {
    const ticket = await newTicket();
    expect(good(await put(ticket, bob, {}, bob))).toMatchObject({ changed: true });
    expect(good(await put(ticket, bob, { muted: true }, bob))).toMatchObject({ participant: { muted: true } });
    expect(refusal(await put(ticket, bob, { role: 'collaborator' }, bob))).toEqual(['role_not_for_customers role']);
    for (const other of [zoe, eva, otto, { id: randomUUID() }]) {
      expect(refusal(await put(ticket, other, {}, bob))).toEqual(['employees_only personId']);
      expect(refusal(await remove(ticket, other, bob))).toEqual(['employees_only personId']);
    }
    expect(good(await remove(ticket, bob, bob))).toEqual({ changed: true });
    expect(good(await get(ticket, bob)).ticket.id).toBe(ticket.id); // still of the same organisation
    expect(refusal(await put(ticket, otto, {}, otto))).toEqual(['ticket_unknown ticketId']);
    expect(refusal(await remove(ticket, otto, otto))).toEqual(['ticket_unknown ticketId']);
  });

  it('see names of others, and no more of them', async () => {
    const ticket = await newTicket();
    await put(ticket, eva, { role: 'collaborator' });
    await put(ticket, zoe, { muted: true });
    const others = { email: null, role: null, muted: null };
    expect(good(await list(ticket, zoe)).participants).toEqual([
      { personId: eva.id, name: eva.name, kind: 'employee', toldOnly: false, ...others },
      {
        personId: zoe.id,
        name: zoe.name,
        kind: 'customer',
        toldOnly: false,
        email: zoe.email,
        role: 'follower',
        muted: true,
      },
    ]);
    expect(good(await list(ticket)).participants.map(({ email, role }) => [email, role])).toEqual([
      [eva.email, 'collaborator'],
      [zoe.email, 'follower'],
    ]);
    expect(refusal(await list(ticket, otto))).toEqual(['ticket_unknown ticketId']);
  });

  it('see a ticket that is shared with them, its public side only, and only as long as it is', async () => {
    const ticket = await newTicket();
    await say(ticket, erik, 'internal');
    await update(ticket, { priority: 'high', comment: 'Because she shouts.' });
    await tag(ticket, ['vip']);
    const number = { viewerId: otto.id, number: ticket.number, limit: 5 };
    const seen = async () => ({
      get: isRefused(await get(ticket, otto)),
      timeline: isRefused(await bus.call(getTimeline, { viewerId: otto.id, ticketId: ticket.id, limit: 5 })),
      list: (await bus.expect(listTickets, number)).items.length === 0,
      participants: isRefused(await list(ticket, otto)),
      say: isRefused(await say(ticket, otto)),
    });
    const nothing = { get: true, timeline: true, list: true, participants: true, say: true };
    expect(await seen()).toEqual(nothing);
    good(await put(ticket, otto));
    expect(await seen()).toEqual({ get: false, timeline: false, list: false, participants: false, say: false });

    const entries = await timeline(ticket, otto);
    expect(entries.map(({ kind, text, changes }) => [kind, text, changes.map(({ field }) => field)])).toEqual([
      ['message', 'Since ten.', ['status', 'priority', 'infrastructure']],
      ['change', null, ['priority']],
      ['message', 'Words of otto@other.test.', []],
    ]);
    const all = [entries, good(await get(ticket, otto)), await bus.expect(listTickets, number)];
    for (const word of ['Words of erik', 'shouts', 'vip', 'participants', erik.email]) {
      expect(JSON.stringify(all)).not.toContain(word);
    }
    // sharing one ticket shares no other
    expect(refusal(await get(await newTicket(), otto))).toEqual(['ticket_unknown ticketId']);

    good(await remove(ticket, otto, otto));
    expect(await seen()).toEqual(nothing);
    const [mailed] = await accept(mailFrom(otto.email, { signedTicketNumber: ticket.number }));
    expect(mailed).toMatchObject({ result: 'ticket_created', rule: 'follow-up:signed' });
  });

  it('get a follow-up of their own organisation when the ticket that was shared is closed for good', async () => {
    const ticket = await newTicket();
    await put(ticket, otto);
    await update(ticket, { status: 'closed', resolutionType: 'fixed' });
    await database.query(`update tickets.ticket set closed_at = closed_at - interval '20 days' where id = $1`, [
      ticket.id,
    ]);
    const reply = good(await say(ticket, otto));
    expect(reply).toMatchObject({
      effect: 'follow_up_ticket_created',
      ticket: { organisation: { name: 'Weiß Logistik' }, infrastructure: null, followUpOf: ticket.number },
    });
    expect(refusal(await get(reply.ticket, zoe))).toEqual(['ticket_unknown ticketId']);
  });

  it('do not see a ticket that they only hear of because theirs was merged into it', async () => {
    const [hers, his] = [await newTicket(zoe), await newTicket(otto)];
    const merge = { into: hers.id, comment: 'The same cable.', acrossOrganisations: true };
    good(await bus.call(mergeTicket, { actorId: erik.id, ticketId: his.id, merge }));
    expect(good(await list(hers)).participants).toMatchObject([{ personId: otto.id, toldOnly: true }]);
    expect(good(await list(hers, zoe)).participants).toEqual([]);
    good(await put(hers, otto, { role: 'follower', muted: false }));
    for (const ask of [get, list]) expect(refusal(await ask(hers, otto))).toEqual(['ticket_unknown ticketId']);
    good(await say(hers, erik));
    expect(await lastTold(hers)).toEqual(['participant otto', 'reporter zoe']);
    const [mailed] = await accept(mailFrom(otto.email, { signedTicketNumber: hers.number }));
    expect(mailed).toMatchObject({ result: 'appended', ticketNumber: hers.number });
    good(await remove(hers, otto));
    good(await put(hers, otto));
    expect(good(await get(hers, otto)).ticket.id).toBe(hers.id);
  });
});

describe('telling', () => {
  async function followed() {
    const ticket = await newTicket();
    await update(ticket, { assignee: erik.id });
    await put(ticket, eva, { role: 'collaborator' });
    await put(ticket, otto);
    return ticket;
  }

  it('tells all of a public message, whoever wrote it and however', async () => {
    const ticket = await followed();
    good(await say(ticket, erik));
    expect(await lastTold(ticket)).toEqual(['participant eva', 'participant otto', 'reporter zoe']);
    good(await say(ticket, zoe));
    expect(await lastTold(ticket)).toEqual(['assignee erik', 'participant eva', 'participant otto']);
    await accept(mailFrom(zoe.email, { signedTicketNumber: ticket.number }));
    expect(await lastTold(ticket)).toEqual(['assignee erik', 'participant eva', 'participant otto']);
    await accept(mailFrom(otto.email, { signedTicketNumber: ticket.number }));
    expect(await lastTold(ticket)).toEqual(['assignee erik', 'participant eva', 'reporter zoe']);
  });

  it('tells nobody of a note, of a mail that stays one, and of machine mail', async () => {
    const ticket = await followed();
    good(await say(ticket, erik, 'internal'));
    expect(await lastTold(ticket)).toEqual([]);
    await accept(mailFrom(erik.email, { signedTicketNumber: ticket.number }));
    expect(await lastTold(ticket)).toEqual([]);
    await accept(mailFrom(zoe.email, { signedTicketNumber: ticket.number, automatic: true, mayAutoReply: false }));
    expect(await lastTold(ticket)).toEqual([]);
  });

  it('tells of an update as a preview says, customers as customers', async () => {
    const ticket = await followed();
    const change = { priority: 'critical', comment: 'Core link.' };
    const preview = await bus.expect(previewUpdate, { actorId: erik.id, ticketId: ticket.id, change });
    await update(ticket, change);
    const { recipients } = (await eventsOf(ticket)).at(-1)!.data;
    expect(recipients).toEqual(preview.recipients);
    expect(recipients.map(({ role, kind, name }) => [role, kind, name])).toEqual([
      ['reporter', 'customer', zoe.name],
      ['participant', 'employee', eva.name],
      ['participant', 'customer', otto.name],
    ]);
  });

  it('tells nobody who has muted it, as reporter and as assignee neither', async () => {
    const ticket = await followed();
    for (const person of [erik, zoe, otto]) await put(ticket, person, { muted: true });
    await update(ticket, { priority: 'high' }, eva);
    expect(await lastTold(ticket)).toEqual([]);
    good(await say(ticket, eva));
    expect(await lastTold(ticket)).toEqual([]);
    await accept(mailFrom(bob.email, { signedTicketNumber: ticket.number }));
    expect(await lastTold(ticket)).toEqual(['participant eva']);
  });

  it('lets a colleague who joins in by mail follow from then on, and writes that down', async () => {
    const ticket = await newTicket();
    const first = mailFrom(bob.email, { signedTicketNumber: ticket.number });
    await accept(first, mailFrom(zoe.email, { referencedIds: [first.messageId] }));
    expect(await lastTold(ticket)).toEqual(['lead team', 'participant bob']);
    const [, joined, more] = await timeline(ticket);
    expect(joined).toMatchObject({ kind: 'message', changes: [{ field: 'participants', after: bob.id }] });
    expect(more!.changes).toEqual([]);
    expect(JSON.stringify(await timeline(ticket, bob))).not.toContain('participants');
    expect(good(await list(ticket)).participants).toMatchObject([{ personId: bob.id, role: 'follower', muted: false }]);
    await put(ticket, bob, { muted: true }, bob);
    await accept(mailFrom(bob.email, { signedTicketNumber: ticket.number }));
    expect(good(await list(ticket)).participants).toMatchObject([{ personId: bob.id, muted: true }]);
  });
});

describe('tags', () => {
  it('are kept in one spelling, with one entry and one event for each real change', async () => {
    const ticket = await newTicket();
    expect(good(await tag(ticket, ['  VIP ', 'Fibre']))).toMatchObject({
      changed: true,
      ticket: { version: 2, tags: ['fibre', 'vip'] },
    });
    const before = await everythingOf(ticket);
    expect(good(await tag(ticket, ['vip', 'FIBRE']))).toMatchObject({ changed: false, ticket: { version: 2 } });
    expect(await everythingOf(ticket)).toBe(before);
    expect(good(await tag(ticket, []))).toMatchObject({ changed: true, ticket: { version: 3, tags: [] } });
    const entries = (await timeline(ticket)).slice(1);
    expect(entries.map(({ changes }) => changes)).toEqual([
      [{ field: 'tags', before: null, after: 'fibre, vip' }],
      [{ field: 'tags', before: 'fibre, vip', after: null }],
    ]);
    expect((await eventsOf(ticket)).map(({ data }) => data.ticket.tags)).toEqual([[], ['fibre', 'vip'], []]);
    expect(await lastTold(ticket)).toEqual([]);
  });

  it('are refused by place and rule, and by version', async () => {
    const ticket = await newTicket();
    const before = await everythingOf(ticket);
    expect(refusal(await tag(ticket, ['a', 'x'.repeat(51), 'a\u0007b', ' A ']))).toEqual([
      'tag_invalid tags.2',
      'tag_length_invalid tags.1',
      'tag_repeated tags.3',
    ]);
    const stale = { actorId: erik.id, ticketId: ticket.id, tags: ['a'], expectedVersion: 7 };
    const reply = await bus.call(setTags, stale);
    expect(refusal(reply)).toEqual(['version_conflict version']);
    expect((reply as Refused).currentVersion).toBe(1);
    expect(await everythingOf(ticket)).toBe(before);
  });

  it('are never shown to customers, who cannot find by them either', async () => {
    const ticket = await newTicket();
    await tag(ticket, ['difficult']);
    expect(refusal(await tag(ticket, ['nice'], zoe))).toEqual(['employees_only tags']);
    const shown = [
      good(await get(ticket, zoe)),
      good(await say(ticket, zoe)),
      await bus.expect(listTickets, { viewerId: zoe.id, limit: 200 }),
      await timeline(ticket, zoe),
    ];
    expect(good(await get(ticket, zoe)).ticket.tags).toEqual([]);
    expect(JSON.stringify(shown)).not.toContain('difficult');
    const search = { viewerId: zoe.id, tag: ['difficult'], limit: 5 };
    expect(refusal(await bus.call(listTickets, search))).toEqual(['employees_only tag']);
    expect(refusal(await bus.call(listTags, { viewerId: zoe.id }))).toEqual(['employees_only ']);
  });

  it('find the tickets that have all of them, and are counted where work goes on', async () => {
    const [one, both, closed] = [await newTicket(), await newTicket(), await newTicket()];
    await tag(one, ['x-ray']);
    await tag(both, ['x-ray', 'yankee']);
    await tag(closed, ['x-ray', 'zulu']);
    await update(closed, { status: 'closed', resolutionType: 'fixed' });
    const found = async (...tags: string[]) => {
      const { items } = await bus.expect(listTickets, { viewerId: erik.id, tag: tags, limit: 200 });
      return items.map(({ number }) => number);
    };
    expect(await found('X-Ray ')).toEqual([closed.number, both.number, one.number]);
    expect(await found('x-ray', 'yankee')).toEqual([both.number]);
    expect(await found('yankee', 'zulu')).toEqual([]);
    const { tags } = await bus.expect(listTags, { viewerId: erik.id });
    const counts = Object.fromEntries(tags.map(({ tag: name, liveTickets }) => [name, liveTickets]));
    expect(counts).toMatchObject({ 'x-ray': 2, yankee: 1, zulu: 0 });
  });
});

describe('what time does', () => {
  const later = (interval: string) =>
    database.query('update tickets.test_clock set shift = shift + $1::interval', [interval]);

  it('is told to collaborators, and promises to an assignee who has muted the ticket', async () => {
    const ticket = await newTicket();
    await update(ticket, { assignee: erik.id });
    await put(ticket, erik, { muted: true });
    await put(ticket, eva, { role: 'collaborator' });
    await put(ticket, otto);
    await update(ticket, { status: 'suspended', suspensionCause: 'pending_third_party', suspendedSeconds: 3600 });
    await later('2 hours');
    const expired = await eventually('the suspension is over', async () =>
      (await eventsOf(ticket)).find(({ data }) => data['comment'] === 'The suspension ran out.'),
    );
    expect(recipientsIn(expired)).toEqual(['participant eva']);
    await later('40 hours');
    const of = (type: string) =>
      eventually(type, async () => (await eventsOf(ticket)).find((event) => event.type === type));
    expect(recipientsIn(await of('ticket.warned.v1'))).toEqual(['assignee erik']);
    expect(recipientsIn(await of('ticket.breached.v1'))).toEqual(['assignee erik', 'lead team']);
  });
});
