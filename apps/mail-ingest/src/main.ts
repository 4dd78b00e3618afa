import { runService } from '#platform';
import { AppModule } from './app.module.js';
import { readEnv } from './env.js';

await runService({ name: 'mail-ingest', readEnv, module: AppModule });
