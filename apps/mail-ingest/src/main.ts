import { RpcStrategy, runService } from '#platform';
import { AppModule } from './app.module.js';
import { readEnv } from './env.js';

await runService({
  name: 'mail-ingest',
  readEnv,
  module: AppModule,
  strategies: ({ nats, log }) => [new RpcStrategy(nats, 'mail-ingest', log)],
});
