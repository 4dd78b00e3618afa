import { INFRASTRUCTURE_KINDS, type InfrastructureKind } from '#contracts';
import { CHANNELS, PERSON_KINDS, PRIORITIES, type Channel, type PersonKind, type Priority } from '#domain';
import { sqlOf } from '#platform';
import { EntityManager } from '@mikro-orm/postgresql';
import { Type } from 'class-transformer';
import {
  ArrayNotEmpty,
  IsArray,
  IsBoolean,
  IsEmail,
  IsIn,
  IsNotEmpty,
  IsOptional,
  IsString,
  Length,
  Matches,
  ValidateNested,
} from 'class-validator';
import { v7 as uuidv7 } from 'uuid';
import { Infrastructure, Organisation, Person } from './directory.entity.js';
import { hashPassword } from './password.js';

class OrganisationRecord {
  @IsString()
  @IsNotEmpty()
  name: string;

  /** Unknown senders from these mail domains belong to the organisation. */
  @IsOptional()
  @IsString({ each: true })
  emailDomains?: string[];

  /** What its new tickets begin with; null takes it back. */
  @IsOptional()
  @IsIn(PRIORITIES)
  priority?: Priority | null;
}

class InfrastructureRecord {
  @IsString()
  @IsNotEmpty()
  name: string;

  @IsString()
  organisation: string;

  /** A new one is a device unless this says otherwise. */
  @IsOptional()
  @IsIn(INFRASTRUCTURE_KINDS)
  kind?: InfrastructureKind;

  /** The name of the site that it is part of, of the same organisation; null takes it out. */
  @IsOptional()
  @IsString()
  parent?: string | null;

  /** What new tickets about it, or about anything below it, begin with; null takes it back. */
  @IsOptional()
  @IsIn(PRIORITIES)
  priority?: Priority | null;
}

class RuleConditions {
  @IsOptional()
  @IsIn(CHANNELS)
  channel?: Channel;

  /** An organisation's name. */
  @IsOptional()
  @IsString()
  organisation?: string;

  /** The name of an infrastructure of that organisation: it or anything below it. */
  @IsOptional()
  @IsString()
  infrastructure?: string;

  /** Any of these words. */
  @IsOptional()
  @IsArray()
  @ArrayNotEmpty()
  @IsString({ each: true })
  @Matches(/\S/, { each: true, message: 'each word must have a letter' })
  subject?: string[];

  /** A support address. */
  @IsOptional()
  @IsEmail({ require_tld: false })
  mailbox?: string;
}

class PriorityRuleRecord {
  @IsString()
  @IsNotEmpty()
  name: string;

  @ValidateNested()
  @Type(() => RuleConditions)
  when: RuleConditions;

  @IsIn(PRIORITIES)
  priority: Priority;
}

class PersonRecord {
  @IsIn(PERSON_KINDS)
  kind: PersonKind;

  @IsString()
  @IsNotEmpty()
  name: string;

  @IsEmail({ require_tld: false })
  email: string;

  /** Customers only: the organisation's name. */
  @IsOptional()
  @IsString()
  organisation?: string;

  /** Left as it is when not given; somebody without one cannot log in. */
  @IsOptional()
  @IsString()
  @Length(12, 1024)
  password?: string;

  @IsOptional()
  @IsBoolean()
  active?: boolean;
}

export class DirectoryFile {
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => OrganisationRecord)
  organisations: OrganisationRecord[] = [];

  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => InfrastructureRecord)
  infrastructures: InfrastructureRecord[] = [];

  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => PersonRecord)
  people: PersonRecord[] = [];

  /** When present: all rules, the first that holds decides. They replace the present ones. */
  @IsOptional()
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => PriorityRuleRecord)
  priorityRules?: PriorityRuleRecord[];
}

/** The file contradicts itself or the directory: one line for each place in it. Nothing was imported. */
export class ImportError extends Error {
  constructor(readonly lines: string[]) {
    super(lines.join('\n'));
  }
}

