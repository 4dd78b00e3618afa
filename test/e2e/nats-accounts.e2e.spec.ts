/** All four services with the users of deploy/nats, and what these users may not do. Webhooks through the REST API, too. */
import { createLogger, connectNats, type Logger } from '#platform';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type Msg, type NatsConnection } from '@nats-io/transport-node';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Api, eventually } from '../../tools/demo/api.js';
import { ACCOUNTS } from '../../tools/demo/directory.js';
import { awaitMail, sendMail } from '../../tools/demo/mail.js';
import { NATS_USERS, type NatsUser } from '../../tools/stack/nats.js';
import { startWorld, stopWorld, type World } from '../harness/stack.js';

const { erik, zoe } = ACCOUNTS;

let world: World;
let employee: Api;
let customer: Api;
let log: Logger;
let users: Record<NatsUser, NatsConnection>;

beforeAll(async () => {
  world = await startWorld({
    natsAccounts: true,
    env: {
      tickets: { EVENT_SUBSCRIBERS: 'subscriber' },
      notifier: { WEBHOOK_PRIVATE_HOSTS: 'true' },
    },
  });
  const logIn = ({ email }: { email: string }) =>
    Api.logIn(world.services.apiUrl, email, world.stack.accountPassword(email));
  [employee, customer] = await Promise.all([logIn(erik), logIn(zoe)]);
  log = createLogger('test', { NODE_ENV: 'test', LOG_LEVEL: 'silent' });
  const connected = NATS_USERS.map(async (user) => [user, await connectNats(world.stack.natsUrlOf(user), user, log)]);
  users = Object.fromEntries(await Promise.all(connected)) as typeof users;
});

afterAll(async () => {
  await Promise.all(Object.values(users ?? {}).map((connection) => connection.close()));
  await stopWorld(world);
});

const publishedSoFar = async (): Promise<number> =>
  (await (await jetstreamManager(users.tickets)).streams.info('TICKETS')).state.last_seq;

/** What the server says to a message that a user may not publish. */
async function refusalOf(connection: NatsConnection, subject: string, reply?: string): Promise<string> {
  const refused = nextError(connection);
  connection.publish(subject, '{}', reply === undefined ? {} : { reply });
  await connection.flush();
  return refused;
}

async function nextError(connection: NatsConnection): Promise<string> {
  for await (const status of connection.status()) {
    if (status.type === 'error') return status.error.message;
  }
  return 'no error';
}

async function refusalOfSubscription(connection: NatsConnection, subject: string): Promise<string> {
  return new Promise((resolve, reject) => {
    connection.subscribe(subject, {
      callback: (error, message) => (error ? resolve(error.message) : reject(new Error(`heard ${message.subject}`))),
    });
    void connection.flush().then(() => setTimeout(() => resolve('no error'), 200));
  });
}

describe('the services', () => {
  it('turn a mail into a ticket, and an answer into a mail', async () => {
    const { stack } = world;
    const mailbox = await stack.addMailbox(zoe.email);
    const mail = { from: { name: zoe.name, address: zoe.email }, to: stack.mailboxes[0]!.address };
    await sendMail(stack, { ...mail, subject: 'Nothing works', text: 'Since ten.' });
    const ticket = await eventually('a ticket', async () =>
      (await employee.tickets('?limit=50')).items.find(({ subject }) => subject === 'Nothing works'),
    );
    await employee.reply(ticket.id, 'We look into it.');
    const answer = await awaitMail(stack, mailbox, ({ text }) => text?.includes('We look into it.') ?? false);
    expect(answer.subject).toContain(`[#${ticket.number}]`);
  });

  it('do all that they do without being refused anything', async () => {
    await employee.request('GET', '/mailboxes');
    await employee.request('GET', '/inbound');
    await employee.request('GET', '/policies');
    await employee.request('GET', '/people?kind=employee');
    await employee.request('GET', '/webhooks');
    const logs = readdirSync(world.logDirectory).filter((name) =>
      /^(gateway|tickets|mail-ingest|notifier)-/.test(name),
    );
    expect(logs.length).toBe(4);
    const lines = logs.flatMap((name) => readFileSync(join(world.logDirectory, name), 'utf8').split('\n'));
    expect(lines.filter((line) => /permissions? violation/i.test(line))).toEqual([]);
  });

  it.each([
    ['gateway', 'ticket.created.v1.1'],
    ['gateway', '$JS.API.STREAM.DELETE.TICKETS'],
    ['mail-ingest', 'ticket.created.v1.1'],
    ['mail-ingest', 'tickets.update.v1'],
    ['mail-ingest', 'directory.authenticate.v1'],
    ['notifier', 'ticket.created.v1.1'],
    ['notifier', 'tickets.update.v1'],
    ['notifier', '$JS.API.STREAM.DELETE.TICKETS'],
    ['notifier', '$JS.API.STREAM.PURGE.TICKETS'],
    ['tickets', '$JS.API.STREAM.DELETE.TICKETS'],
    ['tickets', 'mail.mailbox-list.v1'],
  ] as const)('%s may not say %s', async (user, subject) => {
    expect(await refusalOf(users[user], subject)).toMatch(/permissions violation/i);
  });

  it.each([
    ['gateway', 'tickets.>'],
    ['gateway', '_INBOX.>'],
    ['mail-ingest', 'directory.>'],
    ['notifier', 'directory.authenticate.v1'],
    ['tickets', '_INBOX.gateway.>'],
    ['tickets', '>'],
  ] as const)('%s may not hear %s', async (user, subject) => {
    expect(await refusalOfSubscription(users[user], subject)).toMatch(/permissions violation/i);
  });
});

