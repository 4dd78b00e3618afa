import { runService } from '#platform';
import { AppModule } from './app.module.js';
import { readEnv } from './env.js';
import { createServer, listen } from './http/server.js';

await runService({ name: 'gateway', readEnv, module: AppModule, create: createServer, listen });
