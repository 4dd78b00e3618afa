import 'reflect-metadata';
import { runService } from '#platform';
import { AppModule } from './app.module.js';
import { readEnv } from './env.js';
import { strategies } from './transports.js';

await runService({
  name: 'notifier',
  readEnv,
  module: AppModule,
  strategies,
});
