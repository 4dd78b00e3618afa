/**
 * What time alone does to a ticket: a share of a budget is used up, a promise breaks when its due time has passed, it
 * stays broken for so long, a suspension ends at its instant.
 *
 * Each takes effect, and is stamped, at its own instant, whoever notices when. Looking late, often or twice gives the
 * same ticket and the same settlements. Breaches and ends of suspensions grow the version by one each.
 */
import { breach, dueAt, usedAt } from './clock.js';
import { changesBetween } from './changes.js';
import type { People, Settlement } from './outcome.js';
import type { Policy } from './policy.js';
import { close, resumeWork, workingStatus } from './steps.js';
import type { Clock, ClockName, Instant, Ticket } from './ticket.js';
import { toldOfBreach, toldOfExpiry, toldOfRung, toldOfWarning } from './told.js';

export interface Settled {
  ticket: Ticket;
  settlements: Settlement[];
}

/** Brings the ticket up to now. Settlements come in the order of their instants. */
export function settle(ticket: Ticket, policy: Policy, now: Instant, people: People): Settled {
  const settlements: Settlement[] = [];
  let settled = ticket;
  for (let next = nextEvent(settled, policy); next && next.noticedFrom <= now; next = nextEvent(settled, policy)) {
    const { settlement, ticket: after } = next.happen(people);
    settlements.push({ ...settlement, at: next.at, changes: changesBetween(settled, after) });
    settled = after;
  }
  return { ticket: settled, settlements };
}

/** The first instant at which settling does something, unless the ticket is changed before; null when it never will. */
export function nextTimerAt(ticket: Ticket, policy: Policy): Instant | null {
  return nextEvent(ticket, policy)?.noticedFrom ?? null;
}

interface TimedEvent {
  at: Instant;
  /** The whole second from which it is a fact: a promise answered exactly at its due time is kept. */
  noticedFrom: Instant;
  happen: (people: People) => { ticket: Ticket; settlement: Omit<Settlement, 'at' | 'changes'> };
}

function nextEvent(ticket: Ticket, policy: Policy): TimedEvent | null {
  // While suspended both clocks stand still, so nothing can happen to them before the suspension ends.
  if (ticket.suspension) return expiry(ticket, ticket.suspension.until, policy);
  const assign = clockEvent(ticket, 'assign', policy);
  const resolve = clockEvent(ticket, 'resolve', policy);
  if (assign === null || resolve === null) return assign ?? resolve;
  return isBefore(resolve, assign) ? resolve : assign;
}

/** In the order of noticing, so that looking in between changes nothing; then of the instants. */
function isBefore(a: TimedEvent, b: TimedEvent): boolean {
  return a.noticedFrom < b.noticedFrom || (a.noticedFrom === b.noticedFrom && a.at < b.at);
}

function expiry(ticket: Ticket, until: Instant, policy: Policy): TimedEvent {
  return {
    at: until,
    noticedFrom: until,
    happen: (people) => {
      const closeAs = ticket.suspension?.closeResolutionType ?? null;
      const after =
        closeAs === null ? resumeWork(ticket, workingStatus(ticket), until) : close(ticket, closeAs, policy, until);
      const changed = { ...after, version: ticket.version + 1 };
      return { ticket: changed, settlement: { type: 'suspension_expired', told: toldOfExpiry(changed, people) } };
    },
  };
}

function clockEvent(ticket: Ticket, name: ClockName, policy: Policy): TimedEvent | null {
  const clock = clockOf(ticket, name);
  const due = dueAt(clock, policy.calendar);
  if (due === null) return null;
  if (clock.breached) return rungEvent(ticket, name, policy);
  return warningEvent(ticket, name, policy, due) ?? breachEvent(ticket, name, due);
}

/** Of several shares that are used up at one instant only the largest is worth a warning. */
function warningEvent(ticket: Ticket, name: ClockName, policy: Policy, due: Instant): TimedEvent | null {
  const clock = clockOf(ticket, name);
  let at: Instant | null = null;
  let percent = 0;
  for (const share of policy.warningPercents) {
    if (share <= clock.warnedPercent) continue;
    const reached = usedAt(clock, policy.calendar, Math.ceil((clock.budgetSeconds * share) / 100));
    if (at !== null && reached !== at) break;
    at = reached;
    percent = share;
  }
  if (at === null || at >= due) return null;
  return {
    at,
    noticedFrom: at,
    happen: (people) => ({
      ticket: withClock(ticket, name, { ...clock, warnedPercent: percent }),
      settlement: { type: `${name}_warned`, percent, told: toldOfWarning(ticket, people) },
    }),
  };
}

function breachEvent(ticket: Ticket, name: ClockName, due: Instant): TimedEvent {
  return {
    at: due,
    noticedFrom: due + 1,
    happen: (people) => ({
      ticket: { ...withClock(ticket, name, breach(clockOf(ticket, name))), version: ticket.version + 1 },
      settlement: { type: `${name}_breached`, told: toldOfBreach(ticket, people) },
    }),
  };
}

function rungEvent(ticket: Ticket, name: ClockName, policy: Policy): TimedEvent | null {
  const clock = clockOf(ticket, name);
  const rung = policy.ladder[clock.rungsTaken];
  if (!rung) return null;
  const { overdueSeconds } = rung;
  const at = usedAt(clock, policy.calendar, clock.budgetSeconds + overdueSeconds);
  if (at === null) return null;
  return {
    at,
    noticedFrom: at,
    happen: (people) => ({
      ticket: withClock(ticket, name, { ...clock, rungsTaken: clock.rungsTaken + 1 }),
      settlement: { type: `${name}_overdue`, overdueSeconds, told: toldOfRung(rung, ticket, people) },
    }),
  };
}

function clockOf(ticket: Ticket, name: ClockName): Clock {
  return name === 'assign' ? ticket.assignClock : ticket.resolveClock;
}

function withClock(ticket: Ticket, name: ClockName, clock: Clock): Ticket {
  return name === 'assign' ? { ...ticket, assignClock: clock } : { ...ticket, resolveClock: clock };
}
