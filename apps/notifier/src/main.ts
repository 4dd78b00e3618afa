import 'reflect-metadata';
import { JetStreamStrategy, runService } from '#platform';
import { AppModule } from './app.module.js';
import { CONSUMER } from './delivery/recorder.js';
import { readEnv } from './env.js';

await runService({
  name: 'notifier',
  readEnv,
  module: AppModule,
  strategies: ({ nats, log }) => [new JetStreamStrategy(nats, { durable: CONSUMER }, log)],
});
