/** A ticket that cannot be worked on stops no job for the others. */
import { authenticate, createTicket } from '#contracts';
import { Bus, connectNats, createLogger } from '#platform';
import type { NatsConnection } from '@nats-io/transport-node';
import pg from 'pg';
import { startWorld, stopWorld, type World } from '../../../test/harness/stack.js';
import { eventually } from '../../../tools/demo/api.js';
import { ACCOUNTS } from '../../../tools/demo/directory.js';

let world: World;
let nats: NatsConnection;
let database: pg.Pool;

beforeAll(async () => {
  world = await startWorld({ only: ['tickets'], env: { tickets: { TEST_CLOCK: 'true' } } });
  nats = await connectNats(
    world.stack.natsUrl,
    'test',
    createLogger('test', { NODE_ENV: 'test', LOG_LEVEL: 'silent' }),
  );
  database = new pg.Pool({ connectionString: world.stack.databaseUrl });
  database.on('error', () => {}); // a closing connection may still hear that its server stops
});

afterAll(async () => {
  await database?.end();
  await nats?.close();
  await stopWorld(world);
});

it('stops no timers of others, and no moves to a new policy version', async () => {
  const bus = new Bus(nats, 10_000);
  const { email } = ACCOUNTS.zoe;
  const { person } = await bus.expect(authenticate, { email, password: world.stack.accountPassword(email) });
  const tickets = await Promise.all(
    ['first', 'poisoned', 'last'].map(async (subject) => {
      const reply = await bus.expect(createTicket, { actorId: person.id, ticket: { subject, text: 'Since ten.' } });
      return reply.ticket;
    }),
  );
  await database.query(`insert into tickets.policy (name) values ('broken')`);
  const { rows } = await database.query(
    `insert into tickets.policy_version (policy, terms, calendar, calendar_version, effective_at)
     values ('broken', '{"targets": null}', 'always', 1, 'epoch') returning number`,
  );
  await database.query('update tickets.ticket set policy_version = $1 where id = $2', [rows[0].number, tickets[1]!.id]);
  await database.query(`update tickets.test_clock set shift = interval '5 hours'`);

  const told = await eventually('two breaches', async () => {
    const { rows: events } = await database.query<{ number: number }>(
      `select distinct (payload ->> 'subject')::integer as number from tickets.outbox
       where subject like 'ticket.breached.%' order by number`,
    );
    return events.length === 2 ? events.map(({ number }) => number) : undefined;
  });
  expect(told).toEqual([tickets[0]!.number, tickets[2]!.number].sort((a, b) => a - b));
  const { rows: poisoned } = await database.query('select version from tickets.ticket where id = $1', [tickets[1]!.id]);
  expect(poisoned).toEqual([{ version: 1 }]);

  const { rows: successors } = await database.query<{ number: number }>(
    `insert into tickets.policy_version (policy, terms, calendar, calendar_version, effective_at)
     select policy, terms, calendar, calendar_version, tickets.transaction_time() from tickets.policy_version
     where number in (1, $1) order by number returning number`,
    [rows[0].number],
  );
  const standard = successors[0]!.number;
  await eventually('two moves', async () => {
    const { rows: moved } = await database.query('select id from tickets.ticket where policy_version = $1', [standard]);
    return moved.length === 2 ? moved : undefined;
  });
});
