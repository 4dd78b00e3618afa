import { readTable } from './table.js';
import type { Json } from './words.js';

/** The only row of a table, played on the ticket that `file` describes. */
function play(row: Json, file: Json = {}, others: Json[] = []) {
  const table = readTable(JSON.stringify({ ...file, rows: [{ change: 'some', set: {}, ...row }, ...others] }));
  return table.rows[0]!.play();
}

function expectHolds(row: Json, file?: Json, others?: Json[]) {
  const { expected, actual } = play(row, file, others);
  expect(actual).toEqual(expected);
}

function expectFails(row: Json, file?: Json) {
  const { expected, actual } = play(row, file);
  expect(actual).not.toEqual(expected);
}

const escalate = { set: { priority: 'critical' }, http: 200 };
const unassign = { set: { assignee: null }, http: 200 };
const refused = { set: { priority: 'urgent' }, http: 422 };
const suspend = { set: { status: 'suspended', suspensionCause: 'pending_change' }, http: 200 };

describe('a table', () => {
  it.each(['', 'no table', '{', '[]', '{}', '{"rows":[]}', '{"rows":{}}', '{"rows":[1]}', 'null'])(
    'is refused when it has no rows that can be read: %s',
    (text) => expect(() => readTable(text)).toThrow(/JSON|rows|row/),
  );

  it.each([
    ['state', { ...escalate, state: 'limbo' }, /row 1 limbo: some: state: limbo is no state/],
    ['set', { state: 'open', set: 'priority', http: 200 }, /set: priority does not say which fields are set/],
    ['http', { ...escalate, state: 'open', http: 'fine' }, /http: fine/],
    ['status', { ...escalate, state: 'open', status: 'new' }, /status: new/],
    ['assignClock', { ...escalate, state: 'open', assignClock: 'half' }, /assignClock: half is no state of a clock/],
    ['resolveClock', { ...escalate, state: 'open', resolveClock: true }, /resolveClock: true/],
    ['resolveClock', { ...escalate, state: 'open', resolveClock: { speed: 1 } }, /resolveClock: speed/],
    ['suspended', { ...escalate, state: 'open', suspended: 'perhaps' }, /suspended: perhaps/],
    ['resolutionType', { ...escalate, state: 'open', resolutionType: 'ok' }, /resolutionType: ok/],
    ['fixes', { ...escalate, state: 'open', fixes: ['mended'] }, /fixes: mended is no known code/],
    ['errors', { ...escalate, state: 'open', errors: 7 }, /errors: 7 is no list/],
    ['notify', { ...escalate, state: 'open', notify: ['somebody'] }, /notify: nobody is called somebody/],
    ['a field', { ...escalate, state: 'open', colour: 'red' }, /colour: means nothing here/],
    ['nothing to compare', { state: 'open', set: {} }, /nothing is said/],
  ])('is not passed over when it cannot be understood: %s', (_, row, message) => {
    expect(() => play(row)).toThrow(message);
  });

  it('fails when it is understood and wrong', () => {
    expectFails({ ...escalate, state: 'open', http: 409 });
    expectFails({ ...escalate, state: 'open', resolveClock: 14_399 });
    expectFails({ ...escalate, state: 'open', resolveClock: 'running, missed' });
    expectFails({ ...escalate, state: 'open', notify: [] });
    expectFails({ ...suspend, state: 'open', suspended: 604_799 });
    expectFails({ ...refused, state: 'closed', assignee: null, status: 'open' });
  });
});

describe('a state', () => {
  it.each([
    ['open', null],
    ['open_unassigned', null],
    ['open unassigned', null],
    ['Open, unassigned', null],
    ['open_assigned', 'emp1'],
    ['open (assigned)', 'emp1'],
    ['in_progress', 'emp1'],
    ['in progress', 'emp1'],
    ['suspended', 'emp1'],
    ['suspended_unassigned', null],
    ['suspended, pending_third_party', 'emp1'],
    ['closed', 'emp1'],
  ])('%s is had by %s', (state, assignee) => expectHolds({ ...refused, state, assignee }));

  it('called open is assigned beside one called open_unassigned', () => {
    expectHolds({ ...escalate, state: 'open', assignee: 'emp1' }, {}, [{ ...refused, state: 'open_unassigned' }]);
  });

  it('is what its refused rows say where nothing else does', () => {
    const shown = { ...refused, state: 'open', assignee: 'emp1' };
    expectHolds({ ...escalate, state: 'open', assignee: 'emp1', assignClock: 'stopped' }, {}, [shown]);
    const closed = { ...refused, state: 'closed', resolutionType: 'duplicate' };
    expectHolds({ set: { status: 'closed' }, state: 'closed', resolutionType: 'duplicate' }, {}, [closed]);
    const third = { ...refused, state: 'suspended', suspended: 7200 };
    expectHolds({ ...escalate, state: 'suspended', suspended: 7200 }, {}, [third]);
  });

  it.each([
    ['suspended', 'pending_customer'],
    ['suspended_pending_closed', 'pending_closed'],
    ['pending_closed', 'pending_closed'],
    ['suspended (pending third party)', 'pending_third_party'],
  ])('%s has the cause %s', (state, suspended) => expectHolds({ ...escalate, state, suspended, status: 'suspended' }));
});

