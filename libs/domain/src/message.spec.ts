import { DAY, HOUR, newTicket, say, T0, updated } from '../test/world.js';
import { DEFAULT_POLICY, type SaidMessage, type Ticket } from './index.js';

const taken = updated(newTicket(), T0 + HOUR, { assignee: 'emp1', status: 'in_progress' });
const closed = updated(taken, T0 + 5 * HOUR, { status: 'closed', resolutionType: 'fixed' });
const suspendedFor = (suspensionCause: string) =>
  updated(taken, T0 + 5 * HOUR, {
    status: 'suspended',
    suspensionCause,
    suspendedSeconds: 10 * DAY,
    ...(suspensionCause === 'pending_closed' ? { closeResolutionType: 'fixed' } : {}),
  });

const byEmployee = { author: 'employee', authorId: 'emp2' } as const;
const NOW = T0 + 10 * HOUR;

describe("a customer's message", () => {
  it.each([
    ['an open ticket', newTicket({ priority: 'low' }, DEFAULT_POLICY, T0 + 9 * HOUR), 'comment_added', 'open', []],
    ['work in progress', taken, 'comment_added', 'in_progress', []],
    [
      'a ticket that waits for the customer',
      suspendedFor('pending_customer'),
      'resumed',
      'in_progress',
      ['suspension_cleared'],
    ],
    ['a ticket about to close', suspendedFor('pending_closed'), 'resumed', 'in_progress', ['suspension_cleared']],
    ['a ticket that waits for a change', suspendedFor('pending_change'), 'comment_added', 'suspended', []],
    ['a ticket that waits for others', suspendedFor('pending_third_party'), 'comment_added', 'suspended', []],
    ['a closed ticket', closed, 'reopened', 'in_progress', ['resolution_type_cleared']],
  ])('on %s', (_, ticket, effect, status, fixes) => {
    expect(said(ticket, NOW, {})).toMatchObject({ effect, fixes, ticket: { status, version: ticket.version + 1 } });
  });

  it('reopens up to 14 days after closing, and belongs into a follow-up later', () => {
    const last = T0 + 5 * HOUR + DEFAULT_POLICY.reopenWindowSeconds;
    expect(say(closed, last, {}).effect).toBe('reopened');
    expect(say(closed, last + 1, {})).toEqual({ effect: 'follow_up' });
  });

  it('finds a ticket closed whose suspension ran out before it came, and reopens it', () => {
    const ticket = suspendedFor('pending_closed');
    const message = said(ticket, T0 + 5 * HOUR + 11 * DAY, {});
    expect(message.effect).toBe('reopened');
    expect(message.settlements).toMatchObject([
      { type: 'suspension_expired', at: T0 + 5 * HOUR + 10 * DAY, told: [{ role: 'assignee' }, { role: 'reporter' }] },
    ]);
  });

  it('reopens to nobody when the assignee has left, and the assign promise goes on', () => {
    const message = said({ ...closed, assigneeId: 'gone' }, NOW, {});
    expect(message.ticket).toMatchObject({ status: 'open', assigneeId: null, assignClock: { state: 'running' } });
    expect(message.fixes).toEqual(['assign_clock_resumed', 'inactive_assignee_cleared', 'resolution_type_cleared']);
  });

  it('tells the assignee, the lead when there is none, and a reporter who did not write it', () => {
    expect(said(taken, NOW, {}).told).toEqual([{ role: 'assignee', personId: 'emp1' }]);
    expect(said(newTicket(), NOW, {}).told).toEqual([{ role: 'lead' }]);
    expect(said(taken, NOW, { authorId: 'cust2' }).told).toEqual([
      { role: 'assignee', personId: 'emp1' },
      { role: 'reporter' },
    ]);
  });

  it('from a reporter whom the directory does not know is not told to that reporter', () => {
    const reporter = { personId: null, name: 'Somebody', email: 'somebody@example.com' };
    expect(said({ ...closed, reporter }, NOW, { authorId: null }).told).toEqual([
      { role: 'assignee', personId: 'emp1' },
    ]);
  });
});

describe("an employee's message", () => {
  it('in public makes the author the assignee of a ticket that had none, which answers the assign promise', () => {
    const message = said(newTicket(), T0 + HOUR, byEmployee);
    expect(message).toMatchObject({
      effect: 'assigned',
      fixes: ['assignee_set_to_author'],
      told: [{ role: 'reporter' }],
    });
    expect(message.ticket).toMatchObject({ status: 'open', assigneeId: 'emp2', assignClock: { outcome: 'met' } });
    expect(message.changes).toEqual([{ field: 'assignee', before: null, after: 'emp2' }]);
  });

  it('in public changes nothing of an assigned, suspended or closed ticket and goes to the reporter', () => {
    for (const ticket of [taken, suspendedFor('pending_customer'), closed, { ...closed, assigneeId: null }]) {
      const message = said(ticket, NOW, { ...byEmployee, authorId: 'emp1' });
      expect(message).toMatchObject({ effect: 'comment_added', changes: [], told: [{ role: 'reporter' }] });
      expect(message.ticket).toEqual({ ...ticket, version: ticket.version + 1 });
    }
  });

  it('in public tells the assignee too when somebody else wrote it', () => {
    expect(said(taken, NOW, byEmployee).told).toEqual([{ role: 'assignee', personId: 'emp1' }, { role: 'reporter' }]);
  });

  it('by somebody who has left assigns nobody', () => {
    expect(said(newTicket(), T0 + HOUR, { author: 'employee', authorId: 'gone' })).toMatchObject({
      effect: 'comment_added',
    });
  });

  it('as an internal note changes nothing, and reaches no customer', () => {
    const note = said(taken, NOW, { ...byEmployee, visibility: 'internal' });
    expect(note).toMatchObject({
      effect: 'comment_added',
      changes: [],
      told: [{ role: 'assignee', personId: 'emp1' }],
    });
    expect(said(newTicket(), T0 + HOUR, { ...byEmployee, visibility: 'internal' })).toMatchObject({
      ticket: { assigneeId: null },
      told: [],
    });
  });
});

describe('automatic mail', () => {
  it.each([newTicket(), taken, suspendedFor('pending_customer'), closed])(
    'does nothing and is told to nobody',
    (ticket) => {
      for (const author of [{}, { authorId: null }, byEmployee]) {
        const message = said(ticket, T0 + 90 * DAY, { ...author, automatic: true });
        expect(message).toMatchObject({ effect: 'comment_added', changes: [], told: [] });
      }
    },
  );
});

function said(ticket: Ticket, now: number, message: Partial<SaidMessage>) {
  const result = say(ticket, now, message);
  if (result.effect === 'follow_up') throw new Error('the message belongs into a follow-up');
  return result;
}
