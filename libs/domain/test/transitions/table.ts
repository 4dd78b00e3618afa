/**
 * Plays rows of the table "reject or fix", each on a fresh ticket in the row's state, and says what each expects and what
 * came of it. A row is compared in the fields that it has; a field or a value that is not understood is an error that
 * names row and field: nothing is passed over.
 *
 * Whose the ticket was, how it was closed and for how long it is suspended still is read off a row of the same state that
 * is refused where `about` does not say, for a refused change leaves all that as it was.
 */
import {
  applyUpdate,
  clocksView,
  FIX_CODES,
  REFUSAL_CODES,
  RESOLUTION_TYPES,
  STATUSES,
  SUSPENSION_CAUSES,
  type ClockName,
  type Person,
  type Refusal,
  type Ticket,
  type TicketChange,
  type Told,
} from '../../src/index.js';
import { groundOf, type Ground } from './ground.js';
import { reach, type Scene } from './scene.js';
import { duration, instant, isObject, iso, type Json } from './words.js';

export interface Row extends Json {
  state: string;
  change: string;
  set: Json;
}

export interface Compared {
  expected: Json;
  actual: Json;
}

export interface Table {
  /** A readable name of each row, and how to play it. */
  rows: { name: string; play: () => Compared }[];
}

/** @throws when the text is no table or has no rows */
export function readTable(text: string): Table {
  const parsed: unknown = JSON.parse(text);
  const file: Json = Array.isArray(parsed) ? { rows: parsed } : isObject(parsed) ? parsed : {};
  const { rows, ...rest } = file;
  if (!Array.isArray(rows) || rows.length === 0) throw new Error('a table of transitions has rows, and this has none');
  if (!rows.every(isObject)) throw new Error('every row of a table of transitions is an object');
  const ground = groundOf(rest);
  const others = rows.filter((row): row is Row => typeof row['state'] === 'string' && isObject(row['set']));
  return {
    rows: rows.map((row, index) => {
      const name = `${index + 1} ${words(row['state'])}: ${words(row['change'])}`;
      return { name, play: () => withName(name, () => compare(asRow(row), others, ground)) };
    }),
  };
}

function words(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '?');
}

function withName<T>(name: string, play: () => T): T {
  try {
    return play();
  } catch (error) {
    throw new Error(`row ${name}: ${(error as Error).message}`, { cause: error });
  }
}

function asRow(row: Json): Row {
  if (typeof row['state'] !== 'string') throw new Error(`state: ${words(row['state'])} is no name of a state`);
  if (!isObject(row['set'])) throw new Error(`set: ${words(row['set'])} does not say which fields are set`);
  return { ...row, state: row['state'], set: row['set'], change: words(row['change'] ?? '') };
}

// ---------------------------------------------------------------------------------------------------------- comparing

/** Fields that say how a row is played or what it is, not what comes of it. */
const INPUTS = new Set([
  'id',
  'title',
  'state',
  'change',
  'set',
  'by',
  'actor',
  'comment',
  'version',
  'expectedVersion',
]);
const REMARKS = new Set(['basis', 'note', 'notes', 'cell', 'why', 'handChecked']);

function compare(row: Row, rows: Row[], ground: Ground): Compared {
  const fields = Object.entries(row).filter(([field]) => !INPUTS.has(field) && !REMARKS.has(field));
  if (fields.length === 0) throw new Error('nothing is said of what comes of the change');
  const outcome = played(row, reach(row.state, rows, ground), ground);
  const compared = fields.map(([field, value]) => [field, ...compareField(field, value, outcome)] as const);
  return {
    expected: Object.fromEntries(compared.map(([field, expected]) => [field, expected])),
    actual: Object.fromEntries(compared.map(([field, , actual]) => [field, actual])),
  };
}

interface Outcome {
  reply: { http: number; errors: string[]; fixes: string[]; notify: string[]; changed: boolean };
  before: Ticket;
  after: Ticket;
  actor: string;
  scene: Scene;
  ground: Ground;
}

type Pair = [expected: unknown, actual: unknown];

