import type { Instant, People, Person as KnownPerson } from '#domain';
import type { Reference } from '#contracts';
import { sqlOf } from '#platform';
import type { EntityManager } from '@mikro-orm/postgresql';
import { instantOf } from './instant.type.js';

/** A person as the commands need to know them: the domain's facts, and how to reach them. */
export interface DirectoryPerson extends KnownPerson {
  name: string;
  email: string;
  organisationId: string | null;
}

/** What a command needs to know besides the ticket, read in one statement inside its transaction. */
export interface Surroundings {
  /** The transaction's time, cut to the second. */
  now: Instant;
  people: Map<string, DirectoryPerson>;
  organisation: Reference | null;
  infrastructure: Reference | null;
}

interface Row {
  now: string;
  people: DirectoryPerson[] | null;
  organisation: Reference | null;
  infrastructure: (Reference & { organisationId: string }) | null;
}

export async function readSurroundings(
  em: EntityManager,
  ids: {
    people: (string | null | undefined)[];
    organisationId?: string | null | undefined;
    infrastructureId?: string | null | undefined;
  },
): Promise<Surroundings> {
  const { rows } = await sqlOf(em).query<Row>(
    `select now(),
       (select jsonb_agg(jsonb_build_object('id', id, 'kind', kind, 'name', name, 'email', email, 'active', active,
          'organisationId', organisation_id)) from tickets.person where id = any($1::uuid[])) as people,
       (select jsonb_build_object('id', id, 'name', name) from tickets.organisation where id = $2) as organisation,
       (select jsonb_build_object('id', id, 'name', name) from tickets.infrastructure where id = $3) as infrastructure`,
    [ids.people.filter(isUuid), ids.organisationId ?? null, ids.infrastructureId ?? null],
  );
  const row = rows[0]!;
  return {
    now: instantOf(row.now),
    people: new Map((row.people ?? []).map((person) => [person.id, person])),
    organisation: row.organisation,
    infrastructure: row.infrastructure,
  };
}

export function lookup(people: Map<string, DirectoryPerson>): People {
  return (id) => people.get(id);
}

function isUuid(id: string | null | undefined): id is string {
  return typeof id === 'string' && /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(id);
}
