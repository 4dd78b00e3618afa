import { ENV, HealthController, Readiness, type Sql } from '#platform';
import { Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import pg from 'pg';
import { AccessTokens } from './auth/access-token.js';
import { AuthController } from './auth/auth.controller.js';
import { AuthGuard, Public } from './auth/auth.guard.js';
import { DirectoryController } from './directory/directory.controller.js';
import type { GatewayEnv } from './env.js';
import { TicketsController } from './tickets/tickets.controller.js';
import { BLOB_DATABASE, TimelineController } from './timeline/timeline.controller.js';

Public()(HealthController); // load balancers have no token

@Module({
  controllers: [AuthController, TicketsController, TimelineController, DirectoryController, HealthController],
  providers: [
    { provide: APP_GUARD, useClass: AuthGuard },
    {
      provide: AccessTokens,
      inject: [ENV],
      useFactory: (env: GatewayEnv) => new AccessTokens(env.AUTH_SECRET, env.ACCESS_TOKEN_TTL_SECONDS),
    },
    {
      // the gateway has no tables: this is for the bytes of attachments and raw mail only
      provide: BLOB_DATABASE,
      inject: [ENV],
      useFactory: (env: GatewayEnv) => {
        const pool = new pg.Pool({
          connectionString: env.DATABASE_URL,
          max: env.DATABASE_POOL_SIZE,
          application_name: 'gateway',
        });
        pool.on('error', () => {}); // an idle connection was lost; the next query opens another
        return pool;
      },
    },
  ],
})
export class AppModule implements OnApplicationShutdown {
  constructor(
    @Inject(BLOB_DATABASE) private readonly blobs: Sql & { end(): Promise<void> },
    readiness: Readiness,
  ) {
    readiness.register('postgres', () => blobs.query('select 1'));
  }

  async onApplicationShutdown(): Promise<void> {
    await this.blobs.end();
  }
}
