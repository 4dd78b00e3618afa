/**
 * Why a clock stands where it stands: its life as a ledger, rebuilt from the ticket's history.
 *
 * - segment: a stretch of wall time in one state, under one priority and one version of the policy. It is booked when it
 *   ends; only the last one may still be open. A calendar's closing times are summed up in it, not listed.
 * - fact: what happened at one instant: the clock started or stopped, its budget changed, somebody was told.
 *
 * Lines are in the order in which they became certain, so a ledger only grows: looking later, or after more has happened,
 * gives the same lines again and adds to them; an open segment is no line of the past yet. Segments join without a gap
 * from the creation to now, or to the stop; when a stopped clock is taken up again, the time between is a segment, too.
 */
import { elapsed } from './calendar.js';
import { isAlive, remaining } from './clock.js';
import { replay, type HistoryEntry, type Identity, type Policies } from './history.js';
import { factSentence, segmentSentence } from './ledger-sentences.js';
import type { Settlement } from './outcome.js';
import type { Calendar, Policy } from './policy.js';
import { nextTimerAt, settle } from './settle.js';
import {
  PRIORITIES,
  type Clock,
  type ClockName,
  type ClockOutcome,
  type ClockState,
  type Instant,
  type Priority,
  type Seconds,
  type SuspensionCause,
  type Ticket,
} from './ticket.js';

export const CLOCK_REASONS = [
  'created',
  'assigned',
  'unassigned',
  'suspended',
  'resumed',
  'suspension_expired',
  'closed',
  'reopened',
  'priority_changed',
  'policy_changed',
  'time_passed',
] as const;
export type ClockReason = (typeof CLOCK_REASONS)[number];

/** Somebody who did something. Not known to the directory: no id. */
export interface ClockActor {
  personId: string | null;
  name: string | null;
  /** Null for what was said instead of changed. */
  comment: string | null;
}

export interface ClockSegment {
  kind: 'segment';
  from: Instant;
  /** Of an open segment: now. */
  to: Instant;
  open: boolean;
  state: ClockState;
  /** Business seconds that the clock counted; zero unless it ran. */
  countedSeconds: Seconds;
  /** Wall seconds of a running clock that lay outside the calendar's hours. */
  outsideHoursSeconds: Seconds;
  /** What it began with. */
  why: ClockReason;
  /** While paused: what the ticket waited for. */
  cause: SuspensionCause | null;
  /** Who began it; null for time itself. */
  by: ClockActor | null;
  priority: Priority;
  policyVersion: number;
  sentence: string;
}

/**
 * - started, stopped, resumed: the clock, the last one after it had been stopped.
 * - reset, capped, recounted, extended, kept: what a change of the priority did to the budget; `capped` and `recounted`
 *   are the other two escalation modes, `kept` granted nothing. terms_changed: what a new version of the policy did.
 * - warned, breached, overdue: a share of the budget was used up, the promise broke, it was still broken.
 */
export const CLOCK_FACTS = [
  'started',
  'reset',
  'capped',
  'recounted',
  'extended',
  'kept',
  'terms_changed',
  'warned',
  'breached',
  'overdue',
  'stopped',
  'resumed',
] as const;
export type ClockFactType = (typeof CLOCK_FACTS)[number];

/** Terms and figures of a clock at an instant. */
export interface ClockFigures {
  priority: Priority;
  policyVersion: number;
  budgetSeconds: Seconds;
  /** Negative when overdue. */
  remainingSeconds: Seconds;
}

/** The figures are those right after the fact. A breach of a promise that was counted anew may lie before the change. */
export interface ClockFact extends ClockFigures {
  kind: 'fact';
  type: ClockFactType;
  at: Instant;
  why: ClockReason;
  /** Null for time itself. */
  by: ClockActor | null;
  /** Of a change of the budget: the figures right before it. */
  before: ClockFigures | null;
  /** Of a warning. */
  percent: number | null;
  /** Of a promise that is still broken: business seconds since its due time. */
  overdueSeconds: Seconds | null;
  /** Of a stop. */
  outcome: ClockOutcome | null;
  sentence: string;
}

export type LedgerLine = ClockSegment | ClockFact;

export interface ClockLedger {
  clock: ClockName;
  state: ClockState;
  outcome: ClockOutcome | null;
  /** The zone in whose wall time the sentences speak. */
  zone: string;
  budgetSeconds: Seconds;
  /** Business seconds of the budget that are used up. */
  countedSeconds: Seconds;
  /** Of a stopped clock: what it stopped with. Negative when overdue. */
  remainingSeconds: Seconds;
  /** Wall seconds, all pauses together. */
  pausedSeconds: Seconds;
  /** Wall seconds that it ran outside the calendar's hours. */
  outsideHoursSeconds: Seconds;
  /** What escalations granted beyond counting the new target from the start; the assign clock has no such sum. */
  gainSeconds: Seconds | null;
  lines: LedgerLine[];
}

