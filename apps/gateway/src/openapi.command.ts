/**
 * `node dist/apps/gateway/src/openapi.command.js FILE` — writes the API's description without any server running.
 * Needs the output of `npm run build`: the descriptions of fields come from its compiler plugin.
 */
import { Bus, createLogger, ENV, LOGGER, Readiness } from '#platform';
import { Module } from '@nestjs/common';
import { writeFileSync } from 'node:fs';
import { createApplication } from './application.js';
import { AppModule } from './app.module.js';
import { GatewayEnv } from './env.js';
import { describeApi } from './openapi.js';

const [file] = process.argv.slice(2);
if (file === undefined) {
  process.stderr.write('usage: openapi.command.js FILE\n');
  process.exit(2);
}
const env = Object.assign(new GatewayEnv(), { AUTH_SECRET: '-'.repeat(32), DATABASE_URL: 'postgres://nowhere' });
const log = createLogger('openapi', { NODE_ENV: 'production', LOG_LEVEL: 'silent' });
const providers = [
  { provide: ENV, useValue: env },
  { provide: LOGGER, useValue: log },
  { provide: Readiness, useValue: new Readiness() },
  { provide: Bus, useValue: null },
];

@Module({})
class Stub {}

const app = await createApplication(
  { module: Stub, global: true, imports: [AppModule], providers, exports: providers },
  { env, log },
);
writeFileSync(file, `${JSON.stringify(describeApi(app), null, 2)}\n`);
await app.close();
