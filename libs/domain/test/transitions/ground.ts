/**
 * The ground that a table's rows are played on: what `about` (and what stands beside it) says of the ticket, its people
 * and its promises. It may be said as an object with the usual names, in words, or not at all, and then it is the
 * usual ticket: of medium priority, of cust1, on a calendar without closing hours.
 */
import {
  DEFAULT_POLICY,
  PRIORITIES,
  RESOLUTION_TYPES,
  SUSPENSION_CAUSES,
  type Calendar,
  type Instant,
  type Person,
  type Policy,
  type Priority,
  type ResolutionType,
  type Seconds,
  type SuspensionCause,
} from '../../src/index.js';
import { duration, instant, isObject, plain, TIMES, type Json } from './words.js';

/** What is said of the ticket in one place. What is absent is not said there. */
export interface Facts {
  createdAt?: Instant;
  assignedAt?: Instant;
  suspendedAt?: Instant;
  closedAt?: Instant;
  changedAt?: Instant;
  priority?: Priority;
  reporter?: string;
  /** Null says that nobody is. */
  assignee?: string | null;
  actor?: string;
  suspensionCause?: SuspensionCause;
  suspendedSeconds?: Seconds;
  suspendedUntil?: Instant;
  closeResolutionType?: ResolutionType;
  resolutionType?: ResolutionType;
}

export interface Ground {
  facts: Facts;
  /** What is said of single states, by their plain names. */
  states: Map<string, Facts>;
  policy: Policy;
  people: (id: string) => Person | undefined;
}

/** @param file everything of the table's file but its rows */
export function groundOf(file: Json): Ground {
  const users = { ...personsIn(file['users'] ?? file['people']), ...personsIn(inAbout('users') ?? inAbout('people')) };
  const people = (id: string) => users[id] ?? usualPerson(id);
  const ground: Ground = { facts: {}, states: new Map(), policy: policyOf(file), people };
  for (const [key, value] of Object.entries(file)) {
    if (key === 'about' || key === 'states' || key === 'ticket' || key === 'given') read(value, plain(key), ground);
  }
  return ground;

  function inAbout(key: string): unknown {
    return isObject(file['about']) ? file['about'][key] : undefined;
  }
}

/** emp3 has left; whoever is called otherwise is not registered. */
function usualPerson(id: string): Person | undefined {
  if (/^emp\d+$/.test(id)) return { id, kind: 'employee', active: id !== 'emp3' };
  return /^cust\d+$/.test(id) ? { id, kind: 'customer', active: true } : undefined;
}

function personsIn(value: unknown): Record<string, Person> {
  const listed = Array.isArray(value) ? value.map((one: Json) => [one['id'] ?? one['name'], one]) : value;
  const entries = Array.isArray(listed) ? (listed as [string, Json][]) : Object.entries(isObject(value) ? value : {});
  return Object.fromEntries(
    entries.map(([id, facts]) => {
      const words = JSON.stringify(facts);
      const kind: Person['kind'] = /employee/.test(words) ? 'employee' : 'customer';
      return [id, { id, kind, active: !/"active":false|inactive/.test(words) }];
    }),
  );
}

// ------------------------------------------------------------------------------------------------------- the promises

function policyOf(file: Json): Policy {
  const places = [file, file['config'], file['about'], isObject(file['about']) && file['about']['config']].filter(
    isObject,
  );
  const said = (...keys: string[]) =>
    places.flatMap((place) => keys.map((key) => place[key])).find((value) => value !== undefined);
  const targets = said('targets');
  return {
    ...DEFAULT_POLICY,
    warningPercents: [],
    ladder: [],
    calendar: calendarOf(said('calendar'), said('calendars')),
    escalationMode: (said('escalationMode') as Policy['escalationMode'] | undefined) ?? DEFAULT_POLICY.escalationMode,
    targets: isObject(targets) ? targetsOf(targets) : DEFAULT_POLICY.targets,
    defaultSuspensionSeconds: {
      ...DEFAULT_POLICY.defaultSuspensionSeconds,
      ...(said('defaultSuspend', 'defaultSuspensionSeconds') as Partial<Policy['defaultSuspensionSeconds']>),
    },
    maxSuspensionSeconds: Number(said('maxSuspend', 'maxSuspensionSeconds') ?? DEFAULT_POLICY.maxSuspensionSeconds),
  };
}

function calendarOf(named: unknown, calendars: unknown): Calendar {
  if (isObject(named)) return named as unknown as Calendar;
  if (isObject(calendars) && typeof named === 'string' && isObject(calendars[named])) {
    return calendars[named] as unknown as Calendar;
  }
  if (named === undefined || /always|24|utc/i.test(JSON.stringify(named))) return DEFAULT_POLICY.calendar;
  throw new Error(`about, calendar: ${JSON.stringify(named)} is no calendar of this file`);
}

