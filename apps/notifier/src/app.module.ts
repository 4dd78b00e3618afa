import { ENV, LOGGER, migrate, poolOf, Readiness, type Logger } from '#platform';
import { Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { MikroORM } from '@mikro-orm/postgresql';
import { Ledger } from './delivery/ledger.js';
import { Recorder } from './delivery/recorder.js';
import { Relay } from './delivery/relay.js';
import { Sender } from './delivery/sender.js';
import { TicketEventsController } from './delivery/ticket-events.controller.js';
import type { NotifierEnv } from './env.js';
import { createOrm } from './orm.js';

@Module({
  controllers: [TicketEventsController],
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
