/**
 * Makes what operators have written down hold, in one transaction: new versions of what differs, and for each policy that
 * got one, the move of its live tickets, which the policy mover then does.
 */
import type { Calendar } from '#domain';
import { sqlOf, type Sql, type Violation } from '#platform';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { PolicyChange, Terms } from './policy-file.js';
import { checkReferences, planOf, type Plan, type PlannedPolicy, type Present } from './policy-plan.js';

/** What was made, or with a dry run what would be. */
export interface Applied {
  dryRun: boolean;
  calendars: { name: string; version: number }[];
  policies: AppliedPolicy[];
  /** The policy that became the default one; null when that stays. */
  defaultPolicy: string | null;
  organisations: { name: string; policy: string | null }[];
}

interface AppliedPolicy {
  name: string;
  /** Null in a dry run: it is given when it is made. */
  version: number | null;
  /** The version that was the current one; null for a new policy. */
  replaces: number | null;
  calendar: string;
  calendarVersion: number;
  /** ISO 8601; null in a dry run. */
  effectiveAt: string | null;
  /** How many live tickets go over to it. */
  liveTickets: number;
}

/** @param read makes the change of what holds now, which nobody else changes meanwhile */
export async function applyPolicies(
  em: EntityManager,
  read: (present: Present) => { change: PolicyChange; violations: Violation[] },
  { dryRun }: { dryRun: boolean },
): Promise<Applied | { violations: Violation[] }> {
  return em.transactional(async (tx) => {
    const sql = sqlOf(tx);
    // one at a time, so that the versions of a policy become visible in the order of their numbers; reading goes on
    await sql.query('lock table tickets.policy_version in share row exclusive mode');
    const present = await readPresent(sql);
    const { change, violations } = read(present);
    violations.push(...checkReferences(present, change));
    if (violations.length > 0) return { violations };
    const plan = planOf(present, change);
    const policies = dryRun ? await foresee(sql, plan) : await make(sql, plan);
    return {
      dryRun,
      calendars: plan.calendars.map(({ name, version }) => ({ name, version })),
      policies,
      defaultPolicy: plan.defaultPolicy,
      organisations: plan.organisations.map(({ name, policy }) => ({ name, policy })),
    };
  });
}

async function readPresent(sql: Sql): Promise<Present> {
  const calendars = await sql.query<{ name: string; version: number; hours: Calendar }>(
    'select distinct on (name) name, version, hours from tickets.calendar order by name, version desc',
  );
  const policies = await sql.query<{
    name: string;
    version: number;
    is_default: boolean;
    terms: Terms;
    calendar: string;
    calendar_version: number;
  }>(
    `select distinct on (p.name) p.name, p.is_default, v.number as version, v.terms, v.calendar, v.calendar_version
     from tickets.policy p join tickets.policy_version v on v.policy = p.name
     order by p.name, v.number desc`,
  );
  const organisations = await sql.query<{ id: string; name: string; policy: string | null }>(
    'select id, name, policy from tickets.organisation',
  );
  return {
    calendars: new Map(calendars.rows.map(({ name, ...calendar }) => [name, calendar])),
    policies: new Map(
      policies.rows.map(({ name, is_default: isDefault, calendar_version: calendarVersion, ...policy }) => [
        name,
        { ...policy, isDefault, calendarVersion },
      ]),
    ),
    organisations: new Map(organisations.rows.map(({ name, ...organisation }) => [name, organisation])),
  };
}

async function foresee(sql: Sql, plan: Plan): Promise<AppliedPolicy[]> {
  const policies: AppliedPolicy[] = [];
  for (const { terms: _, ...policy } of plan.policies) {
    const liveTickets = await liveTicketsOf(sql, policy.name);
    policies.push({ ...policy, version: null, effectiveAt: null, liveTickets });
  }
  return policies;
}

async function make(sql: Sql, { calendars, policies, defaultPolicy, organisations }: Plan): Promise<AppliedPolicy[]> {
  for (const { name, version, hours } of calendars) {
    await sql.query('insert into tickets.calendar (name, version, hours) values ($1, $2, $3)', [
      name,
      version,
      JSON.stringify(hours),
    ]);
  }
  const made: AppliedPolicy[] = [];
  for (const policy of policies) made.push(await makeVersion(sql, policy));
  if (defaultPolicy !== null) {
    await sql.query('update tickets.policy set is_default = false where is_default');
    await sql.query('update tickets.policy set is_default = true where name = $1', [defaultPolicy]);
  }
  for (const { id, policy } of organisations) {
    await sql.query('update tickets.organisation set policy = $2 where id = $1', [id, policy]);
  }
  return made;
}

async function makeVersion(sql: Sql, { terms, ...policy }: PlannedPolicy): Promise<AppliedPolicy> {
  const { name, replaces, calendar, calendarVersion } = policy;
  const liveTickets = await liveTicketsOf(sql, name);
  await sql.query('insert into tickets.policy (name) values ($1) on conflict do nothing', [name]);
  // a transaction that waited for the lock began before the one that it waited for
  const { rows } = await sql.query<{ number: number; effective_at: string }>(
    `insert into tickets.policy_version (policy, terms, calendar, calendar_version, effective_at)
     select $1, $2, $3, $4, greatest(date_trunc('second', tickets.transaction_time()),
       (select max(effective_at) from tickets.policy_version where policy = $1))
     returning number, effective_at`,
    [name, JSON.stringify(terms), calendar, calendarVersion],
  );
  const { number: version, effective_at: effectiveAt } = rows[0]!;
  if (replaces !== null) {
    await sql.query(
      `insert into tickets.policy_move (to_version, from_version, policy, requested_at, total)
       values ($1, $2, $3, $4, $5)`,
      [version, replaces, name, effectiveAt, liveTickets],
    );
  }
  return { ...policy, version, effectiveAt: new Date(effectiveAt).toISOString(), liveTickets };
}

async function liveTicketsOf(sql: Sql, policy: string): Promise<number> {
  const { rows } = await sql.query<{ count: number }>(
    `select count(*)::integer as count from tickets.ticket
     where status <> 'closed' and policy_version in (select number from tickets.policy_version where policy = $1)`,
    [policy],
  );
  return rows[0]!.count;
}
