import { getTicket } from '#contracts';
import { Bus, ENV, LOGGER, Readiness, type Logger } from '#platform';
import { Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { APP_FILTER, APP_GUARD } from '@nestjs/core';
import pg from 'pg';
import { AttachmentsController } from './attachments/attachments.controller.js';
import { BlobStore } from './attachments/blob.store.js';
import { AccessTokens } from './auth/access-tokens.js';
import { AuthController } from './auth/auth.controller.js';
import { AuthGuard } from './auth/auth.guard.js';
import { ClocksController } from './clocks/clocks.controller.js';
import { DirectoryController } from './directory/directory.controller.js';
import type { GatewayEnv } from './env.js';
import { BulkController } from './bulk/bulk.controller.js';
import { RestHealthController } from './health/health.controller.js';
import { InboundController } from './inbound/inbound.controller.js';
import { MailboxesController } from './mailboxes/mailboxes.controller.js';
import { ParticipantsController } from './participants/participants.controller.js';
import { PoliciesController } from './policies/policies.controller.js';
import { ProblemFilter } from './problems/problem.filter.js';
import { LinksController } from './relations/links.controller.js';
import { MergesController } from './relations/merges.controller.js';
import { TagsController } from './tags/tags.controller.js';
import { TicketsController } from './tickets/tickets.controller.js';
import { TimelineController } from './timeline/timeline.controller.js';
import { WebhooksController } from './webhooks/webhooks.controller.js';

const NOBODY = '00000000-0000-4000-8000-000000000000';

@Module({
  controllers: [
    AuthController,
    TicketsController,
    BulkController,
    ParticipantsController,
    TagsController,
    TimelineController,
    ClocksController,
    LinksController,
    MergesController,
    AttachmentsController,
    DirectoryController,
    PoliciesController,
    InboundController,
    MailboxesController,
    WebhooksController,
    RestHealthController,
  ],
  providers: [
    { provide: APP_GUARD, useClass: AuthGuard },
    { provide: APP_FILTER, useClass: ProblemFilter },
    {
      provide: pg.Pool,
      inject: [ENV, LOGGER],
      useFactory: (env: GatewayEnv, log: Logger): pg.Pool => {
        const options = { max: env.DATABASE_POOL_SIZE, application_name: 'gateway', keepAlive: true };
        const pool = new pg.Pool({ connectionString: env.DATABASE_URL, ...options });
        pool.on('error', (error) => log.warn({ err: error }, 'database connection lost'));
        return pool;
      },
    },
    AccessTokens,
    BlobStore,
  ],
})
export class AppModule implements OnApplicationShutdown {
  constructor(
    @Inject(pg.Pool) private readonly pool: pg.Pool,
    bus: Bus,
    readiness: Readiness,
  ) {
    readiness.register('postgres', async () => {
      await pool.query('select 1');
    });
    // any answer will do: it shows that the tickets service and its database are there
    readiness.register('tickets', async () => {
      await bus.call(getTicket, { viewerId: NOBODY, ticketId: NOBODY });
    });
  }

  /** After the server has closed: downloads in hand still needed the database. */
  async onApplicationShutdown(): Promise<void> {
    await this.pool.end();
  }
}
