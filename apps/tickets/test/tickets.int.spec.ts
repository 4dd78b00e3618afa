/** The tickets service as its callers see it: over NATS, with a real PostgreSQL behind it. */
import {
  acceptMail,
  addMessage,
  authenticate,
  createTicket,
  getTicket,
  getTimeline,
  isRefused,
  listTickets,
  ticketCreated,
  updateTicket,
  TICKET_STREAM,
  TICKET_SUBJECTS,
  type CloudEvent,
  type IncomingMail,
  type PersonView,
  type Refused,
  type TicketChange,
  type TicketEventData,
  type TicketView,
} from '#contracts';
import { Bus, connectNats, createLogger } from '#platform';
import { DeliverPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { startWorld, stopWorld, type World } from '../../../test/harness/stack.js';
import { eventually } from '../../../tools/demo/api.js';
import { ACCOUNTS } from '../../../tools/demo/directory.js';

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
  const log = createLogger('test', { NODE_ENV: 'test', LOG_LEVEL: 'silent' });
  nats = await connectNats(world.stack.natsUrl, 'test', log);
  bus = new Bus(nats, 10_000);
  database = new pg.Pool({ connectionString: world.stack.databaseUrl });
  database.on('error', () => {}); // fault tests cut idle connections
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

async function newTicket(subject = 'Line down'): Promise<TicketView> {
  return (await bus.expect(createTicket, { actorId: zoe.id, ticket: { subject, text: 'Since ten.' } })).ticket;
}

function update(ticket: TicketView, change: TicketChange, actor = erik) {
  return bus.call(updateTicket, { actorId: actor.id, ticketId: ticket.id, change });
}

function codes(reply: object): string[] {
  if (!isRefused(reply)) throw new Error(`not refused: ${JSON.stringify(reply)}`);
  return reply.refusals.map((refusal) => refusal.code).sort();
}

async function rowAsText(ticket: TicketView): Promise<string> {
  const { rows } = await database.query('select t::text as row from tickets.ticket t where id = $1', [ticket.id]);
  return rows[0].row;
}

/** The ticket's events in the outbox, oldest first. */
async function eventsOf(ticket: TicketView): Promise<CloudEvent<TicketEventData & Record<string, unknown>>[]> {
  const { rows } = await database.query(
    `select payload from tickets.outbox where payload->>'subject' = $1 order by id`,
    [String(ticket.number)],
  );
  return rows.map((row) => row.payload);
}

function mailFrom(email: string | null, fields: Partial<IncomingMail> = {}): IncomingMail {
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

describe('creating', () => {
  it("infers the organisation's only infrastructure and starts both clocks", async () => {
    const ticket = await newTicket();
    expect(ticket).toMatchObject({
      channel: 'portal',
      status: 'open',
      priority: 'medium',
      reporter: { email: 'zoe@customer.test' },
      infrastructure: { name: 'zrh-core-1' },
      remainingAssignSeconds: 4 * 3600,
      remainingResolveSeconds: 24 * 3600,
    });
  });

  it('lets an employee report for somebody who is not registered', async () => {
    const { ticket } = await bus.expect(createTicket, {
      actorId: erik.id,
      ticket: {
        subject: 'By phone',
        text: 'He called.',
        reporter: { email: 'New@Customer.test', name: 'Newton' },
        priority: 'high',
      },
    });
    expect(ticket).toMatchObject({
      channel: 'phone',
      priority: 'high',
      reporter: { personId: null, name: 'Newton', email: 'new@customer.test' },
      organisation: { name: 'Käserei Müller AG' },
    });
  });

  it('refuses a customer who names what only employees may', async () => {
    const reply = await bus.call(createTicket, {
      actorId: zoe.id,
      ticket: { subject: 'x', text: 'y', priority: 'critical', channel: 'phone' },
    });
    expect(codes(reply)).toEqual(['employees_only', 'employees_only']);
  });

  it('gives the first answer again for the same Idempotency-Key, also to requests at the same time', async () => {
    const request = { actorId: zoe.id, ticket: { subject: 'Once', text: 'only' }, idempotencyKey: randomUUID() };
    const answers = await Promise.all([1, 2, 3, 4].map(() => bus.expect(createTicket, request)));
    expect(new Set(answers.map((answer) => answer.ticket.id)).size).toBe(1);
    const other = await bus.call(createTicket, { ...request, ticket: { subject: 'Twice', text: 'only' } });
    expect(codes(other)).toEqual(['idempotency_key_reused']);
  });
});

describe('updating', () => {
  it('lists all violations at once and leaves the row as it was', async () => {
    const ticket = await newTicket();
    const before = await rowAsText(ticket);
    const reply = await bus.call(updateTicket, {
      actorId: erik.id,
      ticketId: ticket.id,
      expectedVersion: 7,
      change: { assignee: zoe.id, priority: 'urgent', comment: ' ' },
      unknownFields: ['colour'],
    });
    expect(codes(reply)).toEqual([
      'assignee_not_employee',
      'comment_required',
      'priority_unknown',
      'unknown_field',
      'version_conflict',
    ]);
    expect((reply as Refused).currentVersion).toBe(1);
    expect(await rowAsText(ticket)).toBe(before);
    expect(await eventsOf(ticket)).toHaveLength(1);
  });

  it('writes one history row and one event, and tells those concerned but not the actor', async () => {
    const ticket = await newTicket();
    const reply = await update(ticket, { assignee: eva.id, priority: 'critical', comment: 'Core link.' });
    expect(reply).toMatchObject({
      changed: true,
      fixes: [],
      ticket: { version: 2, assignee: { name: ACCOUNTS.eva.name }, remainingResolveSeconds: 4 * 3600 },
    });
    const [, updated, ...more] = await eventsOf(ticket);
    expect(more).toEqual([]);
    expect(updated).toMatchObject({ type: 'ticket.updated.v1', sequence: 2, data: { comment: 'Core link.' } });
    expect(updated!.data.recipients.map((one) => `${one.role} ${one.email}`).sort()).toEqual([
      'assignee eva@helpdesk.test',
      'reporter zoe@customer.test',
    ]);
    const { items } = await bus.expect(getTimeline, { viewerId: erik.id, ticketId: ticket.id, limit: 50 });
    expect(items.map((entry) => entry.kind)).toEqual(['message', 'change']);
  });

  it('keeps the comment of a no-op as an internal note and tells nobody', async () => {
    const ticket = await newTicket();
    expect(await update(ticket, { priority: 'medium', comment: 'Rang twice.' })).toMatchObject({ changed: false });
    const events = await eventsOf(ticket);
    expect(events.at(-1)).toMatchObject({ data: { visibility: 'internal', text: null, recipients: [] } });
    const { items } = await bus.expect(getTimeline, { viewerId: erik.id, ticketId: ticket.id, limit: 50 });
    expect(items.at(-1)).toMatchObject({ kind: 'note', text: 'Rang twice.' });
  });

  it('gives two writers of the same version one success and one conflict', async () => {
    const ticket = await newTicket();
    const write = (priority: string) =>
      bus.call(updateTicket, {
        actorId: erik.id,
        ticketId: ticket.id,
        expectedVersion: 1,
        change: { priority, comment: 'race' },
      });
    const replies = await Promise.all([write('high'), write('low')]);
    const refused = replies.filter(isRefused);
    expect(refused).toHaveLength(1);
    expect(codes(refused[0]!)).toEqual(['version_conflict']);
  });

  it('numbers the events of a ticket without gaps while many write at once', async () => {
    const ticket = await newTicket();
    const priorities = ['high', 'low', 'critical', 'medium'];
    await Promise.all(
      Array.from({ length: 24 }, (_, i) => update(ticket, { priority: priorities[i % 4]!, comment: `${i}` })),
    );
    const events = await eventsOf(ticket);
    expect(events.map((event) => event.sequence)).toEqual(events.map((_, i) => i + 1));
    expect(events.length).toBe(25); // every accepted request leaves one event, a no-op its note
  });
});

describe('who sees what', () => {
  it("hides another organisation's ticket as if it did not exist", async () => {
    const ticket = await newTicket();
    expect(codes(await bus.call(getTicket, { viewerId: otto.id, ticketId: ticket.id }))).toEqual(['ticket_unknown']);
    expect(codes(await update(ticket, { priority: 'low', comment: 'x' }, otto))).toEqual(['ticket_unknown']);
    const { items } = await bus.expect(listTickets, { viewerId: otto.id, limit: 200 });
    expect(items.filter((one) => one.organisation?.name !== 'Weiß Logistik')).toEqual([]);
  });

  it('never shows a customer an internal note or the comment of a change', async () => {
    const ticket = await newTicket();
    const note = { actorId: erik.id, ticketId: ticket.id, visibility: 'internal', text: 'She is difficult.' } as const;
    await bus.expect(addMessage, note);
    await update(ticket, { priority: 'high', comment: 'Because she shouts.' });
    const { items } = await bus.expect(getTimeline, { viewerId: zoe.id, ticketId: ticket.id, limit: 50 });
    expect(items.map((entry) => [entry.kind, entry.text])).toEqual([
      ['message', 'Since ten.'],
      ['change', null],
    ]);
    expect(JSON.stringify(await eventsOf(ticket))).not.toContain('difficult');
  });

  it('pages the list without gaps or repeats while tickets are added', async () => {
    for (let i = 0; i < 5; i++) await newTicket();
    const seen: number[] = [];
    let after: string | null = null;
    do {
      const page: { items: TicketView[]; next: string | null } = await bus.expect(listTickets, {
        viewerId: zoe.id,
        limit: 2,
        ...(after && { after }),
      });
      seen.push(...page.items.map((one) => one.number));
      after = page.next;
      await newTicket('meanwhile');
    } while (after);
    expect(seen).toEqual([...new Set(seen)].sort((a, b) => b - a));
    expect(seen.length).toBeGreaterThanOrEqual(5);
  });
});

describe('mail', () => {
  it('is taken however long its words are, and wherever they are cut', async () => {
    const text = `${'x'.repeat(99_999)}🔥 and so on`;
    const [opened] = await accept(mailFrom('long@nowhere.test', { text, visibleText: text }));
    expect(opened).toMatchObject({ result: 'ticket_created' });
    const again = { text, visibleText: text, signedTicketNumber: opened!.ticketNumber };
    expect(await accept(mailFrom('long@nowhere.test', again))).toMatchObject([{ result: 'appended' }]);
  });

  it('takes a batch once, however often it is offered', async () => {
    const mails = [mailFrom('a@nowhere.test'), mailFrom('b@nowhere.test')];
    const [first, again] = await Promise.all([accept(...mails), accept(...mails)]);
    expect(again.map((one) => one.ticketNumber)).toEqual(first.map((one) => one.ticketNumber));
    const { rows } = await database.query('select count(*) from tickets.timeline_entry where inbound_id = any($1)', [
      mails.map((mail) => mail.inboundId),
    ]);
    expect(rows[0].count).toBe('2');
  });

  it('threads an answer to a mail of the same batch', async () => {
    const first = mailFrom('c@nowhere.test');
    const second = mailFrom('c@nowhere.test', { referencedIds: [first.messageId] });
    const results = await accept(first, second);
    expect(results.map((one) => one.result)).toEqual(['ticket_created', 'appended']);
    expect(results[0]!.ticketId).toBe(results[1]!.ticketId);
  });

  it('gives a stranger who knows a signed number or an id a ticket of their own', async () => {
    const ticket = await newTicket();
    const before = await rowAsText(ticket);
    const [result] = await accept(mailFrom('stranger@evil.test', { signedTicketNumber: ticket.number }));
    expect(result).toMatchObject({ result: 'ticket_created', rule: 'follow-up:signed' });
    const followUp = await bus.expect(getTicket, { viewerId: erik.id, ticketId: result!.ticketId });
    expect(followUp.ticket.followUpOf).toBe(ticket.number);
    expect(await rowAsText(ticket)).toBe(before);
  });

  it("keeps an employee's mail as an internal note: a From line proves nothing", async () => {
    const ticket = await newTicket();
    await accept(mailFrom('erik@helpdesk.test', { signedTicketNumber: ticket.number }));
    const { items } = await bus.expect(getTimeline, { viewerId: zoe.id, ticketId: ticket.id, limit: 50 });
    expect(items).toHaveLength(1);
  });

  it('lets a human answer resume what waits for the customer, and machine mail nothing', async () => {
    const ticket = await newTicket();
    await update(ticket, { status: 'suspended', suspensionCause: 'pending_customer', comment: 'Asked.' });
    const answer = { signedTicketNumber: ticket.number };
    await accept(mailFrom(zoe.email, { ...answer, automatic: true, mayAutoReply: false }));
    const status = async () => (await bus.expect(getTicket, { viewerId: erik.id, ticketId: ticket.id })).ticket.status;
    expect(await status()).toBe('suspended');
    await accept(mailFrom(zoe.email, answer));
    expect(await status()).toBe('open');
  });

  it('acknowledges a human, not a machine and not an unknown sender', async () => {
    const mails = [mailFrom('d@nowhere.test'), mailFrom('e@nowhere.test', { automatic: true }), mailFrom(null)];
    const results = await accept(...mails);
    const acknowledged = await Promise.all(
      results.map(async (one) => {
        const { ticket } = await bus.expect(getTicket, { viewerId: erik.id, ticketId: one.ticketId });
        return (await eventsOf(ticket))[0]!.data['acknowledge'];
      }),
    );
    expect(acknowledged).toEqual([true, false, false]);
  });
});

describe('outbox', () => {
  async function streamedEventIds(): Promise<Set<string>> {
    const manager = await jetstreamManager(nats);
    const { messages } = (await manager.streams.info(TICKET_STREAM)).state;
    const consumer = await jetstream(nats).consumers.get(TICKET_STREAM, { deliver_policy: DeliverPolicy.All });
    const ids = new Set<string>();
    if (messages === 0) return ids;
    for await (const message of await consumer.fetch({ max_messages: messages, expires: 5_000 })) {
      ids.add(message.headers!.get('Nats-Msg-Id'));
      if (message.info.pending === 0) break;
    }
    return ids;
  }

  const allPublished = () =>
    eventually('everything published', async () => {
      const { rows } = await database.query('select count(*)::int as n from tickets.outbox where published_at is null');
      return rows[0].n === 0 ? true : undefined;
    });

  it('publishes each event under type and ticket number', async () => {
    const subscription = nats.subscribe(TICKET_SUBJECTS, { max: 1 });
    const ticket = await newTicket();
    for await (const message of subscription) {
      expect(message.subject).toBe(`${ticketCreated.type}.${ticket.number}`);
      expect(message.json()).toMatchObject({ specversion: '1.0', subject: String(ticket.number), sequence: 1 });
    }
  });

  it('publishes everything again when the whole stream is lost, and survives a restart of NATS', async () => {
    await newTicket();
    await allPublished();
    await (await jetstreamManager(nats)).streams.delete(TICKET_STREAM);
    await world.stack.nats.stop();
    await world.stack.nats.start();
    await eventually('the bus is back', async () => newTicket().catch(() => undefined));
    const complete = async () => {
      const { rows } = await database.query('select event_id from tickets.outbox');
      const streamed = await streamedEventIds();
      return rows.every((row) => streamed.has(row.event_id)) ? true : undefined;
    };
    expect(await eventually('the stream has every event', complete, 90_000)).toBe(true);
  }, 120_000);

  it('goes on when the leading instance is killed', async () => {
    const [first] = world.services.of('tickets');
    await first!.end('SIGKILL');
    const ticket = await newTicket();
    await allPublished();
    expect((await eventsOf(ticket)).length).toBe(1);
    await first!.start();
  });
});
