/** The tickets service with a clock that a spec can set, and how to ask it and to look at what it wrote. */
import {
  authenticate,
  createTicket,
  type CloudEvent,
  type NewTicket,
  type PersonView,
  type TicketView,
} from '#contracts';
import { Bus, connectNats, createLogger } from '#platform';
import type { NatsConnection } from '@nats-io/transport-node';
import pg from 'pg';
import { startWorld, stopWorld, type World } from '../../../test/harness/stack.js';
import { eventually } from '../../../tools/demo/api.js';
import { ACCOUNTS } from '../../../tools/demo/directory.js';
import type { Instance } from '../../../tools/services/services.js';

/** The parts of an event that tell what happened; which of them are there depends on its type. */
export interface ToldEvent extends Omit<CloudEvent, 'data'> {
  data: {
    ticket: TicketView;
    recipients: { role: string; email: string }[];
    clock?: 'assign' | 'resolve';
    percent?: number;
    overdueSeconds?: number;
    changes?: { field: string; after: string | null }[];
  };
}

export class Tickets {
  private constructor(
    private readonly world: World,
    private readonly nats: NatsConnection,
    readonly bus: Bus,
    readonly database: pg.Pool,
    readonly people: Record<keyof typeof ACCOUNTS, PersonView>,
  ) {}

  static async start(instances = 1): Promise<Tickets> {
    const world = await startWorld({ only: ['tickets'], instances, env: { tickets: { TEST_CLOCK: 'true' } } });
    const log = createLogger('test', { NODE_ENV: 'test', LOG_LEVEL: 'silent' });
    const nats = await connectNats(world.stack.natsUrl, 'test', log);
    const bus = new Bus(nats, 20_000);
    const database = new pg.Pool({ connectionString: world.stack.databaseUrl });
    database.on('error', () => {}); // a closing connection may still hear that its server stops
    const people = await Promise.all(
      Object.entries(ACCOUNTS).map(async ([name, { email }]) => {
        const { person } = await bus.expect(authenticate, { email, password: world.stack.accountPassword(email) });
        return [name, person] as const;
      }),
    );
    return new Tickets(world, nats, bus, database, Object.fromEntries(people) as Tickets['people']);
  }

  async stop(): Promise<void> {
    await this.database.end();
    await this.nats.close();
    await stopWorld(this.world);
  }

  get instances(): Instance[] {
    return this.world.services.of('tickets');
  }

  /** Sets the service's clock, a little into the second so that there is time to act before it ends. */
  async setClock(at: Date | string): Promise<void> {
    await this.database.query(`update tickets.test_clock set shift = $1::timestamptz + interval '50 ms' - now()`, [at]);
  }

  async forward(seconds: number): Promise<void> {
    await this.database.query('update tickets.test_clock set shift = shift + make_interval(secs => $1)', [seconds]);
  }

  async create(ticket: Partial<NewTicket> = {}): Promise<TicketView> {
    const reporter = { email: ACCOUNTS.zoe.email };
    const asked = { subject: 'Line down', text: 'Since ten.', reporter, ...ticket };
    return (await this.bus.expect(createTicket, { actorId: this.people.erik.id, ticket: asked })).ticket;
  }

  /** Resolves when time has nothing left to do to any ticket. */
  allSwept(): Promise<true> {
    return eventually(
      'nothing is due',
      async () => {
        const { rows } = await this.database.query(
          'select from tickets.ticket where next_timer_at <= tickets.transaction_time() limit 1',
        );
        return rows.length === 0 ? true : undefined;
      },
      50_000,
    );
  }

  /** In the order in which they were written, whatever ticket they are about. */
  async events(after = 0): Promise<ToldEvent[]> {
    const { rows } = await this.database.query<{ payload: ToldEvent }>(
      'select payload from tickets.outbox where id > $1 order by id',
      [after],
    );
    return rows.map(({ payload }) => payload);
  }

  async lastEventId(): Promise<number> {
    const { rows } = await this.database.query('select coalesce(max(id), 0)::integer as id from tickets.outbox');
    return rows[0].id;
  }
}

/** As many at once as a busy house would. */
export async function inGroups<T, R>(items: readonly T[], work: (item: T) => Promise<R>, size = 20): Promise<R[]> {
  const results: R[] = [];
  for (let start = 0; start < items.length; start += size) {
    results.push(...(await Promise.all(items.slice(start, start + size).map(work))));
  }
  return results;
}
