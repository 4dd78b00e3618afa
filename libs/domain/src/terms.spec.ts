/** Another version of the policy, worked by hand. Medium: 4 h to assign and 24 h to resolve; from version 2 on 1 h and 8 h. */
import { HOUR, newTicket, people, T0, updated } from '../test/world.js';
import { clocksView, DEFAULT_POLICY, moveToPolicy, settle, type Policy } from './index.js';

const { targets } = DEFAULT_POLICY;
const stricter: Policy = { ...DEFAULT_POLICY, version: 2, targets: { ...targets, medium: targets.high } };
const laxer: Policy = { ...DEFAULT_POLICY, version: 3, targets: { ...targets, medium: targets.low } };
const officeHours: Policy = {
  ...DEFAULT_POLICY,
  version: 4,
  calendar: { zone: 'UTC', weekly: { mon: [['09:00', '17:00']], tue: [['09:00', '17:00']] } },
};

const moved = (hours: number, to: Policy, ticket = newTicket()) =>
  moveToPolicy(ticket, DEFAULT_POLICY, to, T0 + hours * HOUR, people);

it('the difference of the targets goes to what is left', () => {
  const { ticket, changes } = moved(2, stricter, newTicket({ assigneeId: 'emp1' }));
  expect(changes).toEqual([{ field: 'policyVersion', before: '1', after: '2' }]);
  expect(ticket).toMatchObject({ policyVersion: 2, version: 2 });
  expect(ticket.resolveClock).toMatchObject({ budgetSeconds: 8 * HOUR, consumedSeconds: 2 * HOUR });
  expect(clocksView(ticket, stricter, T0 + 2 * HOUR).resolveDueAt).toBe(T0 + 8 * HOUR);
});

it('a promise that the new terms leave no time for breaks when they begin', () => {
  const { ticket } = moved(2, stricter);
  const { settlements } = settle(ticket, stricter, T0 + 3 * HOUR, people);
  expect(settlements.map(({ type, at }) => [type, (at - T0) / HOUR])).toEqual([['assign_breached', 2]]);
});

it('a promise that is broken becomes whole when the new terms leave time for it', () => {
  const { ticket, settlements } = moved(5, laxer);
  expect(settlements.map(({ type }) => type)).toContain('assign_breached');
  expect(ticket.assignClock).toMatchObject({ breached: false, everBreached: true, budgetSeconds: 8 * HOUR });
});

it('what time did under the old terms is done before', () => {
  const closing = { status: 'suspended', suspensionCause: 'pending_closed', closeResolutionType: 'fixed' };
  const suspended = updated(newTicket(), T0 + HOUR, { ...closing, suspendedSeconds: HOUR });
  const { ticket, settlements } = moved(5, stricter, suspended);
  expect(settlements.map(({ type, at }) => [type, (at - T0) / HOUR])).toEqual([['suspension_expired', 2]]);
  expect(ticket).toMatchObject({ status: 'closed', closedAt: T0 + 2 * HOUR, policyVersion: 2 });
});

it('the rest is counted by the new calendar', () => {
  // Monday 09:00 to 15:00 around the clock; of 24 h 18 are left: two on Monday, eight on Tuesday, eight a week later
  const { ticket } = moved(6, officeHours, newTicket({ assigneeId: 'emp1' }));
  expect(clocksView(ticket, officeHours, T0 + 6 * HOUR)).toMatchObject({
    remainingResolveSeconds: 18 * HOUR,
    resolveDueAt: T0 + 7 * 24 * HOUR + 8 * HOUR,
  });
});