describe('what comes of a change may be written in several ways', () => {
  it.each([
    ['running', 'running'],
    ['reset', 'reset'],
    [900, 14_400],
    ['900', '4 h'],
    ['15 min', '14400'],
    ['running, reset', 'running (reset)'],
    ['2026-03-02T12:15:00Z', '2026-03-02T16:00:00Z'],
    [
      { state: 'running', remaining: 900 },
      { state: 'running', remainingSeconds: 14_400, breached: false, dueAt: '2026-03-02T16:00:00Z' },
    ],
  ])('an escalation: %j and %j', (assignClock, resolveClock) => {
    expectHolds({ ...escalate, state: 'open', assignClock, resolveClock });
  });

  it.each([[null], ['n/a'], ['stopped'], ['met'], ['stopped (met)'], [{ state: 'stopped', outcome: 'met' }]])(
    'a kept assign promise: %j',
    (assignClock) => expectHolds({ ...escalate, state: 'in_progress', assignClock }),
  );

  it.each([
    ['frozen', 'suspended'],
    ['paused', 'suspended'],
    ['resumed', 'open_assigned'],
  ])('a clock that is %s', (assignClock, state) => expectHolds({ ...unassign, state, assignClock }));

  it('an extension', () => {
    expectHolds({ set: { priority: 'low' }, state: 'open', assignClock: 'extended', resolveClock: 'running extended' });
    expectFails({ set: { priority: 'low' }, state: 'open', assignClock: 'unchanged' });
  });

  it.each([[true], ['yes'], [604_800], ['7 days'], ['2026-03-09T12:00:00Z'], ['pending_change']])(
    'a suspension: %j',
    (suspended) => expectHolds({ ...suspend, state: 'in_progress', suspended }),
  );

  it.each([[false], [null], ['no'], ['none']])('no suspension: %j', (suspended) =>
    expectHolds({ ...escalate, state: 'open', suspended }),
  );

  it('lists, and the people of a change', () => {
    expectHolds({ ...unassign, state: 'in_progress', fixes: 'status_set_to_open, assign_clock_resumed' });
    expectHolds({ ...escalate, state: 'in_progress', fixes: null, errors: null, notify: ['reporter', 'assignee'] });
    expectHolds({ ...unassign, state: 'in_progress', notify: ['cust1', 'former_assignee'] });
    expectHolds({ ...refused, state: 'open', errors: [{ code: 'priority_unknown' }] });
  });
});

describe('a change', () => {
  const high = { priority: 'high' };

  it.each([
    [{ set: { ...high, comment: ' ' } }],
    [{ set: { ...high, comment: null } }],
    [{ set: high, comment: '' }],
    [{ set: high, change: 'blank comment' }],
  ])('without a comment: %j', (row) => expectHolds({ state: 'open', ...row, http: 422, errors: ['comment_required'] }));

  it.each([
    [{ set: { ...high, version: 0 } }],
    [{ set: { ...high, expectedVersion: 99 } }],
    [{ set: high, version: 0 }],
    [{ set: { ...high, version: 1 }, change: 'stale version' }],
    [{ set: high, change: 'a stale version' }],
  ])('of a stale version: %j', (row) =>
    expectHolds({ state: 'open', ...row, http: 409, errors: ['version_conflict'] }),
  );

  it.each([
    [{ set: high, by: 'cust1' }],
    [{ set: { ...high, by: 'cust2' } }],
    [{ set: high, actor: 'emp3' }],
    [{ set: high, change: 'not an employee' }],
  ])('of somebody who may not: %j', (row) =>
    expectHolds({ state: 'open', ...row, http: 403, errors: ['actor_not_employee'] }),
  );
});

