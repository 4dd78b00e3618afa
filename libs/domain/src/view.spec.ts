import { DAY, HOUR, newTicket, T0, updated } from '../test/world.js';
import { clocksView, DEFAULT_POLICY, type Calendar, type Ticket } from './index.js';

const taken = updated(newTicket(), T0 + HOUR, { assignee: 'emp1', status: 'in_progress' });
const view = (ticket: Ticket, now: number, calendar: Calendar = DEFAULT_POLICY.calendar) =>
  clocksView(ticket, { ...DEFAULT_POLICY, calendar }, now);

describe('the view', () => {
  it('of a ticket born assigned has a kept assign promise', () => {
    expect(view(newTicket({ assigneeId: 'emp1' }), T0)).toMatchObject({
      status: 'open',
      assigneeId: 'emp1',
      assignOutcome: 'met',
      remainingAssignSeconds: null,
      assignDueAt: null,
      resolveDueAt: T0 + DAY,
    });
  });

  it("shows an employee's estimate while it lies ahead, also when overdue, but not of a closed ticket", () => {
    const estimate = { at: T0 + 2 * DAY, reason: 'a part is on its way', byPersonId: 'emp1' };
    const estimated = { ...taken, estimate };
    expect(view(estimated, T0 + HOUR)).toMatchObject({ resolutionEta: estimate.at, resolutionEtaSource: 'employee' });
    expect(view(estimated, T0 + DAY + HOUR)).toMatchObject({ overdue: true, resolutionEta: estimate.at });
    expect(view(estimated, estimate.at)).toMatchObject({
      overdue: true,
      resolutionEta: null,
      resolutionEtaSource: null,
    });
    const closed = { ...updated(taken, T0 + HOUR, { status: 'closed', resolutionType: 'fixed' }), estimate };
    expect(view(closed, T0 + HOUR)).toMatchObject({ resolutionEta: T0 + HOUR, resolutionEtaSource: 'computed' });
  });

  it('expects an overdue ticket that is about to close at the end of its suspension', () => {
    const closing = updated(taken, T0 + 2 * DAY, {
      status: 'suspended',
      suspensionCause: 'pending_closed',
      closeResolutionType: 'fixed',
      suspendedSeconds: DAY,
    });
    expect(view(closing, T0 + 2 * DAY)).toMatchObject({
      overdue: true,
      resolutionEta: T0 + 3 * DAY,
      suspendedUntil: T0 + 3 * DAY,
    });
    expect(view(closing, T0 + 3 * DAY)).toMatchObject({
      status: 'closed',
      closedAt: T0 + 3 * DAY,
      resolutionType: 'fixed',
      resolveOutcome: 'missed',
      overdue: false,
      suspendedUntil: null,
    });
  });

  it('is overdue from the second after the due time on, also out of hours, when nothing more is consumed', () => {
    const office: Calendar = { zone: 'UTC', weekly: { mon: [['09:00', '17:00']] } };
    const policy = { ...DEFAULT_POLICY, calendar: office };
    const ticket = newTicket({ priority: 'high' }, policy);
    expect(view(ticket, T0 + 8 * HOUR, office)).toMatchObject({ overdue: false, resolveDueAt: T0 + 8 * HOUR });
    expect(view(ticket, T0 + 8 * HOUR + 1, office)).toMatchObject({
      overdue: true,
      remainingResolveSeconds: 0,
      resolutionEta: null,
      resolveDueAt: T0 + 8 * HOUR,
    });
  });

  it('of an overdue ticket that was suspended says when it would have been due', () => {
    const late = updated(taken, T0 + 26 * HOUR, {
      status: 'suspended',
      suspensionCause: 'pending_change',
      suspendedSeconds: DAY,
    });
    expect(view(late, T0 + 50 * HOUR)).toMatchObject({
      remainingResolveSeconds: -2 * HOUR,
      resolveDueAt: T0 + 48 * HOUR,
    });
  });
});
