/** What holds for every history of a ticket, on the clock around and in odd zones. */
import fc from 'fast-check';
import { act, anyChange, history, priority, RUNS, wait } from '../test/arbitraries.js';
import { ODD_CALENDARS } from '../test/calendars.js';
import { codes, newTicket, people, play, T0, update, updated, type Played, type Step } from '../test/world.js';
import {
  clocksView,
  DEFAULT_POLICY,
  nextTimerAt,
  PRIORITIES,
  settle,
  type Calendar,
  type Instant,
  type Policy,
  type Ticket,
} from './index.js';

const calendars: [string, Calendar][] = [['24×7', DEFAULT_POLICY.calendar], ...Object.entries(ODD_CALENDARS)];
/** Enough in all for every zone, and at least as many as the model asks for on the clock around. */
const runsOn = (calendar: Calendar) => ({ numRuns: calendar.always ? RUNS.numRuns : Math.ceil(RUNS.numRuns / 4) });

/** Start of the history: somewhere in a year, so that clock changes are met. */
const start = fc.integer({ min: 0, max: 365 * 24 }).map((hours) => T0 + hours * 3600);

describe.each(calendars)('on the calendar of %s', (_, calendar) => {
  const policy: Policy = { ...DEFAULT_POLICY, calendar };
  const runs = runsOn(calendar);

  function histories(check: (played: Played, first: Ticket, steps: Step[]) => void) {
    fc.assert(
      fc.property(start, priority, history, (at, first, steps) => {
        const ticket = newTicket({ priority: first }, policy, at);
        check(play(ticket, steps, policy), ticket, steps);
      }),
      runs,
    );
  }

  it('the view tells a consistent story at any time', () => {
    fc.assert(
      fc.property(start, priority, history, wait, (at, first, steps, later) => {
        const played = play(newTicket({ priority: first }, policy, at), steps, policy);
        const now = played.now + later;
        const view = clocksView(played.ticket, policy, now);
        const suspended = view.status === 'suspended';
        expect(view.remainingSuspendedSeconds === null || view.remainingSuspendedSeconds > 0).toBe(true);
        expect(view.remainingSuspendedSeconds !== null).toBe(suspended);
        expect(view.suspensionCause !== null).toBe(suspended);
        expect(view.resolutionType !== null).toBe(view.status === 'closed');
        expect(view.resolveOutcome !== null).toBe(view.status === 'closed');
        expect(view.status === 'closed' || view.resolutionEta === null || view.resolutionEta >= now).toBe(true);
        expect(view.resolutionEta === null).toBe(view.resolutionEtaSource === null);
        if (view.overdue) expect(view.resolveEverBreached).toBe(true);
        if ((view.remainingResolveSeconds ?? 0) < 0) expect(view.overdue).toBe(true);
        if (suspended) expect([view.assignDueAt, view.resolveDueAt]).toEqual([null, null]);
        if (view.status === 'in_progress') expect(view.assigneeId).not.toBeNull();
        // Alive while nobody is assigned and the ticket is not closed.
        expect(view.remainingAssignSeconds === null).toBe(view.assigneeId !== null || view.status === 'closed');
      }),
      runs,
    );
  });

  it('does not depend on when or how often the sweeper looks', () => {
    fc.assert(
      fc.property(start, history, fc.array(fc.nat(1000), { maxLength: 20 }), (at, steps, cuts) => {
        const ticket = newTicket({}, policy, at);
        const seldom = play(ticket, steps, policy);
        const often = play(ticket, withLooks(steps, cuts), policy);
        expect(often.ticket).toEqual(seldom.ticket);
        expect(often.settlements).toEqual(seldom.settlements);
      }),
      runs,
    );
  });

  it('settles again to nothing, and does something exactly from its next timer on', () => {
    histories(({ ticket, now }) => {
      expect(settle(ticket, policy, now, people)).toEqual({ ticket, settlements: [] });
      const timer = nextTimerAt(ticket, policy);
      if (timer === null) {
        expect(settle(ticket, policy, now + 1e9, people).settlements).toEqual([]);
        return;
      }
      expect(timer).toBeGreaterThan(now);
      expect(settle(ticket, policy, timer - 1, people).settlements).toEqual([]);
      expect(settle(ticket, policy, timer, people).settlements.length).toBeGreaterThan(0);
    });
  });

  it('stamps settlements in order, never later than they were noticed, and breaks each promise once', () => {
    histories(({ settlements, trail, now }, first) => {
      const instants = settlements.map(({ at }) => at);
      expect(instants).toEqual(instants.toSorted((a, b) => a - b));
      expect(instants.every((at) => at >= first.createdAt && at <= now)).toBe(true);
      const promises = 1 + trail.filter(({ before, after }) => before.priority !== after.priority).length;
      for (const type of ['assign_breached', 'resolve_breached']) {
        expect(settlements.filter((settlement) => settlement.type === type).length).toBeLessThanOrEqual(promises);
      }
      for (const { before, settlements: noticed } of trail) {
        const types = noticed.map(({ type }) => type);
        expect(types.filter((type) => type === 'assign_breached').length).toBeLessThanOrEqual(
          before.assignClock.breached ? 0 : 1,
        );
        expect(types.filter((type) => type === 'resolve_breached').length).toBeLessThanOrEqual(
          before.resolveClock.breached ? 0 : 1,
        );
      }
    });
  });

  it('never forgets a breach, and grows the version by one with each change', () => {
    histories(({ trail }) => {
      for (const { before, after, result, settlements } of trail) {
        expect(after.assignClock.everBreached || !before.assignClock.everBreached).toBe(true);
        expect(after.resolveClock.everBreached || !before.resolveClock.everBreached).toBe(true);
        const changed = result && 'changed' in result && result.changed ? 1 : 0;
        const settled = settlements.filter(({ type }) => /_breached$|^suspension_expired$/.test(type)).length;
        expect(after.version - before.version).toBe(settled + changed);
      }
    });
  });

  it('never tells the actor, somebody inactive, or one person twice', () => {
    fc.assert(
      fc.property(start, history, act, wait, (at, steps, last, later) => {
        const before = play(newTicket({}, policy, at), steps, policy);
        const { trail } = play(before.ticket, [{ wait: later, act: last }], policy, before.now);
        const result = trail[0]?.result;
        if (!result || !('told' in result)) return;
        const actor = 'change' in last ? last.by : 'message' in last ? last.message.authorId : null;
        const told = result.told.map((one) =>
          'personId' in one ? one.personId : one.role === 'reporter' ? 'cust1' : 'lead',
        );
        expect(new Set(told).size).toBe(told.length);
        expect(told).not.toContain(actor);
        expect(told).not.toContain('gone');
        if (!result.changed) expect(told).toEqual([]);
      }),
      runs,
    );
  });

  it('leaves the ticket byte-identical when it refuses, and gives every reason with its field', () => {
    fc.assert(
      fc.property(start, history, anyChange, fc.constantFrom('emp1', 'cust1'), (at, steps, change, by) => {
        const { ticket, now } = play(newTicket({}, policy, at), steps, policy);
        const bytes = JSON.stringify(ticket);
        const result = update(ticket, now, change, { by, policy });
        expect(JSON.stringify(ticket)).toBe(bytes);
        if ('refusals' in result) expect(Object.keys(result)).toEqual(['refusals']);
        const { comment } = change;
        expect(codes(result).includes('actor_not_employee')).toBe(by === 'cust1');
        expect(codes(result).includes('comment_required')).toBe(comment !== undefined && comment.trim() === '');
        expect(codes(result).includes('unknown_field')).toBe((change.unknownFields ?? []).length > 0);
      }),
      runs,
    );
  });

  it('closed and reopened at once is the identity', () => {
    histories(({ ticket, now }) => {
      if (ticket.status !== 'open' && ticket.status !== 'in_progress') return;
      const closed = updated(ticket, now, { status: 'closed', resolutionType: 'fixed' }, { policy });
      const reopened = updated(closed, now, { status: ticket.status }, { policy });
      expect({ ...clocksView(reopened, policy, now), version: ticket.version }).toEqual(
        clocksView(ticket, policy, now),
      );
    });
  });

  it('a suspension that runs out keeps the time that was left', () => {
    fc.assert(
      fc.property(start, history, fc.integer({ min: 1, max: 80 * 86_400 }), (at, steps, suspendedSeconds) => {
        const { ticket, now } = play(newTicket({}, policy, at), steps, policy);
        if (ticket.status === 'closed') return;
        const change = { status: 'suspended', suspensionCause: 'pending_change', suspendedSeconds };
        const suspended = updated(ticket, now, change, { policy });
        const before = clocksView(ticket, policy, now);
        const after = clocksView(suspended, policy, now + suspendedSeconds);
        expect(after.remainingResolveSeconds).toBe(before.remainingResolveSeconds);
        expect(after.remainingAssignSeconds).toBe(before.remainingAssignSeconds);
        expect(after.status).toBe(ticket.assigneeId === null ? 'open' : 'in_progress');
      }),
      runs,
    );
  });

  it('split suspensions equal one', () => {
    fc.assert(
      fc.property(
        start,
        history,
        fc.integer({ min: 1, max: 40 * 86_400 }),
        fc.integer({ min: 1, max: 40 * 86_400 }),
        fc.boolean(),
        (at, steps, first, second, early) => {
          const { ticket, now } = play(newTicket({}, policy, at), steps, policy);
          if (ticket.status === 'closed') return;
          const suspension = { status: 'suspended', suspensionCause: 'pending_change' };
          const seam = early ? now + Math.floor(first / 2) : now + first;
          const rest = now + first + second - seam;
          const one = updated(ticket, now, { ...suspension, suspendedSeconds: first + second }, { policy });
          const part = updated(ticket, now, { ...suspension, suspendedSeconds: first }, { policy });
          const two = updated(part, seam, { ...suspension, suspendedSeconds: rest }, { policy });
          for (const moment of [seam, now + first + second, now + first + second + 90_000]) {
            const version = 0;
            expect({ ...clocksView(two, policy, moment), version }).toEqual({
              ...clocksView(one, policy, moment),
              version,
            });
          }
        },
      ),
      runs,
    );
  });

  it('grants nothing without an escalation', () => {
    histories(({ ticket, trail }, first) => {
      const escalated = trail.some(({ before, after }) => rank(after) > rank(before));
      if (!escalated) expect(ticket.resolveGainSeconds).toBe(0);
      expect(ticket.resolveGainSeconds).toBeGreaterThanOrEqual(first.resolveGainSeconds);
    });
  });
});

