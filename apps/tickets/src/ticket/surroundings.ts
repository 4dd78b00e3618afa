import type { Instant, People, Person as KnownPerson } from '#domain';
import type { Reference } from '#contracts';
import { sqlOf } from '#platform';
import type { EntityManager } from '@mikro-orm/postgresql';
import { instantOf } from './instant.type.js';
import type { Participant } from './participants.js';
import type { Ticket } from './ticket.entity.js';

/** A person as the commands need to know them: the domain's facts, and how to reach them. */
export interface DirectoryPerson extends KnownPerson {
  name: string;
  email: string;
  organisationId: string | null;
}

/** What commands need to know besides their tickets, read in one statement inside the transaction. */
export interface Surroundings {
  /** The transaction's time, cut to the second. */
  now: Instant;
  people: Map<string, DirectoryPerson>;
  /** Names by id. */
  organisations: Map<string, string>;
  infrastructures: Map<string, string>;
  /** By ticket, of those that have any. */
  participants: Map<string, Participant[]>;
}

type Id = string | null | undefined;
type Names = Record<string, string> | null;

export async function readSurroundings(
  em: EntityManager,
  ids: { people: Id[]; organisations?: Id[]; infrastructures?: Id[]; tickets?: Id[] },
): Promise<Surroundings> {
  const { people, organisations = [], infrastructures = [], tickets = [] } = ids;
  const { rows } = await sqlOf(em).query<{
    now: string;
    people: DirectoryPerson[] | null;
    organisations: Names;
    infrastructures: Names;
    participants: Record<string, Participant[]> | null;
  }>(
    `select tickets.transaction_time() as now,
       (select jsonb_agg(jsonb_build_object('id', id, 'kind', kind, 'name', name, 'email', email, 'active', active,
          'organisationId', organisation_id)) from tickets.person where id = any($1::uuid[])) as people,
       (select jsonb_object_agg(id, name) from tickets.organisation where id = any($2::uuid[])) as organisations,
       (select jsonb_object_agg(id, name) from tickets.infrastructure where id = any($3::uuid[])) as infrastructures,
       (select jsonb_object_agg(ticket_id, participants) from (
          select ticket_id, jsonb_agg(jsonb_build_object('personId', person.id, 'kind', kind, 'name', name, 'email', email,
            'active', active, 'role', role, 'muted', muted, 'toldOnly', told_only) order by name, person.id) as participants
          from tickets.participant join tickets.person on person.id = person_id
          where ticket_id = any($4::uuid[]) group by ticket_id) of_ticket) as participants`,
    [people, organisations, infrastructures, tickets].map((list) => list.filter(isUuid)),
  );
  const row = rows[0]!;
  return {
    now: instantOf(row.now),
    people: new Map((row.people ?? []).map((person) => [person.id, person])),
    organisations: new Map(Object.entries(row.organisations ?? {})),
    infrastructures: new Map(Object.entries(row.infrastructures ?? {})),
    participants: new Map(Object.entries(row.participants ?? {})),
  };
}

/** What a batch of tickets that nobody in particular asked for needs. */
export function readSurroundingsOf(em: EntityManager, tickets: readonly Ticket[]): Promise<Surroundings> {
  return readSurroundings(em, {
    people: tickets.flatMap((ticket) => [ticket.assigneeId, ticket.reporter.personId]),
    organisations: tickets.map((ticket) => ticket.organisationId),
    infrastructures: tickets.map((ticket) => ticket.infrastructureId),
    tickets: tickets.map((ticket) => ticket.id),
  });
}

/** An id with its name; null for none. */
export function named(names: Map<string, string>, id: Id): Reference | null {
  const name = names.get(id ?? '');
  return id != null && name !== undefined ? { id, name } : null;
}

export function lookup(people: Map<string, DirectoryPerson>): People {
  return (id) => people.get(id);
}

function isUuid(id: string | null | undefined): id is string {
  return typeof id === 'string' && /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(id);
}
