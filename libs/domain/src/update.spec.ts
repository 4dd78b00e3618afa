/**
 * The table "Reject or fix" of the model: each kind of change against each state of the ticket.
 *
 * Each ticket is of medium priority, reported by cust1 at T0 and changed by emp2 ten hours later. Open: nobody is
 * assigned. The others have been emp1's since one hour. Suspended: pending_customer, since five hours, for ten days.
 * Closed: as fixed, since five hours.
 */
import { accepted, codes, DAY, HOUR, newTicket, people, person, T0, update, updated } from '../test/world.js';
import {
  applyUpdate,
  clocksView,
  DEFAULT_POLICY,
  isAlive,
  type Clock,
  type Status,
  type Ticket,
  type TicketChange,
} from './index.js';

const NOW = T0 + 10 * HOUR;

const taken = updated(newTicket(), T0 + HOUR, { assignee: 'emp1', status: 'in_progress' });
const tickets: Record<Status, Ticket> = {
  open: newTicket(),
  in_progress: taken,
  suspended: updated(taken, T0 + 5 * HOUR, {
    status: 'suspended',
    suspensionCause: 'pending_customer',
    suspendedSeconds: 10 * DAY,
  }),
  closed: updated(taken, T0 + 5 * HOUR, { status: 'closed', resolutionType: 'fixed' }),
};

/** What is left of a clock, or how it stopped. */
const left = (hours: number, state = 'running') => `${state}, ${hours} h left`;

interface Result {
  status?: Status;
  assignee?: string | null;
  priority?: string;
  assign?: string;
  resolve?: string;
  suspended?: string | null;
  closesAs?: string | null;
  resolutionType?: string | null;
  fixes?: string[];
  told?: string[];
}

/** Refused with exactly these codes, or accepted with these differences; `no change`: accepted and nobody is told. */
type Cell = string[] | Result | 'no change';
interface Row {
  change: string;
  set: TicketChange;
  by?: string;
  open: Cell;
  in_progress: Cell;
  suspended: Cell;
  closed: Cell;
}

const suspend = { status: 'suspended', suspensionCause: 'pending_change', suspendedSeconds: DAY };
const suspended: Result = {
  status: 'suspended',
  suspended: 'pending_change for 24 h',
  fixes: [],
  told: ['cust1', 'emp1'],
};
const everywhere = (cell: Cell) => ({ open: cell, in_progress: cell, suspended: cell, closed: cell });