function compareField(field: string, value: unknown, outcome: Outcome): Pair {
  const { reply, after } = outcome;
  switch (field) {
    case 'http':
      if (!/^[245]\d\d$/.test(words(value))) throw new Error(`http: ${words(value)} is no HTTP status`);
      return [Number(value), reply.http];
    case 'errors':
    case 'fixes':
    case 'notify':
      return [listOf(field, value, outcome).sort(), reply[field]];
    case 'changed':
      return [value, reply.changed];
    case 'assignClock':
    case 'resolveClock':
      return clockPair(field, value, outcome);
    case 'suspended':
      return suspendedPair(value, outcome);
    case 'assignee':
      return [value === 'actor' ? outcome.actor : isNone(value) ? null : value, after.assigneeId];
    case 'status':
      return [oneOf(field, value, STATUSES), after.status];
    case 'resolutionType':
      return [isNone(value) ? null : oneOf(field, value, RESOLUTION_TYPES), after.resolutionType];
    case 'view':
      if (!isObject(value)) throw new Error('view: is no object');
      return joined(Object.entries(value).map(([name, inner]) => [name, viewPair(name, inner, outcome)]));
    default:
      return viewPair(field, value, outcome);
  }
}

function viewPair(field: string, value: unknown, { after, scene, ground }: Outcome): Pair {
  const view: Json = { ...clocksView(after, ground.policy, scene.changedAt) };
  view['priority'] = after.priority;
  view['closeResolutionType'] = after.suspension?.closeResolutionType ?? null;
  view['reporter'] = after.reporter.personId;
  view['infrastructure'] = after.infrastructureId;
  if (!(field in view)) throw new Error(`${field}: means nothing here`);
  const actual = view[field];
  if (value !== null && instant(value) !== null) return [iso(instant(value)), iso(actual as number | null)];
  return [value, actual];
}

function joined(pairs: [string, Pair][]): Pair {
  return [
    Object.fromEntries(pairs.map(([key, [expected]]) => [key, expected])),
    Object.fromEntries(pairs.map(([key, [, actual]]) => [key, actual])),
  ];
}

function isNone(value: unknown): boolean {
  return value === null || ['', '-', 'none', 'n/a', 'null', 'unassigned'].includes(value as string);
}

function oneOf(field: string, value: unknown, known: readonly string[]): string {
  const word = words(value).replaceAll(/[ -]/g, '_');
  if (!known.includes(word)) throw new Error(`${field}: ${words(value)} is none of ${known.join(', ')}`);
  return word;
}

/** A list, or its parts with commas between; codes of fixes and errors, or people and roles. */
function listOf(field: 'errors' | 'fixes' | 'notify', value: unknown, outcome: Outcome): string[] {
  if (isNone(value)) return [];
  const parts = typeof value === 'string' ? value.split(/[,;\s]+/).filter(Boolean) : value;
  if (!Array.isArray(parts)) throw new Error(`${field}: ${words(value)} is no list`);
  const codes: readonly string[] = field === 'errors' ? REFUSAL_CODES : FIX_CODES;
  return parts.map((part: unknown) => {
    const word = words(isObject(part) ? (part['code'] ?? part['id'] ?? part) : part);
    if (field === 'notify') return personNamed(word, outcome);
    if (!codes.includes(word)) throw new Error(`${field}: ${word} is no known code`);
    return word;
  });
}

function personNamed(word: string, { before, after, ground }: Outcome): string {
  const roles: Record<string, string | null> = {
    reporter: after.reporter.personId,
    assignee: after.assigneeId,
    former_assignee: before.assigneeId,
    old_assignee: before.assigneeId,
  };
  const name = word.replace(/^role:/, '');
  if (name === 'lead' || name === 'team') return 'role:lead';
  const person = roles[name] ?? word;
  if (!ground.people(person)) throw new Error(`notify: nobody is called ${word}`);
  return person;
}

