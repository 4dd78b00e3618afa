/**
 * One recorded example for every message. A change that breaks them breaks whoever runs an older version on the other
 * side: add an optional field, or a new version of the subject, and record that.
 */
import { plainToInstance } from 'class-transformer';
import { getMetadataStorage, validateSync } from 'class-validator';
import { readdirSync, readFileSync } from 'node:fs';
import { CloudEvent, Refused, type ClassOf, type EventContract, type Rpc } from './index.js';
import * as contracts from './index.js';

const DIRECTORY = new URL('golden/', import.meta.url);

type Json = Record<string, unknown>;

const exported = Object.values(contracts) as unknown[];
const rpcs = exported.filter((one): one is Rpc<object, object> => (one as Rpc<object, object>)?.kind === 'rpc');
const events = exported.filter((one): one is EventContract<object> => (one as EventContract<object>)?.kind === 'event');

const golden = (name: string): Json => JSON.parse(readFileSync(new URL(`${name}.json`, DIRECTORY), 'utf8')) as Json;

/** Field names that some golden message has shown, by class. */
const shown = new Map<unknown, Set<string>>();

/** Parses as a receiver would, but takes offence at fields that a receiver would drop. */
function expectToFit(messageClass: ClassOf<object>, json: unknown): void {
  const value = plainToInstance(messageClass, json);
  const violations = validateSync(value, { whitelist: true, forbidNonWhitelisted: true, forbidUnknownValues: true });
  expect(violations.map(String)).toEqual([]);
  expect(JSON.parse(JSON.stringify(value))).toEqual(json);
  note(value);
}

function note(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) return value.forEach(note);
  const names = shown.get(value.constructor) ?? new Set();
  shown.set(value.constructor, names);
  for (const [name, field] of Object.entries(value)) {
    names.add(name);
    note(field);
  }
}

it.each(rpcs.map((contract) => [contract.subject, contract] as const))('%s', (subject, contract) => {
  const { request, reply, refused, ...rest } = golden(subject);
  for (const one of [request].flat()) expectToFit(contract.request, one);
  expectToFit(contract.reply, reply);
  if (refused !== undefined) expectToFit(Refused, refused);
  expect(rest).toEqual({});
});

it.each(events.map((contract) => [contract.type, contract] as const))('%s', (type, contract) => {
  const envelope = golden(type);
  expectToFit(CloudEvent, envelope);
  expectToFit(contract.data, envelope['data']);
  expect(envelope['type']).toBe(type);
});

it('has no golden message without a contract', () => {
  const names = [...rpcs.map(({ subject }) => subject), ...events.map(({ type }) => type)];
  expect(readdirSync(DIRECTORY).toSorted()).toEqual(names.map((name) => `${name}.json`).toSorted());
});

it('shows every field of every message at least once', () => {
  const missing = [...shown].flatMap(([messageClass, names]) => {
    if (messageClass === Object) return [];
    const known = getMetadataStorage().getTargetValidationMetadatas(messageClass as () => void, '', false, false);
    const fields = new Set(known.map(({ propertyName }) => propertyName));
    return [...fields]
      .filter((field) => !names.has(field))
      .map((field) => `${(messageClass as () => void).name}.${field}`);
  });
  expect(missing).toEqual([]);
});
