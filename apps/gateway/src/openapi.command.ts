/** Writes the OpenAPI document: `node dist/apps/gateway/src/openapi.command.js [file]`. Needs no server of any kind. */
import { Bus, ENV, LOGGER, Readiness } from '#platform';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { writeFileSync } from 'node:fs';
import { AppModule } from './app.module.js';
import { describeApi } from './openapi.js';

/** Names what the application asks for; in preview nothing is ever made or called. */
const providers = [ENV, LOGGER, Bus, Readiness].map((provide) => ({ provide, useValue: {} }));

@Module({})
class DescriptionModule {}

const module = { module: DescriptionModule, global: true, imports: [AppModule], providers, exports: providers };
const app = await NestFactory.create<NestFastifyApplication>(module, new FastifyAdapter(), {
  preview: true,
  logger: ['error'],
});
const text = `${JSON.stringify(describeApi(app), null, 2)}\n`;
const [file] = process.argv.slice(2);
if (file === undefined) process.stdout.write(text);
else writeFileSync(file, text);