const rows: Row[] = [
  {
    change: 'assign an active employee',
    set: { assignee: 'emp3' },
    open: { assignee: 'emp3', status: 'open', assign: 'missed', resolve: left(14), fixes: [], told: ['cust1', 'emp3'] },
    in_progress: { assignee: 'emp3', status: 'in_progress', assign: 'met', fixes: [], told: ['cust1', 'emp1', 'emp3'] },
    suspended: { assignee: 'emp3', status: 'suspended', assign: 'met', fixes: [], told: ['cust1', 'emp1', 'emp3'] },
    closed: ['ticket_closed'],
  },
  {
    change: 'assign the present assignee',
    set: { assignee: 'emp1' },
    open: { assignee: 'emp1' },
    in_progress: 'no change',
    suspended: 'no change',
    closed: 'no change',
  },
  {
    change: 'assign a customer',
    set: { assignee: 'cust2' },
    ...everywhere(['assignee_not_employee']),
    closed: ['assignee_not_employee', 'ticket_closed'],
  },
  {
    change: 'assign somebody unknown',
    set: { assignee: 'stranger' },
    ...everywhere(['assignee_not_registered']),
    closed: ['assignee_not_registered', 'ticket_closed'],
  },
  {
    change: 'assign an inactive employee',
    set: { assignee: 'gone' },
    ...everywhere(['assignee_inactive']),
    closed: ['assignee_inactive', 'ticket_closed'],
  },
  {
    change: 'unassign',
    set: { assignee: null },
    open: 'no change',
    in_progress: {
      status: 'open',
      assignee: null,
      assign: left(3),
      fixes: ['assign_clock_resumed', 'status_set_to_open'],
      told: ['cust1', 'emp1'],
    },
    suspended: {
      status: 'suspended',
      assign: left(3, 'paused'),
      fixes: ['assign_clock_resumed'],
      told: ['cust1', 'emp1'],
    },
    closed: ['ticket_closed'],
  },
  {
    change: 'unassign and put in progress',
    set: { assignee: null, status: 'in_progress' },
    ...everywhere(['assignee_not_employee']),
  },
  {
    change: 'escalate',
    set: { priority: 'high' },
    open: { priority: 'high', assign: left(1), resolve: left(8), fixes: [], told: ['cust1'] },
    in_progress: { priority: 'high', assign: 'met', resolve: left(8), fixes: [], told: ['cust1', 'emp1'] },
    suspended: { priority: 'high', assign: 'met', resolve: left(8, 'paused'), suspended: 'pending_customer for 235 h' },
    closed: ['ticket_closed'],
  },
  {
    change: 'de-escalate',
    set: { priority: 'low' },
    open: { priority: 'low', assign: left(-2), resolve: left(30), fixes: [], told: ['cust1'] },
    in_progress: { priority: 'low', assign: 'met', resolve: left(30), fixes: [], told: ['cust1', 'emp1'] },
    suspended: { priority: 'low', assign: 'met', resolve: left(35, 'paused') },
    closed: ['ticket_closed'],
  },
  { change: 'the same priority', set: { priority: 'medium' }, ...everywhere('no change') },
  {
    change: 'suspend with cause and time',
    set: suspend,
    open: { ...suspended, assign: left(-6, 'paused'), resolve: left(14, 'paused'), told: ['cust1'] },
    in_progress: { ...suspended, assign: 'met', resolve: left(14, 'paused') },
    suspended: { ...suspended, resolve: left(19, 'paused') },
    closed: ['reopen_before_suspend'],
  },
  {
    change: 'suspend without a time',
    set: { status: 'suspended', suspensionCause: 'pending_third_party' },
    open: { suspended: 'pending_third_party for 120 h', fixes: ['suspended_time_defaulted'] },
    in_progress: { suspended: 'pending_third_party for 120 h', fixes: ['suspended_time_defaulted'] },
    suspended: { suspended: 'pending_third_party for 235 h', fixes: [] },
    closed: ['reopen_before_suspend'],
  },
  {
    change: 'suspend for no time',
    set: { ...suspend, suspendedSeconds: 0 },
    ...everywhere(['suspended_time_not_positive']),
    closed: ['reopen_before_suspend', 'suspended_time_not_positive'],
  },
  {
    change: 'suspend for part of a second',
    set: { ...suspend, suspendedSeconds: 0.9 },
    ...everywhere(['suspended_time_not_positive']),
    closed: ['reopen_before_suspend', 'suspended_time_not_positive'],
  },
  {
    change: 'suspend for exactly 90 days',
    set: { ...suspend, suspendedSeconds: 90 * DAY },
    ...everywhere({ suspended: 'pending_change for 2160 h' }),
    closed: ['reopen_before_suspend'],
  },
  {
    change: 'suspend for longer than 90 days',
    set: { ...suspend, suspendedSeconds: 90 * DAY + 1 },
    ...everywhere(['suspended_time_too_long']),
    closed: ['reopen_before_suspend', 'suspended_time_too_long'],
  },
  {
    change: 'suspend without a cause',
    set: { status: 'suspended', suspendedSeconds: DAY },
    ...everywhere(['suspension_cause_required']),
    suspended: { suspended: 'pending_customer for 24 h', fixes: [] },
    closed: ['reopen_before_suspend', 'suspension_cause_required'],
  },
  {
    change: 'suspend with an unknown cause',
    set: { ...suspend, suspensionCause: 'pending_rain' },
    ...everywhere(['suspension_cause_unknown']),
    closed: ['reopen_before_suspend', 'suspension_cause_unknown'],
  },
  {
    change: 'pending_closed with a type',
    set: {
      status: 'suspended',
      suspensionCause: 'pending_closed',
      closeResolutionType: 'fixed',
      suspendedSeconds: DAY,
    },
    ...everywhere({ suspended: 'pending_closed for 24 h', closesAs: 'fixed', resolutionType: null }),
    closed: ['reopen_before_suspend'],
  },
  {
    change: 'pending_closed without a type',
    set: { status: 'suspended', suspensionCause: 'pending_closed' },
    ...everywhere(['close_resolution_type_required']),
    closed: ['close_resolution_type_required', 'reopen_before_suspend'],
  },
  {
    change: 'pending_closed with an unknown type',
    set: { status: 'suspended', suspensionCause: 'pending_closed', closeResolutionType: 'eaten' },
    ...everywhere(['resolution_type_unknown']),
    closed: ['reopen_before_suspend', 'resolution_type_unknown'],
  },
  {
    change: 'announce a type with another cause',
    set: { ...suspend, closeResolutionType: 'fixed' },
    ...everywhere(['resolution_type_without_close']),
    closed: ['reopen_before_suspend', 'resolution_type_without_close'],
  },
  {
    change: 'a time without the status suspended',
    set: { suspendedSeconds: DAY },
    ...everywhere(['suspended_time_without_suspension']),
    suspended: { suspended: 'pending_customer for 24 h', fixes: [], told: ['cust1', 'emp1'] },
  },
  {
    change: 'a cause without the status suspended',
    set: { suspensionCause: 'pending_third_party' },
    ...everywhere(['suspension_cause_without_suspension']),
    suspended: { suspended: 'pending_third_party for 235 h', fixes: [] },
  },
  {
    change: 'a time with another status',
    set: { status: 'in_progress', suspendedSeconds: DAY },
    ...everywhere(['suspended_time_without_suspension']),
  },
  {
    change: 'in progress',
    set: { status: 'in_progress' },
    open: {
      status: 'in_progress',
      assignee: 'emp2',
      assign: 'missed',
      fixes: ['assignee_set_to_actor'],
      told: ['cust1'],
    },
    in_progress: 'no change',
    suspended: {
      status: 'in_progress',
      assignee: 'emp1',
      resolve: left(19),
      suspended: null,
      fixes: ['suspension_cleared'],
    },
    closed: {
      status: 'in_progress',
      assign: 'met',
      resolve: left(19),
      resolutionType: null,
      fixes: ['resolution_type_cleared'],
      told: ['cust1', 'emp1'],
    },
  },
  {
    change: 'open',
    set: { status: 'open' },
    open: 'no change',
    in_progress: { status: 'open', assignee: 'emp1', assign: 'met', resolve: left(14), fixes: [] },
    suspended: { status: 'open', resolve: left(19), suspended: null, fixes: ['suspension_cleared'] },
    closed: { status: 'open', resolve: left(19), resolutionType: null, fixes: ['resolution_type_cleared'] },
  },
  {
    change: 'close with a type',
    set: { status: 'closed', resolutionType: 'workaround' },
    open: {
      status: 'closed',
      assign: 'missed',
      resolve: 'met',
      resolutionType: 'workaround',
      fixes: [],
      told: ['cust1'],
    },
    in_progress: { status: 'closed', assign: 'met', resolve: 'met', resolutionType: 'workaround', fixes: [] },
    suspended: { status: 'closed', resolve: 'met', suspended: null, fixes: ['suspension_cleared'] },
    closed: { status: 'closed', resolutionType: 'workaround', fixes: [], told: ['cust1', 'emp1'] },
  },
  {
    change: 'close without a type',
    set: { status: 'closed' },
    ...everywhere(['resolution_type_required']),
    closed: 'no change',
  },
  {
    change: 'close with an unknown type',
    set: { status: 'closed', resolutionType: 'eaten' },
    ...everywhere(['resolution_type_unknown']),
  },
  {
    change: 'a type without closing',
    set: { resolutionType: 'spam' },
    ...everywhere(['resolution_type_without_close']),
    closed: { status: 'closed', resolutionType: 'spam', fixes: [] },
  },
  {
    change: 'a type with another status',
    set: { status: 'open', resolutionType: 'spam' },
    ...everywhere(['resolution_type_without_close']),
  },
  {
    change: 'close and escalate',
    set: { status: 'closed', resolutionType: 'fixed', priority: 'critical' },
    ...everywhere({ status: 'closed', priority: 'critical', resolve: 'met' }),
    closed: ['ticket_closed'],
  },
  {
    change: 'put in progress, escalate and reassign',
    set: { status: 'in_progress', priority: 'critical', assignee: 'emp3' },
    ...everywhere({ status: 'in_progress', assignee: 'emp3', priority: 'critical', resolve: left(4) }),
  },
  {
    change: 'suspend, escalate and unassign',
    set: { ...suspend, priority: 'critical', assignee: null },
    ...everywhere({ ...suspended, assignee: null, assign: left(0.25, 'paused'), fixes: ['assign_clock_resumed'] }),
    open: { ...suspended, assignee: null, assign: left(0.25, 'paused'), fixes: [], told: ['cust1'] },
    closed: ['reopen_before_suspend', 'ticket_closed', 'ticket_closed'],
  },
  {
    change: 'a blank comment',
    set: { priority: 'high', comment: ' \t\n\u200b ' },
    ...everywhere(['comment_required']),
    closed: ['comment_required', 'ticket_closed'],
  },
  { change: 'a comment alone', set: {}, ...everywhere('no change') },
  { change: 'a stale version', set: { expectedVersion: 9, status: 'open' }, ...everywhere(['version_conflict']) },
  { change: 'a change by a customer', set: { status: 'open' }, by: 'cust1', ...everywhere(['actor_not_employee']) },
  {
    change: 'a change by somebody who left',
    set: { status: 'open' },
    by: 'gone',
    ...everywhere(['actor_not_employee']),
  },
  { change: 'an unknown field', set: { unknownFields: ['colour'] }, ...everywhere(['unknown_field']) },
  { change: 'an unknown priority', set: { priority: 'urgent' }, ...everywhere(['priority_unknown']) },
  { change: 'an unknown status', set: { status: 'waiting' }, ...everywhere(['status_unknown']) },
  {
    change: 'everything wrong at once',
    set: {
      assignee: 'cust1',
      status: 'waiting',
      priority: 'urgent',
      comment: '',
      unknownFields: ['colour'],
      expectedVersion: 9,
    },
    by: 'cust1',
    ...everywhere([
      'actor_not_employee',
      'assignee_not_employee',
      'comment_required',
      'priority_unknown',
      'status_unknown',
      'unknown_field',
      'version_conflict',
    ]),
    closed: [
      'actor_not_employee',
      'assignee_not_employee',
      'comment_required',
      'priority_unknown',
      'status_unknown',
      'ticket_closed',
      'unknown_field',
      'version_conflict',
    ],
  },
];

