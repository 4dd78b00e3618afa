/** Lists, filters and search of the tickets service, over NATS, with a real PostgreSQL behind it. */
import {
  acceptMail,
  addMessage,
  authenticate,
  createTicket,
  isRefused,
  listInfrastructures,
  listTickets,
  updateTicket,
  type ListTickets,
  type NewTicket,
  type PersonView,
  type TicketChange,
  type TicketView,
} from '#contracts';
import { Bus, connectNats, createLogger } from '#platform';
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
  world = await startWorld({ only: ['tickets'], env: { tickets: { TEST_CLOCK: 'true' } } });
  const log = createLogger('test', { NODE_ENV: 'test', LOG_LEVEL: 'silent' });
  nats = await connectNats(world.stack.natsUrl, 'test', log);
  bus = new Bus(nats, 10_000);
  database = new pg.Pool({ connectionString: world.stack.databaseUrl });
  database.on('error', () => {});
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

/** A word that no other test uses. */
function freshWord(): string {
  return `w${randomUUID().replaceAll('-', '')}`;
}

async function newTicket(ticket: Partial<NewTicket> = {}, actor = zoe): Promise<TicketView> {
  const asked = { subject: 'Line down', text: 'Since ten.', ...ticket };
  return (await bus.expect(createTicket, { actorId: actor.id, ticket: asked })).ticket;
}

async function say(ticket: TicketView, text: string, actor = erik, visibility: 'public' | 'internal' = 'public') {
  await bus.expect(addMessage, { actorId: actor.id, ticketId: ticket.id, visibility, text });
}

async function changed(ticket: TicketView, asked: TicketChange): Promise<TicketView> {
  return (await bus.expect(updateTicket, { actorId: erik.id, ticketId: ticket.id, change: asked })).ticket;
}

/** The numbers found, newest first. */
async function found(query: Omit<ListTickets, 'viewerId' | 'limit'>, viewer = erik): Promise<number[]> {
  const { items } = await bus.expect(listTickets, { viewerId: viewer.id, limit: 200, ...query });
  return items.map((ticket) => ticket.number);
}

async function allPages(query: Omit<ListTickets, 'viewerId'>, between: (page: number) => Promise<unknown>) {
  const seen: number[] = [];
  let after: string | undefined;
  for (let page = 1; ; page++) {
    const { items, next } = await bus.expect(listTickets, { viewerId: erik.id, ...query, ...(after && { after }) });
    seen.push(...items.map((ticket) => ticket.number));
    if (next === null) return seen;
    after = next;
    await between(page);
  }
}