describe('on the clock around', () => {
  it('a history can be shifted in time', () => {
    fc.assert(
      fc.property(history, fc.integer({ min: -1e8, max: 1e8 }), (steps, shift) => {
        const here = play(newTicket(), steps, DEFAULT_POLICY);
        const there = play(newTicket({}, DEFAULT_POLICY, T0 + shift), steps, DEFAULT_POLICY);
        expect(shifted(there.ticket, -shift)).toEqual(here.ticket);
        expect(there.settlements.map(({ at }) => at - shift)).toEqual(here.settlements.map(({ at }) => at));
      }),
      RUNS,
    );
  });
});

/** The same history with the sweeper looking in between, at shares (in thousandths) of the whole time. */
function withLooks(steps: Step[], cuts: number[]): Step[] {
  const total = steps.reduce((sum, step) => sum + step.wait, 0);
  const looks = cuts.map((cut) => Math.floor((total * cut) / 1000)).sort((a, b) => a - b);
  const result: Step[] = [];
  let now = 0;
  let at = 0;
  const tick = (when: number) => {
    result.push({ wait: when - now, act: { tick: true } });
    now = when;
  };
  for (const step of steps) {
    at += step.wait;
    while ((looks[0] ?? Infinity) <= at) tick(looks.shift() ?? at);
    result.push({ wait: at - now, act: step.act });
    now = at;
  }
  return result;
}

function rank(ticket: Ticket): number {
  return PRIORITIES.indexOf(ticket.priority);
}

function shifted(ticket: Ticket, by: Instant): Ticket {
  const move = (at: Instant | null) => (at === null ? null : at + by);
  return {
    ...ticket,
    createdAt: ticket.createdAt + by,
    closedAt: move(ticket.closedAt),
    suspension: ticket.suspension && { ...ticket.suspension, until: ticket.suspension.until + by },
    assignClock: { ...ticket.assignClock, runningSince: move(ticket.assignClock.runningSince) },
    resolveClock: { ...ticket.resolveClock, runningSince: move(ticket.resolveClock.runningSince) },
  };
}
