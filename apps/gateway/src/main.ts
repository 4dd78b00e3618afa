import { runService } from '#platform';
import { createApplication } from './application.js';
import { AppModule } from './app.module.js';
import { readEnv } from './env.js';

await runService({
  name: 'gateway',
  readEnv,
  module: AppModule,
  create: createApplication,
  listen: async (app, { env, log }) => {
    await app.listen(env.HTTP_PORT, env.HTTP_HOST);
    log.info({ api: await app.getUrl() }, 'listening');
  },
});
