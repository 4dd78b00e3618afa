/** Why a ticket's clocks stand where they stand: rebuilt from its history each time somebody asks. */
import { refuse, type GetClocks, type Refused, type TicketClocks } from '#contracts';
import { explainClocks, type Channel, type PersonKind } from '#domain';
import { poolOf, type Sql } from '#platform';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { MikroORM } from '@mikro-orm/postgresql';
import { instantOf, isoInstant } from '../ticket/instant.type.js';
import { MAY_SEE } from '../ticket/access.js';
import { ledgerView } from './clocks.view.js';
import { HISTORY, historyOf, type HistoryRow } from './history.rows.js';
import { PolicyStore } from './policy.store.js';

interface ClocksRow {
  viewer: PersonKind;
  id: string;
  number: number;
  channel: Channel;
  reporter_person_id: string | null;
  reporter_name: string;
  reporter_email: string | null;
  policy_version: number;
  at: string;
  history: HistoryRow[];
}

@Injectable()
export class ClocksQueries implements OnModuleInit {
  private sql: Sql;

  constructor(
    @Inject(MikroORM) private readonly orm: MikroORM,
    private readonly policies: PolicyStore,
  ) {}

  async onModuleInit(): Promise<void> {
    this.sql = await poolOf(this.orm);
  }

  async clocks({ viewerId, ticketId }: GetClocks): Promise<TicketClocks | Refused> {
    const { rows } = await this.sql.query<ClocksRow>({
      name: 'clocks',
      // time never goes backwards on a row
      text: `select v.kind as viewer, t.id, t.number, t.channel, t.reporter_person_id, t.reporter_name,
               t.reporter_email, t.policy_version, greatest(tickets.transaction_time(), t.updated_at) as at,
               ${HISTORY} as history
             from tickets.person v, tickets.ticket t
             where v.id = $1 and t.id = $2 and ${MAY_SEE}`,
      values: [viewerId, ticketId],
    });
    const row = rows[0];
    if (!row) return refuse({ field: 'ticketId', code: 'ticket_unknown', message: 'there is no such ticket' });
    await this.policies.learn([row.policy_version]);
    const { id, number, channel } = row;
    const reporter = { personId: row.reporter_person_id, name: row.reporter_name, email: row.reporter_email };
    const at = instantOf(row.at);
    const identity = { id, number, channel, reporter };
    const { assign, resolve } = explainClocks(
      identity,
      historyOf(row.history),
      (version) => this.policies.of(version),
      at,
    );
    return {
      ticketId: id,
      number,
      at: isoInstant(at),
      assign: ledgerView(assign, row.viewer),
      resolve: ledgerView(resolve, row.viewer),
    };
  }
}