/** A word for the state, the seconds that are left, a due time, null for a stopped clock, or an object of these. */
function clockPair(field: 'assignClock' | 'resolveClock', value: unknown, outcome: Outcome): Pair {
  const { before, after, scene, ground } = outcome;
  const name: ClockName = field === 'assignClock' ? 'assign' : 'resolve';
  const clock = after[field];
  const left = leftOn(after);
  if (isNone(value)) return [null, left];
  if (typeof value === 'number') return [value, left];
  if (isObject(value)) return joined(Object.entries(value).map(([key, inner]) => [key, factPair(key, inner)]));
  if (typeof value !== 'string') throw new Error(`${field}: ${words(value)} is no state of a clock`);
  if (/^-?\d+$/.test(value)) return [Number(value), left];
  if (duration(value) !== null) return [duration(value), left];
  if (instant(value) !== null) return [iso(instant(value)), iso(dueOn(after))];
  const pairs = value
    .toLowerCase()
    .split(/[^a-z]+/)
    .filter((word) => word !== '' && word !== 'and')
    .map((word): [string, Pair] => [word, wordPair(word)]);
  if (pairs.length === 0) throw new Error(`${field}: says nothing`);
  return joined(pairs);

  function wordPair(word: string): Pair {
    const { targets } = ground.policy;
    const target = (ticket: Ticket) => targets[ticket.priority][`${name}Seconds`];
    switch (word) {
      case 'running':
      case 'runs':
      case 'resumed':
      case 'resumes':
        return ['running', clock.state];
      case 'paused':
      case 'frozen':
      case 'suspended':
        return ['paused', clock.state];
      case 'stopped':
      case 'stops':
      case 'answered':
        return ['stopped', clock.state];
      case 'met':
      case 'missed':
        return [word, clock.outcome];
      case 'breached':
      case 'overdue':
        return [true, clock.breached];
      case 'reset':
        return [target(after), left];
      case 'extended':
        return [(leftOn(before) ?? 0) + Math.max(0, target(after) - target(before)), left];
      case 'unchanged':
      case 'same':
        return [
          [before[field].state, leftOn(before)],
          [clock.state, left],
        ];
      default:
        throw new Error(`${field}: ${word} is no state of a clock`);
    }
  }

  function factPair(key: string, inner: unknown): Pair {
    if (key === 'state') return clockPair(field, inner, outcome);
    const facts: Json = { ...clock, remaining: left, remainingSeconds: left, budget: clock.budgetSeconds };
    if (key === 'dueAt' || key === 'due') return [iso(instant(inner)), iso(dueOn(after))];
    if (!(key in facts)) throw new Error(`${field}: ${key} of a clock means nothing here`);
    return [inner, facts[key]];
  }

  function leftOn(ticket: Ticket): number | null {
    const view = clocksView(ticket, ground.policy, scene.changedAt);
    return name === 'assign' ? view.remainingAssignSeconds : view.remainingResolveSeconds;
  }

  function dueOn(ticket: Ticket): number | null {
    const view = clocksView(ticket, ground.policy, scene.changedAt);
    return name === 'assign' ? view.assignDueAt : view.resolveDueAt;
  }
}

/** Whether, for how long still, until when, or why. */
function suspendedPair(value: unknown, { after, scene }: Outcome): Pair {
  const { suspension } = after;
  const left = suspension ? suspension.until - scene.changedAt : null;
  if (typeof value === 'boolean') return [value, suspension !== null];
  if (isNone(value)) return [null, left];
  if (typeof value === 'number') return [value, left];
  if (isObject(value)) {
    const facts: Json = {
      ...suspension,
      seconds: left,
      remaining: left,
      remainingSeconds: left,
      suspendedSeconds: left,
      suspensionCause: suspension?.cause ?? null,
      until: suspension ? iso(suspension.until) : null,
    };
    return joined(
      Object.entries(value).map(([key, inner]) => {
        if (!(key in facts)) throw new Error(`suspended: ${key} means nothing here`);
        return [key, [instant(inner) === null ? inner : iso(instant(inner)), facts[key]]];
      }),
    );
  }
  const word = words(value).toLowerCase();
  if (['yes', 'true', 'suspended'].includes(word)) return [true, suspension !== null];
  if (['no', 'false'].includes(word)) return [false, suspension !== null];
  if (/^\d+$/.test(word)) return [Number(word), left];
  if (duration(word) !== null) return [duration(word), left];
  if (instant(value) !== null) return [iso(instant(value)), suspension ? iso(suspension.until) : null];
  if ((SUSPENSION_CAUSES as readonly string[]).includes(word)) return [word, suspension?.cause ?? null];
  throw new Error(`suspended: ${words(value)} is neither a time nor a cause nor yes or no`);
}