describe('search', () => {
  it('finds words of subject, messages and notes, whatever their case and accents, all of them together', async () => {
    const [inSubject, inText, inReply, inNote] = [freshWord(), freshWord(), freshWord(), freshWord()];
    const { number, ...ticket } = await newTicket({ subject: `Länken ${inSubject}`, text: `Störung ${inText}, ja.` });
    await say({ number, ...ticket }, `We look at it: ${inReply}`);
    await say({ number, ...ticket }, `She is difficult ${inNote}`, erik, 'internal');
    for (const word of [inSubject, inText, inReply, inNote]) expect(await found({ q: word })).toEqual([number]);
    expect(await found({ q: `LANKEN "störung" ${inText} ${inNote}` })).toEqual([number]);
    expect(await found({ q: `${inSubject} ${freshWord()}` })).toEqual([]);
  });

  it('takes the last word for a beginning, quotes for a sequence and minus for not', async () => {
    const word = freshWord();
    const { number: first } = await newTicket({ text: `${word} the line is down` });
    const { number: second } = await newTicket({ text: `${word} down is the line` });
    expect(await found({ q: word.slice(0, -3) })).toEqual([second, first]);
    expect(await found({ q: `"${word.slice(0, -3)}"` })).toEqual([]);
    expect(await found({ q: `${word} "line is down"` })).toEqual([first]);
    expect(await found({ q: `${word} -"line is down"` })).toEqual([second]);
    expect(await found({ q: `${word} -line` })).toEqual([]);
  });

  it('finds numbers, addresses, names and what is written with signs', async () => {
    const word = freshWord();
    const reporter = { email: `ola.${word}@fjordnett.test`, name: 'Ola Nordmann' };
    const { number } = await newTicket({ reporter, text: `SN-4711/${word} at 10.20.30.40, “quoted”.` }, erik);
    expect(await found({ q: `#${number}` })).toContain(number);
    for (const q of ['ola.', 'nordmann', 'fjordnett.test', `ola.${word}@fjordnett.test`, 'sn-4711', '10.20.30.40']) {
      expect(await found({ q: `${q} ${word}` })).toEqual([number]);
    }
    expect(await found({ q: `quoted -"10.20.30.4" ${word}` })).toEqual([number]);
    const { number: ofZoe } = await newTicket({ subject: word });
    expect(await found({ q: `${word} käserei` })).toEqual([ofZoe]);
    expect(await found({ q: `${word} zrh-core-1` })).toEqual([ofZoe]);
    expect(await found({ q: `${word} muller` })).toEqual([ofZoe]);
  });

  it("follows the assignee, and the directory's names", async () => {
    const word = freshWord();
    const ticket = await newTicket({ subject: word });
    expect(await found({ q: `${word} novakova` })).toEqual([]);
    await changed(ticket, { assignee: eva.id, comment: 'Hers.' });
    expect(await found({ q: `${word} novakova` })).toEqual([ticket.number]);
    const married = freshWord();
    await database.query('update tickets.person set name = $1 where id = $2', [`Eva ${married}`, eva.id]);
    expect(await found({ q: `${word} ${married}` })).toEqual([ticket.number]);
    expect(await found({ q: `${word} novakova` })).toEqual([]);
    await database.query('update tickets.person set name = $1 where id = $2', [eva.name, eva.id]);
    await changed(ticket, { assignee: erik.id, comment: 'His.' });
    expect(await found({ q: `${word} novakova` })).toEqual([]);
    expect(await found({ q: `${word} since sorensen` })).toEqual([ticket.number]);
  });

  it('finds mails that came in one batch, the house and its customer each by their own words', async () => {
    const [common, first, second] = [freshWord(), freshWord(), freshWord()];
    const mail = (text: string) => ({
      inboundId: randomUUID(),
      mailbox: 'support@helpdesk.test',
      from: { name: 'Zoë', email: zoe.email },
      subject: common,
      text,
      visibleText: text,
      html: null,
      attachments: [],
      messageId: `${randomUUID()}@sender.test`,
      referencedIds: [] as string[],
      signedTicketNumber: null,
      automatic: false,
      mayAutoReply: true,
      rawSha256: '0'.repeat(64),
      rawSize: 10,
      receivedAt: new Date().toISOString(),
    });
    const [one, other] = [mail(first), mail('nothing')];
    const answer = { ...mail(second), referencedIds: [one.messageId] };
    const { accepted } = await bus.expect(acceptMail, { mails: [one, other, answer] });
    const numbers = accepted.map(({ ticketNumber }) => ticketNumber);
    expect(numbers[2]).toBe(numbers[0]);
    for (const viewer of [erik, zoe]) {
      expect(await found({ q: common }, viewer)).toEqual([numbers[1], numbers[0]]);
      expect(await found({ q: `${second} ${first}` }, viewer)).toEqual([numbers[0]]);
    }
  });

  it('keeps what cannot be indexed out of the way of the message', async () => {
    const [early, late] = [freshWord(), freshWord()];
    const long = 'x'.repeat(10_000);
    const noise = Array.from({ length: 20_000 }, (_, place) => `n${place}é`).join(' ');
    const ticket = await newTicket({ subject: early, text: `${early} ${long} ${noise} ${late}` });
    for (let times = 0; times < 6; times++) await say(ticket, noise.replaceAll('n', `m${times}`), zoe);
    expect(await found({ q: early })).toEqual([ticket.number]);
    expect(await found({ q: late })).toEqual([]);
  });

  it.each(['', '  ', '-line', '"…"'])('refuses "%s", in which nothing must occur', async (q) => {
    const reply = await bus.call(listTickets, { viewerId: erik.id, limit: 10, q });
    expect(isRefused(reply) && reply.refusals).toEqual([expect.objectContaining({ code: 'search_words_required' })]);
  });

  it.each(["'", '\\', "a'b:*&|!<->()", '<b>&amp;', 'x'.repeat(200), '"'])('takes %s for words', async (signs) => {
    expect(await found({ q: `${freshWord()} ${signs}`.slice(0, 200) })).toEqual([]);
  });
});

