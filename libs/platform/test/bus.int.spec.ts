/** Request and reply over a real nats-server: both ends of a contract, and everything that can go wrong between. */
import { isRefused, refuse, rpc, type Refused } from '#contracts';
import { Controller, Module, type INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NatsConnection } from '@nats-io/transport-node';
import { IsInt, IsOptional, IsString } from 'class-validator';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startStack, type Stack } from '../../../tools/stack/stack.js';
import { Bus, BusError } from '../src/bus.js';
import { currentContext, runInContext } from '../src/context.js';
import { createLogger, nestLogger } from '../src/logging.js';
import { connectNats } from '../src/nats.js';
import { Handles, RpcStrategy } from '../src/rpc.strategy.js';

class Question {
  @IsString()
  wish: string;

  @IsOptional()
  @IsInt()
  size?: number;
}

class Answer {
  @IsString()
  text: string;
}

const ask = rpc('test.ask.v1', Question, Answer);
const nobody = rpc('test.nobody.v1', Question, Answer);
const log = createLogger('test', { NODE_ENV: 'test', LOG_LEVEL: 'silent' });

/** Requests that wait until the test lets them go. */
let release: () => void = () => {};
let waiting: Promise<void> = Promise.resolve();
let arrived: () => void = () => {};

@Controller()
class Answers {
  @Handles(ask)
  async answer({ wish, size = 0 }: Question): Promise<Answer | Refused> {
    switch (wish) {
      case 'refuse':
        return refuse({ field: 'wish', code: 'no', message: 'no' });
      case 'throw':
        throw new Error('secret of the house');
      case 'lie':
        return { text: 7 } as unknown as Answer;
      case 'context':
        return { text: JSON.stringify(currentContext()) };
      case 'wait':
        arrived();
        await waiting;
        return { text: 'waited' };
      default:
        return { text: 'x'.repeat(size) };
    }
  }
}

@Module({ controllers: [Answers] })
class AnswersModule {}

let stack: Stack;
let client: NatsConnection;
let server: NatsConnection;
let service: INestMicroservice;
let bus: Bus;

beforeAll(async () => {
  stack = await startStack({ dir: mkdtempSync(join(tmpdir(), 'helpdesk-test-')), keepData: false });
  [client, server] = await Promise.all([
    connectNats(stack.natsUrl, 'client', log),
    connectNats(stack.natsUrl, 'server', log),
  ]);
  bus = new Bus(client, 2_000);
  service = await start();
});

afterAll(async () => {
  await service?.close();
  await client?.close();
  await server?.close();
  await stack?.stop();
});

async function start(): Promise<INestMicroservice> {
  const strategy = new RpcStrategy(server, 'answers', log);
  const app = await NestFactory.createMicroservice(AnswersModule, { strategy, logger: nestLogger(log) });
  await app.listen();
  return app;
}

async function faultOf(call: Promise<unknown>): Promise<BusError> {
  const error = await call.then(
    () => new Error('it was answered'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(BusError);
  return error as BusError;
}

it('gives back an instance of the reply, or a refusal as a value', async () => {
  expect(await bus.call(ask, { wish: 'words', size: 3 })).toBeInstanceOf(Answer);
  const refused = await bus.call(ask, { wish: 'refuse' });
  expect(isRefused(refused) && refused.refusals).toEqual([{ field: 'wish', code: 'no', message: 'no' }]);
});

it('says of a bug that there is one, and nothing else', async () => {
  const fault = await faultOf(bus.call(ask, { wish: 'throw' }));
  expect(fault).toMatchObject({ reason: 'internal', retryable: false });
  expect(fault.message).not.toContain('secret');
});

it('checks the request on one end and the reply on the other', async () => {
  const wrong = { wish: 1, size: 'big' } as unknown as Question;
  const request = await faultOf(bus.call(ask, wrong));
  expect(request.reason).toBe('invalid_request');
  expect(request.message).toContain('wish');
  expect(request.message).toContain('size');
  expect((await faultOf(bus.call(ask, { wish: 'lie' }))).reason).toBe('invalid_reply');
});

it('knows at once that nobody answers, and in time that somebody does not', async () => {
  const begun = performance.now();
  const fault = await faultOf(bus.call(nobody, { wish: 'x' }));
  expect(fault).toMatchObject({ reason: 'nobody_answers', retryable: true });
  expect(performance.now() - begun).toBeLessThan(1_000);
  waiting = new Promise((resolve) => (release = resolve));
  expect((await faultOf(bus.call(ask, { wish: 'wait' }, { timeoutMs: 100 }))).reason).toBe('timeout');
  release();
});

it('refuses what is too large in either direction instead of letting the caller wait', async () => {
  expect((await faultOf(bus.call(ask, { wish: 'x'.repeat(2 << 20) }))).reason).toBe('too_large');
  expect((await faultOf(bus.call(ask, { wish: 'words', size: 2 << 20 }))).reason).toBe('too_large');
});

it('carries correlation id and trace context to the handler', async () => {
  const context = { correlationId: 'c-1', traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' };
  const reply = await runInContext(context, () => bus.expect(ask, { wish: 'context' }));
  expect(JSON.parse(reply.text)).toEqual(context);
});

it('finishes what is in hand when it closes, and takes nothing new', async () => {
  waiting = new Promise((resolve) => (release = resolve));
  const here = new Promise<void>((resolve) => (arrived = resolve));
  const inHand = bus.expect(ask, { wish: 'wait' });
  await here;
  const closed = service.close();
  await server.flush();
  expect((await faultOf(bus.call(ask, { wish: 'words' }))).reason).toBe('nobody_answers');
  release();
  expect((await inHand).text).toBe('waited');
  await closed;
  service = await start();
});

it('answers again after the server was away', async () => {
  await stack.nats.stop();
  await stack.nats.start();
  for (;;) {
    const reply = await bus.call(ask, { wish: 'words', size: 1 }).catch((error: BusError) => error);
    if (reply instanceof Answer) break;
    expect((reply as BusError).retryable).toBe(true);
  }
});
