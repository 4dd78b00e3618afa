/**
 * The policies that tickets run on. A version never changes, so it is read once and kept; which version is the current
 * one of a policy, and which policy an organisation has, is asked again at most once a second.
 */
import type { Instant, Policy } from '#domain';
import { poolOf, type Sql } from '#platform';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { MikroORM } from '@mikro-orm/postgresql';
import { instantOf } from '../ticket/instant.type.js';

const FRESH_MS = 1_000;

interface KnownVersion {
  policy: Policy;
  name: string;
  effectiveAt: Instant;
}

interface VersionRow {
  number: number;
  policy: string;
  terms: Omit<Policy, 'version' | 'calendar'>;
  calendar: string;
  calendar_version: number;
  hours: Policy['calendar'];
  effective_at: string;
}

@Injectable()
export class PolicyStore implements OnModuleInit {
  private sql: Sql;
  private readonly versions = new Map<number, KnownVersion>();
  /** One object for each version of a calendar: its hours are worked out once. */
  private readonly calendars = new Map<string, Policy['calendar']>();
  /** The versions of each policy, in order: the last one is the current one. */
  private readonly ofPolicy = new Map<string, number[]>();
  private readonly ofOrganisation = new Map<string, string>();
  private defaultName = '';
  private readAt = -Infinity;

  constructor(@Inject(MikroORM) private readonly orm: MikroORM) {}

  async onModuleInit(): Promise<void> {
    this.sql = await poolOf(this.orm);
    await this.read();
  }

  /** Call it before a transaction: what is asked below is then at most a second old. */
  async refresh(): Promise<void> {
    if (performance.now() - this.readAt > FRESH_MS) await this.read();
  }

  /** Makes sure that these versions are known: an instance beside this one may have seen a new one first. */
  async learn(versions: readonly number[]): Promise<void> {
    if (versions.some((version) => !this.versions.has(version))) await this.read();
  }

  /** @throws for a version that no policy has, or that was neither refreshed nor learnt */
  of(version: number): Policy {
    return this.known(version).policy;
  }

  /** What a new ticket runs on. */
  currentFor(organisationId: string | null): Policy {
    const name = this.ofOrganisation.get(organisationId ?? '') ?? this.defaultName;
    return this.of(this.ofPolicy.get(name)?.at(-1) ?? NaN);
  }

  /**
   * The version that a ticket on this one goes over to next, and since when that holds; null while it runs on the
   * current one. Whoever comes late takes every step that fell due after `since`, and none that was over by then.
   */
  successorOf(version: number, since: Instant): { policy: Policy; effectiveAt: Instant } | null {
    const versions = this.ofPolicy.get(this.known(version).name) ?? [];
    const [next, ...later] = versions.slice(versions.indexOf(version) + 1).map((number) => this.known(number));
    if (!next) return null;
    const at = Math.max(since, next.effectiveAt);
    return later.findLast(({ effectiveAt }) => effectiveAt <= at) ?? next;
  }

  /** All versions that another one has replaced. */
  outdated(): number[] {
    return [...this.ofPolicy.values()].flatMap((versions) => versions.slice(0, -1));
  }

  private known(version: number): KnownVersion {
    const known = this.versions.get(version);
    if (!known) throw new Error(`there is no policy version ${version}`);
    return known;
  }

  private async read(): Promise<void> {
    this.readAt = performance.now();
    const { rows } = await this.sql.query<VersionRow>(
      `select v.number, v.policy, v.terms, v.calendar, v.calendar_version, c.hours, v.effective_at
       from tickets.policy_version v
       join tickets.calendar c on (c.name, c.version) = (v.calendar, v.calendar_version)
       where v.number > $1 order by v.number`,
      [Math.max(0, ...this.versions.keys())],
    );
    for (const row of rows) {
      const calendarKey = `${row.calendar_version} ${row.calendar}`;
      const calendar = this.calendars.get(calendarKey) ?? row.hours;
      this.calendars.set(calendarKey, calendar);
      const policy = { ...row.terms, calendar, version: row.number };
      const versions = this.ofPolicy.get(row.policy) ?? [];
      if (versions.includes(row.number)) continue; // two reads at once
      this.versions.set(row.number, { policy, name: row.policy, effectiveAt: instantOf(row.effective_at) });
      this.ofPolicy.set(row.policy, [...versions, row.number]);
    }
    const { rows: choices } = await this.sql.query<{ organisation_id: string | null; policy: string }>(
      `select null as organisation_id, name as policy from tickets.policy where is_default
       union all select id, policy from tickets.organisation where policy is not null`,
    );
    this.ofOrganisation.clear();
    for (const { organisation_id: id, policy } of choices) {
      if (id === null) this.defaultName = policy;
      else this.ofOrganisation.set(id, policy);
    }
  }
}
