import { Bus, ENV, LOGGER, migrate, poolOf, Readiness, type Logger } from '#platform';
import { MikroORM } from '@mikro-orm/postgresql';
import { Inject, Module, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import pg from 'pg';
import type { MailIngestEnv } from './env.js';
import { MailboxRunner } from './mailbox/mailbox-runner.js';
import { parseMailboxUrls } from './mailbox/mailbox-url.js';
import { createOrm } from './orm.js';
import { Decisions } from './intake/decisions.js';
import { InboundHandlers } from './intake/inbound.handlers.js';
import { watchOverdue } from './intake/overdue.js';
import type { WorkerSettings } from './intake/parse.worker.js';
import { Parser, parserOf } from './intake/parser.js';

@Module({
  controllers: [InboundHandlers],
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
      provide: Parser,
      inject: [ENV, LOGGER],
      useFactory: (env: MailIngestEnv, log: Logger) => parserOf(env, ownMail(env), log),
    },
    {
      provide: Decisions,
      inject: [pg.Pool, Bus, Parser, LOGGER],
      useFactory: (pool: pg.Pool, bus: Bus, parser: Parser, log: Logger) => new Decisions({ pool, bus, parser, log }),
    },
  ],
})
export class AppModule implements OnApplicationBootstrap, OnApplicationShutdown {
  private runners: MailboxRunner[] = [];
  private readonly stopping = new AbortController();

  constructor(
    @Inject(MikroORM) private readonly orm: MikroORM,
    @Inject(ENV) private readonly env: MailIngestEnv,
    @Inject(LOGGER) private readonly log: Logger,
    private readonly bus: Bus,
    @Inject(pg.Pool) private readonly pool: pg.Pool,
    private readonly parser: Parser,
    private readonly readiness: Readiness,
  ) {
    readiness.register('postgres', async () => {
      await orm.em.getConnection().execute('select 1');
    });
  }

  onApplicationBootstrap(): void {
    const { env, log, bus, pool, readiness } = this;
    const mailboxes = parseMailboxUrls(env.IMAP_MAILBOXES);
    const own = ownMail(env);
    this.runners = mailboxes.map((settings) => new MailboxRunner({ settings, env, pool, bus, own, log, readiness }));
    for (const runner of this.runners) runner.start();
    void watchOverdue(pool, log, this.stopping.signal);
  }

  /** Finishes the batch in hand, then closes the database. */
  async onApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.runners.map((runner) => runner.stop()));
    await this.parser.stop();
    await this.orm.close();
  }
}

function ownMail(env: MailIngestEnv): WorkerSettings['own'] {
  return {
    addresses: parseMailboxUrls(env.IMAP_MAILBOXES).map((mailbox) => mailbox.address),
    loopToken: env.MAIL_LOOP_TOKEN,
    signingKey: env.MAIL_SIGNING_KEY,
  };
}