/**
 * Both clocks of a ticket, explained at an instant that is not before its last entry.
 * @param entries in the order in which they were written
 * @throws like replay, when the history is broken
 */
export function explainClocks(
  identity: Identity,
  entries: readonly HistoryEntry[],
  policies: Policies,
  now: Instant,
): Record<ClockName, ClockLedger> {
  const moments = momentsOf(identity, entries, policies, now);
  return { assign: ledgerOf('assign', moments, policies, now), resolve: ledgerOf('resolve', moments, policies, now) };
}

/** Something happened to the ticket: somebody's entry, or time's deeds at one instant. */
interface Moment {
  at: Instant;
  /** Null at the creation. */
  before: Ticket | null;
  after: Ticket;
  entry: HistoryEntry | null;
  settlements: Settlement[];
}

function momentsOf(
  identity: Identity,
  entries: readonly HistoryEntry[],
  policies: Policies,
  now: Instant,
): [Moment, ...Moment[]] {
  const { steps } = replay(identity, entries, policies, now);
  return steps.flatMap(({ entry, before, after }, index) => [
    { at: entry.at, before: index === 0 ? null : before, after, entry, settlements: [] },
    ...deedsOfTime(after, policies(after.policyVersion), steps[index + 1]?.entry.at ?? now),
  ]) as [Moment, ...Moment[]];
}

function deedsOfTime(ticket: Ticket, policy: Policy, until: Instant): Moment[] {
  const moments: Moment[] = [];
  let before = ticket;
  for (let timer = nextTimerAt(before, policy); timer !== null && timer <= until; timer = nextTimerAt(before, policy)) {
    const { ticket: after, settlements } = settle(before, policy, timer, () => undefined);
    moments.push({ at: settlements[0]?.at ?? timer, before, after, entry: null, settlements });
    before = after;
  }
  return moments;
}

function ledgerOf(name: ClockName, moments: [Moment, ...Moment[]], policies: Policies, now: Instant): ClockLedger {
  const lines: LedgerLine[] = [];
  let stretch = stretchFrom(name, moments[0]);
  for (const moment of moments) {
    const next = stretchFrom(name, moment);
    const joins = isSame(stretch, next);
    if (!joins && moment.at > stretch.from) lines.push(segment(stretch, moment.at, false, policies));
    lines.push(...factsAt(name, moment, policies));
    if (!joins) stretch = next;
  }
  if (stretch.state !== 'stopped') lines.push(segment(stretch, now, true, policies));

  const ticket = moments.at(-1)!.after;
  const clock = clockOf(ticket, name);
  const { calendar } = policies(ticket.policyVersion);
  const remainingSeconds = remaining(clock, calendar, now);
  const segments = lines.filter((line) => line.kind === 'segment');
  return {
    clock: name,
    state: clock.state,
    outcome: clock.outcome,
    zone: calendar.zone,
    budgetSeconds: clock.budgetSeconds,
    countedSeconds: clock.budgetSeconds - remainingSeconds,
    remainingSeconds,
    pausedSeconds: sum(segments.map(({ state, from, to }) => (state === 'paused' ? to - from : 0))),
    outsideHoursSeconds: sum(segments.map(({ outsideHoursSeconds }) => outsideHoursSeconds)),
    gainSeconds: name === 'resolve' ? ticket.resolveGainSeconds : null,
    lines,
  };
}

// --------------------------------------------------------------------------------------------------------- segments

type Stretch = Omit<ClockSegment, 'kind' | 'to' | 'open' | 'countedSeconds' | 'outsideHoursSeconds' | 'sentence'>;

/** The stretch that begins at a moment, unless it is the one before that goes on. */
function stretchFrom(name: ClockName, moment: Moment): Stretch {
  const { at, after } = moment;
  const { state } = clockOf(after, name);
  return {
    from: at,
    state,
    why: reasonOf(name, moment),
    cause: state === 'paused' ? (after.suspension?.cause ?? null) : null,
    by: actorOf(moment),
    priority: after.priority,
    policyVersion: after.policyVersion,
  };
}

/** A stopped clock has no terms: they are the ticket's alone. */
function isSame(one: Stretch, other: Stretch): boolean {
  if (one.state !== other.state || one.cause !== other.cause) return false;
  return one.state === 'stopped' || (one.priority === other.priority && one.policyVersion === other.policyVersion);
}

function segment(stretch: Stretch, to: Instant, open: boolean, policies: Policies): ClockSegment {
  const { calendar } = policies(stretch.policyVersion);
  const { from, state } = stretch;
  const countedSeconds = state === 'running' ? elapsed(calendar, from, to) : 0;
  const outsideHoursSeconds = state === 'running' ? to - from - countedSeconds : 0;
  const booked = { kind: 'segment' as const, ...stretch, to, open, countedSeconds, outsideHoursSeconds };
  return { ...booked, sentence: segmentSentence(booked, calendar) };
}

