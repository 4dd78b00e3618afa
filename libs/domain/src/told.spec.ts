import { accepted, HOUR, newTicket, people, T0, update, updated } from '../test/world.js';
import { DEFAULT_POLICY, settle, type Reporter, type Ticket } from './index.js';

const NOW = T0 + 2 * HOUR;
const taken = updated(newTicket(), T0 + HOUR, { assignee: 'emp1' });
const assignee = (personId: string) => ({ role: 'assignee', personId });
const former = (personId: string) => ({ role: 'former_assignee', personId });
const reporter = { role: 'reporter' };
const lead = { role: 'lead' };

const toldOf = (ticket: Ticket, change: object, by: string) => accepted(update(ticket, NOW, change, { by })).told;
const reportedBy = (facts: Partial<Reporter>): Ticket => ({ ...taken, reporter: { ...taken.reporter, ...facts } });

describe('who is told of an update', () => {
  it('of a new assignee: the old one, the new one and the reporter', () => {
    expect(toldOf(taken, { assignee: 'emp3' }, 'emp2')).toEqual([assignee('emp3'), former('emp1'), reporter]);
  });

  it('never the actor, in whatever role', () => {
    expect(toldOf(taken, { assignee: 'emp2' }, 'emp2')).toEqual([former('emp1'), reporter]);
    expect(toldOf(taken, { assignee: 'emp2' }, 'emp1')).toEqual([assignee('emp2'), reporter]);
    expect(toldOf(reportedBy({ personId: 'emp2' }), { priority: 'high' }, 'emp2')).toEqual([assignee('emp1')]);
  });

  it('a reporter who is the assignee only once', () => {
    expect(toldOf(reportedBy({ personId: 'emp1' }), { priority: 'high' }, 'emp2')).toEqual([assignee('emp1')]);
    expect(toldOf(reportedBy({ personId: 'emp1' }), { assignee: 'emp3' }, 'emp2')).toEqual([
      assignee('emp3'),
      former('emp1'),
    ]);
  });

  it('a reporter whom the directory does not know, if there is an address', () => {
    expect(toldOf(reportedBy({ personId: null }), { priority: 'high' }, 'emp1')).toEqual([reporter]);
    expect(toldOf(reportedBy({ personId: 'deleted' }), { priority: 'high' }, 'emp1')).toEqual([reporter]);
    expect(toldOf(reportedBy({ personId: null, email: null }), { priority: 'high' }, 'emp1')).toEqual([]);
  });

  it('nobody who has left', () => {
    expect(toldOf({ ...taken, assigneeId: 'gone' }, { assignee: 'emp3' }, 'emp2')).toEqual([
      assignee('emp3'),
      reporter,
    ]);
    expect(toldOf(reportedBy({ personId: 'gone' }), { priority: 'high' }, 'emp1')).toEqual([]);
  });

  it('nobody of a change that changes nothing', () => {
    expect(toldOf(taken, { assignee: 'emp1', priority: 'medium', status: 'open' }, 'emp2')).toEqual([]);
  });
});

describe('who is told of what time did', () => {
  const suspended = updated(taken, NOW, {
    status: 'suspended',
    suspensionCause: 'pending_change',
    suspendedSeconds: HOUR,
  });
  const closing = updated(taken, NOW, {
    status: 'suspended',
    suspensionCause: 'pending_closed',
    closeResolutionType: 'no_response',
    suspendedSeconds: HOUR,
  });
  const toldAfter = (ticket: Ticket, now: number, types = /./) =>
    settle(ticket, DEFAULT_POLICY, now, people).settlements.flatMap(({ type, told }) =>
      types.test(type) ? [told] : [],
    );

  it('of a promise that may break: the assignee, else the lead', () => {
    expect(toldAfter(taken, T0 + 12 * HOUR)).toEqual([[assignee('emp1')]]);
    expect(toldAfter(newTicket(), T0 + 2 * HOUR)).toEqual([[lead]]);
    expect(toldAfter({ ...taken, assigneeId: 'gone' }, T0 + 12 * HOUR)).toEqual([[lead]]);
  });

  it('of a promise that stays broken: whom the ladder names, each once', () => {
    const tell = ['lead', 'assignee', 'night@example.com', 'lead'];
    const ladder = [{ overdueSeconds: HOUR, tell }];
    const settled = settle(taken, { ...DEFAULT_POLICY, ladder }, T0 + 25 * HOUR, people);
    expect(settled.settlements.at(-1)).toMatchObject({
      type: 'resolve_overdue',
      told: [lead, assignee('emp1'), { role: 'contact', email: 'night@example.com' }],
    });
  });

  it('of a breach: the assignee and the lead', () => {
    expect(toldAfter(taken, T0 + 24 * HOUR + 1, /breached/)).toEqual([[assignee('emp1'), lead]]);
    expect(toldAfter(newTicket(), T0 + 24 * HOUR + 1, /breached/)).toEqual([[lead], [lead]]);
    expect(toldAfter({ ...taken, assigneeId: 'gone' }, T0 + 24 * HOUR + 1, /breached/)).toEqual([[lead]]);
  });

  it('of work that goes on: the assignee, else the lead', () => {
    expect(toldAfter(suspended, NOW + HOUR)).toEqual([[assignee('emp1')]]);
    expect(toldAfter({ ...suspended, assigneeId: 'gone' }, NOW + HOUR)).toEqual([[lead]]);
  });

  it('of a ticket that closed: the assignee and the reporter', () => {
    expect(toldAfter(closing, NOW + HOUR)).toEqual([[assignee('emp1'), reporter]]);
    expect(
      toldAfter({ ...closing, reporter: { personId: null, name: 'X', email: 'x@example.com' } }, NOW + HOUR),
    ).toEqual([[assignee('emp1'), reporter]]);
  });
});
