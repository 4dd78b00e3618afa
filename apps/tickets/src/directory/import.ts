import { PERSON_KINDS, type PersonKind } from '#domain';
import { EntityManager } from '@mikro-orm/postgresql';
import { Type } from 'class-transformer';
import {
  IsArray,
  IsBoolean,
  IsEmail,
  IsIn,
  IsNotEmpty,
  IsOptional,
  IsString,
  Length,
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
}

class InfrastructureRecord {
  @IsString()
  @IsNotEmpty()
  name: string;

  @IsString()
  organisation: string;
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
}

/** @throws Error naming an organisation that neither the file nor the directory has */
export async function importDirectory(
  em: EntityManager,
  file: DirectoryFile,
): Promise<{ organisations: number; infrastructures: number; people: number }> {
  await em.transactional(async (tx) => {
    const organisations = new Map((await tx.findAll(Organisation)).map((known) => [known.name, known]));
    const organisationNamed = (name: string): Organisation => {
      const known = organisations.get(name);
      if (!known) throw new Error(`there is no organisation "${name}"`);
      return known;
    };
    for (const { name, emailDomains = [] } of file.organisations) {
      const domains = emailDomains.map((domain) => domain.toLowerCase());
      const known = organisations.get(name);
      if (known) known.emailDomains = domains;
      else organisations.set(name, tx.create(Organisation, { id: uuidv7(), name, emailDomains: domains }));
    }
    await tx.flush();
    for (const record of file.infrastructures) {
      const organisation = organisationNamed(record.organisation);
      const known = await tx.findOne(Infrastructure, { name: record.name, organisation });
      if (!known) tx.create(Infrastructure, { id: uuidv7(), name: record.name, organisation });
    }
    for (const record of file.people) {
      const email = record.email.toLowerCase();
      const known = await tx.findOne(Person, { email });
      const facts = {
        kind: record.kind,
        name: record.name,
        organisation: record.organisation === undefined ? null : organisationNamed(record.organisation),
        active: record.active ?? known?.active ?? true,
        passwordHash: record.password ? await hashPassword(record.password) : (known?.passwordHash ?? null),
      };
      if (known) tx.assign(known, facts);
      else tx.create(Person, { id: uuidv7(), email, ...facts });
    }
  });
  return {
    organisations: file.organisations.length,
    infrastructures: file.infrastructures.length,
    people: file.people.length,
  };
}
