/** Answers every question with the same ticket. */
import { Handles, RpcStrategy, connectNats, createLogger, nestLogger } from '#platform';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { floorGet } from './contract.ts';

const answer = JSON.parse(process.env['FLOOR_ANSWER']!);
const log = createLogger('floor-responder', { NODE_ENV: 'production', LOG_LEVEL: 'warn' });
const nats = await connectNats(process.env['NATS_URL']!, 'floor-responder', log);

class FloorHandlers {
  async get() {
    return answer;
  }
}
Controller()(FloorHandlers);
Handles(floorGet)(FloorHandlers.prototype, 'get', Object.getOwnPropertyDescriptor(FloorHandlers.prototype, 'get')!);

class FloorModule {}
Module({ controllers: [FloorHandlers] })(FloorModule);

const strategy = new RpcStrategy(nats, 'floor', log);
const app = await NestFactory.createMicroservice(FloorModule, { strategy, logger: nestLogger(log) });
await app.listen();
process.send?.('ready');
