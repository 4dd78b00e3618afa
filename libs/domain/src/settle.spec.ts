/** What time alone does, to the second. The targets: medium 4 h to assign, 24 h to resolve. */
import { HOUR, newTicket, people, T0, updated } from '../test/world.js';
import { DEFAULT_POLICY, nextTimerAt, settle, type Instant, type Policy, type Ticket } from './index.js';

const LADDER = [
  { overdueSeconds: HOUR, tell: ['lead'] },
  { overdueSeconds: 2 * HOUR, tell: ['boss@example.com'] },
];
const policy: Policy = { ...DEFAULT_POLICY, ladder: LADDER };
const taken = newTicket({ assigneeId: 'emp1' });

/** What happened, each with its hours since the start and its particulars. */
function lived(ticket: Ticket, now: Instant, terms = policy) {
  return settle(ticket, terms, now, people).settlements.map(({ type, at, percent, overdueSeconds }) => {
    const particulars = percent ?? (overdueSeconds === undefined ? [] : overdueSeconds / HOUR);
    return [type, (at - T0) / HOUR, particulars].flat();
  });
}

describe('warnings', () => {
  it('come at their share of the budget, to the second', () => {
    expect(nextTimerAt(taken, policy)).toBe(T0 + 12 * HOUR);
    expect(lived(taken, T0 + 12 * HOUR - 1)).toEqual([]);
    expect(lived(taken, T0 + 12 * HOUR)).toEqual([['resolve_warned', 12, 50]]);
    expect(lived(taken, T0 + 24 * HOUR)).toEqual([
      ['resolve_warned', 12, 50],
      ['resolve_warned', 19.2, 80],
    ]);
  });

  it('come for both clocks, and leave the version alone', () => {
    const settled = settle(newTicket(), policy, T0 + 3.5 * HOUR, people);
    expect(settled.settlements.map(({ type, percent }) => [type, percent])).toEqual([
      ['assign_warned', 50],
      ['assign_warned', 80],
    ]);
    expect(settled.ticket.version).toBe(1);
  });

  it('stand still with the clock', () => {
    const change = { status: 'suspended', suspensionCause: 'pending_change', suspendedSeconds: 10 * HOUR };
    const suspended = updated(taken, T0 + 11 * HOUR, change, { policy });
    expect(lived(suspended, T0 + 22 * HOUR)).toEqual([
      ['suspension_expired', 21],
      ['resolve_warned', 22, 50],
    ]);
  });

  it('come again for a new promise, and for a share that lies ahead again', () => {
    const late = settle(taken, policy, T0 + 20 * HOUR, people).ticket;
    const escalated = updated(late, T0 + 20 * HOUR, { priority: 'high' }, { policy });
    expect(lived(escalated, T0 + 24 * HOUR)).toEqual([['resolve_warned', 24, 50]]);
    // 40 h in all: 20 h are exactly half of them, so 50 % is not told twice, 80 % is
    const eased = updated(late, T0 + 20 * HOUR, { priority: 'low' }, { policy });
    expect(lived(eased, T0 + 40 * HOUR)).toEqual([['resolve_warned', 32, 80]]);
    const easedEarlier = updated(late, T0 + 20 * HOUR - 1, { priority: 'low' }, { policy });
    expect(lived(easedEarlier, T0 + 40 * HOUR)[0]).toEqual(['resolve_warned', 20, 50]);
  });

  it('of several shares at one instant tell the largest only, and none at the due time', () => {
    const many = { ...policy, warningPercents: [10, 20, 50] };
    const underWay = { ...taken, resolveClock: { ...taken.resolveClock, consumedSeconds: 8 * HOUR } };
    expect(lived(underWay, T0 + 4 * HOUR, many)).toEqual([
      ['resolve_warned', 0, 20],
      ['resolve_warned', 4, 50],
    ]);
    const tiny = { ...taken, resolveClock: { ...taken.resolveClock, budgetSeconds: 1 } };
    expect(lived(tiny, T0 + 2, many).map(([type]) => type)).toEqual(['resolve_breached']);
  });
});

describe('the ladder', () => {
  it('is climbed while the promise stays broken, in business time since it was due', () => {
    expect(lived(taken, T0 + 30 * HOUR).slice(2)).toEqual([
      ['resolve_breached', 24],
      ['resolve_overdue', 25, 1],
      ['resolve_overdue', 26, 2],
    ]);
    expect(nextTimerAt(settle(taken, policy, T0 + 30 * HOUR, people).ticket, policy)).toBeNull();
  });

  it('begins anew after a new promise, and ends with the clock', () => {
    const overdue = settle(taken, policy, T0 + 25 * HOUR, people).ticket;
    const escalated = updated(overdue, T0 + 25 * HOUR, { priority: 'high' }, { policy });
    expect(lived(escalated, T0 + 34 * HOUR).slice(2)).toEqual([
      ['resolve_breached', 33],
      ['resolve_overdue', 34, 1],
    ]);
    const closed = updated(overdue, T0 + 25 * HOUR, { status: 'closed', resolutionType: 'fixed' }, { policy });
    expect(lived(closed, T0 + 99 * HOUR)).toEqual([]);
  });

  it('stands still while the ticket is suspended', () => {
    const change = { status: 'suspended', suspensionCause: 'pending_change', suspendedSeconds: 10 * HOUR };
    const suspended = updated(taken, T0 + 24.5 * HOUR, change, { policy });
    expect(lived(suspended, T0 + 36 * HOUR)).toEqual([
      ['suspension_expired', 34.5],
      ['resolve_overdue', 35, 1],
      ['resolve_overdue', 36, 2],
    ]);
  });
});

describe('a promise that was broken once', () => {
  it('may be followed by one that is kept, and is remembered', () => {
    const overdue = settle(taken, policy, T0 + 25 * HOUR, people).ticket;
    const escalated = updated(overdue, T0 + 25 * HOUR, { priority: 'high' }, { policy });
    const closed = updated(escalated, T0 + 30 * HOUR, { status: 'closed', resolutionType: 'fixed' }, { policy });
    expect(closed.resolveClock).toMatchObject({ outcome: 'met', breached: false, everBreached: true });
  });
});