function targetsOf(said: Json): Policy['targets'] {
  const seconds = (value: unknown) => (typeof value === 'string' ? (duration(value) ?? Number(value)) : Number(value));
  const entries = PRIORITIES.map((priority) => {
    const target = said[priority];
    if (!isObject(target)) return [priority, DEFAULT_POLICY.targets[priority]];
    const assignSeconds = seconds(target['assign'] ?? target['assignSeconds']);
    return [priority, { assignSeconds, resolveSeconds: seconds(target['resolve'] ?? target['resolveSeconds']) }];
  });
  return Object.fromEntries(entries) as Policy['targets'];
}

// -------------------------------------------------------------------------------------------------- said in an object

const STATE = /^(open|new|unassigned|assigned|in_progress|suspended|pending|closed)(_|$)/;

/** @param path the plain names of the keys above, joined by `.` */
function read(value: unknown, path: string, ground: Ground, facts = ground.facts): void {
  const key = path.split('.').at(-1) ?? '';
  if (value === null && /assignee|assignedto/.test(key.replaceAll('_', ''))) facts.assignee = null;
  if (typeof value === 'string' || typeof value === 'number') return readScalar(value, path, ground, facts);
  if (Array.isArray(value)) return value.forEach((one) => read(one, path, ground, facts));
  if (!isObject(value)) return;
  for (const [name, inner] of Object.entries(value)) {
    const below = `${path}.${plain(name)}`;
    const isState = STATE.test(plain(name)) && instant(inner) === null && facts === ground.facts;
    read(inner, below, ground, isState ? stateFacts(ground, name) : facts);
  }
}

function stateFacts({ states }: Ground, name: string): Facts {
  const facts = states.get(plain(name)) ?? {};
  states.set(plain(name), facts);
  return facts;
}

/** An instant, a person or a word whose meaning its name tells; anything else is read as a sentence. */
function readScalar(value: string | number, path: string, ground: Ground, facts: Facts): void {
  const [parent = '', key = ''] = ['', ...path.split('.')].slice(-2).map((name) => name.replaceAll('_', ''));
  const about = `${parent} ${key}`;
  const at = instant(value);
  const kind = kindOf(key) ?? kindOf(parent) ?? 'changed';
  if (at !== null) {
    if (/until|ends?$/.test(key)) facts.suspendedUntil = at;
    else facts[`${kind}At`] = at;
    return;
  }
  const text = String(value);
  const isName = ground.people(text) !== undefined;
  if (isName && /reporter|customer|createdby|openedby/.test(about)) facts.reporter = text;
  else if (isName && /assign/.test(about) && !key.endsWith('by')) facts.assignee = text;
  else if (isName && /^(actor|by|changedby|actorid|updatedby|user)$/.test(key) && kind === 'changed')
    facts.actor = text;
  else if (/seconds|duration|time/.test(key) && kind === 'suspended') {
    facts.suspendedSeconds = typeof value === 'number' ? value : (duration(text) ?? Number(text));
  } else if (/closeresolution|closeas/.test(key)) facts.closeResolutionType = text as ResolutionType;
  else if (/resolution|^type$/.test(key)) facts.resolutionType = text as ResolutionType;
  else if (/cause/.test(key)) facts.suspensionCause = text as SuspensionCause;
  else if (/priority/.test(key)) facts.priority = text as Priority;
  else if (typeof value === 'string')
    readProse(/about|ticket|note/.test(key) ? value : `${key}: ${value}`, ground, facts);
}

// --------------------------------------------------------------------------------------------------- said in words

type Kind = 'created' | 'assigned' | 'suspended' | 'closed' | 'changed';

const KINDS: [Kind, RegExp][] = [
  ['created', /creat|opened|reported|arriv|raised|filed/],
  ['assigned', /assign|taken|takes|has it|picked/],
  ['suspended', /suspend|pending|suspension/],
  ['closed', /(?<!pending_)clos/],
  ['changed', /(?<!pending_)chang|updat|request|\bmade|happen|appl|play|patch|actor|\bact\b|when/],
];

function kindOf(word: string): Kind | undefined {
  return KINDS.find(([, pattern]) => pattern.test(word))?.[0];
}

/** Which kind of event a place in a clause tells of: the word before it, else the word after it. */
function kindAt(clause: string, index: number): Kind | undefined {
  const words = KINDS.flatMap(([kind, pattern]) =>
    [...clause.matchAll(new RegExp(pattern, 'g'))].map((match) => ({ kind, at: match.index })),
  ).sort((a, b) => a.at - b.at);
  return (words.findLast(({ at }) => at < index) ?? words.find(({ at }) => at >= index))?.kind;
}