describe('a subscriber', () => {
  it('hears of events as they happen, and gets those from before, in order, through its consumer', async () => {
    const heard: Msg[] = [];
    users.subscriber.subscribe('ticket.>', { callback: (error, message) => void (error ?? heard.push(message)) });
    await users.subscriber.flush();
    await customer.request('POST', '/tickets', { subject: 'Subscribed', text: 'Please.' });
    await eventually('an event', async () => heard.length > 0 || undefined);
    expect(heard[0]!.json<{ data: { ticket: { subject: string } } }>().data.ticket.subject).toBe('Subscribed');

    const consumer = await jetstream(users.subscriber, { apiPrefix: 'EVENTS.API' }).consumers.get(
      'TICKETS',
      'subscriber',
    );
    const last = await publishedSoFar();
    const sequences: number[] = [];
    const messages = await consumer.consume({ max_messages: 10 });
    for await (const message of messages) {
      sequences.push(message.seq);
      message.ack();
      if (message.seq === last) break;
    }
    expect(sequences).toEqual(Array.from({ length: last }, (_, index) => index + 1));
    await eventually('all acknowledged', async () => {
      const { num_ack_pending, num_pending } = await consumer.info();
      return (num_ack_pending === 0 && num_pending === 0) || undefined;
    });
  });

  it.each([
    'ticket.created.v1.1',
    'tickets.update.v1',
    'tickets.accept-mail.v1',
    'dead-letter.notifier.ticket.created.v1.1',
    '_INBOX.gateway.1',
    '$JS.API.STREAM.DELETE.TICKETS',
    '$JS.API.STREAM.PURGE.TICKETS',
    '$JS.API.STREAM.UPDATE.TICKETS',
    '$JS.API.STREAM.MSG.DELETE.TICKETS',
    '$JS.API.STREAM.CREATE.COPY',
    '$JS.API.CONSUMER.CREATE.TICKETS.mine',
    '$JS.API.CONSUMER.DURABLE.CREATE.TICKETS.notifier',
    '$JS.API.CONSUMER.DELETE.TICKETS.subscriber',
    '$JS.API.CONSUMER.MSG.NEXT.TICKETS.notifier',
    'EVENTS.API.CONSUMER.MSG.NEXT.TICKETS.notifier',
    'EVENTS.API.STREAM.DELETE.TICKETS',
    '$JS.ACK.TICKETS.notifier.1.1.1.1.1',
  ])('may not say %s', async (subject) => {
    expect(await refusalOf(users.subscriber, subject)).toMatch(/permissions violation/i);
  });

  it.each(['tickets.>', 'directory.>', 'mail.>', 'webhooks.>', '_INBOX.>', '$JS.>', '>'])(
    'may not hear %s',
    async (subject) => {
      expect(await refusalOfSubscription(users.subscriber, subject)).toMatch(/permissions violation/i);
    },
  );

  it('hears nothing of requests between the services', async () => {
    const heard: string[] = [];
    const subjects = ['ticket.>', '_INBOX.subscriber.>'];
    for (const subject of subjects) {
      users.subscriber.subscribe(subject, { callback: (_error, message) => void heard.push(message.subject) });
    }
    await users.subscriber.flush();
    await employee.tickets('?limit=1');
    await customer.request('POST', '/tickets', { subject: 'Heard', text: 'Please.' });
    await eventually('the event', async () => heard.length > 0 || undefined);
    expect(heard.filter((subject) => !subject.startsWith('ticket.'))).toEqual([]);
  });

  it('cannot have anything sent to others by naming their subjects for the answer', async () => {
    const before = await publishedSoFar();
    await customer.request('POST', '/tickets', { subject: 'Misused', text: 'Please.' });
    await eventually('something to ask for', async () => (await publishedSoFar()) > before || undefined);
    const heard: string[] = [];
    const hear = (user: NatsUser, subject: string) =>
      users[user].subscribe(subject, { callback: (_error, message) => void heard.push(message.subject) });
    const subscriptions = [hear('tickets', 'tickets.create.v1'), hear('mail-ingest', 'mail.mailbox-list.v1')];
    await Promise.all([users.tickets.flush(), users['mail-ingest'].flush()]);

    const ask = '{"batch":1,"no_wait":true}';
    const last = await publishedSoFar();
    for (const reply of ['ticket.created.v1.999999', 'tickets.create.v1', 'mail.mailbox-list.v1']) {
      users.subscriber.publish('EVENTS.API.CONSUMER.MSG.NEXT.TICKETS.subscriber', ask, { reply });
      users.subscriber.publish('EVENTS.API.CONSUMER.INFO.TICKETS.subscriber', '', { reply });
    }
    await users.subscriber.flush();
    const consumer = await jetstream(users.subscriber, { apiPrefix: 'EVENTS.API' }).consumers.get(
      'TICKETS',
      'subscriber',
    ); // after those before it
    expect((await consumer.info()).num_pending).toBeGreaterThanOrEqual(0);
    await Promise.all([users.tickets.flush(), users['mail-ingest'].flush()]);
    expect(heard).toEqual([]);
    expect(await publishedSoFar()).toBe(last);
    for (const subscription of subscriptions) subscription.unsubscribe();
  });
});

