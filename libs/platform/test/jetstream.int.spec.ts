/** The event consumer on a real JetStream: what becomes of an event in good and bad times. */
import { ticketMessageAdded, TICKET_STREAM, type CloudEvent, type TicketMessageAdded } from '#contracts';
import { Controller, Module, type INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { jetstream, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../../../tools/demo/api.js';
import { startStack, type Stack } from '../../../tools/stack/stack.js';
import { JetStreamStrategy, OnEvent, type Outcome } from '../src/jetstream.strategy.js';
import { createLogger, nestLogger } from '../src/logging.js';
import { connectNats } from '../src/nats.js';
import { ensureTicketStream } from '../src/ticket-stream.js';

const golden = JSON.parse(
  readFileSync(join('libs', 'contracts', 'src', 'golden', 'ticket.message_added.v1.json'), 'utf8'),
) as Record<string, unknown>;

/** What the handler is to do with each next event of a ticket; 'done' when nothing is planned. */
const plans = new Map<string, (Outcome | Error)[]>();
const seen: { ticket: string; id: string }[] = [];

@Controller()
class Listener {
  @OnEvent(ticketMessageAdded)
  async added(event: CloudEvent<TicketMessageAdded>): Promise<Outcome> {
    seen.push({ ticket: event.subject, id: event.id });
    const plan = plans.get(event.subject)?.shift() ?? 'done';
    if (plan instanceof Error) throw plan;
    return plan;
  }
}

@Module({ controllers: [Listener] })
class ListenerModule {}

const log = createLogger('test', { NODE_ENV: 'test', LOG_LEVEL: 'silent' });
let stack: Stack;
let nats: NatsConnection;
let manager: JetStreamManager;
let service: INestMicroservice;

beforeAll(async () => {
  stack = await startStack({ dir: mkdtempSync(join(tmpdir(), 'helpdesk-test-')), keepData: false });
  nats = await connectNats(stack.natsUrl, 'test', log);
  manager = await jetstreamManager(nats);
  await ensureTicketStream(manager);
  const strategy = new JetStreamStrategy(nats, { durable: 'listener', maxDeliver: 2 }, log);
  service = await NestFactory.createMicroservice(ListenerModule, { strategy, logger: nestLogger(log) });
  await service.listen();
});

afterAll(async () => {
  await service?.close();
  await nats?.close();
  await stack?.stop();
});

/** The event of the golden file, as if it were this ticket's. */
async function publish(ticket: string, change: (event: Record<string, unknown>) => void = () => {}): Promise<string> {
  const event = structuredClone(golden);
  event['id'] = randomUUID();
  event['subject'] = ticket;
  change(event);
  await jetstream(nats).publish(`${ticketMessageAdded.type}.${ticket}`, JSON.stringify(event));
  return event['id'] as string;
}

function idsOf(ticket: string): string[] {
  return seen.filter((one) => one.ticket === ticket).map((one) => one.id);
}

const isSeen = (ticket: string, times: number) => () =>
  Promise.resolve(idsOf(ticket).length >= times ? true : undefined);

const allAcknowledged = () =>
  eventually('all acknowledged', async () => {
    const { num_pending, num_ack_pending } = await manager.consumers.info(TICKET_STREAM, 'listener');
    return num_pending + num_ack_pending === 0 ? true : undefined;
  });

async function deadLetters(): Promise<number> {
  return (await manager.streams.info('DEAD_LETTERS')).state.messages;
}

it("handles a ticket's events in order, also while one of them is tried again", async () => {
  plans.set('2001', [{ retryAfterMs: 300 }]);
  const ids = [await publish('2001'), await publish('2001'), await publish('2001')];
  await eventually('all seen', isSeen('2001', 4));
  expect(idsOf('2001')).toEqual([ids[0], ...ids]);
  await allAcknowledged();
});

it('puts a poison event aside for good, and goes on with the others meanwhile', async () => {
  const before = await deadLetters();
  plans.set('2002', [new Error('poison'), new Error('poison')]);
  await publish('2002');
  await publish('2003');
  await eventually('the other ticket', isSeen('2003', 1));
  await eventually('the dead letter', async () => ((await deadLetters()) === before + 1 ? true : undefined));
  await allAcknowledged();
  expect(idsOf('2002')).toHaveLength(2);
});

it('dead-letters what breaks its contract without asking the handler', async () => {
  const before = await deadLetters();
  await publish('2004', (event) => (event['data'] = { nothing: 'of it' }));
  await publish('2004', (event) => delete event['specversion']);
  await eventually('the dead letters', async () => ((await deadLetters()) === before + 2 ? true : undefined));
  await allAcknowledged();
  expect(idsOf('2004')).toEqual([]);
});

it('dead-letters what the handler discards', async () => {
  const before = await deadLetters();
  plans.set('2005', [{ discard: 'no use' }]);
  await publish('2005');
  await eventually('the dead letter', async () => ((await deadLetters()) === before + 1 ? true : undefined));
  await allAcknowledged();
  expect(idsOf('2005')).toHaveLength(1);
});

it('goes on when the stream was lost', async () => {
  await manager.streams.delete(TICKET_STREAM);
  await eventually('a new stream', async () => {
    await ensureTicketStream(manager);
    await publish('2006');
    return idsOf('2006').length > 0 ? true : undefined;
  });
  expect(idsOf('2006').length).toBeGreaterThan(0);
});
