/** Policies and calendars as employees read them. */
import {
  refuse,
  type CalendarList,
  type CalendarView,
  type ListPolicies,
  type ListPolicyVersions,
  type LiveTicketsView,
  type PolicyList,
  type PolicyMoveView,
  type PolicyVersionPage,
  type PolicyVersionView,
  type Refused,
} from '#contracts';
import type { PersonKind } from '#domain';
import { poolOf, type Sql } from '#platform';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { MikroORM } from '@mikro-orm/postgresql';

const VERSION = `jsonb_build_object('version', v.number, 'effectiveAt', ${iso('v.effective_at')},
  'calendar', jsonb_build_object('name', v.calendar, 'version', v.calendar_version), 'terms', v.terms)`;

const SHOWN_MOVES = 10;

/** A calendar as its JSON column has it. */
type StoredHours = Pick<CalendarView, 'zone'> & Partial<Pick<CalendarView, 'always' | 'weekly' | 'exceptions'>>;

@Injectable()
export class PolicyQueries implements OnModuleInit {
  private sql: Sql;

  constructor(@Inject(MikroORM) private readonly orm: MikroORM) {}

  async onModuleInit(): Promise<void> {
    this.sql = await poolOf(this.orm);
  }

  async policies({ viewerId }: ListPolicies): Promise<PolicyList | Refused> {
    const refused = await this.refusalOf(viewerId);
    if (refused) return refused;
    const { rows } = await this.sql.query<{
      name: string;
      isDefault: boolean;
      organisations: string[];
      current: PolicyVersionView;
      liveTickets: LiveTicketsView[];
      moves: PolicyMoveView[];
    }>(
      `with live as (
         select v.policy, v.number as version, count(*)::integer as count
         from tickets.ticket t join tickets.policy_version v on v.number = t.policy_version
         where t.status <> 'closed' group by v.number)
       select p.name, p.is_default as "isDefault",
         array(select o.name from tickets.organisation o where o.policy = p.name order by o.name) as organisations,
         (select ${VERSION} from tickets.policy_version v where v.policy = p.name
          order by v.number desc limit 1) as current,
         coalesce((select jsonb_agg(jsonb_build_object('version', version, 'count', count) order by version desc)
          from live where live.policy = p.name), '[]') as "liveTickets",
         coalesce((select jsonb_agg(jsonb_build_object('fromVersion', from_version, 'toVersion', to_version,
            'requestedAt', ${iso('requested_at')}, 'total', total, 'moved', moved, 'finishedAt', ${iso('finished_at')}))
          from (select * from tickets.policy_move m where m.policy = p.name
                order by m.to_version desc limit ${SHOWN_MOVES}) latest), '[]') as moves
       from tickets.policy p order by p.name`,
    );
    return { items: rows };
  }

  async versions({ viewerId, name, after, limit }: ListPolicyVersions): Promise<PolicyVersionPage | Refused> {
    const refused = await this.refusalOf(viewerId);
    if (refused) return refused;
    if (after !== undefined && !/^\d{1,9}$/.test(after)) {
      return refuse({ field: 'after', code: 'cursor_invalid', message: 'not a cursor of this list' });
    }
    const { rows } = await this.sql.query<{ view: PolicyVersionView }>(
      `select ${VERSION} as view from tickets.policy_version v
       where v.policy = $1 and ($2::integer is null or v.number < $2) order by v.number desc limit $3`,
      [name, after ?? null, limit + 1],
    );
    // every policy has a version
    if (rows.length === 0 && after === undefined) {
      return refuse({ field: 'name', code: 'policy_unknown', message: 'there is no such policy' });
    }
    const items = rows.slice(0, limit).map(({ view }) => view);
    return { items, next: rows.length > limit ? String(items.at(-1)!.version) : null };
  }

  async calendars({ viewerId }: ListPolicies): Promise<CalendarList | Refused> {
    const refused = await this.refusalOf(viewerId);
    if (refused) return refused;
    const { rows } = await this.sql.query<{ name: string; version: number; hours: StoredHours }>(
      'select distinct on (name) name, version, hours from tickets.calendar order by name, version desc',
    );
    return {
      items: rows.map(({ name, version, hours }) => {
        const { zone, always = false, weekly = {}, exceptions = {} } = hours;
        return { name, version, zone, always, weekly, exceptions };
      }),
    };
  }

  private async refusalOf(viewerId: string): Promise<Refused | undefined> {
    const { rows } = await this.sql.query<{ kind: PersonKind }>(
      'select kind from tickets.person where id = $1 and active',
      [viewerId],
    );
    const kind = rows[0]?.kind;
    if (kind === undefined) {
      return refuse({ field: 'viewerId', code: 'viewer_unknown', message: 'the account is not active' });
    }
    if (kind === 'employee') return undefined;
    return refuse({ field: '', code: 'employees_only', message: 'only employees may read policies' });
  }
}

/** A timestamptz(0) column in ISO 8601, e.g. `2026-03-02T13:00:00.000Z`. */
function iso(column: string): string {
  return `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS".000Z"')`;
}
