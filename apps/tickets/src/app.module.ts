import { ENV, LOGGER, migrate, poolOf, Readiness, type Logger } from '#platform';
import { Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { MikroORM } from '@mikro-orm/postgresql';
import { DirectoryHandlers } from './directory/directory.handlers.js';
import { DirectoryService } from './directory/directory.service.js';
import type { TicketsEnv } from './env.js';
import { createOrm } from './orm.js';
import { OutboxRelay } from './outbox/outbox.relay.js';
import { PolicyHandlers } from './sla/policy.handlers.js';
import { PolicyMover } from './sla/policy.mover.js';
import { PolicyQueries } from './sla/policy.queries.js';
import { ClocksHandlers } from './sla/clocks.handlers.js';
import { ClocksQueries } from './sla/clocks.queries.js';
import { PolicyStore } from './sla/policy.store.js';
import { Sweeper } from './sla/sweeper.js';
import { setTime } from './test-clock.js';
import { LinkService } from './ticket/link.service.js';
import { IncomingMailService } from './ticket/incoming-mail.service.js';
import { ParticipantHandlers } from './ticket/participant.handlers.js';
import { ParticipantService } from './ticket/participant.service.js';
import { TagService } from './ticket/tag.service.js';
import { MergeService } from './ticket/merge.service.js';
import { RebuildService } from './ticket/rebuild.service.js';
import { RelationHandlers } from './ticket/relation.handlers.js';
import { SplitService } from './ticket/split.service.js';
import { TicketHandlers } from './ticket/ticket.handlers.js';
import { TicketList } from './ticket/ticket.list.js';
import { TicketQueries } from './ticket/ticket.queries.js';
import { TicketService } from './ticket/ticket.service.js';

@Module({
  controllers: [
    TicketHandlers,
    RelationHandlers,
    ParticipantHandlers,
    ClocksHandlers,
    DirectoryHandlers,
    PolicyHandlers,
  ],
  providers: [
    {
      provide: MikroORM,
      inject: [ENV, LOGGER],
      useFactory: async (env: TicketsEnv, log: Logger): Promise<MikroORM> => {
        const orm = await createOrm(env);
        const applied = await migrate(orm, env.DATABASE_URL);
        if (applied.length > 0) log.info({ applied }, 'schema migrated');
        await setTime(await poolOf(orm), env.TEST_CLOCK);
        return orm;
      },
    },
    PolicyStore,
    TicketService,
    IncomingMailService,
    RebuildService,
    LinkService,
    MergeService,
    SplitService,
    TicketQueries,
    ParticipantService,
    TagService,
    ClocksQueries,
    TicketList,
    DirectoryService,
    PolicyQueries,
    Sweeper,
    PolicyMover,
    OutboxRelay,
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

  /** After the transports have closed: replies in hand still needed the database. */
  async onApplicationShutdown(): Promise<void> {
    await this.orm.close();
  }
}