const states: Status[] = ['open', 'in_progress', 'suspended', 'closed'];
const cells = rows.flatMap((row) => states.map((state) => [row.change, state, row, row[state]] as const));

describe('an update', () => {
  it.each(cells)('%s, of a ticket that is %s', (_, state, row, cell) => {
    const ticket = tickets[state];
    const result = update(ticket, NOW, row.set, { by: row.by ?? 'emp2' });
    if (Array.isArray(cell)) {
      expect(codes(result).sort()).toEqual(cell);
    } else if (cell === 'no change') {
      expect(accepted(result)).toMatchObject({ changed: false, changes: [], fixes: [], told: [] });
    } else {
      expect(described(result)).toMatchObject({ ...cell, changed: true });
    }
  });
});

describe('more about updates', () => {
  it('an answer exactly at the due time keeps the promise, one second later does not', () => {
    const outcomeAt = (now: number) => updated(newTicket(), now, { assignee: 'emp1' }).assignClock.outcome;
    expect([outcomeAt(T0 + 4 * HOUR), outcomeAt(T0 + 4 * HOUR + 1)]).toEqual(['met', 'missed']);
  });

  it('a promise that a retroactive escalation cut short during a suspension breaks when work goes on', () => {
    const policy = { ...DEFAULT_POLICY, escalationMode: 'retroactive' } as const;
    const cut = updated(tickets.suspended, NOW, { priority: 'critical' }, { policy });
    const { settlements } = accepted(update(cut, NOW + HOUR, { status: 'open' }, { policy }));
    expect(settlements).toEqual([]);
    const goesOn = updated(cut, NOW + HOUR, { status: 'open' }, { policy });
    expect(accepted(update(goesOn, NOW + 2 * HOUR, {}, { policy })).settlements).toMatchObject([
      { type: 'resolve_breached', at: NOW + HOUR },
    ]);
  });

  it('grows the version by one, and names every field that changed', () => {
    const result = accepted(update(tickets.in_progress, NOW, { ...suspend, priority: 'low' }));
    expect(result.ticket.version).toBe(tickets.in_progress.version + 1);
    expect(result.changes).toEqual([
      { field: 'status', before: 'in_progress', after: 'suspended' },
      { field: 'priority', before: 'medium', after: 'low' },
      { field: 'suspensionCause', before: null, after: 'pending_change' },
      { field: 'suspendedUntil', before: null, after: '2026-03-03T19:00:00Z' },
    ]);
  });

  it('takes the version that the caller has seen, also when time alone has changed the ticket since', () => {
    const ticket = newTicket();
    const { version } = clocksView(ticket, DEFAULT_POLICY, NOW);
    expect(version).toBe(2);
    expect(codes(update(ticket, NOW, { expectedVersion: version, priority: 'high' }))).toEqual([]);
  });

  it('settles first: the suspension ran out before, so there is nothing to clear', () => {
    const ticket = tickets.suspended;
    const result = accepted(update(ticket, T0 + 20 * DAY, { status: 'in_progress' }));
    expect(result).toMatchObject({ changed: false, fixes: [] });
    const types = result.settlements.map(({ type }) => type);
    expect(types).toEqual([
      'suspension_expired',
      'resolve_warned',
      'resolve_warned',
      'resolve_breached',
      'resolve_overdue',
    ]);
    // a warning and a step of the ladder are no change
    expect(result.ticket.version).toBe(ticket.version + 2);
  });

  it('pending_closed keeps its type, drops it with another cause, and takes a new one', () => {
    const pending = { status: 'suspended', suspensionCause: 'pending_closed' };
    const ticket = updated(tickets.in_progress, NOW, { ...pending, closeResolutionType: 'fixed' });
    const longer = updated(ticket, NOW, { ...pending, suspendedSeconds: DAY });
    expect(longer.suspension).toEqual({ cause: 'pending_closed', until: NOW + DAY, closeResolutionType: 'fixed' });
    const other = updated(longer, NOW, { suspensionCause: 'pending_change' });
    expect(other.suspension).toEqual({ cause: 'pending_change', until: NOW + DAY, closeResolutionType: null });
    expect(updated(ticket, NOW, { closeResolutionType: 'spam' }).suspension?.closeResolutionType).toBe('spam');
  });

  it('reopening clears an assignee who has left, and goes on with the assign promise', () => {
    const ticket = { ...tickets.closed, assigneeId: 'gone' };
    expect(described(update(ticket, NOW, { status: 'open' }))).toMatchObject({
      assignee: null,
      assign: left(3),
      fixes: ['assign_clock_resumed', 'inactive_assignee_cleared', 'resolution_type_cleared'],
      told: ['cust1'],
    });
    expect(described(update(ticket, NOW, { status: 'in_progress' }, { by: 'emp2' }))).toMatchObject({
      assignee: 'emp2',
      assign: 'met',
      fixes: ['assignee_set_to_actor', 'inactive_assignee_cleared', 'resolution_type_cleared'],
    });
    expect(described(update(ticket, NOW, { status: 'open', assignee: 'emp3' }))).toMatchObject({
      assignee: 'emp3',
      fixes: ['resolution_type_cleared'],
    });
  });

  it('closing answers the assign promise of a ticket that nobody took, reopening asks for it again', () => {
    const closed = updated(newTicket(), T0 + HOUR, { status: 'closed', resolutionType: 'fixed' });
    expect(closed.assignClock.outcome).toBe('met');
    expect(described(update(closed, NOW, { status: 'open' }))).toMatchObject({
      assign: left(3),
      fixes: ['assign_clock_resumed', 'resolution_type_cleared'],
    });
  });
});