describe('what customers search', () => {
  it('finds nothing by words of internal notes and of the comments of changes, and hides nothing by them', async () => {
    const [open, note, comment] = [freshWord(), freshWord(), freshWord()];
    const ticket = await newTicket({ subject: open });
    await say(ticket, `difficult ${note}`, erik, 'internal');
    await changed(ticket, { priority: 'high', comment: `shouts ${comment}` });
    for (const word of [note, comment]) {
      expect(await found({ q: word })).toEqual([ticket.number]);
      expect(await found({ q: `${open} ${word}` })).toEqual([ticket.number]);
      expect(await found({ q: `${open} -${word}` })).toEqual([]);
      for (const q of [word, word.slice(0, 8), `"${word}"`, `${open} ${word}`, `"difficult ${word}"`]) {
        expect(await found({ q }, zoe)).toEqual([]);
      }
      expect(await found({ q: `${open} -${word}` }, zoe)).toEqual([ticket.number]);
    }
  });

  it('keeps them apart when a name changes, and when a word of the house is said in public later', async () => {
    const [open, word] = [freshWord(), freshWord()];
    const ticket = await newTicket({ subject: open });
    await say(ticket, word, erik, 'internal');
    await changed(ticket, { assignee: eva.id, comment: word });
    expect(await found({ q: `${open} eva` }, zoe)).toEqual([ticket.number]);
    expect(await found({ q: word }, zoe)).toEqual([]);
    await say(ticket, `It was ${word}.`, eva);
    expect(await found({ q: word }, zoe)).toEqual([ticket.number]);
  });

  it("finds their own organisation's tickets only", async () => {
    const word = freshWord();
    const ofZoe = await newTicket({ subject: word });
    const ofOtto = await newTicket({ subject: word }, otto);
    expect(await found({ q: word })).toEqual([ofOtto.number, ofZoe.number]);
    expect(await found({ q: word }, zoe)).toEqual([ofZoe.number]);
    expect(await found({ q: word }, otto)).toEqual([ofOtto.number]);
    expect(await found({ q: word, organisationId: zoe.organisation!.id }, otto)).toEqual([]);
    expect(await found({ reporter: zoe.email }, otto)).toEqual([]);
  });
});

describe('filters', () => {
  it('selects by organisation, infrastructure and reporter', async () => {
    const q = freshWord();
    const ofZoe = await newTicket({ subject: q });
    const ofOtto = await newTicket({ subject: q }, otto);
    const stranger = await newTicket({ subject: q, reporter: { email: 'Some@Where.test', name: 'Some' } }, erik);
    const { items } = await bus.expect(listInfrastructures, { viewerId: erik.id, limit: 200 });
    const infrastructureId = items.find(({ name }) => name === 'ham-edge-3')!.id;
    expect(await found({ q, organisationId: zoe.organisation!.id })).toEqual([ofZoe.number]);
    expect(await found({ q, infrastructureId })).toEqual([ofOtto.number]);
    expect(await found({ q, reporter: otto.id })).toEqual([ofOtto.number]);
    expect(await found({ q, reporter: 'ZOE@customer.test' })).toEqual([ofZoe.number]);
    expect(await found({ q, reporter: 'some@where.test' })).toEqual([stranger.number]);
    expect(await found({ q, reporter: randomUUID() })).toEqual([]);
    expect(await found({ organisationId: zoe.organisation!.id })).toContain(ofZoe.number);
  });

  it('combines several statuses and priorities with everything else', async () => {
    const q = freshWord();
    const open = await newTicket({ subject: q });
    const busy = await changed(await newTicket({ subject: q }), { assignee: eva.id, priority: 'high', comment: 'x' });
    const working = await changed(busy, { status: 'in_progress', comment: 'x' });
    const closed = await changed(await newTicket({ subject: q }), {
      status: 'closed',
      resolutionType: 'fixed',
      comment: 'x',
    });
    expect(await found({ q, status: ['closed', 'open'] })).toEqual([closed.number, open.number]);
    expect(await found({ q, status: ['open', 'in_progress', 'suspended', 'closed'] })).toHaveLength(3);
    expect(await found({ q, status: ['in_progress', 'open'], priority: ['high'] })).toEqual([working.number]);
    expect(await found({ q, assignee: eva.id })).toEqual([working.number]);
    expect(await found({ q, assignee: 'none', status: ['open'] })).toEqual([open.number]);
    expect(await found({ q, number: open.number })).toEqual([open.number]);
    expect(await found({ q, number: open.number, status: ['closed'] })).toEqual([]);
  });

  it('selects by the instants of creation and of the last change', async () => {
    const q = freshWord();
    const [old, recent] = [await newTicket({ subject: q }), await newTicket({ subject: q })];
    await database.query(
      `update tickets.ticket set created_at = created_at - interval '400 days', updated_at = '2020-02-02T02:02:02Z'
       where number <= $1`,
      [old.number],
    );
    const yesterday = new Date(Date.now() - 86_400_000).toISOString();
    expect(await found({ q, createdAfter: yesterday })).toEqual([recent.number]);
    expect(await found({ q, createdBefore: yesterday })).toEqual([old.number]);
    expect(await found({ q, createdAfter: recent.createdAt })).toEqual([recent.number]);
    expect(await found({ q, createdBefore: recent.createdAt })).toEqual([old.number]);
    expect(await found({ createdAfter: yesterday })).toContain(recent.number);
    expect(await found({ createdAfter: yesterday })).not.toContain(old.number);
    expect(await found({ q, updatedAfter: '2020-02-02T02:02:03Z' })).toEqual([recent.number]);
    expect(await found({ q, updatedAfter: '2020-02-02T03:02:02+01:00' })).toEqual([recent.number, old.number]);
  });

  describe('overdue', () => {
    const shift = (seconds: number) =>
      database.query('update tickets.test_clock set shift = make_interval(secs => $1)', [seconds]);
    afterEach(() => shift(0));

    it('means at the time of asking, whether or not the breach has been recorded', async () => {
      const q = freshWord();
      const ticket = await newTicket({ subject: q });
      const closed = await changed(await newTicket({ subject: q }), {
        status: 'closed',
        resolutionType: 'fixed',
        comment: 'x',
      });
      const waiting = await changed(await newTicket({ subject: q }), {
        status: 'suspended',
        suspensionCause: 'pending_change',
        suspendedSeconds: 3600,
        comment: 'x',
      });
      expect(await found({ q, overdue: true })).toEqual([]);
      expect(await found({ q, overdue: false })).toEqual([waiting.number, closed.number, ticket.number]);
      const holder = await database.connect();
      try {
        await holder.query('begin');
        // the sweeper passes over rows that somebody holds
        const numbers = [ticket.number, waiting.number];
        await holder.query('select from tickets.ticket where number = any($1) for update', [numbers]);
        await shift(24 * 3600 + 60);
        expect(await found({ q, overdue: true })).toEqual([ticket.number]);
        expect(await found({ q, overdue: false })).toEqual([waiting.number, closed.number]);
        await shift(26 * 3600);
        const { rows } = await holder.query('select from tickets.ticket where number = any($1) and resolve_breached', [
          numbers,
        ]);
        expect(rows).toEqual([]);
        expect(await found({ q, overdue: true })).toEqual([waiting.number, ticket.number]);
        expect(await found({ overdue: true }, zoe)).toEqual(expect.arrayContaining(numbers));
      } finally {
        await holder.query('rollback');
        holder.release();
      }
      await eventually('the breaches are recorded', async () => {
        const { rows } = await database.query(
          'select from tickets.ticket where number = any($1) and resolve_breached',
          [[ticket.number, waiting.number]],
        );
        return rows.length === 2 ? true : undefined;
      });
      expect(await found({ q, overdue: true })).toEqual([waiting.number, ticket.number]);
    });
  });
});

