/**
 * The directory: who and what tickets are about.
 *
 * - organisation: a customer of ours; its mail domains tell which organisation an unknown sender belongs to.
 * - person: an employee or a customer; one that mails us for the first time is made a customer without a password.
 * - infrastructure: a network infrastructure that an organisation runs with us; devices and circuits may be part of a
 *   site, a site of another site.
 * - priority: what new tickets of an organisation or an infrastructure begin with, unless a rule says otherwise.
 */
import type { InfrastructureKind } from '#contracts';
import type { PersonKind, Priority } from '#domain';
import { defineEntity, p } from '@mikro-orm/postgresql';

const OrganisationSchema = defineEntity({
  name: 'Organisation',
  tableName: 'organisation',
  schema: 'tickets',
  properties: {
    id: p.uuid().primary(),
    name: p.text(),
    emailDomains: p.array().columnType('text[]'),
    priority: p.text().$type<Priority>().nullable(),
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
    kind: p.text().$type<InfrastructureKind>(),
    parentId: p.uuid().nullable(),
    priority: p.text().$type<Priority>().nullable(),
  },
});

export class Infrastructure extends InfrastructureSchema.class {}
InfrastructureSchema.setClass(Infrastructure);