/** @throws ImportError naming what neither the file nor the directory has, and what cannot be part of what */
export async function importDirectory(
  em: EntityManager,
  file: DirectoryFile,
): Promise<{ organisations: number; infrastructures: number; people: number }> {
  await em.transactional(async (tx) => {
    const wrong: string[] = [];
    const organisations = new Map((await tx.findAll(Organisation)).map((known) => [known.name, known]));
    for (const { name, emailDomains = [], priority } of file.organisations) {
      const domains = emailDomains.map((domain) => domain.toLowerCase());
      const known = organisations.get(name) ?? tx.create(Organisation, { id: uuidv7(), name, emailDomains: domains });
      known.emailDomains = domains;
      if (priority !== undefined) known.priority = priority;
      organisations.set(name, known);
    }
    const organisationNamed = (name: string, path: string): Organisation | undefined => {
      const known = organisations.get(name);
      if (!known) wrong.push(`${path}: there is no organisation "${name}"`);
      return known;
    };
    await tx.flush();
    const infrastructures = await importInfrastructures(tx, file.infrastructures, organisationNamed, wrong);
    for (const [index, record] of file.people.entries()) {
      const email = record.email.toLowerCase();
      const known = await tx.findOne(Person, { email });
      const { organisation } = record;
      const facts = {
        kind: record.kind,
        name: record.name,
        organisation:
          organisation === undefined ? null : (organisationNamed(organisation, `people.${index}.organisation`) ?? null),
        active: record.active ?? known?.active ?? true,
        passwordHash: record.password ? await hashPassword(record.password) : (known?.passwordHash ?? null),
      };
      if (known) tx.assign(known, facts);
      else tx.create(Person, { id: uuidv7(), email, ...facts });
    }
    const rules = file.priorityRules?.map(({ name, when, priority }, index) => {
      const path = `priorityRules.${index}.when`;
      const organisation =
        when.organisation === undefined ? undefined : organisationNamed(when.organisation, `${path}.organisation`);
      const infrastructure = infrastructures.get(treeKey(organisation?.id ?? '', when.infrastructure ?? ''));
      if (when.infrastructure !== undefined && !infrastructure) {
        wrong.push(`${path}.infrastructure: the rule's organisation has no infrastructure "${when.infrastructure}"`);
      }
      const conditions = {
        ...when,
        ...(organisation && { organisation: organisation.id }),
        ...(infrastructure && { infrastructure: infrastructure.id }),
      };
      return { name, conditions, priority };
    });
    if (wrong.length > 0) throw new ImportError(wrong);
    if (rules) await replaceRules(tx, rules);
  });
  return {
    organisations: file.organisations.length,
    infrastructures: file.infrastructures.length,
    people: file.people.length,
  };
}

const treeKey = (organisationId: string, name: string) => `${organisationId} ${name}`;

/** @returns all infrastructures of the directory, also those that the file does not name */
async function importInfrastructures(
  tx: EntityManager,
  records: InfrastructureRecord[],
  organisationNamed: (name: string, path: string) => Organisation | undefined,
  wrong: string[],
): Promise<Map<string, Infrastructure>> {
  const all = await tx.findAll(Infrastructure);
  const byName = new Map(all.map((known) => [treeKey(known.organisation.id, known.name), known]));
  const places = records.map((record, index) => {
    const { name, kind, priority } = record;
    const organisation = organisationNamed(record.organisation, `infrastructures.${index}.organisation`);
    const key = treeKey(organisation?.id ?? '', name);
    const facts = { id: uuidv7(), name, kind: kind ?? 'device' } as const;
    const row = byName.get(key) ?? (organisation && tx.create(Infrastructure, { ...facts, organisation }));
    if (row) byName.set(key, row);
    if (row && kind !== undefined) row.kind = kind;
    if (row && priority !== undefined) row.priority = priority;
    return { ...record, row, path: `infrastructures.${index}.parent` };
  });
  const byId = new Map([...byName.values()].map((row) => [row.id, row]));
  for (const { row, parent } of places) {
    if (row && parent === null) row.parentId = null;
    if (row && parent) row.parentId = byName.get(treeKey(row.organisation.id, parent))?.id ?? null;
  }
  for (const { row, parent, path } of places) {
    if (!row || !parent) continue;
    const site = byId.get(row.parentId ?? '');
    if (!site) wrong.push(`${path}: the organisation has no infrastructure "${parent}"`);
    else if (site.kind !== 'site') wrong.push(`${path}: "${parent}" is a ${site.kind}, and only a site has parts`);
    else if (isBelowItself(row, byId)) wrong.push(`${path}: "${row.name}" would be a part of itself`);
  }
  if (wrong.length === 0) await tx.flush();
  return byName;
}

function isBelowItself(row: Infrastructure, byId: Map<string, Infrastructure>): boolean {
  const seen = new Set<string>();
  for (let at: Infrastructure | undefined = row; at; at = byId.get(at.parentId ?? '')) {
    if (seen.has(at.id)) return true;
    seen.add(at.id);
  }
  return false;
}

async function replaceRules(
  tx: EntityManager,
  rules: { name: string; conditions: object; priority: Priority }[],
): Promise<void> {
  await sqlOf(tx).query('delete from tickets.priority_rule');
  await sqlOf(tx).query(
    `insert into tickets.priority_rule (position, name, conditions, priority)
     select position, rule ->> 'name', rule -> 'conditions', rule ->> 'priority'
     from jsonb_array_elements($1::jsonb) with ordinality as one (rule, position)`,
    [JSON.stringify(rules)],
  );
}