/** Sentence by sentence; one that begins with states and a colon is about these alone. */
function readProse(text: string, ground: Ground, facts: Facts): void {
  let previous =
    facts.createdAt ?? instant(text.match(/\d{4}-\d\d-\d\dT\d\d:\d\d\S*/)?.[0].replace(/[.,;)]+$/, '')) ?? null;
  let kind: Kind | undefined;
  for (const sentence of text.split(/(?<=[.;])\s+|\n+/)) {
    const [, names, rest] = /^\W*([\w ,/()]{2,60}?)\s*(?::|=|–|—| - )\s+(.+)$/s.exec(sentence) ?? [];
    const states = (names ?? '')
      .split(/,|\/|\band\b|\bor\b/)
      .map(plain)
      .map((name) => name.replaceAll(/^_|_$/g, ''));
    const isOfStates = rest !== undefined && states.every((state) => STATE.test(state)) && facts === ground.facts;
    const said: Facts = {};
    for (const clause of (isOfStates ? rest : sentence).toLowerCase().split(/,|;|\(|\)|\band\b|\bthen\b/)) {
      for (const match of clause.matchAll(TIMES)) readTime(clause, match, said);
      readNames(clause, said, ground);
    }
    // That nobody is assigned is so in some state, and so is no fact of the ticket in general.
    if (!isOfStates && facts === ground.facts && said.assignee === null) delete said.assignee;
    for (const target of isOfStates ? states.map((state) => stateFacts(ground, state)) : [facts]) {
      Object.assign(target, { ...said, ...target });
    }
  }

  function readTime(clause: string, match: RegExpMatchArray, said: Facts): void {
    const { iso, clock, duration: length, later } = match.groups ?? {};
    const index = match.index ?? 0;
    const here = kindAt(clause, index);
    if (length !== undefined && later === undefined) {
      const seconds = duration(length);
      if (here === 'suspended' && seconds !== null) said.suspendedSeconds = seconds;
      return;
    }
    kind = here ?? kind;
    const at = iso ? instant(iso.toUpperCase()) : clock ? timeOfDay(clock) : afterwards(length ?? '');
    if (at === null) return;
    previous = at;
    if (/until\s*$/.test(clause.slice(0, index))) said.suspendedUntil = at;
    else if (kind !== undefined) said[`${kind}At`] ??= at;
  }

  function timeOfDay(clock: string): Instant | null {
    const [hours = 0, minutes = 0] = clock.split(':').map(Number);
    const midnight = Math.floor((previous ?? Date.UTC(2026, 2, 2) / 1000) / 86_400) * 86_400;
    return midnight + hours * 3600 + minutes * 60;
  }

  function afterwards(length: string): Instant | null {
    const seconds = duration(length);
    return seconds === null || previous === null ? null : previous + seconds;
  }
}

function readNames(clause: string, said: Facts, { people }: Ground): void {
  const kinds = KINDS.filter(([, pattern]) => pattern.test(clause)).map(([kind]) => kind);
  const persons = [...clause.matchAll(/\w+/g)].map(([word]) => people(word)).filter((one) => one !== undefined);
  const customer = persons.find((one) => one.kind === 'customer');
  const employee = persons.find((one) => one.kind === 'employee');
  if (customer) said.reporter ??= customer.id;

  // What holds only where a state needs it says nothing about the others.
  const isConditional = /\b(where|if|unless|when|needs?)\b/.test(clause);
  if (/nobody|(?<!_)unassigned|no assignee|not assigned|without (an )?assignee/.test(clause)) said.assignee ??= null;
  else if (employee && kinds.includes('assigned') && !isConditional) said.assignee ??= employee.id;
  const isDoneBy =
    employee && new RegExp(`(by|actor\\W+(is )?)\\s*${employee.id}|${employee.id} \\w+s\\b`).test(clause);
  if (isDoneBy && kinds.length > 0 && kinds.every((kind) => kind === 'changed')) said.actor ??= employee.id;

  const priority = PRIORITIES.find((one) => new RegExp(`\\b${one}\\b`).test(clause));
  if (priority) said.priority ??= priority;
  const cause = SUSPENSION_CAUSES.find((one) => clause.includes(one));
  if (cause) said.suspensionCause ??= cause;
  const type = RESOLUTION_TYPES.find((one) => new RegExp(`\\b${one}\\b`).test(clause));
  if (type && cause === 'pending_closed') said.closeResolutionType ??= type;
  else if (type && kinds.includes('closed')) said.resolutionType ??= type;
}
