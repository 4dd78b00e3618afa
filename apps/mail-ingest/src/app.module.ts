import { Bus, ENV, LOGGER, migrate, poolOf, Readiness, type Logger } from '#platform';
import { MikroORM } from '@mikro-orm/postgresql';
import { Inject, Module, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { MailIngestEnv } from './env.js';
import { MailboxRunner } from './mailbox/mailbox-runner.js';
import { parseMailboxUrls } from './mailbox/mailbox-url.js';
import { createOrm } from './orm.js';

@Module({
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
  ],
})
export class AppModule implements OnApplicationBootstrap, OnApplicationShutdown {
  private runners: MailboxRunner[] = [];

  constructor(
    @Inject(MikroORM) private readonly orm: MikroORM,
    @Inject(ENV) private readonly env: MailIngestEnv,
    @Inject(LOGGER) private readonly log: Logger,
    private readonly bus: Bus,
    private readonly readiness: Readiness,
  ) {
    readiness.register('postgres', async () => {
      await orm.em.getConnection().execute('select 1');
    });
  }

  async onApplicationBootstrap(): Promise<void> {
    const { env, log, bus, readiness } = this;
    const mailboxes = parseMailboxUrls(env.IMAP_MAILBOXES);
    const own = {
      addresses: mailboxes.map((mailbox) => mailbox.address),
      loopToken: env.MAIL_LOOP_TOKEN,
      signingKey: env.MAIL_SIGNING_KEY,
    };
    const pool = await poolOf(this.orm);
    this.runners = mailboxes.map((settings) => new MailboxRunner({ settings, env, pool, bus, own, log, readiness }));
    for (const runner of this.runners) runner.start();
  }

  /** Finishes the batch in hand, then closes the database. */
  async onApplicationShutdown(): Promise<void> {
    await Promise.all(this.runners.map((runner) => runner.stop()));
    await this.orm.close();
  }
}
