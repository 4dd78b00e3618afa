import { initialPriority, type Beginning, type Priority, type PriorityDecision, type PriorityRule } from '#domain';
import { sqlOf } from '#platform';
import type { EntityManager } from '@mikro-orm/postgresql';

type Part = Beginning['infrastructures'][number];

/** More levels than any tree has: a circle that slipped in ends here. */
const MAX_DEPTH = 20;

/** What decides about the priority of new tickets of some organisations and infrastructures. */
export class Priorities {
  constructor(
    private readonly rules: PriorityRule[],
    private readonly organisations: Map<string, Priority | null>,
    /** By infrastructure: itself and what it is part of, from the inside out. */
    private readonly paths: Map<string, Part[]>,
  ) {}

  decide(
    ticket: Pick<Beginning, 'channel' | 'subject' | 'mailbox'> & {
      organisationId: string | null;
      infrastructureId: string | null;
    },
  ): PriorityDecision {
    const { organisationId: id, infrastructureId, ...facts } = ticket;
    const organisation = id === null ? null : { id, priority: this.organisations.get(id) ?? null };
    const infrastructures = this.paths.get(infrastructureId ?? '') ?? [];
    return initialPriority({ ...facts, organisation, infrastructures }, this.rules);
  }
}

/** In one statement for any number of new tickets. */
export async function readPriorities(
  em: EntityManager,
  ids: { organisations: (string | null)[]; infrastructures: (string | null)[] },
): Promise<Priorities> {
  const known = (id: string | null) => id !== null;
  const { rows } = await sqlOf(em).query<{
    rules: PriorityRule[] | null;
    organisations: Record<string, Priority | null> | null;
    paths: Record<string, Part[]> | null;
  }>(
    `with recursive path (leaf, id, parent_id, priority, depth) as (
       select id, id, parent_id, priority, 0 from tickets.infrastructure where id = any($2::uuid[])
       union all
       select p.leaf, i.id, i.parent_id, i.priority, p.depth + 1
       from path p join tickets.infrastructure i on i.id = p.parent_id where p.depth < ${MAX_DEPTH}
     )
     select
       (select jsonb_agg(jsonb_build_object('name', name, 'when', conditions, 'priority', priority) order by position)
        from tickets.priority_rule) as rules,
       (select jsonb_object_agg(id, priority) from tickets.organisation where id = any($1::uuid[])) as organisations,
       (select jsonb_object_agg(leaf, parts) from (
          select leaf, jsonb_agg(jsonb_build_object('id', id, 'priority', priority) order by depth) as parts
          from path group by leaf) one) as paths`,
    [ids.organisations.filter(known), ids.infrastructures.filter(known)],
  );
  const { rules, organisations, paths } = rows[0]!;
  return new Priorities(
    rules ?? [],
    new Map(Object.entries(organisations ?? {})),
    new Map(Object.entries(paths ?? {})),
  );
}