describe('pages', () => {
  it('neither repeat nor lose tickets while others come and these change', async () => {
    const q = freshWord();
    const tickets: TicketView[] = [];
    for (let count = 0; count < 9; count++) tickets.unshift(await newTicket({ subject: q }));
    const before = tickets.map(({ number }) => number);
    const meanwhile = async (page: number) => {
      await newTicket({ subject: q });
      await say(tickets[page % 9]!, `an answer ${page}`);
      await changed(tickets[(page * 5) % 9]!, { assignee: eva.id, priority: 'high', comment: `${page}` });
    };
    expect(await allPages({ q, limit: 2 }, meanwhile)).toEqual(before);
    const seen = await allPages({ reporter: zoe.id, limit: 3 }, meanwhile);
    expect(seen).toEqual([...new Set(seen)].sort((a, b) => b - a));
    expect(seen).toEqual(expect.arrayContaining(before));
  });

  it('find the same by looking through as by the index of words', async () => {
    const word = freshWord();
    const rare = await newTicket({ subject: word });
    await database.query(
      `with filled as (
         insert into tickets.ticket select (jsonb_populate_record(t, jsonb_build_object('id', gen_random_uuid(),
             'number', nextval('tickets.ticket_number')))).*
           from tickets.ticket t, generate_series(1, 700) where t.id = $1 returning id)
       insert into tickets.timeline_entry (id, ticket_id, kind, at, author_name, text)
         select gen_random_uuid(), id, 'message', now(), 'x', 'x' from filled`,
      [(await newTicket({ subject: 'much' })).id],
    );
    expect(await found({ q: word })).toEqual([rare.number]);
    expect(await found({ q: word }, zoe)).toEqual([rare.number]);
    expect(await found({ q: word, status: ['open', 'closed'], overdue: false }, zoe)).toEqual([rare.number]);
    const much = await allPages({ q: 'much', limit: 50 }, () => Promise.resolve());
    expect(much).toHaveLength(701);
    expect(much).toEqual([...new Set(much)].sort((a, b) => b - a));
  });
});

it('keeps each document as it would be made anew', async () => {
  const { rows } = await database.query(
    `select t.number from tickets.ticket t left join tickets.ticket_search s using (number)
     where tsvector_to_array(s.document) is distinct from tsvector_to_array(tickets.search_facts(t) || (
       select tickets.search_said(string_agg(tickets.search_text(e), ' ') filter (where kind = 'message'),
         string_agg(tickets.search_text(e), ' ') filter (where kind <> 'message'))
       from tickets.timeline_entry e where e.ticket_id = t.id))
       and pg_column_size(s.document || '') < 100000`,
  );
  expect(rows).toEqual([]);
});
