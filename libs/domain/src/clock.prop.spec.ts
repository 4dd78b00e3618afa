/** What holds for one clock, whatever happened to it before. */
import fc from 'fast-check';
import { RUNS } from '../test/arbitraries.js';
import { ODD_CALENDARS } from '../test/calendars.js';
import { T0 } from '../test/world.js';
import {
  breach,
  deEscalate,
  dueAt,
  escalate,
  pause,
  remaining,
  resume,
  start,
  stop,
  type Calendar,
  type Clock,
  type EscalationMode,
  type Instant,
} from './index.js';

const calendar = fc.constantFrom<Calendar>({ always: true, zone: 'UTC' }, ...Object.values(ODD_CALENDARS));
const seconds = fc.oneof(
  fc.integer({ min: 1, max: 60 }).map((hours) => hours * 3600),
  fc.integer({ min: 1, max: 400_000 }),
);
const mode = fc.constantFrom<EscalationMode>('reset', 'reset_capped', 'retroactive');

interface Scene {
  calendar: Calendar;
  clock: Clock;
  now: Instant;
}

/** A clock that is alive after running and pausing in turns, settled. */
const scene: fc.Arbitrary<Scene> = fc
  .record({ calendar, budget: seconds, waits: fc.array(seconds, { minLength: 1, maxLength: 6 }) })
  .map(({ calendar: hours, budget, waits }) => {
    let now = T0;
    let clock = start(budget, now);
    waits.forEach((wait, index) => {
      now += wait;
      clock = settled(clock, hours, now);
      if (index < waits.length - 1) clock = index % 2 === 0 ? pause(clock, hours, now) : resume(clock, now);
    });
    return { calendar: hours, clock, now };
  });

describe('a clock', () => {
  it('escalated by reset has the full new target from now, ignores history, and may be escalated twice', () => {
    fc.assert(
      fc.property(scene, seconds, seconds, ({ calendar: hours, clock, now }, oldSeconds, newSeconds) => {
        const target = { oldSeconds, newSeconds };
        const once = escalate(clock, hours, now, target, 'reset');
        expect(remaining(once, hours, now)).toBe(newSeconds);
        expect(once.breached).toBe(false);
        expect(once.everBreached).toBe(clock.everBreached);
        expect(escalate(once, hours, now, target, 'reset')).toEqual(once);
        const fresh = start(newSeconds, now);
        if (clock.state === 'running') expect({ ...once, everBreached: false }).toEqual(fresh);
      }),
      RUNS,
    );
  });

  it('escalated by reset_capped never gains, and retroactively counts from the start', () => {
    fc.assert(
      fc.property(scene, seconds, ({ calendar: hours, clock, now }, newSeconds) => {
        const target = { oldSeconds: clock.budgetSeconds, newSeconds };
        const left = remaining(clock, hours, now);
        const capped = escalate(clock, hours, now, target, 'reset_capped');
        expect(remaining(capped, hours, now)).toBe(Math.min(left, newSeconds));
        if (left < newSeconds) expect(dueAt(capped, hours)).toBe(dueAt(clock, hours));
        const retroactive = escalate(clock, hours, now, target, 'retroactive');
        expect(remaining(retroactive, hours, now)).toBe(left + newSeconds - clock.budgetSeconds);
      }),
      RUNS,
    );
  });

  it('de-escalated has the difference on top; the moment and the number of steps do not change the due time', () => {
    fc.assert(
      fc.property(scene, seconds, seconds, seconds, fc.nat(200_000), (at, old, more, evenMore, later) => {
        const { calendar: hours, clock, now } = at;
        const target = { oldSeconds: old, newSeconds: old + more };
        const once = deEscalate(clock, hours, now, target);
        expect(remaining(once, hours, now)).toBe(remaining(clock, hours, now) + more);
        const noticedLater = deEscalate(settled(clock, hours, now + later), hours, now + later, target);
        if (remaining(once, hours, now) > 0) expect(dueAt(noticedLater, hours)).toBe(dueAt(once, hours));
        const steps = deEscalate(once, hours, now, { oldSeconds: old + more, newSeconds: old + more + evenMore });
        expect(steps).toEqual(deEscalate(clock, hours, now, { oldSeconds: old, newSeconds: old + more + evenMore }));
        expect(dueAt(once, hours) ?? 0).toBeGreaterThanOrEqual(dueAt(clock, hours) ?? 0);
        expect(deEscalate(clock, hours, now, { oldSeconds: old, newSeconds: old })).toEqual(clock);
      }),
      RUNS,
    );
  });

  it('pause and priority commute', () => {
    fc.assert(
      fc.property(scene, seconds, seconds, mode, ({ calendar: hours, clock, now }, oldSeconds, newSeconds, how) => {
        const target = { oldSeconds, newSeconds };
        expect(pause(escalate(clock, hours, now, target, how), hours, now)).toEqual(
          escalate(pause(clock, hours, now), hours, now, target, how),
        );
        expect(pause(deEscalate(clock, hours, now, target), hours, now)).toEqual(
          deEscalate(pause(clock, hours, now), hours, now, target),
        );
      }),
      RUNS,
    );
  });

  it('keeps its remainder through a pause, stands still in it, and is answered exactly at its due time in time', () => {
    fc.assert(
      fc.property(scene, seconds, ({ calendar: hours, clock, now }, wait) => {
        const paused = pause(clock, hours, now);
        expect(remaining(paused, hours, now + wait)).toBe(remaining(clock, hours, now));
        expect(remaining(resume(paused, now + wait), hours, now + wait)).toBe(remaining(clock, hours, now));
        const due = dueAt(clock, hours);
        if (due === null || clock.breached) return;
        expect(remaining(clock, hours, due)).toBe(0);
        expect(stop(settled(clock, hours, due), hours, due).outcome).toBe('met');
        expect(stop(settled(clock, hours, due + 1), hours, due + 1).outcome).toBe('missed');
      }),
      RUNS,
    );
  });

  it('once stopped is revived by no priority', () => {
    fc.assert(
      fc.property(scene, seconds, seconds, mode, ({ calendar: hours, clock, now }, oldSeconds, newSeconds, how) => {
        const stopped = stop(clock, hours, now);
        const target = { oldSeconds, newSeconds };
        expect(escalate(stopped, hours, now, target, how)).toEqual(stopped);
        expect(deEscalate(stopped, hours, now, target)).toEqual(stopped);
      }),
      RUNS,
    );
  });
});

/** What settling does to one clock. */
function settled(clock: Clock, hours: Calendar, now: Instant): Clock {
  const due = dueAt(clock, hours);
  return due !== null && due < now ? breach(clock) : clock;
}
