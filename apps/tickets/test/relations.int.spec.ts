/** Links, parent outages, merges and splits: over NATS and HTTP, with a real PostgreSQL behind. */
import {
  acceptMail,
  addMessage,
  authenticate,
  createTicket,
  getAttachment,
  getRawMail,
  getTicket,
  getTimeline,
  isRefused,
  linkTickets,
  listLinks,
  listTickets,
  mergeTicket,
  previewUpdate,
  splitTicket,
  unlinkTickets,
  unmergeTicket,
  updateTicket,
  type CloudEvent,
  type IncomingMail,
  type MergeTicket,
  type NewLink,
  type PersonView,
  type TicketChange,
  type TicketEventData,
  type TicketView,
  type TimelineEntryView,
} from '#contracts';
import { Bus, connectNats, createLogger } from '#platform';
import type { NatsConnection } from '@nats-io/transport-node';
import { createHash, randomUUID } from 'node:crypto';
import pg from 'pg';
import { startWorld, stopWorld, type World } from '../../../test/harness/stack.js';
import { Api } from '../../../tools/demo/api.js';
import { ACCOUNTS } from '../../../tools/demo/directory.js';

type Person = Pick<PersonView, 'id' | 'email'>;

let world: World;
let nats: NatsConnection;
let bus: Bus;
let database: pg.Pool;
let erik: PersonView;
let eva: PersonView;
/** Two customers of one organisation, one of another, one of none. */
let zoe: PersonView;
let bob: Person;
let otto: PersonView;
let nora: Person;

beforeAll(async () => {
  world = await startWorld({ only: ['tickets', 'gateway'], instances: 2, env: { tickets: { TEST_CLOCK: 'true' } } });
  nats = await connectNats(
    world.stack.natsUrl,
    'test',
    createLogger('test', { NODE_ENV: 'test', LOG_LEVEL: 'silent' }),
  );
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
  await accept(mailFrom('bob@customer.test'), mailFrom('nora@nowhere.test'));
  [bob, nora] = await Promise.all([personOf('bob@customer.test'), personOf('nora@nowhere.test')]);
});

afterAll(async () => {
  await database?.end();
  await nats?.close();
  await stopWorld(world);
});

async function personOf(email: string): Promise<Person> {
  const { rows } = await database.query('select id, email from tickets.person where email = $1', [email]);
  return rows[0];
}

async function newTicket(reporter: Person = zoe, subject = 'Line down'): Promise<TicketView> {
  const ticket = { subject, text: `Words of ${reporter.email}.` };
  return (await bus.expect(createTicket, { actorId: reporter.id, ticket })).ticket;
}

async function view(ticket: TicketView, viewer: Person = erik): Promise<TicketView> {
  return (await bus.expect(getTicket, { viewerId: viewer.id, ticketId: ticket.id })).ticket;
}

async function timeline(ticket: TicketView, viewer: Person = erik): Promise<TimelineEntryView[]> {
  const items: TimelineEntryView[] = [];
  for (let after: string | null | undefined; after !== null;) {
    const page = { viewerId: viewer.id, ticketId: ticket.id, limit: 3, ...(after && { after }) };
    const answer = await bus.expect(getTimeline, page);
    items.push(...answer.items);
    after = answer.next;
  }
  return items;
}

const texts = (entries: TimelineEntryView[]) =>
  entries.filter(({ kind }) => kind !== 'change').map(({ text, fromTicket }) => [text, fromTicket]);

function link(ticket: TicketView, type: NewLink['type'], other: TicketView, actor: Person = erik) {
  return bus.call(linkTickets, { actorId: actor.id, ticketId: ticket.id, link: { type, ticketId: other.id } });
}

async function links(ticket: TicketView, viewer: Person = erik) {
  const { items } = await bus.expect(listLinks, { viewerId: viewer.id, ticketId: ticket.id, limit: 50 });
  return items.map(({ relation, number }) => `${relation} ${number}`);
}

function merge(ticket: TicketView, into: TicketView, more: Partial<MergeTicket['merge']> = {}, actor: Person = erik) {
  const request = { into: into.id, comment: 'The same.', ...more };
  return bus.call(mergeTicket, { actorId: actor.id, ticketId: ticket.id, merge: request });
}

function undo(ticket: TicketView, comment = 'Not the same.', actor: Person = erik) {
  return bus.call(unmergeTicket, { actorId: actor.id, ticketId: ticket.id, comment });
}

function update(ticket: TicketView, change: TicketChange) {
  return bus.expect(updateTicket, { actorId: erik.id, ticketId: ticket.id, change: { comment: 'because', ...change } });
}

function say(ticket: TicketView, text: string, actor: Person = erik, more: { toChildren?: boolean } = {}) {
  return bus.call(addMessage, { actorId: actor.id, ticketId: ticket.id, visibility: 'public', text, ...more });
}

function good<Reply extends object>(reply: Reply) {
  if (isRefused(reply)) throw new Error(`refused: ${JSON.stringify(reply.refusals)}`);
  return reply as Exclude<Reply, { refusals: unknown }>;
}

/** Codes and fields. */
function refusal(reply: object): string[] {
  if (!isRefused(reply)) throw new Error(`not refused: ${JSON.stringify(reply)}`);
  return reply.refusals.map(({ code, field }) => `${code} ${field}`);
}

async function eventsOf(ticket: TicketView): Promise<CloudEvent<TicketEventData & Record<string, unknown>>[]> {
  const { rows } = await database.query(
    `select payload from tickets.outbox where payload->>'subject' = $1 order by id`,
    [String(ticket.number)],
  );
  return rows.map((row) => row.payload);
}

/** Roles and addresses of those who are told of the ticket's last event. */
async function lastTold(ticket: TicketView): Promise<string[]> {
  const event = (await eventsOf(ticket)).at(-1)!;
  return event.data.recipients.map(({ role, email }) => `${role} ${email}`).sort();
}