describe('about', () => {
  const view = { state: 'open_assigned', ...refused };

  it.each([
    ['nothing', undefined, 75_600],
    [
      'the usual',
      'A medium ticket of cust1, created 2026-03-02T09:00:00Z; the change is made by emp2 at 12:00.',
      75_600,
    ],
    ['another time', 'Created at 2026-03-02T08:00:00Z by cust1 and changed at 2026-03-02T09:30:00Z by emp2.', 81_000],
    ['hours later', 'A high ticket, opened at 2026-03-02T08:00:00Z. The change happens two hours later.', 21_600],
    ['an object', { createdAt: '2026-03-02T08:00:00Z', at: '2026-03-02T09:00:00Z', priority: 'high' }, 25_200],
    ['lists', ['Created 2026-03-02T08:00:00Z.', 'Changed 2026-03-02T09:00:00Z.'], 82_800],
    ['nested', { ticket: { created: { at: '2026-03-02T08:00:00Z' } }, change: { at: '2026-03-02T09:00:00Z' } }, 82_800],
    ['own targets', { targets: { medium: { assign: 600, resolve: 36_000 } } }, 25_200],
  ])('says %s', (_, about, resolveClock) => expectHolds({ ...view, resolveClock }, { about }));

  it('says who did it, and to whom it belongs', () => {
    const row = { state: 'in_progress', ...escalate };
    expectHolds(
      { ...row, notify: ['cust2', 'emp2'] },
      { about: 'Of cust2, assigned to emp2; the change is made by emp1.' },
    );
    expectHolds({ ...row, notify: ['cust2'] }, { about: { reporter: 'cust2', assignee: 'emp1', actor: 'emp1' } });
    const users = { anna: { type: 'employee', active: true }, carl: { type: 'customer', active: true } };
    const about = { users, reporter: 'carl', assignee: 'anna', by: 'emp1' };
    expectHolds({ ...row, notify: ['carl', 'anna'] }, { about });
  });

  it('says what is so in single states', () => {
    const about =
      'Created at 2026-03-02T09:00:00Z. suspended: assigned at 09:10, then suspended at 10:00 as pending_change for 2 days. ' +
      'closed: closed as duplicate at 11:30. open: emp2 has it. The change is made at 12:00 by emp1.';
    expectHolds({ ...escalate, state: 'suspended', suspended: 46 * 3600, assignee: 'emp1' }, { about });
    expectHolds({ ...unassign, state: 'suspended', assignClock: 13_800 }, { about });
    expectHolds({ ...refused, state: 'closed', resolutionType: 'duplicate' }, { about });
    expectHolds({ ...escalate, state: 'open', assignee: 'emp2' }, { about });
    const states = { suspended: { suspensionCause: 'pending_change', suspendedAt: '2026-03-02T10:00:00Z' } };
    expectHolds({ ...escalate, state: 'suspended', suspended: 'pending_change' }, { about: { states } });
    expectHolds({ ...refused, state: 'suspended', suspended: 7 * 86_400 - 7200 }, { about: { states } });
  });

  it('says on which states a sentence bears in passing', () => {
    const about =
      'Base ticket: medium, calendar always, created 2026-03-02T09:00:00Z by cust1; every state but open_unassigned is ' +
      'assigned to emp1 at 09:10; suspended = pending_third_party for 5 days at 10:00; closed = fixed at 10:00; each change ' +
      "is made at 2026-03-02T11:00:00Z by emp1 with the comment 'work note'.";
    expectHolds(
      { ...unassign, state: 'suspended', assignClock: 13_800, resolveClock: 82_800, notify: ['cust1'] },
      { about },
    );
    expectHolds({ ...escalate, state: 'suspended', suspended: 5 * 86_400 - 3600 }, { about });
    expectHolds({ ...escalate, state: 'open_unassigned', assignee: null, assignClock: 900 }, { about });
    expectHolds({ ...refused, state: 'closed', assignee: 'emp1', resolutionType: 'fixed' }, { about });
    expectHolds({ ...refused, state: 'open_unassigned', resolveClock: 79_200 }, { about });
  });

  it('names a calendar that the file has', () => {
    const calendars = { office: { zone: 'UTC', weekly: { mon: [['11:00', '12:00']] } } };
    expectHolds({ ...view, resolveClock: 82_800 }, { about: { calendar: 'office' }, calendars });
    expect(() => play({ ...view }, { about: { calendar: 'moon' }, calendars })).toThrow(/"moon" is no calendar/);
  });
});
