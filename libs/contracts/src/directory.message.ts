import { PERSON_KINDS, PRIORITIES, STATUSES, type PersonKind, type Priority, type Status } from '#domain';
import { Type } from 'class-transformer';
import {
  IsArray,
  IsBoolean,
  IsEmail,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  IsUUID,
  Length,
  Max,
  Min,
  ValidateNested,
} from 'class-validator';
import { rpc } from './contract.js';

/** A name with an id, as answers show people, organisations and infrastructures. */
export class Reference {
  @IsUUID()
  id: string;

  @IsString()
  name: string;
}

/** Somebody whom the directory knows. */
export class PersonView {
  @IsUUID()
  id: string;

  @IsIn(PERSON_KINDS)
  kind: PersonKind;

  @IsString()
  name: string;

  @IsString()
  email: string;

  @IsBoolean()
  active: boolean;

  /** The organisation of a customer; null for employees. */
  @IsOptional()
  @ValidateNested()
  @Type(() => Reference)
  organisation: Reference | null;
}

export class Authenticate {
  @IsEmail()
  email: string;

  @IsString()
  @Length(1, 1024)
  password: string;
}

export class Authenticated {
  @ValidateNested()
  @Type(() => PersonView)
  person: PersonView;
}

/** Checks a password. Refuses with `credentials_invalid`, whatever of the two is wrong. */
export const authenticate = rpc('directory.authenticate.v1', Authenticate, Authenticated);

export class ListDirectory {
  /** Who asks: customers see their own organisation only, and of employees nothing but names. */
  @IsUUID()
  viewerId: string;

  @IsOptional()
  @IsIn(PERSON_KINDS)
  kind?: PersonKind;

  /** Continue after this cursor (from the page before). */
  @IsOptional()
  @IsString()
  after?: string;

  @IsInt()
  @Min(1)
  @Max(200)
  limit: number;
}

export class PersonPage {
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => PersonView)
  items: PersonView[];

  @IsOptional()
  @IsString()
  next: string | null;
}

/** People by name. Refuses with `viewer_unknown` or, for customers, `employees_only`. */
export const listPeople = rpc('directory.people.v1', ListDirectory, PersonPage);

export const INFRASTRUCTURE_KINDS = ['site', 'device', 'circuit'] as const;
export type InfrastructureKind = (typeof INFRASTRUCTURE_KINDS)[number];

export class InfrastructureView extends Reference {
  @IsIn(INFRASTRUCTURE_KINDS)
  kind: InfrastructureKind;

  /** The site that it is part of. */
  @IsOptional()
  @ValidateNested()
  @Type(() => Reference)
  parent: Reference | null;

  @ValidateNested()
  @Type(() => Reference)
  organisation: Reference;
}

export class InfrastructurePage {
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => InfrastructureView)
  items: InfrastructureView[];

  @IsOptional()
  @IsString()
  next: string | null;
}

/** Network infrastructures by name; a customer sees those of the own organisation. Refuses with `viewer_unknown`. */
export const listInfrastructures = rpc('directory.infrastructures.v1', ListDirectory, InfrastructurePage);

export class GetImpact {
  @IsUUID()
  viewerId: string;

  @IsUUID()
  infrastructureId: string;
}

export class AffectedTicket {
  @IsUUID()
  id: string;

  @IsInt()
  number: number;

  @IsString()
  subject: string;

  @IsIn(STATUSES)
  status: Status;

  @IsIn(PRIORITIES)
  priority: Priority;

  @ValidateNested()
  @Type(() => Reference)
  infrastructure: Reference;
}

/** What an outage of an infrastructure concerns. */
export class Impact {
  /** The infrastructure and everything below it, from the top down; at most 1,000. */
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => InfrastructureView)
  infrastructures: InfrastructureView[];

  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => Reference)
  organisations: Reference[];

  /** Tickets on any of it that are not closed, newest first; at most 200. */
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => AffectedTicket)
  tickets: AffectedTicket[];

  /** How many such tickets there are in all. */
  @IsInt()
  ticketCount: number;
}

/** Customers may ask about their own organisation's. Refuses with `infrastructure_unknown`. */
export const getImpact = rpc('directory.impact.v1', GetImpact, Impact);