function described(result: Parameters<typeof accepted>[0]): Result & { changed: boolean } {
  const { ticket, changed, fixes, told } = accepted(result);
  const { suspension } = ticket;
  return {
    changed,
    status: ticket.status,
    assignee: ticket.assigneeId,
    priority: ticket.priority,
    assign: describedClock(ticket.assignClock, clocksView(ticket, DEFAULT_POLICY, NOW).remainingAssignSeconds),
    resolve: describedClock(ticket.resolveClock, clocksView(ticket, DEFAULT_POLICY, NOW).remainingResolveSeconds),
    suspended: suspension && `${suspension.cause} for ${(suspension.until - NOW) / HOUR} h`,
    closesAs: suspension?.closeResolutionType ?? null,
    resolutionType: ticket.resolutionType,
    fixes: fixes.toSorted(),
    told: told.map((one) => ('personId' in one ? one.personId : one.role === 'reporter' ? 'cust1' : one.role)).sort(),
  };
}

function describedClock(clock: Clock, seconds: number | null): string {
  return isAlive(clock) ? left((seconds ?? NaN) / HOUR, clock.state) : String(clock.outcome);
}

describe('what is said about a ticket', () => {
  const known = (id: string) => id === 'zrh-core-1';
  const tell = (ticket: Ticket, change: TicketChange) =>
    applyUpdate(ticket, { comment: 'because', ...change }, DEFAULT_POLICY, {
      now: NOW,
      people,
      actor: person('emp1'),
      infrastructures: known,
    });

  it('the network infrastructure is set, changed and taken back, also of a closed ticket', () => {
    for (const ticket of [tickets.open, tickets.suspended, tickets.closed]) {
      const set = accepted(tell(ticket, { infrastructure: 'zrh-core-1' }));
      expect(set.changes).toEqual([{ field: 'infrastructure', before: null, after: 'zrh-core-1' }]);
      expect(accepted(tell(set.ticket, { infrastructure: null })).ticket.infrastructureId).toBeNull();
      expect(accepted(tell(set.ticket, { infrastructure: 'zrh-core-1' })).changed).toBe(false);
    }
    expect(codes(tell(tickets.open, { infrastructure: 'moon-1' }))).toEqual(['infrastructure_not_registered']);
    expect(codes(update(tickets.open, NOW, { infrastructure: 'zrh-core-1' }))).toEqual([
      'infrastructure_not_registered',
    ]);
  });

  it("an employee's forecast is shown with its source until it has passed, and the comment is its reason", () => {
    const told = accepted(tell(tickets.open, { resolutionEta: NOW + 3 * HOUR, comment: 'The part arrives then.' }));
    expect(told.ticket.estimate).toEqual({ at: NOW + 3 * HOUR, reason: 'The part arrives then.', byPersonId: 'emp1' });
    expect(told.changes.map(({ field }) => field)).toEqual(['resolutionEta']);
    const shown = (now: number) => clocksView(told.ticket, DEFAULT_POLICY, now);
    expect(shown(NOW)).toMatchObject({ resolutionEta: NOW + 3 * HOUR, resolutionEtaSource: 'employee' });
    expect(shown(NOW + 3 * HOUR)).toMatchObject({ resolutionEtaSource: 'computed' });
    const back = accepted(tell(told.ticket, { resolutionEta: null }));
    expect(clocksView(back.ticket, DEFAULT_POLICY, NOW)).toMatchObject({ resolutionEtaSource: 'computed' });
  });

  it('keeps who gave it and why when somebody says the same with something else', () => {
    const told = accepted(tell(tickets.open, { resolutionEta: NOW + 3 * HOUR, comment: 'The part arrives then.' }));
    const again = accepted(tell(told.ticket, { resolutionEta: NOW + 3 * HOUR, priority: 'high', comment: 'Urgent.' }));
    expect(again.changes.map(({ field }) => field)).toEqual(['priority']);
    expect(again.ticket.estimate).toEqual(told.ticket.estimate);
  });

  it('a forecast is refused that is none', () => {
    expect(codes(tell(tickets.open, { resolutionEta: NaN }))).toEqual(['resolution_eta_invalid']);
    expect(codes(tell(tickets.open, { resolutionEta: NOW }))).toEqual(['resolution_eta_not_future']);
    expect(codes(tell(tickets.open, { resolutionEta: NOW + 11 * 366 * DAY }))).toEqual(['resolution_eta_too_late']);
    expect(codes(tell(tickets.closed, { resolutionEta: NOW + HOUR }))).toEqual(['ticket_closed']);
    const closing = { status: 'closed', resolutionType: 'fixed', resolutionEta: NOW + HOUR };
    expect(codes(tell(tickets.open, closing))).toEqual(['resolution_eta_with_close']);
  });
});

it('has no shares to warn of when counting anew leaves nothing of a budget', () => {
  const policy = { ...DEFAULT_POLICY, escalationMode: 'retroactive' } as const;
  // the assign clock keeps its 4 h while it is stopped, whatever happens to the priority
  const assigned = updated(newTicket({}, policy), T0, { assignee: 'emp1' }, { policy });
  const relaxed = updated(assigned, T0, { priority: 'low' }, { policy });
  const unassigned = updated(relaxed, T0, { assignee: null }, { policy });
  const { assignClock } = updated(unassigned, T0, { priority: 'medium' }, { policy });
  expect(assignClock).toMatchObject({ budgetSeconds: 0, warnedPercent: 0, state: 'running' });
});