async function lastChange(ticket: TicketView) {
  const [entry, event] = [(await timeline(ticket)).at(-1)!, (await eventsOf(ticket)).at(-1)!];
  expect(event.data['changes']).toEqual(entry.changes);
  return { changes: entry.changes.map(({ field, before, after }) => [field, before, after]), comment: entry.text };
}

async function rowsAsText(...tickets: TicketView[]): Promise<string> {
  const { rows } = await database.query('select t::text as row from tickets.ticket t where id = any($1) order by id', [
    tickets.map(({ id }) => id),
  ]);
  return rows.map(({ row }) => row).join('\n');
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

const attachment = (content: string) => ({
  name: `${content}.txt`,
  type: 'text/plain',
  size: content.length,
  sha256: createHash('sha256').update(content).digest('hex'),
  contentId: null,
  inline: false,
});

async function mailed(mail: IncomingMail): Promise<TicketView> {
  const [accepted] = await accept(mail);
  return (await bus.expect(getTicket, { viewerId: erik.id, ticketId: accepted!.ticketId })).ticket;
}

describe('links', () => {
  it('are seen from both ends, and in the history and events of both', async () => {
    const [parent, child, twin] = [await newTicket(), await newTicket(), await newTicket()];
    const linked = good(await link(child, 'child_of', parent));
    expect(linked).toMatchObject({
      changed: true,
      ticket: { id: child.id, version: 2 },
      link: { relation: 'child_of', ticketId: parent.id, number: parent.number, subject: 'Line down', status: 'open' },
    });
    good(await link(twin, 'duplicate_of', child));
    good(await link(parent, 'related', twin));
    expect(await links(parent)).toEqual([`parent_of ${child.number}`, `related ${twin.number}`]);
    expect(await links(child)).toEqual([`child_of ${parent.number}`, `has_duplicate ${twin.number}`]);
    expect(await links(twin)).toEqual([`duplicate_of ${child.number}`, `related ${parent.number}`]);
    expect((await timeline(parent))[1]!.changes).toEqual([
      { field: 'links', before: null, after: `parent_of #${child.number}` },
    ]);
    expect(await lastChange(child)).toEqual({
      changes: [['links', null, `has_duplicate #${twin.number}`]],
      comment: null,
    });
    expect(await lastTold(child)).toEqual([]);
  });

  it('said again change nothing, also the other way round where there is no direction', async () => {
    const [one, other] = [await newTicket(), await newTicket()];
    const first = good(await link(one, 'related', other));
    const before = await rowsAsText(one, other);
    const again = good(await link(other, 'related', one));
    expect(again).toMatchObject({ changed: false, link: { id: first.link.id, ticketId: one.id } });
    expect(await rowsAsText(one, other)).toBe(before);
  });

  it('are taken away from either end', async () => {
    const [parent, child] = [await newTicket(), await newTicket()];
    const linkId = good(await link(child, 'child_of', parent)).link.id;
    const request = { actorId: erik.id, ticketId: parent.id, linkId };
    expect(good(await bus.call(unlinkTickets, request)).ticket).toMatchObject({ id: parent.id, version: 3 });
    expect(await lastChange(child)).toEqual({
      changes: [['links', `child_of #${parent.number}`, null]],
      comment: null,
    });
    expect(await lastChange(parent)).toEqual({
      changes: [['links', `parent_of #${child.number}`, null]],
      comment: null,
    });
    expect([await links(parent), await links(child)]).toEqual([[], []]);
    expect(refusal(await bus.call(unlinkTickets, request))).toEqual(['link_unknown linkId']);
  });

  it('are refused that make no sense, and leave no trace', async () => {
    const [one, two, three, four] = [await newTicket(), await newTicket(), await newTicket(), await newTicket()];
    good(await link(one, 'child_of', two));
    good(await link(two, 'child_of', three));
    good(await link(one, 'duplicate_of', four));
    const before = await rowsAsText(one, two, three, four);
    expect(refusal(await link(one, 'related', one))).toEqual(['link_to_itself ticketId']);
    expect(refusal(await link(one, 'child_of', three))).toEqual(['second_parent type']);
    expect(refusal(await link(three, 'child_of', one))).toEqual(['link_cycle ticketId']);
    expect(refusal(await link(four, 'duplicate_of', one))).toEqual(['link_cycle ticketId']);
    expect(refusal(await link(one, 'related', { ...two, id: randomUUID() }))).toEqual([
      'other_ticket_unknown ticketId',
    ]);
    expect(refusal(await link({ ...one, id: randomUUID() }, 'related', two))).toEqual(['ticket_unknown ticketId']);
    expect(refusal(await link(one, 'related', two, zoe))).toEqual(['employees_only ']);
    expect(refusal(await link(one, 'related', two, otto))).toEqual(['ticket_unknown ticketId']);
    expect(await rowsAsText(one, two, three, four)).toBe(before);
  });

  it('never close a circle, however many are made at once', async () => {
    for (const type of ['child_of', 'duplicate_of'] as const) {
      for (let round = 0; round < 5; round++) {
        const ring = await Promise.all(Array.from({ length: 4 }, () => newTicket()));
        const next = (index: number) => ring[(index + 1) % ring.length]!;
        const replies = await Promise.all(ring.map((ticket, index) => link(ticket, type, next(index))));
        const refused = replies.filter(isRefused);
        expect(refused.map(refusal)).toEqual([['link_cycle ticketId']]);
      }
    }
  });

  it('give one parent to a ticket that gets two at once', async () => {
    const [child, one, two] = [await newTicket(), await newTicket(), await newTicket()];
    const replies = await Promise.all([link(child, 'child_of', one), link(child, 'child_of', two)]);
    expect(replies.filter(isRefused).map(refusal)).toEqual([['second_parent type']]);
  });

  it('to tickets that a customer may not see do not exist for that customer', async () => {
    const [hers, his] = [await newTicket(zoe), await newTicket(otto, 'Secret of the others')];
    good(await link(hers, 'related', his));
    good(await link(hers, 'related', await newTicket(bob)));
    expect(await links(hers)).toHaveLength(2);
    expect(await links(hers, zoe)).toHaveLength(1);
    expect(await links(his, otto)).toEqual([]);
    expect(refusal(await bus.call(listLinks, { viewerId: zoe.id, ticketId: his.id, limit: 5 }))).toEqual([
      'ticket_unknown ticketId',
    ]);
    expect(JSON.stringify(await timeline(hers, zoe))).not.toContain(String(his.number));
  });

  it('come in pages', async () => {
    const hub = await newTicket();
    for (let i = 0; i < 5; i++) good(await link(await newTicket(), 'child_of', hub));
    const seen: string[] = [];
    let after: string | null | undefined;
    do {
      const page = { viewerId: erik.id, ticketId: hub.id, limit: 2, ...(after && { after }) };
      const { items, next }: { items: { id: string }[]; next: string | null } = await bus.expect(listLinks, page);
      seen.push(...items.map(({ id }) => id));
      after = next;
    } while (after);
    expect(new Set(seen).size).toBe(5);
    const bad = { viewerId: erik.id, ticketId: hub.id, limit: 2, after: 'nonsense' };
    expect(refusal(await bus.call(listLinks, bad))).toEqual(['cursor_invalid after']);
  });
});

describe('a parent outage', () => {
  async function outage(...reporters: Person[]) {
    const parent = await newTicket(zoe, 'Ring 2 is cut');
    const children = await Promise.all(reporters.map((reporter) => newTicket(reporter)));
    for (const child of children) good(await link(child, 'child_of', parent));
    return { parent, children };
  }

  it("tells the reporters of all open children, each in their own ticket's thread", async () => {
    const { parent, children } = await outage(bob, otto, otto, nora);
    const [suspended, closed] = [children[1]!, children[3]!];
    await update(suspended, { status: 'suspended', suspensionCause: 'pending_customer' });
    await update(closed, { status: 'closed', resolutionType: 'fixed' });
    const before = await Promise.all(children.map((child) => view(child)));

    const reply = good(await say(parent, 'We are digging.'));
    expect(reply).toMatchObject({ effect: 'assigned', children: 3, ticket: { id: parent.id } });
    expect(await lastTold(parent)).toEqual(['reporter zoe@customer.test']);
    for (const [index, child] of children.entries()) {
      const after = await view(child);
      if (child === closed) {
        expect(after.version).toBe(before[index]!.version);
        continue;
      }
      // nobody is assigned, nothing resumed, no clock touched
      const { status, assignee, assignDueAt, resolveDueAt, version } = before[index]!;
      expect(after).toMatchObject({ status, assignee, assignDueAt, resolveDueAt, version: version + 1 });
      expect((await timeline(child)).at(-1)).toMatchObject({
        kind: 'message',
        text: 'We are digging.',
        fromTicket: parent.number,
        author: { personId: erik.id },
      });
      const event = (await eventsOf(child)).at(-1)!;
      expect(event).toMatchObject({
        type: 'ticket.message_added.v1',
        subject: String(child.number),
        data: { text: 'We are digging.', effect: 'comment_added', visibility: 'public', ticket: { id: child.id } },
      });
    }
    expect(await lastTold(children[0]!)).toEqual(['reporter bob@customer.test']);
    expect(await lastTold(children[1]!)).toEqual(['reporter otto@other.test']);
    expect(await lastTold(children[2]!)).toEqual(['reporter otto@other.test']);
  });

  it('does not show a customer which ticket the words come from', async () => {
    const { parent, children } = await outage(otto);
    good(await say(parent, 'It is being mended.'));
    const shown = await timeline(children[0]!, otto);
    expect(texts(shown)).toEqual([
      ['Words of otto@other.test.', null],
      ['It is being mended.', null],
    ]);
    expect(JSON.stringify(shown)).not.toContain(String(parent.number));
    expect(JSON.stringify(await eventsOf(children[0]!).then((all) => all.at(-1)))).not.toContain('Ring 2');
  });

  it('tells the participants of a child, too', async () => {
    const { parent, children } = await outage(bob);
    await accept(mailFrom(zoe.email, { signedTicketNumber: children[0]!.number }));
    good(await say(parent, 'Soon.'));
    expect(await lastTold(children[0]!)).toEqual(['participant zoe@customer.test', 'reporter bob@customer.test']);
  });

  it('speaks to its own reporter alone when asked to; notes and customers never travel', async () => {
    const { parent, children } = await outage(otto);
    const [child] = children as [TicketView];
    const before = await rowsAsText(child);
    expect(good(await say(parent, 'Only to you.', erik, { toChildren: false })).children).toBeUndefined();
    good(await say(parent, 'Me again.', zoe));
    const note = { actorId: erik.id, ticketId: parent.id, visibility: 'internal', text: 'Bad cable.' } as const;
    await bus.expect(addMessage, note);
    expect(await rowsAsText(child)).toBe(before);
    expect(refusal(await say(parent, 'Hear me all.', zoe, { toChildren: true }))).toEqual([
      'employees_only toChildren',
    ]);
  });

  it('says it once for a repeat with the same key', async () => {
    const { parent, children } = await outage(otto, bob);
    const request = {
      actorId: erik.id,
      ticketId: parent.id,
      visibility: 'public',
      text: 'Once.',
      idempotencyKey: randomUUID(),
    } as const;
    const replies = await Promise.all([1, 2, 3].map(() => bus.expect(addMessage, request)));
    expect(new Set(replies.map(({ entryId }) => entryId)).size).toBe(1);
    for (const child of children)
      expect(texts(await timeline(child)).filter(([text]) => text === 'Once.')).toHaveLength(1);
  });

  it('neither loses nor doubles words while children come, go and are changed', async () => {
    const { parent, children } = await outage(otto, bob, otto, bob);
    const more = await Promise.all([newTicket(otto), newTicket(bob)]);
    const replies = await Promise.all([
      ...Array.from({ length: 4 }, (_, i) => say(parent, `News ${i}`)),
      ...more.map((ticket) => link(ticket, 'child_of', parent)),
      ...children.slice(1).map((child) => update(child, { priority: 'high' })),
      update(children[0]!, { status: 'closed', resolutionType: 'fixed' }),
    ]);
    replies.forEach(good);
    for (const child of children.slice(1)) {
      const said = texts(await timeline(child)).map(([text]) => String(text));
      expect(said.slice(1).sort()).toEqual(['News 0', 'News 1', 'News 2', 'News 3']);
    }
  });

  it('has at most 1,000 open children for one message, and takes them in a few statements', async () => {
    const parent = await newTicket(zoe, 'Everything is down');
    const copies = async (count: number) => {
      const columns = await database.query(
        `select string_agg(quote_ident(column_name), ', ') as names from information_schema.columns
         where table_schema = 'tickets' and table_name = 'ticket' and column_name not in ('id', 'number')`,
      );
      const { names } = columns.rows[0];
      await database.query(
        `with copy as (
           insert into tickets.ticket (id, number, ${names})
           select gen_random_uuid(), nextval('tickets.ticket_number'), ${names}
           from tickets.ticket, generate_series(1, $2) where id = $1 returning id)
         insert into tickets.ticket_link (id, type, ticket_id, other_id)
         select gen_random_uuid(), 'child_of', id, $1 from copy`,
        [parent.id, count],
      );
    };
    await copies(1_000);
    const began = performance.now();
    expect(good(await say(parent, 'We know.'))).toMatchObject({ children: 1_000 });
    expect(performance.now() - began).toBeLessThan(20_000);
    const { rows } = await database.query(
      `select count(*)::int as entries, count(distinct ticket_id)::int as tickets from tickets.timeline_entry
       where from_ticket = $1`,
      [parent.number],
    );
    expect(rows).toEqual([{ entries: 1_000, tickets: 1_000 }]);
    await copies(1);
    expect(refusal(await say(parent, 'Still.'))).toEqual(['too_many_children toChildren']);
    expect(good(await say(parent, 'Only you.', erik, { toChildren: false })).children).toBeUndefined();
  });
});

describe('a merge', () => {
  it('closes the ticket as a duplicate and shows both in the timeline of the target', async () => {
    const target = await newTicket(zoe);
    const merged = await newTicket(bob);
    good(await say(target, 'Which line?'));
    good(await say(merged, 'This one.', bob));
    const reply = good(await merge(merged, target));
    expect(reply).toMatchObject({
      ticket: { id: merged.id, status: 'closed', resolutionType: 'duplicate', mergedInto: target.number },
      target: { id: target.id, status: 'open', mergedInto: null },
    });
    expect(reply.ticket.remainingResolveSeconds).toBeNull();
    expect(await lastChange(merged)).toEqual({
      changes: [
        ['status', 'open', 'closed'],
        ['resolutionType', null, 'duplicate'],
        ['mergedInto', null, String(target.number)],
      ],
      comment: 'The same.',
    });
    expect(await lastChange(target)).toEqual({
      changes: [['merged', null, String(merged.number)]],
      comment: 'The same.',
    });
    expect(await lastTold(merged)).toEqual(['reporter bob@customer.test']);
    expect(await lastTold(target)).toEqual([]);
    const both = [
      ['Words of zoe@customer.test.', null],
      ['Words of bob@customer.test.', merged.number],
      ['Which line?', null],
      ['This one.', merged.number],
    ];
    expect(texts(await timeline(target))).toEqual(both);
    expect(texts(await timeline(target, zoe))).toEqual(both);
    expect(texts(await timeline(merged))).toEqual([
      ['Words of bob@customer.test.', null],
      ['This one.', null],
    ]);
    const { items } = await bus.expect(listTickets, { viewerId: zoe.id, number: merged.number, limit: 1 });
    expect(items[0]!.mergedInto).toBe(target.number);
  });

  it('makes the reporter a participant, who is told of answers', async () => {
    const [target, merged] = [await newTicket(zoe), await newTicket(bob)];
    good(await merge(merged, target));
    good(await say(target, 'To both of you.'));
    expect(await lastTold(target)).toEqual(['participant bob@customer.test', 'reporter zoe@customer.test']);
  });

  it('of a target goes on telling the reporters of what was merged into it', async () => {
    const [first, middle, last] = [await newTicket(bob), await newTicket(zoe), await newTicket(zoe)];
    good(await merge(first, middle));
    good(await merge(middle, last));
    good(await say(last, 'To both of you.'));
    expect(await lastTold(last)).toEqual(['participant bob@customer.test', 'reporter zoe@customer.test']);
    good(await undo(first));
    good(await say(last, 'Only to Zoë.'));
    expect(await lastTold(last)).toEqual(['reporter zoe@customer.test']);
    good(await undo(middle));
    good(await merge(first, middle));
    good(await merge(middle, last));
    good(await undo(middle));
    good(await say(last, 'Only to Zoë again.'));
    expect(await lastTold(last)).toEqual(['reporter zoe@customer.test']);
    good(await say(middle, 'To both again.'));
    expect(await lastTold(middle)).toEqual(['participant bob@customer.test', 'reporter zoe@customer.test']);
  });

  it('sends what is said on the merged ticket, by mail or API, to the last target of all', async () => {
    const first = mailFrom(bob.email);
    const merged = await mailed(first);
    const [middle, target] = [await newTicket(zoe), await newTicket(zoe)];
    good(await merge(merged, middle));
    good(await merge(middle, target));
    expect((await accept(mailFrom(bob.email, { referencedIds: [first.messageId], text: 'by id' })))[0]).toMatchObject({
      result: 'appended',
      ticketNumber: target.number,
      rule: 'stored-id',
    });
    expect((await accept(mailFrom(bob.email, { signedTicketNumber: middle.number, text: 'signed' })))[0]).toMatchObject(
      {
        result: 'appended',
        ticketNumber: target.number,
      },
    );
    expect(good(await say(merged, 'by API', bob)).ticket.id).toBe(target.id);
    expect(good(await say(merged, 'an answer', eva))).toMatchObject({ effect: 'assigned', ticket: { id: target.id } });
    expect(texts(await timeline(target)).slice(-4)).toEqual([
      ['by id', null],
      ['signed', null],
      ['by API', null],
      ['an answer', null],
    ]);
    expect(await view(merged)).toMatchObject({ status: 'closed', version: 2, mergedInto: middle.number });
    expect(texts(await timeline(target)).filter(([, from]) => from !== null)).toEqual([
      ['words', merged.number],
      ['Words of zoe@customer.test.', middle.number],
    ]);
  });

  it("does not open the target's door to strangers who answer the merged ticket", async () => {
    const [target, merged] = [await newTicket(zoe), await newTicket(bob)];
    good(await merge(merged, target));
    const before = await rowsAsText(target, merged);
    const [result] = await accept(mailFrom('stranger@evil.test', { signedTicketNumber: merged.number }));
    expect(result).toMatchObject({ result: 'ticket_created', rule: 'follow-up:signed' });
    expect(await rowsAsText(target, merged)).toBe(before);
  });

  it('names everything that is wrong with it', async () => {
    const [one, two, other] = [await newTicket(zoe), await newTicket(zoe), await newTicket(otto)];
    expect(refusal(await merge(one, one))).toEqual(['merge_into_itself into']);
    expect(refusal(await merge(one, other, { comment: ' ' }))).toEqual([
      'comment_required comment',
      'merge_other_organisation acrossOrganisations',
    ]);
    expect(refusal(await merge(one, { ...two, id: randomUUID() }))).toEqual(['other_ticket_unknown into']);
    expect(refusal(await merge(one, two, {}, zoe))).toEqual(['employees_only ']);
    good(await merge(two, one));
    expect(refusal(await merge(one, two))).toEqual(['merge_target_merged into']);
    expect(refusal(await merge(two, one))).toEqual(['ticket_merged into']);
    expect(refusal(await undo(one))).toEqual(['not_merged ticketId']);
    expect(refusal(await undo(two, ' '))).toEqual(['comment_required comment']);
    expect(refusal(await undo(two, 'Please.', zoe))).toEqual(['employees_only ']);
  });

  it('keeps the merged ticket as it is until it is undone', async () => {
    const [target, merged] = [await newTicket(), await newTicket()];
    good(await merge(merged, target));
    const request = { actorId: erik.id, ticketId: merged.id, change: { status: 'open', comment: 'Reopen.' } };
    expect(refusal(await bus.call(updateTicket, request))).toEqual(['ticket_merged ticketId']);
    expect(refusal(await bus.call(previewUpdate, request))).toEqual(['ticket_merged ticketId']);
  });

  it('has one winner of two at once, and never goes round in a circle', async () => {
    for (let round = 0; round < 5; round++) {
      const [left, right, free] = [await newTicket(), await newTicket(), await newTicket()];
      const crossed = await Promise.all([merge(left, right), merge(right, left)]);
      expect(crossed.filter(isRefused)).toHaveLength(1);
      const torn = await Promise.all([merge(free, await newTicket()), merge(free, await newTicket())]);
      expect(torn.filter(isRefused).map(refusal)).toEqual([['ticket_merged into']]);

      const ring = [await newTicket(), await newTicket(), await newTicket()] as const;
      await Promise.all([merge(ring[0], ring[1]), merge(ring[1], ring[2]), merge(ring[2], ring[0])]);
      const targets = await Promise.all(ring.map(async (ticket) => (await view(ticket)).mergedInto));
      expect(targets).toContain(null);
    }
  });

  it('takes words that come at the same moment to where they belong', async () => {
    for (let round = 0; round < 5; round++) {
      const [target, merged] = [await newTicket(zoe), await newTicket(bob)];
      const replies = await Promise.all([
        say(merged, 'by API', bob),
        merge(merged, target),
        accept(mailFrom(bob.email, { signedTicketNumber: merged.number, text: 'by mail' })),
        say(target, 'an answer', eva),
      ]);
      replies.forEach(good);
      expect(await view(merged)).toMatchObject({ status: 'closed', mergedInto: target.number });
      expect(texts(await timeline(target)).map(([text]) => text)).toEqual(
        expect.arrayContaining(['by API', 'by mail', 'an answer']),
      );
    }
  });

  it('of a parent brings its children along', async () => {
    const [target, parent, child] = [await newTicket(zoe), await newTicket(zoe), await newTicket(otto)];
    good(await link(child, 'child_of', parent));
    good(await merge(parent, target));
    expect(good(await say(parent, 'For everybody.'))).toMatchObject({ children: 1, ticket: { id: target.id } });
    expect(await lastTold(child)).toEqual(['reporter otto@other.test']);
  });

  it('is answered the same for the same key', async () => {
    const [target, merged] = [await newTicket(), await newTicket()];
    const request = {
      actorId: erik.id,
      ticketId: merged.id,
      merge: { into: target.id, comment: 'Once.' },
      idempotencyKey: randomUUID(),
    };
    const replies = await Promise.all([1, 2, 3].map(() => bus.expect(mergeTicket, request)));
    for (const reply of replies) expect(reply).toEqual(replies[0]);
    expect((await view(target)).version).toBe(2);
  });
});

describe('a merge across organisations', () => {
  it('shows customers only what they might see on the merged ticket itself', async () => {
    const target = await newTicket(zoe);
    const secret = mailFrom(otto.email, { text: 'Our secret of Weiß.', attachments: [attachment('weiss')] });
    const merged = await mailed(secret);
    const own = mailFrom(zoe.email, { signedTicketNumber: target.number, attachments: [attachment('mueller')] });
    await accept(own);
    const note = { actorId: erik.id, visibility: 'internal', text: 'Between us.' } as const;
    await bus.expect(addMessage, { ...note, ticketId: merged.id });
    good(await merge(merged, target, { acrossOrganisations: true }));

    const shown = await timeline(target);
    const attachmentOf = (text: string) => shown.find((entry) => entry.text === text)!.attachments[0]!.id;
    const download = (ticket: TicketView, viewer: Person, text: string) =>
      bus.call(getAttachment, { viewerId: viewer.id, ticketId: ticket.id, attachmentId: attachmentOf(text) });
    expect(texts(shown)).toContainEqual(['Our secret of Weiß.', merged.number]);
    expect(texts(shown)).toContainEqual(['Between us.', merged.number]);
    expect(good(await download(target, erik, 'Our secret of Weiß.')).name).toBe('weiss.txt');
    const entryId = shown.find(({ text }) => text === 'Our secret of Weiß.')!.id;
    const raw = await bus.expect(getRawMail, { viewerId: erik.id, ticketId: target.id, entryId });
    expect(raw.sha256).toBe(secret.rawSha256);
    expect(good(await download(target, zoe, 'words')).name).toBe('mueller.txt');
    expect(good(await download(merged, otto, 'Our secret of Weiß.')).name).toBe('weiss.txt');

    // the target's organisation learns nothing of the merged ticket
    for (const customer of [zoe, bob]) {
      const seen = JSON.stringify(await timeline(target, customer));
      for (const word of ['Weiß', 'otto', String(merged.number), 'weiss', 'Between us', 'The same.']) {
        expect(seen).not.toContain(word);
      }
      expect(refusal(await download(target, customer, 'Our secret of Weiß.'))).toEqual([
        'attachment_unknown attachmentId',
      ]);
      expect(refusal(await download(merged, customer, 'Our secret of Weiß.'))).toEqual(['ticket_unknown ticketId']);
    }
    // nor the merged ticket's of the target
    expect((await view(merged)).mergedInto).toBe(target.number);
    expect((await view(merged, otto)).mergedInto).toBeNull();
    const { items } = await bus.expect(listTickets, { viewerId: otto.id, limit: 200 });
    expect(items.find(({ id }) => id === merged.id)!.mergedInto).toBeNull();
    expect(JSON.stringify(await timeline(merged, otto))).not.toContain(String(target.number));
    expect(refusal(await bus.call(getTimeline, { viewerId: otto.id, ticketId: target.id, limit: 5 }))).toEqual([
      'ticket_unknown ticketId',
    ]);
    const reply = good(await say(merged, 'Any news?', otto));
    expect(reply.ticket).toMatchObject({ id: merged.id, mergedInto: null });
    expect(JSON.stringify(reply)).not.toContain(String(target.number));
    expect(texts(await timeline(target)).at(-1)).toEqual(['Any news?', null]);
  });

  it('does not name the target to a customer who would change the merged ticket', async () => {
    const [target, merged] = [await newTicket(zoe), await newTicket(otto)];
    good(await merge(merged, target, { acrossOrganisations: true }));
    const change = { comment: 'Please.', status: 'open' };
    const reply = await bus.call(updateTicket, { actorId: otto.id, ticketId: merged.id, change });
    expect(refusal(reply)).toEqual(['actor_not_employee actor']);
    expect(JSON.stringify(reply)).not.toContain(String(target.number));
  });

  it('shows the parts of a chain that a customer may see, past one that they may not', async () => {
    const [hers, his, alsoHers] = [await newTicket(zoe), await newTicket(otto), await newTicket(bob)];
    good(await merge(alsoHers, his, { acrossOrganisations: true }));
    good(await merge(his, hers, { acrossOrganisations: true }));
    expect(texts(await timeline(hers, zoe))).toEqual([
      ['Words of zoe@customer.test.', null],
      ['Words of bob@customer.test.', alsoHers.number],
    ]);
    expect(texts(await timeline(hers))).toHaveLength(3);
  });

  it('lets the reporter of the merged ticket go on by mail, without a look at the target', async () => {
    const [target, merged] = [await newTicket(zoe), await newTicket(otto)];
    good(await merge(merged, target, { acrossOrganisations: true }));
    const [result] = await accept(mailFrom(otto.email, { signedTicketNumber: merged.number }));
    expect(result).toMatchObject({ result: 'appended', ticketNumber: target.number });
  });
});

describe('undoing a merge', () => {
  const past = (seconds: number) =>
    database.query('update tickets.test_clock set shift = shift + make_interval(secs => $1)', [seconds]);
  afterAll(() => database.query(`update tickets.test_clock set shift = interval '0'`));

  it('gives the ticket back what it was, and takes back what the merge added', async () => {
    const [target, merged] = [await newTicket(zoe), await newTicket(bob)];
    await update(merged, { status: 'in_progress' });
    const before = await view(merged);
    good(await merge(merged, target));
    await past(3_600);
    const reply = good(await undo(merged));
    const { version, updatedAt, assignDueAt, resolveDueAt, resolutionEta, ...rest } = before;
    expect(reply.ticket).toMatchObject({ ...rest, version: version + 2, remainingResolveSeconds: expect.any(Number) });
    expect(reply.target.version).toBe(3);
    expect(Math.abs(reply.ticket.remainingResolveSeconds! - before.remainingResolveSeconds!)).toBeLessThan(60);
    expect(Date.parse(reply.ticket.resolveDueAt!)).toBeGreaterThan(Date.parse(resolveDueAt!) + 3_500_000);
    expect([assignDueAt, typeof resolutionEta, updatedAt < reply.ticket.updatedAt]).toEqual([null, 'string', true]);
    expect(await lastChange(merged)).toEqual({
      changes: [
        ['status', 'closed', 'in_progress'],
        ['resolutionType', 'duplicate', null],
        ['mergedInto', String(target.number), null],
      ],
      comment: 'Not the same.',
    });
    expect(await lastChange(target)).toEqual({
      changes: [['merged', String(merged.number), null]],
      comment: 'Not the same.',
    });
    expect(texts(await timeline(target))).toEqual([['Words of zoe@customer.test.', null]]);
    good(await say(target, 'Only to Zoë.'));
    expect(await lastTold(target)).toEqual(['reporter zoe@customer.test']);
    expect(good(await say(merged, 'Here again.', bob)).ticket.id).toBe(merged.id);
  });

  it('leaves a participant who was there before', async () => {
    const [target, merged] = [await newTicket(zoe), await newTicket(bob)];
    await accept(mailFrom(bob.email, { signedTicketNumber: target.number }));
    good(await merge(merged, target));
    good(await undo(merged));
    good(await say(target, 'To both.'));
    expect(await lastTold(target)).toEqual(['participant bob@customer.test', 'reporter zoe@customer.test']);
  });

  it('leaves a participant whose other ticket is still merged, until that is undone, too', async () => {
    const [target, first, second] = [await newTicket(zoe), await newTicket(bob), await newTicket(bob)];
    good(await merge(first, target));
    good(await merge(second, target));
    good(await undo(first));
    good(await say(target, 'To both.'));
    expect(await lastTold(target)).toEqual(['participant bob@customer.test', 'reporter zoe@customer.test']);
    good(await undo(second));
    good(await say(target, 'Only to Zoë.'));
    expect(await lastTold(target)).toEqual(['reporter zoe@customer.test']);
  });

  it('gives a suspension back what was left of it, and a closed ticket its resolution', async () => {
    const [target, suspended, closed] = [await newTicket(), await newTicket(), await newTicket()];
    await update(suspended, { status: 'suspended', suspensionCause: 'pending_third_party', suspendedSeconds: 7_200 });
    await update(closed, { status: 'closed', resolutionType: 'workaround' });
    good(await merge(suspended, target));
    expect(good(await merge(closed, target)).ticket.resolutionType).toBe('workaround');
    await past(86_400);
    const back = good(await undo(suspended)).ticket;
    expect(back).toMatchObject({ status: 'suspended', suspensionCause: 'pending_third_party', resolutionType: null });
    expect(back.remainingSuspendedSeconds).toBeGreaterThan(7_100);
    expect(back.remainingSuspendedSeconds).toBeLessThanOrEqual(7_200);
    expect(good(await undo(closed)).ticket).toMatchObject({ status: 'closed', resolutionType: 'workaround' });
  });

  it('happens once of two at once', async () => {
    const [target, merged] = [await newTicket(), await newTicket()];
    good(await merge(merged, target));
    const replies = await Promise.all([undo(merged), undo(merged)]);
    expect(replies.filter(isRefused).map(refusal)).toEqual([['not_merged ticketId']]);
  });

  it('leads back into the middle of a chain', async () => {
    const [first, middle, last] = [await newTicket(), await newTicket(), await newTicket()];
    good(await merge(first, middle));
    good(await merge(middle, last));
    good(await undo(middle));
    expect(good(await say(first, 'Where am I?')).ticket.id).toBe(middle.id);
    expect(texts(await timeline(last))).toHaveLength(1);
  });
});

describe('a split', () => {
  it('makes a ticket of one message, with its words, attachments and author', async () => {
    const original = await newTicket(zoe);
    await update(original, { priority: 'high' });
    const mail = mailFrom(bob.email, {
      from: { name: 'Bob', email: bob.email },
      signedTicketNumber: original.number,
      text: 'And by the way: a new line, please.',
      visibleText: 'a new line, please',
      html: '<p>a new line</p>',
      attachments: [attachment('plan'), attachment('map')],
    });
    await accept(mail);
    const entry = (await timeline(original)).at(-1)!;
    const request = { entryId: entry.id, subject: 'New line', comment: 'A question of its own.' };
    const reply = good(await bus.call(splitTicket, { actorId: erik.id, ticketId: original.id, split: request }));
    expect(reply.ticket).toMatchObject({
      subject: 'New line',
      reporter: { personId: bob.id, name: 'Bob', email: bob.email },
      organisation: original.organisation,
      infrastructure: original.infrastructure,
      priority: 'high',
      status: 'open',
      assignee: null,
      followUpOf: original.number,
      remainingAssignSeconds: 3_600,
      version: 2,
    });
    const [first, second] = await timeline(reply.ticket);
    const facts = ({ name, type, size }: TimelineEntryView['attachments'][number]) => [name, type, size];
    expect(first).toMatchObject({
      kind: 'message',
      text: entry.text,
      visibleText: entry.visibleText,
      html: entry.html,
      author: entry.author,
      fromTicket: original.number,
    });
    expect(first!.attachments.map(facts)).toEqual(entry.attachments.map(facts));
    const blob = (ticket: TicketView, attachmentId: string) =>
      bus.expect(getAttachment, { viewerId: bob.id, ticketId: ticket.id, attachmentId });
    expect(await blob(reply.ticket, first!.attachments[0]!.id)).toEqual(await blob(original, entry.attachments[0]!.id));
    expect(second).toMatchObject({
      text: 'A question of its own.',
      changes: [
        { field: 'splitFrom', after: String(original.number) },
        { field: 'links', after: `related #${original.number}` },
      ],
    });
    expect(await lastChange(original)).toEqual({
      changes: [
        ['splitInto', null, String(reply.ticket.number)],
        ['links', null, `related #${reply.ticket.number}`],
      ],
      comment: 'A question of its own.',
    });
    expect(await links(original)).toEqual([`related ${reply.ticket.number}`]);
    expect((await eventsOf(reply.ticket)).map(({ type, sequence }) => [type, sequence])).toEqual([
      ['ticket.created.v1', 1],
      ['ticket.updated.v1', 2],
    ]);
    expect((await timeline(original)).find(({ id }) => id === entry.id)).toEqual(entry);
    // who answers the message goes on writing on the original
    const [answer] = await accept(mailFrom(bob.email, { referencedIds: [mail.messageId] }));
    expect(answer!.ticketNumber).toBe(original.number);
  });

  it('of the words of a guest tells the guest nothing of the organisation', async () => {
    const [target, merged] = [await newTicket(zoe), await newTicket(otto)];
    good(await merge(merged, target, { acrossOrganisations: true }));
    good(await say(merged, 'Something else.', otto));
    const entry = (await timeline(target)).find(({ text }) => text === 'Something else.')!;
    const request = { entryId: entry.id, subject: 'Something else', comment: 'Not the same.' };
    const made = good(await bus.call(splitTicket, { actorId: erik.id, ticketId: target.id, split: request })).ticket;
    const { organisation } = await newTicket(otto);
    expect(made.reporter.personId).toBe(otto.id);
    expect([made.organisation, made.infrastructure]).toEqual([organisation, null]);
    expect(refusal(await bus.call(getTicket, { viewerId: zoe.id, ticketId: made.id }))).toEqual([
      'ticket_unknown ticketId',
    ]);
  });

  it('keeps the words of a note in the house, and makes the original reporter the reporter', async () => {
    const original = await newTicket(zoe);
    const note = { actorId: erik.id, ticketId: original.id, visibility: 'internal', text: 'Sell them more.' } as const;
    const { entryId } = await bus.expect(addMessage, note);
    const split = { entryId, comment: 'To sales.' };
    const { ticket } = good(await bus.call(splitTicket, { actorId: erik.id, ticketId: original.id, split }));
    expect(ticket).toMatchObject({ subject: original.subject, reporter: { personId: zoe.id } });
    expect(texts(await timeline(ticket))).toEqual([['Sell them more.', original.number]]);
    expect(await timeline(ticket, zoe).then((all) => JSON.stringify(all))).not.toMatch(/Sell|sales/);
    expect(JSON.stringify(await eventsOf(ticket))).not.toContain('Sell');
  });

  it('is refused of what is no message of the ticket', async () => {
    const [original, other] = [await newTicket(), await newTicket()];
    await update(original, { priority: 'high' });
    const [message, change] = await timeline(original);
    const split = (entryId: string, comment: string | undefined, actor: Person = erik, ticket = original) =>
      bus.call(splitTicket, {
        actorId: actor.id,
        ticketId: ticket.id,
        split: { entryId, ...(comment !== undefined && { comment }) },
      });
    expect(refusal(await split(change!.id, undefined))).toEqual([
      'comment_required comment',
      'entry_not_message entryId',
    ]);
    expect(refusal(await split(message!.id, 'x', erik, other))).toEqual(['entry_unknown entryId']);
    expect(refusal(await split(message!.id, 'x', zoe))).toEqual(['employees_only ']);
    expect(refusal(await split(message!.id, 'x', otto))).toEqual(['ticket_unknown ticketId']);
    expect((await view(original)).version).toBe(2);
  });
});

describe('over HTTP', () => {
  let employee: Api;
  let customer: Api;
  const fails = (status: number, code: string) =>
    expect.objectContaining({ status, problem: expect.objectContaining({ code }) });

  beforeAll(async () => {
    const logIn = (email: string) => Api.logIn(world.services.apiUrl, email, world.stack.accountPassword(email));
    [employee, customer] = await Promise.all([logIn(erik.email), logIn(zoe.email)]);
  });

  it('links, tells, merges, undoes and splits', async () => {
    const [parent, child] = [await newTicket(zoe), await newTicket(bob)];
    const body = { type: 'child_of', ticketId: parent.id };
    const { link: made } = await employee.request<{ link: { id: string } }>('POST', `/tickets/${child.id}/links`, body);
    expect(await customer.request('GET', `/tickets/${child.id}/links`)).toMatchObject({
      items: [{ relation: 'child_of', number: parent.number }],
      next: null,
    });
    expect(await employee.reply(parent.id, 'Hear, hear.')).toMatchObject({ children: 1 });
    const alone = { text: 'Only you.', toChildren: false };
    expect(await employee.request('POST', `/tickets/${parent.id}/replies`, alone)).not.toHaveProperty('children');
    expect(await employee.request('DELETE', `/tickets/${child.id}/links/${made.id}`)).toMatchObject({
      ticket: { id: child.id },
    });
    const merging = { into: parent.id, comment: 'Same.' };
    expect(await employee.request('POST', `/tickets/${child.id}/merge`, merging)).toMatchObject({
      ticket: { mergedInto: parent.number },
    });
    expect(await employee.request('DELETE', `/tickets/${child.id}/merge`, { comment: 'No.' })).toMatchObject({
      ticket: { mergedInto: null, status: 'open' },
    });
    const { items } = await employee.timeline(child.id);
    const split = { entryId: items[0]!.id, comment: 'Own.' };
    expect(await employee.request('POST', `/tickets/${child.id}/split`, split)).toMatchObject({
      ticket: { followUpOf: child.number },
    });
  });

  it('refuses with the right status', async () => {
    const [one, two] = [await newTicket(zoe), await newTicket(bob)];
    const at = `/tickets/${one.id}`;
    const body = { into: two.id, comment: 'Same.' };
    await expect(customer.request('POST', `${at}/merge`, body)).rejects.toEqual(fails(403, 'employees_only'));
    await expect(customer.request('POST', `${at}/split`, {})).rejects.toEqual(fails(403, 'employees_only'));
    await expect(employee.request('DELETE', `${at}/merge`, { comment: 'x' })).rejects.toEqual(fails(409, 'not_merged'));
    await expect(employee.request('DELETE', `${at}/links/${two.id}`)).rejects.toEqual(fails(404, 'link_unknown'));
    await expect(employee.request('POST', `${at}/links`, { type: 'friend', ticketId: 7 })).rejects.toEqual(
      fails(422, 'validation_failed'),
    );
    await employee.request('POST', `${at}/merge`, body);
    await expect(employee.update(one.id, { status: 'open', comment: 'x' })).rejects.toEqual(
      fails(409, 'ticket_merged'),
    );
    await expect(employee.request('POST', `${at}/merge`, body)).rejects.toEqual(fails(409, 'ticket_merged'));
    await expect(
      customer.request('POST', `/tickets/${two.id}/replies`, { text: 'x', toChildren: true }),
    ).rejects.toEqual(fails(403, 'employees_only'));
  });
});

it('has written one version for each entry and one event for each sequence number', async () => {
  const { rows } = await database.query(
    `select t.number from tickets.ticket t
     join lateral (select count(*) as entries, bool_or(settled) as settled from tickets.timeline_entry where ticket_id = t.id) e on true
     join lateral (select count(*) as events from tickets.outbox where payload->>'subject' = t.number::text) o on true
     where e.entries > 1 and not e.settled and t.subject <> 'Everything is down'
       and (t.version <> e.entries or t.event_sequence <> o.events)`,
  );
  expect(rows).toEqual([]);
});
