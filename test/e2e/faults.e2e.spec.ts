/** Any plug may be pulled at any moment: nothing is lost, doubled or said twice. */
import { createTransport } from 'nodemailer';
import pg from 'pg';
import { startWorld, stopWorld, type World } from '../harness/stack.js';
import { eventually } from '../../tools/demo/api.js';

const MAILS = 200;
const SENDERS = 20;
let world: World | undefined;

afterEach(async () => {
  await stopWorld(world);
  world = undefined;
});

/** Sends the mails one after another; `at` is called when that many are on their way. */
async function sendMails({ stack }: World, at: (sent: number) => Promise<void> | void): Promise<void> {
  const transport = createTransport({ ...stack.smtp, secure: false, ignoreTLS: true, pool: true });
  for (let i = 0; i < SENDERS; i++) await stack.addMailbox(`sender${i}@customer.test`);
  try {
    for (let i = 0; i < MAILS; i++) {
      await at(i);
      await transport.sendMail({
        from: `sender${i % SENDERS}@customer.test`,
        to: stack.mailboxes[0]!.address,
        subject: `Mail ${i}`,
        text: `Words of mail ${i}`,
      });
    }
  } finally {
    transport.close();
  }
}

/** Waits until every mail has come out at the far end, then counts. */
async function totals({ stack }: World) {
  const database = new pg.Pool({ connectionString: stack.databaseUrl });
  database.on('error', () => {});
  try {
    await eventually(
      'all mails taken and acknowledged',
      async () => {
        const { rows } = await database.query<{ done: boolean }>(
          `select (select count(*) from tickets.ticket) >= $1
              and (select count(*) from tickets.outbox where published_at is null) = 0
              and (select count(*) from notifier.delivery where state = 'sent') >= $1
              and (select count(*) from mail.inbound_message where disposition is null) = 0 as done`,
          [MAILS],
        );
        return rows[0]?.done || undefined;
      },
      120_000,
    );
    const { rows } = await database.query(
      `select (select count(*)::int from tickets.ticket) as tickets,
              (select count(distinct subject)::int from tickets.ticket) as subjects,
              (select count(*)::int from mail.inbound_message) as inbound,
              (select count(*)::int from mail.inbound_message where disposition = 'ticket_created') as created,
              (select count(*)::int from notifier.delivery) as deliveries,
              (select count(distinct (ticket_number, recipient))::int from notifier.delivery) as told`,
    );
    return rows[0];
  } finally {
    await database.end();
  }
}

const EXACTLY_ONCE = {
  tickets: MAILS,
  subjects: MAILS,
  inbound: MAILS,
  created: MAILS,
  deliveries: MAILS,
  told: MAILS,
};

it(`makes ${MAILS} tickets of ${MAILS} mails while each service is killed and restarted`, async () => {
  world = await startWorld();
  const { services } = world;
  const victims = services.instances;
  const restarts: Promise<void>[] = [];
  await sendMails(world, async (sent) => {
    const victim = victims[(sent - 30) / 40];
    if (!victim) return;
    await victim.end('SIGKILL');
    restarts.push(victim.start());
  });
  await Promise.all(restarts);
  expect(await totals(world)).toEqual(EXACTLY_ONCE);
}, 300_000);

it('has the same totals with two instances of every service', async () => {
  world = await startWorld({ instances: 2 });
  await sendMails(world, () => {});
  expect(await totals(world)).toEqual(EXACTLY_ONCE);
}, 300_000);

it('has the same totals when PostgreSQL, NATS and Dovecot each go away for a while', async () => {
  world = await startWorld();
  const { stack } = world;
  await sendMails(world, async (sent) => {
    if (sent === 40 || sent === 90) {
      const server = sent === 40 ? stack.postgres : stack.nats;
      await server.kill();
      await server.start();
    }
    if (sent === 140) {
      await stack.dovecot.stop();
      await stack.dovecot.start();
    }
  });
  expect(await totals(world)).toEqual(EXACTLY_ONCE);
}, 300_000);
