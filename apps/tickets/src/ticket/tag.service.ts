/** Tags: the house's own words on tickets. Customers neither see them nor can find tickets by them. */
import {
  isRefused,
  refuse,
  type ListTags,
  type Refused,
  type SetTags,
  type TagList,
  type TagsResult,
} from '#contracts';
import { normalTags, type PersonKind } from '#domain';
import { poolOf, type Sql } from '#platform';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { MikroORM, type EntityManager } from '@mikro-orm/postgresql';
import { PolicyStore } from '../sla/policy.store.js';
import { forEmployees } from './new-ticket.js';
import { authorOf, TicketService } from './ticket.service.js';

/** How many known tags are listed. */
const MAX_KNOWN = 200;

@Injectable()
export class TagService implements OnModuleInit {
  private sql: Sql;

  constructor(
    @Inject(MikroORM) private readonly orm: MikroORM,
    private readonly tickets: TicketService,
    private readonly policies: PolicyStore,
  ) {}

  async onModuleInit(): Promise<void> {
    this.sql = await poolOf(this.orm);
  }

  async set({ actorId, ticketId, expectedVersion, tags: asked }: SetTags): Promise<TagsResult | Refused> {
    await this.policies.refresh();
    const command = async (em: EntityManager): Promise<TagsResult | Refused> => {
      const opened = await this.tickets.lock(em, ticketId, actorId);
      if (isRefused(opened)) return opened;
      const { actor, row, writer } = opened;
      if (actor.kind !== 'employee') return refuse(forEmployees('tags'));
      const { version } = writer.view();
      const checked = normalTags(asked);
      const refusals = 'refusals' in checked ? [...checked.refusals] : [];
      if (expectedVersion !== undefined && expectedVersion !== version) {
        const message = `The ticket has version ${version}, not ${expectedVersion}.`;
        return Object.assign(refuse({ field: 'version', code: 'version_conflict', message }, ...refusals), {
          currentVersion: version,
        });
      }
      if ('refusals' in checked) return refuse(...refusals);
      const { tags } = checked;
      const changed = tags.join('\n') !== row.tags.join('\n');
      if (changed) {
        const change = { field: 'tags', before: shown(row.tags), after: shown(tags) };
        row.tags = tags;
        writer.recordChange({ changes: [change], author: authorOf(actor) });
      }
      return { ticket: writer.view(), changed };
    };
    return this.orm.em.fork().transactional(command, { clear: true });
  }

  async known({ viewerId }: ListTags): Promise<TagList | Refused> {
    const { rows } = await this.sql.query<{ kind: PersonKind; tags: TagList['tags'] }>({
      name: 'known-tags',
      text: `
        select v.kind, case when v.kind = 'employee' then coalesce((
          select jsonb_agg(jsonb_build_object('tag', tag, 'liveTickets', live)) from (
            select tag, count(*) filter (where t.status <> 'closed') as live
            from tickets.ticket t, unnest(t.tags) tag where t.tags <> '{}'
            group by tag order by live desc, tag limit ${MAX_KNOWN}) known), '[]') end as tags
        from tickets.person v where v.id = $1 and v.active`,
      values: [viewerId],
    });
    const row = rows[0];
    if (!row) return refuse({ field: 'viewerId', code: 'viewer_unknown', message: 'the account is not active' });
    return row.kind === 'employee' ? { tags: row.tags } : refuse(forEmployees(''));
  }
}

function shown(tags: string[]): string | null {
  return tags.length === 0 ? null : tags.join(', ');
}
