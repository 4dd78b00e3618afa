/** The explanation of a clock agrees with the clock, and never takes a word back. */
import fc from 'fast-check';
import { history, priority, RUNS, wait } from '../test/arbitraries.js';
import { ODD_CALENDARS } from '../test/calendars.js';
import { entry, newTicket, people, play, T0, writtenDown } from '../test/world.js';
import { clocksView, DEFAULT_POLICY, explainClocks, moveToPolicy, replay } from './index.js';
import type {
  Calendar,
  ClockFact,
  ClockLedger,
  ClockSegment,
  EscalationMode,
  HistoryEntry,
  Policies,
  Policy,
  Ticket,
} from './index.js';

const calendars: [string, Calendar][] = [['24×7', DEFAULT_POLICY.calendar], ...Object.entries(ODD_CALENDARS)];
const start = fc.integer({ min: 0, max: 365 * 24 }).map((hours) => T0 + hours * 3600);
const mode = fc.constantFrom<EscalationMode>('reset', 'reset', 'reset_capped', 'retroactive');
const CLOCKS = ['assign', 'resolve'] as const;

interface Case {
  first: Ticket;
  entries: HistoryEntry[];
  policies: Policies;
  now: number;
}

describe.each(calendars)('on the calendar of %s', (_, calendar) => {
  const runs = { numRuns: calendar.always ? RUNS.numRuns : Math.ceil(RUNS.numRuns / 4) };

  const other = calendar.always ? ODD_CALENDARS['Berlin: nights']! : { ...calendar };

  /** Half of a history under one version of the policy, half under another one. */
  const lives: fc.Arbitrary<Case> = fc
    .record({ at: start, urgency: priority, earlier: history, later: history, mode, assigned: fc.boolean(), wait })
    .map(({ at, urgency, earlier, later, mode: escalationMode, assigned, wait: rest }) => {
      const old: Policy = { ...DEFAULT_POLICY, calendar, escalationMode };
      const targets = { ...old.targets, medium: old.targets.high };
      const fresh: Policy = { ...old, version: 2, targets, calendar: other, warningPercents: [30, 90] };
      const first = newTicket({ priority: urgency, ...(assigned && { assigneeId: 'emp1' }) }, old, at);
      const before = play(first, earlier, old);
      const moved = moveToPolicy(before.ticket, old, fresh, before.now, people);
      const after = play(moved.ticket, later, fresh, before.now);
      const entries = [
        ...writtenDown(first, before.trail),
        entry(before.now, moved.changes),
        ...writtenDown(first, after.trail).slice(1),
      ];
      return { first, entries, policies: (version) => (version === 1 ? old : fresh), now: after.now + rest };
    });

  function inEveryLife(check: (life: Case) => void) {
    fc.assert(fc.property(lives, check), runs);
  }

  it('its sums are the replayed clock and the view', () => {
    inEveryLife(({ first, entries, policies, now }) => {
      const ledgers = explainClocks(first, entries, policies, now);
      const { ticket } = replay(first, entries, policies, now);
      const view = clocksView(ticket, policies(ticket.policyVersion), now);
      for (const name of CLOCKS) {
        const ledger = ledgers[name];
        const clock = name === 'assign' ? ticket.assignClock : ticket.resolveClock;
        const shown = name === 'assign' ? view.remainingAssignSeconds : view.remainingResolveSeconds;
        expect(ledger.budgetSeconds).toBe(clock.budgetSeconds);
        expect([ledger.state, ledger.outcome]).toEqual([clock.state, clock.outcome]);
        expect(clock.state === 'stopped' ? null : ledger.remainingSeconds).toBe(shown);
        expect(ledger.budgetSeconds - ledger.countedSeconds).toBe(ledger.remainingSeconds);
      }
      expect(ledgers.resolve.gainSeconds).toBe(view.resolveGainSeconds);
      expect(facts(ledgers.assign, 'breached').length > 0).toBe(view.assignEverBreached);
      expect(facts(ledgers.resolve, 'breached').length > 0).toBe(view.resolveEverBreached);
    });
  });

  it('its segments join from the creation to now or to the stop, and what ran is counted or lay outside hours', () => {
    inEveryLife(({ first, entries, policies, now }) => {
      for (const ledger of Object.values(explainClocks(first, entries, policies, now))) {
        const all = segments(ledger);
        let end = first.createdAt;
        for (const { from, to, state, countedSeconds, outsideHoursSeconds, open } of all) {
          expect(from).toBe(end);
          expect(to > from || open).toBe(true);
          expect(countedSeconds + outsideHoursSeconds).toBe(state === 'running' ? to - from : 0);
          expect(Math.min(countedSeconds, outsideHoursSeconds)).toBeGreaterThanOrEqual(0);
          end = to;
        }
        const stop = facts(ledger, 'stopped').at(-1);
        expect(end).toBe(ledger.state === 'stopped' ? stop?.at : now);
        expect(all.filter(({ open }) => open).length).toBe(ledger.state === 'stopped' ? 0 : 1);
        const paused = all.filter(({ state }) => state === 'paused').map(({ from, to }) => to - from);
        expect(ledger.pausedSeconds).toBe(total(paused));
        expect(ledger.outsideHoursSeconds).toBe(total(all.map((one) => one.outsideHoursSeconds)));
      }
    });
  });

  it('what ran since the last new promise is what is consumed', () => {
    inEveryLife(({ first, entries, policies, now }) => {
      for (const ledger of Object.values(explainClocks(first, entries, policies, now))) {
        const anew = ledger.lines.findLastIndex(({ kind, ...line }) => kind === 'fact' && isNewPromise(line));
        const promise = ledger.lines[anew] as ClockFact;
        const since = ledger.lines.slice(anew).filter((line) => line.kind === 'segment');
        const given = promise.budgetSeconds - promise.remainingSeconds;
        expect(promise.type === 'capped' || given === 0).toBe(true);
        expect(given + total(since.map(({ countedSeconds }) => countedSeconds))).toBe(ledger.countedSeconds);
      }
    });
  });

  it('only grows: neither more history nor a later look changes a line', () => {
    fc.assert(
      fc.property(lives, fc.nat(), wait, ({ first, entries, policies, now }, cut, later) => {
        const known = entries.slice(0, 1 + (cut % entries.length));
        const next = entries[known.length];
        const look = Math.min(known.at(-1)!.at + later, next?.at ?? now);
        const early = explainClocks(first, known, policies, look);
        const late = explainClocks(first, entries, policies, now);
        for (const name of CLOCKS) {
          const certain = closed(early[name]);
          expect(closed(late[name]).slice(0, certain.length)).toEqual(certain);
        }
      }),
      runs,
    );
  });

  it('says something readable in every line', () => {
    const check = ({ first, entries, policies, now }: Case) => {
      for (const { lines } of Object.values(explainClocks(first, entries, policies, now))) {
        for (const { sentence } of lines) {
          expect(sentence).toMatch(/^[A-Z][^\n]+\.$/);
          expect(sentence).not.toMatch(/undefined|null|NaN|-\d+ (h|min|s)\b/);
        }
      }
    };
    fc.assert(fc.property(lives, check), { numRuns: 200 });
  });
});

function isNewPromise(line: object): boolean {
  return 'type' in line && ['started', 'reset', 'capped'].includes(String(line.type));
}

function segments({ lines }: ClockLedger): ClockSegment[] {
  return lines.filter((line) => line.kind === 'segment');
}

function facts({ lines }: ClockLedger, type: ClockFact['type']): ClockFact[] {
  return lines.filter((line) => line.kind === 'fact').filter((fact) => fact.type === type);
}

function closed({ lines }: ClockLedger) {
  return lines.filter((line) => line.kind === 'fact' || !line.open);
}

function total(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
