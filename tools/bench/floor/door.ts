/**
 * The yardstick of tools/bench/api: the same Fastify door and NATS hop as the gateway's, with the same contract on both
 * ends, and nothing behind it. What the real view adds is authentication, rules and PostgreSQL.
 */
import { Bus, connectNats, createLogger, nestLogger } from '#platform';
import { Controller, Get, Module, Param } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { floorGet } from './contract.ts';

const NOBODY = '00000000-0000-4000-8000-000000000000';
const log = createLogger('floor-door', { NODE_ENV: 'production', LOG_LEVEL: 'warn' });
const bus = new Bus(await connectNats(process.env['NATS_URL']!, 'floor-door', log), 5_000);

class FloorController {
  get(ticketId: string) {
    return bus.expect(floorGet, { viewerId: NOBODY, ticketId });
  }
}
// tools run without a compiler, so the decorators are applied by hand
const descriptor = Object.getOwnPropertyDescriptor(FloorController.prototype, 'get')!;
Controller('tickets')(FloorController);
Get(':id')(FloorController.prototype, 'get', descriptor);
Param('id')(FloorController.prototype, 'get', 0);

class FloorModule {}
Module({ controllers: [FloorController] })(FloorModule);

const app = await NestFactory.create(FloorModule, new FastifyAdapter(), { logger: nestLogger(log) });
await app.listen(Number(process.env['HTTP_PORT']), '127.0.0.1');
process.send?.('ready');
