import { Bus, ENV, LOGGER, migrate, poolOf, Readiness, SecretBox, type HostPolicy, type Logger } from '#platform';
import { MikroORM } from '@mikro-orm/postgresql';
import { Inject, Module, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import pg from 'pg';
import type { MailIngestEnv } from './env.js';
import { Decisions } from './intake/decisions.js';
import { InboundHandlers } from './intake/inbound.handlers.js';
import { watchOverdue } from './intake/overdue.js';
import { Parser, parserOf } from './intake/parser.js';
import { AccessTokens } from './mailbox/access-tokens.js';
import { MailboxHandlers } from './mailbox/mailbox.handlers.js';
import { HOST_POLICY, MailboxService } from './mailbox/mailbox.service.js';
import { Supervisor } from './mailbox/supervisor.js';
import { createOrm } from './orm.js';

@Module({
  controllers: [InboundHandlers, MailboxHandlers],
  providers: [
    {
      provide: MikroORM,
      inject: [ENV, LOGGER],
      useFactory: async (env: MailIngestEnv, log: Logger): Promise<MikroORM> => {
        const orm = await createOrm(env);
        const applied = await migrate(orm, env.DATABASE_URL);
        if (applied.length > 0) log.info({ applied }, 'schema migrated');
        return orm;
      },
    },
    { provide: pg.Pool, inject: [MikroORM], useFactory: poolOf },
    {
      provide: HOST_POLICY,
      inject: [ENV],
      useFactory: (env: MailIngestEnv): HostPolicy => ({ allowPrivate: env.MAILBOX_PRIVATE_HOSTS }),
    },
    {
      provide: SecretBox,
      inject: [ENV],
      useFactory: ({ MAILBOX_SECRET_KEY }: MailIngestEnv) =>
        new SecretBox('MAILBOX_SECRET_KEY', MAILBOX_SECRET_KEY, 'mailbox secrets'),
    },
    {
      provide: AccessTokens,
      inject: [pg.Pool, SecretBox, HOST_POLICY],
      useFactory: (pool: pg.Pool, box: SecretBox, policy: HostPolicy) => new AccessTokens(pool, box, policy),
    },
    Supervisor,
    MailboxService,
    {
      provide: Parser,
      inject: [ENV, Supervisor, LOGGER],
      useFactory: (env: MailIngestEnv, supervisor: Supervisor, log: Logger) =>
        parserOf(env, () => supervisor.terms(), log),
    },
    {
      provide: Decisions,
      inject: [pg.Pool, Bus, Parser, LOGGER],
      useFactory: (pool: pg.Pool, bus: Bus, parser: Parser, log: Logger) => new Decisions({ pool, bus, parser, log }),
    },
  ],
})
export class AppModule implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly stopping = new AbortController();

  constructor(
    @Inject(MikroORM) private readonly orm: MikroORM,
    @Inject(LOGGER) private readonly log: Logger,
    @Inject(pg.Pool) private readonly pool: pg.Pool,
    private readonly parser: Parser,
    private readonly supervisor: Supervisor,
    readiness: Readiness,
  ) {
    readiness.register('postgres', async () => {
      await orm.em.getConnection().execute('select 1');
    });
  }

  onApplicationBootstrap(): void {
    void watchOverdue(this.pool, this.log, this.stopping.signal);
  }

  /** Finishes the batches in hand, then closes the database. */
  async onApplicationShutdown(): Promise<void> {
    this.stopping.abort('stopping');
    await this.supervisor.stop();
    await this.parser.stop();
    await this.orm.close();
  }
}