it('lets nobody in without a password', async () => {
  const { host } = new URL(world.stack.natsUrl);
  await expect(connect({ servers: host })).rejects.toThrow(/authorization/i);
  await expect(connect({ servers: host, user: 'subscriber', pass: 'wrong' })).rejects.toThrow(/authorization/i);
});

describe('webhooks by the REST API', () => {
  let server: Server;
  let received: { headers: Record<string, unknown>; event: { type: string; subject: string } }[];

  beforeAll(async () => {
    received = [];
    server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        received.push({ headers: request.headers, event: JSON.parse(body) as (typeof received)[0]['event'] });
        response.writeHead(200).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });

  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  it('are made, tried, told of a ticket, paused, and removed by employees', async () => {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
    interface View {
      id: string;
      state: string;
    }
    const made = await employee.request<{ webhook: View; secret: string }>('POST', '/webhooks', {
      url,
      eventTypes: ['ticket.created.v1'],
    });
    const path = `/webhooks/${made.webhook.id}`;
    expect(made.secret).toMatch(/^whsec_/);
    expect(await employee.request('POST', `${path}/test`)).toMatchObject({ delivered: true, status: 200 });
    const { ticket } = await customer.request<{ ticket: { number: number } }>('POST', '/tickets', {
      subject: 'Hooked',
      text: 'Please.',
    });
    await eventually('the event', async () => received.length === 2 || undefined);
    expect(received.map(({ event }) => event.type)).toEqual(['webhook.ping.v1', 'ticket.created.v1']);
    expect(received[1]!.event.subject).toBe(String(ticket.number));
    expect(received[1]!.headers['webhook-signature']).toMatch(/^v1,/);

    expect(await employee.request('PATCH', path, { description: 'ERP' })).toMatchObject({ description: 'ERP' });
    expect((await employee.request<View>('POST', `${path}/pause`)).state).toBe('paused');
    expect((await employee.request<View>('POST', `${path}/resume`)).state).toBe('active');
    const replaced = await employee.request<{ secret: string }>('POST', `${path}/secret`);
    expect(replaced.secret).not.toBe(made.secret);
    expect(await employee.request('GET', `${path}/dead-letters`)).toEqual({ items: [], next: null });
    expect(await employee.request('POST', `${path}/dead-letters/replay`)).toEqual({ replayed: 0 });
    const list = await employee.request<{ items: View[] }>('GET', '/webhooks?state=active');
    expect(list.items.map(({ id }) => id)).toEqual([made.webhook.id]);
    expect(JSON.stringify(list)).not.toContain('whsec_');

    await expect(customer.request('GET', '/webhooks')).rejects.toThrow(/403/);
    await expect(employee.request('POST', '/webhooks', { url: 'http://169.254.169.254/' })).rejects.toThrow(/422/);
    const headers = { authorization: `Bearer ${employee.token}` };
    expect((await fetch(world.services.apiUrl + path, { method: 'DELETE', headers })).status).toBe(204);
    await expect(employee.request('GET', path)).rejects.toThrow(/404/);
  });
});
