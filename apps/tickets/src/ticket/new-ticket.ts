/** For whom a new ticket is and what it concerns, as far as the directory knows. */
import { refuse, type FieldError, type NewTicket, type Refused } from '#contracts';
import type { Reporter } from '#domain';
import { sqlOf } from '#platform';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { DirectoryPerson, Surroundings } from './surroundings.js';

/** A customer user reports for themselves, an employee for anybody: also for somebody whom the directory does not know. */
export async function reporterOf(
  em: EntityManager,
  actor: DirectoryPerson,
  asked: NewTicket,
  { people }: Surroundings,
): Promise<{ reporter: Reporter; organisationId: string | null } | Refused> {
  if (actor.kind === 'customer') return asReporter(actor);
  if (!asked.reporter) {
    return refuse({ field: 'reporter', code: 'reporter_required', message: 'say for whom the ticket is' });
  }
  if (asked.reporter.personId !== undefined) {
    const person = people.get(asked.reporter.personId);
    if (person) return asReporter(person);
    const message = 'nobody with this id is registered';
    return refuse({ field: 'reporter.personId', code: 'reporter_not_registered', message });
  }
  const email = asked.reporter.email!.toLowerCase();
  const known = await personByEmail(em, email);
  if (known) return asReporter(known);
  const organisationId = await organisationOfDomain(em, email);
  return { reporter: { personId: null, name: asked.reporter.name ?? email, email }, organisationId };
}

/** What is named and registered; else the organisation's only one. */
export async function infrastructureOf(
  em: EntityManager,
  asked: NewTicket,
  actor: DirectoryPerson,
  organisationId: string | null,
): Promise<string | null | Refused> {
  const { rows } = await sqlOf(em).query<{ id: string }>(
    `select id from tickets.infrastructure
     where case when $1::uuid is not null then id = $1 and ($2 or organisation_id = $3) else organisation_id = $3 end
     limit 2`,
    [asked.infrastructureId ?? null, actor.kind === 'employee', organisationId],
  );
  if (asked.infrastructureId === undefined) return rows.length === 1 ? rows[0]!.id : null;
  if (rows[0]) return rows[0].id;
  const message = 'no network infrastructure with this id is registered';
  return refuse({ field: 'infrastructureId', code: 'infrastructure_not_registered', message });
}

/** What only employees may say of a new ticket. */
export function employeesOnly(asked: NewTicket): FieldError[] {
  return (['reporter', 'channel', 'priority'] as const)
    .filter((field) => asked[field] !== undefined)
    .map((field) => forEmployees(field));
}

export function forEmployees(field: string): FieldError {
  return { field, code: 'employees_only', message: 'only employees may say this' };
}

function asReporter(person: DirectoryPerson) {
  return {
    reporter: { personId: person.id, name: person.name, email: person.email },
    organisationId: person.organisationId,
  };
}

async function personByEmail(em: EntityManager, email: string): Promise<DirectoryPerson | undefined> {
  const { rows } = await sqlOf(em).query<DirectoryPerson>(
    `select id, kind, name, email, active, organisation_id as "organisationId" from tickets.person where email = $1`,
    [email],
  );
  return rows[0];
}

async function organisationOfDomain(em: EntityManager, email: string): Promise<string | null> {
  const { rows } = await sqlOf(em).query<{ id: string }>(
    'select id from tickets.organisation where email_domains @> array[$1] limit 1',
    [email.slice(email.lastIndexOf('@') + 1)],
  );
  return rows[0]?.id ?? null;
}
