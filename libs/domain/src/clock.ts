/**
 * One service-level promise: a budget of business seconds that runs, pauses, and is answered in time or not.
 *
 *     running ⇄ paused → stopped (met | missed) → running or paused again, with the remainder
 *
 * Every function returns a new clock. None of them notices a breach by itself: `settle` does, before anything else
 * happens to the ticket, so that `breached` is up to date whenever these are called.
 */
import { add, elapsed, subtract } from './calendar.js';
import type { Calendar, EscalationMode } from './policy.js';
import type { Clock, Instant, Seconds } from './ticket.js';

export function start(budgetSeconds: Seconds, now: Instant): Clock {
  return {
    budgetSeconds,
    consumedSeconds: 0,
    runningSince: now,
    state: 'running',
    breached: false,
    everBreached: false,
    warnedPercent: 0,
    rungsTaken: 0,
    outcome: null,
  };
}

/** Business seconds left of the promise; negative when it is overdue. Of a stopped clock: what it stopped with. */
export function remaining(clock: Clock, calendar: Calendar, now: Instant): Seconds {
  return clock.budgetSeconds - consumed(clock, calendar, now);
}

/** When the remainder of a running clock is used up (for an overdue one: was); null unless running. */
export function dueAt(clock: Clock, calendar: Calendar): Instant | null {
  if (clock.runningSince === null) return null;
  const left = clock.budgetSeconds - clock.consumedSeconds;
  // Counted back, so that a pause does not move it. What was not broken before the clock went on breaks from there on.
  if (clock.breached && left <= 0) return subtract(calendar, clock.runningSince, -left);
  return add(calendar, clock.runningSince, Math.max(left, 0));
}

/** When a running clock has used this much of its budget: the start of this run when it had by then. Null unless running. */
export function usedAt(clock: Clock, calendar: Calendar, seconds: Seconds): Instant | null {
  if (clock.runningSince === null) return null;
  return add(calendar, clock.runningSince, Math.max(seconds - clock.consumedSeconds, 0));
}

/** Alive: still a promise to keep. Priorities touch only clocks that are alive. */
export function isAlive(clock: Clock): boolean {
  return clock.state !== 'stopped';
}

export function pause(clock: Clock, calendar: Calendar, now: Instant): Clock {
  if (clock.state !== 'running') return clock;
  return { ...clock, consumedSeconds: consumed(clock, calendar, now), runningSince: null, state: 'paused' };
}

/** Lets a paused clock go on, or takes a stopped one up again, with its remainder. */
export function resume(clock: Clock, now: Instant): Clock {
  if (clock.state === 'running') return clock;
  return { ...clock, runningSince: now, state: 'running', outcome: null };
}

/** Takes a stopped clock up again without letting it run: the ticket is suspended. */
export function freeze(clock: Clock): Clock {
  if (clock.state !== 'stopped') return clock;
  return { ...clock, state: 'paused', outcome: null };
}

/** The promise is answered. Exactly at its due time is in time. */
export function stop(clock: Clock, calendar: Calendar, now: Instant): Clock {
  if (clock.state === 'stopped') return clock;
  return {
    ...clock,
    consumedSeconds: consumed(clock, calendar, now),
    runningSince: null,
    state: 'stopped',
    outcome: clock.breached ? 'missed' : 'met',
  };
}

export function breach(clock: Clock): Clock {
  return { ...clock, breached: true, everBreached: true };
}

/** The target of a priority change, before and after. */
export interface TargetChange {
  oldSeconds: Seconds;
  newSeconds: Seconds;
}

/** A more urgent priority: by default a new promise, the full new target from now, whatever happened before. */
export function escalate(
  clock: Clock,
  calendar: Calendar,
  now: Instant,
  target: TargetChange,
  mode: EscalationMode,
): Clock {
  if (!isAlive(clock)) return clock;
  if (mode === 'retroactive') return extend(clock, calendar, now, target.newSeconds - target.oldSeconds);
  const left = remaining(clock, calendar, now);
  if (mode === 'reset_capped' && left < target.newSeconds) {
    return forgetWarnings(rebase(clock, target.newSeconds, left, now), calendar, now);
  }
  return { ...rebase(clock, target.newSeconds, target.newSeconds, now), ...UNBROKEN, warnedPercent: 0 };
}

/** A less urgent priority: the same promise with the difference of the targets on top. Never makes it due earlier. */
export function deEscalate(clock: Clock, calendar: Calendar, now: Instant, target: TargetChange): Clock {
  const more = target.newSeconds - target.oldSeconds;
  if (!isAlive(clock) || more <= 0) return clock;
  return mend(extend(clock, calendar, now, more), calendar, now);
}

/**
 * Other terms from now on: what was consumed stays consumed, as the old calendar counted it; the difference of the
 * targets goes to the budget, and the rest is counted by whoever asks next with the new calendar.
 */
export function changeTerms(clock: Clock, oldCalendar: Calendar, now: Instant, target: TargetChange): Clock {
  if (!isAlive(clock)) return clock;
  const counted = rebase(clock, clock.budgetSeconds, remaining(clock, oldCalendar, now), now);
  const more = target.newSeconds - target.oldSeconds;
  return more === 0 ? counted : mend(extend(counted, oldCalendar, now, more), oldCalendar, now);
}

const UNBROKEN = { breached: false, rungsTaken: 0 };

/** A promise that was broken is whole again when more time makes up for it. */
function mend(clock: Clock, calendar: Calendar, now: Instant): Clock {
  return clock.breached && remaining(clock, calendar, now) >= 0 ? { ...clock, ...UNBROKEN } : clock;
}

function consumed(clock: Clock, calendar: Calendar, now: Instant): Seconds {
  if (clock.runningSince === null) return clock.consumedSeconds;
  return clock.consumedSeconds + elapsed(calendar, clock.runningSince, now);
}

function extend(clock: Clock, calendar: Calendar, now: Instant, seconds: Seconds): Clock {
  return forgetWarnings({ ...clock, budgetSeconds: clock.budgetSeconds + seconds }, calendar, now);
}

/** With more time a share lies ahead again that somebody was warned of already: they are warned again. */
function forgetWarnings(clock: Clock, calendar: Calendar, now: Instant): Clock {
  // counting anew may leave nothing of a budget that was given under another priority, and nothing has no shares
  if (clock.budgetSeconds <= 0) return clock;
  const share = Math.floor((100 * consumed(clock, calendar, now)) / clock.budgetSeconds);
  return { ...clock, warnedPercent: Math.max(0, Math.min(clock.warnedPercent, share)) };
}

function rebase(clock: Clock, budgetSeconds: Seconds, left: Seconds, now: Instant): Clock {
  return {
    ...clock,
    budgetSeconds,
    consumedSeconds: budgetSeconds - left,
    runningSince: clock.state === 'running' ? now : null,
  };
}
