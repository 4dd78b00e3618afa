/**
 * The directory: who and what tickets are about.
 *
 * - organisation: a customer of ours; its mail domains tell which organisation an unknown sender belongs to.
 * - person: an employee or a customer; one that mails us for the first time is made a customer without a password.
 * - infrastructure: a network infrastructure that an organisation runs with us.
 */
import type { PersonKind } from '#domain';
import { defineEntity, p } from '@mikro-orm/postgresql';

const OrganisationSchema = defineEntity({
  name: 'Organisation',
  tableName: 'organisation',
  schema: 'tickets',
  properties: {
    id: p.uuid().primary(),
    name: p.text(),
    emailDomains: p.array().columnType('text[]'),
  },
});

export class Organisation extends OrganisationSchema.class {}
OrganisationSchema.setClass(Organisation);

const PersonSchema = defineEntity({
  name: 'Person',
  tableName: 'person',
  schema: 'tickets',
  properties: {
    id: p.uuid().primary(),
    kind: p.text().$type<PersonKind>(),
    name: p.text(),
    email: p.text(),
    organisation: () => p.manyToOne(Organisation).nullable(),
    active: p.boolean(),
    passwordHash: p.text().nullable(),
  },
});

export class Person extends PersonSchema.class {}
PersonSchema.setClass(Person);

const InfrastructureSchema = defineEntity({
  name: 'Infrastructure',
  tableName: 'infrastructure',
  schema: 'tickets',
  properties: {
    id: p.uuid().primary(),
    name: p.text(),
    organisation: () => p.manyToOne(Organisation),
  },
});

export class Infrastructure extends InfrastructureSchema.class {}
InfrastructureSchema.setClass(Infrastructure);
