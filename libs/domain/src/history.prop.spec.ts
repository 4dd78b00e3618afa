/** Replaying a history makes the very ticket that made the history. */
import fc from 'fast-check';
import { history, priority, RUNS, wait } from '../test/arbitraries.js';
import { ODD_CALENDARS } from '../test/calendars.js';
import { accepted, entry, newTicket, people, person, play, T0, update, writtenDown } from '../test/world.js';
import { DEFAULT_POLICY, moveToPolicy, replay, settle, undoMerge } from './index.js';
import type { Calendar, HistoryEntry, Policy, Ticket } from './index.js';

const calendars: [string, Calendar][] = [['24×7', DEFAULT_POLICY.calendar], ...Object.entries(ODD_CALENDARS)];
const start = fc.integer({ min: 0, max: 365 * 24 }).map((hours) => T0 + hours * 3600);

describe.each(calendars)('on the calendar of %s', (_, calendar) => {
  const runs = { numRuns: calendar.always ? RUNS.numRuns : Math.ceil(RUNS.numRuns / 4) };

  it.each(['reset', 'reset_capped', 'retroactive'] as const)('replays every history, escalating by %s', (mode) => {
    const policy: Policy = { ...DEFAULT_POLICY, calendar, escalationMode: mode };
    fc.assert(
      fc.property(start, priority, history, fc.boolean(), (at, urgency, steps, assigned) => {
        const facts = { priority: urgency, ...(assigned && { assigneeId: 'emp1' }) };
        const first = newTicket(facts, policy, at);
        const { ticket, trail, now } = play(first, steps, policy);
        const replayed = replay(first, writtenDown(first, trail), () => policy, now);
        const expected = settle(ticket, policy, now, people).ticket;
        expect(replayed.ticket).toEqual(expected);
      }),
      runs,
    );
  });
});

describe('other terms', () => {
  const night = ODD_CALENDARS['Berlin: nights']!;
  const policies: Policy[] = [
    DEFAULT_POLICY,
    { ...DEFAULT_POLICY, version: 2, calendar: night },
    { ...DEFAULT_POLICY, version: 3, targets: { ...DEFAULT_POLICY.targets, medium: DEFAULT_POLICY.targets.high } },
  ];
  const policyOf = (version: number) => policies[version - 1]!;
  const otherVersion = fc.constantFrom(2, 3);

  function midway(check: (ticket: Ticket, now: number, first: Ticket, entries: HistoryEntry[]) => void) {
    fc.assert(
      fc.property(start, priority, history, (at, urgency, steps) => {
        const first = newTicket({ priority: urgency }, DEFAULT_POLICY, at);
        const { ticket, trail, now } = play(first, steps, DEFAULT_POLICY);
        check(settle(ticket, DEFAULT_POLICY, now, people).ticket, now, first, writtenDown(first, trail));
      }),
      RUNS,
    );
  }

  it('are replayed', () => {
    fc.assert(
      fc.property(start, history, history, otherVersion, (at, earlier, later, version) => {
        const first = newTicket({}, DEFAULT_POLICY, at);
        const before = play(first, earlier, DEFAULT_POLICY);
        const moved = moveToPolicy(before.ticket, DEFAULT_POLICY, policyOf(version), before.now, people);
        const after = play(moved.ticket, later, policyOf(version), before.now);
        const entries = [
          ...writtenDown(first, before.trail),
          entry(before.now, moved.changes),
          ...writtenDown(first, after.trail).slice(1),
        ];
        const replayed = replay(first, entries, policyOf, after.now);
        expect(replayed.ticket).toEqual(settle(after.ticket, policyOf(version), after.now, people).ticket);
      }),
      RUNS,
    );
  });

  it('that say the same change no clock', () => {
    midway((ticket, now) => {
      const same = { ...DEFAULT_POLICY, version: 9 };
      const { ticket: moved } = moveToPolicy(ticket, DEFAULT_POLICY, same, now, people);
      const later = now + 1e7;
      const lived = (one: Ticket, policy: Policy) =>
        settle(one, policy, later, people).settlements.map(({ type, at, told }) => [type, at, told]);
      expect(lived(moved, same)).toEqual(lived(ticket, DEFAULT_POLICY));
    });
  });

  it('keep what was consumed and give the rest by the new calendar', () => {
    midway((ticket, now) => {
      const { ticket: moved } = moveToPolicy(ticket, DEFAULT_POLICY, policyOf(2), now, people);
      for (const clock of ['assignClock', 'resolveClock'] as const) {
        const [old, fresh] = [ticket[clock], moved[clock]];
        const consumed = old.consumedSeconds + (old.runningSince === null ? 0 : now - old.runningSince);
        expect(fresh.consumedSeconds).toBe(consumed);
        expect(fresh.budgetSeconds).toBe(old.budgetSeconds);
        expect(fresh.runningSince).toBe(old.runningSince === null ? null : now);
      }
    });
  });

  it('never revive a stopped clock', () => {
    midway((ticket, now) => {
      const { ticket: moved } = moveToPolicy(ticket, DEFAULT_POLICY, policyOf(3), now, people);
      for (const clock of ['assignClock', 'resolveClock'] as const) {
        if (ticket[clock].state === 'stopped') expect(moved[clock]).toEqual(ticket[clock]);
      }
    });
    expect.hasAssertions();
  });
});

it('replays what undoing a merge gives back', () => {
  fc.assert(
    fc.property(start, history, wait, (at, steps, merged) => {
      const first = newTicket({}, DEFAULT_POLICY, at);
      const { ticket, trail, now } = play(first, steps, DEFAULT_POLICY);
      const before = settle(ticket, DEFAULT_POLICY, now, people).ticket;
      if (before.status === 'closed') return;
      const closing = accepted(update(before, now, { status: 'closed', resolutionType: 'duplicate' }));
      const later = now + merged;
      const undone = undoMerge(closing.ticket, { at: now, ...before }, DEFAULT_POLICY, {
        now: later,
        people,
        actor: person('emp1'),
      });
      const entries = [...writtenDown(first, trail), entry(now, closing.changes), entry(later, undone.changes)];
      const replayed = replay(first, entries, () => DEFAULT_POLICY, later);
      expect(replayed.ticket).toEqual(settle(undone.ticket, DEFAULT_POLICY, later, people).ticket);
    }),
    RUNS,
  );
});