function reasonOf(name: ClockName, { before, after, entry }: Moment): ClockReason {
  const is = clockOf(after, name).state;
  if (before === null) return is === 'stopped' ? 'assigned' : 'created';
  if (entry === null) return 'suspension_expired';
  const was = clockOf(before, name).state;
  if (is === 'stopped') return name === 'assign' && isAssigned(before, after) ? 'assigned' : 'closed';
  if (was === 'stopped') return before.status === 'closed' ? 'reopened' : 'unassigned';
  if (is === 'paused' && before.suspension?.cause !== after.suspension?.cause) return 'suspended';
  if (is === 'running' && was === 'paused') return 'resumed';
  return changeReason(before, after);
}

function isAssigned(before: Ticket, after: Ticket): boolean {
  return after.assigneeId !== null && after.assigneeId !== before.assigneeId;
}

function changeReason(before: Ticket, after: Ticket): ClockReason {
  return before.policyVersion === after.policyVersion ? 'priority_changed' : 'policy_changed';
}

function actorOf({ entry }: Moment): ClockActor | null {
  return entry && { personId: entry.byPersonId, name: entry.byName ?? null, comment: entry.comment };
}

// ------------------------------------------------------------------------------------------------------------ facts

function factsAt(name: ClockName, moment: Moment, policies: Policies): ClockFact[] {
  const { at, before, after, settlements } = moment;
  const policy = policies(after.policyVersion);
  const fact = (type: ClockFactType, more: Partial<ClockFact> = {}): ClockFact => {
    const when = more.at ?? at;
    const plain = {
      kind: 'fact' as const,
      type,
      at: when,
      why: reasonOf(name, moment),
      by: actorOf(moment),
      ...figuresOf(name, after, policy.calendar, when),
      before: null,
      percent: null,
      overdueSeconds: null,
      outcome: null,
      ...more,
    };
    return { ...plain, sentence: factSentence(name, plain, policy.calendar) };
  };

  const alive = isAlive(clockOf(after, name));
  const stopped = () => fact('stopped', { outcome: clockOf(after, name).outcome });
  if (before === null) return [fact('started', { why: 'created' }), ...(alive ? [] : [stopped()])];

  const wasAlive = isAlive(clockOf(before, name));
  const change = budgetChange(name, before, after, at, policies);
  return [
    ...(alive && !wasAlive ? [fact('resumed')] : []),
    ...(change ? [fact(change.type, { why: changeReason(before, after), before: change.figures })] : []),
    ...(wasAlive && !alive ? [stopped()] : []),
    ...settlements.flatMap(({ type, at: deedAt, percent = null, overdueSeconds = null }) => {
      const told = DEEDS[name][type];
      return told ? [fact(told, { at: deedAt, why: 'time_passed', percent, overdueSeconds })] : [];
    }),
  ];
}

const DEEDS: Record<ClockName, Partial<Record<Settlement['type'], ClockFactType>>> = {
  assign: { assign_warned: 'warned', assign_breached: 'breached', assign_overdue: 'overdue' },
  resolve: { resolve_warned: 'warned', resolve_breached: 'breached', resolve_overdue: 'overdue' },
};

/** What new terms did to a clock; null when there are none, or when they did not concern it any more. */
function budgetChange(
  name: ClockName,
  before: Ticket,
  after: Ticket,
  at: Instant,
  policies: Policies,
): { type: ClockFactType; figures: ClockFigures } | null {
  if (before.priority === after.priority && before.policyVersion === after.policyVersion) return null;
  const policy = policies(before.policyVersion);
  const figures = figuresOf(name, before, policy.calendar, at);
  const now = figuresOf(name, after, policies(after.policyVersion).calendar, at);
  const same = figures.budgetSeconds === now.budgetSeconds && figures.remainingSeconds === now.remainingSeconds;
  if (same && !isAlive(clockOf(after, name))) return null;
  if (before.policyVersion !== after.policyVersion) return { type: 'terms_changed', figures };
  if (PRIORITIES.indexOf(after.priority) < PRIORITIES.indexOf(before.priority)) {
    return { type: same ? 'kept' : 'extended', figures };
  }
  const capped = policy.escalationMode === 'reset_capped' && now.remainingSeconds < now.budgetSeconds;
  if (policy.escalationMode === 'retroactive') return { type: 'recounted', figures };
  return { type: capped ? 'capped' : 'reset', figures };
}

function figuresOf(name: ClockName, ticket: Ticket, calendar: Calendar, at: Instant): ClockFigures {
  const clock = clockOf(ticket, name);
  const { priority, policyVersion } = ticket;
  const remainingSeconds = remaining(clock, calendar, at);
  return { priority, policyVersion, budgetSeconds: clock.budgetSeconds, remainingSeconds };
}

function clockOf(ticket: Ticket, name: ClockName): Clock {
  return name === 'assign' ? ticket.assignClock : ticket.resolveClock;
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
