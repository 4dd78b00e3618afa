import { ENV, LOGGER, migrate, poolOf, Readiness, SecretBox, type Logger } from '#platform';
import { Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { MikroORM } from '@mikro-orm/postgresql';
import { Ledger } from './delivery/ledger.js';
import { Recorder } from './delivery/recorder.js';
import { Relay } from './delivery/relay.js';
import { Sender } from './delivery/sender.js';
import { TicketEventsController } from './delivery/ticket-events.controller.js';
import type { NotifierEnv } from './env.js';
import { createOrm } from './orm.js';
import { Courier } from './webhooks/courier.js';
import { WebhookQueue } from './webhooks/queue.js';
import { Subscriptions } from './webhooks/subscriptions.js';
import { WebhookEventsController } from './webhooks/webhook-events.controller.js';
import { WebhookHandlers } from './webhooks/webhook.handlers.js';
import { WebhooksService } from './webhooks/webhooks.service.js';

@Module({
  controllers: [TicketEventsController, WebhookEventsController, WebhookHandlers],
  providers: [
    {
      provide: MikroORM,
      inject: [ENV, LOGGER],
      useFactory: async (env: NotifierEnv, log: Logger): Promise<MikroORM> => {
        const orm = await createOrm(env);
        const applied = await migrate(orm, env.DATABASE_URL);
        if (applied.length > 0) log.info({ applied }, 'schema migrated');
        return orm;
      },
    },
    {
      provide: Ledger,
      inject: [MikroORM],
      useFactory: async (orm: MikroORM): Promise<Ledger> => new Ledger(await poolOf(orm)),
    },
    { provide: Relay, inject: [ENV], useFactory: (env: NotifierEnv): Relay => new Relay(env) },
    Recorder,
    Sender,
    {
      provide: WebhookQueue,
      inject: [MikroORM],
      useFactory: async (orm: MikroORM): Promise<WebhookQueue> => new WebhookQueue(await poolOf(orm)),
    },
    {
      provide: Subscriptions,
      inject: [MikroORM],
      useFactory: async (orm: MikroORM): Promise<Subscriptions> => new Subscriptions(await poolOf(orm)),
    },
    {
      provide: SecretBox,
      inject: [ENV],
      useFactory: (env: NotifierEnv) => new SecretBox('WEBHOOK_SECRET_KEY', env.WEBHOOK_SECRET_KEY, 'webhook secrets'),
    },
    Courier,
    WebhooksService,
  ],
})
export class AppModule implements OnApplicationShutdown {
  constructor(
    @Inject(MikroORM) private readonly orm: MikroORM,
    readiness: Readiness,
  ) {
    readiness.register('postgres', async () => {
      await orm.em.getConnection().execute('select 1');
    });
  }

  /** After the transports and the sender have finished what they had in hand. */
  async onApplicationShutdown(): Promise<void> {
    await this.orm.close();
  }
}