// ------------------------------------------------------------------------------------------------------------ playing

const FIELDS = [
  'assignee',
  'status',
  'priority',
  'suspensionCause',
  'suspendedSeconds',
  'closeResolutionType',
  'resolutionType',
  'infrastructure',
  'comment',
];

function played(row: Row, scene: Scene, ground: Ground): Outcome {
  const { before, changedAt: now } = scene;
  const { version, expectedVersion = version, by, actor: doer = by, ...set } = row.set;
  const actor = actorOf(row, doer, scene, ground);
  const change = {
    comment:
      row['comment'] === undefined ? (/blank|empty|no comment/.test(row.change) ? ' ' : 'because') : row['comment'],
    ...set,
    ...seen(row, expectedVersion, before),
    unknownFields: Object.keys(set).filter((field) => !FIELDS.includes(field)),
  } as TicketChange;
  const context = { now, people: ground.people, actor, infrastructures: () => true };
  const result = applyUpdate(before, change, ground.policy, context);
  if ('refusals' in result) {
    const errors = codesOf(result.refusals);
    const reply = { http: statusOf(errors), errors, fixes: [], notify: [], changed: false };
    return { reply, before, after: before, actor: actor.id, scene, ground };
  }
  const reply = {
    http: 200,
    errors: [],
    fixes: result.fixes.toSorted(),
    notify: result.told.map((told) => nameOf(told, before)).sort(),
    changed: result.changed,
  };
  return { reply, before, after: result.ticket, actor: actor.id, scene, ground };
}

/** Said in the row; else meant by the change's name; else whoever makes the changes of this table. */
function actorOf(row: Row, inSet: unknown, scene: Scene, { people }: Ground): Person {
  const said = row['by'] ?? row['actor'] ?? inSet;
  if (said !== undefined) return people(words(said)) ?? { id: words(said), kind: 'customer', active: false };
  const isForeign = /not an employee|non-employee|by (a|the) (customer|reporter)/i.test(row.change);
  const id = isForeign ? (scene.before.reporter.personId ?? 'cust1') : scene.actor;
  return people(id) ?? { id, kind: 'customer', active: false };
}

/** A version is stale when the change's name says so, whichever number this ticket has come to. */
function seen(row: Row, inSet: unknown, before: Ticket): { expectedVersion?: number } {
  const said = row['expectedVersion'] ?? row['version'] ?? inSet;
  const isStale = /stale|outdated|old version/i.test(row.change) || said === 'stale';
  if (said === undefined && !isStale) return {};
  const version = Number(said);
  if (isStale && (Number.isNaN(version) || version === before.version)) return { expectedVersion: before.version - 1 };
  if (said === 'current') return { expectedVersion: before.version };
  if (!Number.isInteger(version)) throw new Error(`set, version: ${words(said)} is no version`);
  return { expectedVersion: version };
}

function codesOf(refusals: Refusal[]): string[] {
  return [...new Set(refusals.map(({ code }) => code as string))].sort();
}

function statusOf(errors: string[]): number {
  if (errors.includes('ticket_closed') || errors.includes('version_conflict')) return 409;
  return errors.includes('actor_not_employee') ? 403 : 422;
}

function nameOf(told: Told, { reporter }: Ticket): string {
  if (told.role === 'lead') return 'role:lead';
  if (told.role === 'contact') return told.email;
  return told.role === 'reporter' ? (reporter.personId ?? 'reporter') : told.personId;
}
