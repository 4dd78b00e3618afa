import { DAY, HOUR, newTicket, people, person, T0, updated } from '../test/world.js';
import {
  applyOutageMessage,
  creationChanges,
  DEFAULT_POLICY,
  linkRefusals,
  mergeRefusals,
  relationOf,
  replay,
  undoMerge,
  type BeforeMerge,
  type Link,
  type Mergeable,
  type Ticket,
} from './index.js';

const child = (from: string, to: string): Link => ({ type: 'child_of', from, to });
const codes = (refusals: { code: string }[]) => refusals.map(({ code }) => code);

describe('links', () => {
  it('are read from both ends', () => {
    expect(relationOf('child_of', 'from')).toBe('child_of');
    expect(relationOf('child_of', 'to')).toBe('parent_of');
    expect(relationOf('duplicate_of', 'to')).toBe('has_duplicate');
    expect(relationOf('related', 'to')).toBe('related');
  });

  it('lead neither to the ticket itself nor back to it', () => {
    expect(codes(linkRefusals(child('a', 'a'), []))).toEqual(['link_to_itself']);
    const known = [child('b', 'c'), child('c', 'd')];
    expect(codes(linkRefusals(child('d', 'b'), known))).toEqual(['link_cycle']);
    expect(linkRefusals(child('a', 'b'), known)).toEqual([]);
    expect(linkRefusals({ type: 'related', from: 'd', to: 'b' }, [])).toEqual([]);
  });

  it('give a ticket one parent at most, but several originals', () => {
    expect(codes(linkRefusals(child('a', 'b'), [child('a', 'c')]))).toEqual(['second_parent']);
    expect(linkRefusals(child('a', 'b'), [child('a', 'b')])).toEqual([]);
    const duplicate = (from: string, to: string): Link => ({ type: 'duplicate_of', from, to });
    expect(linkRefusals(duplicate('a', 'b'), [duplicate('a', 'c')])).toEqual([]);
  });

  it('are judged in the presence of a circle that should not be there', () => {
    expect(linkRefusals(child('a', 'b'), [child('b', 'c'), child('c', 'b')])).toEqual([]);
  });
});

describe('a merge', () => {
  const reporter = { personId: 'cust1', email: 'rosa@example.com' };
  const one: Mergeable = { id: '1', number: 1, organisationId: 'o', reporter, mergedInto: null };
  const two: Mergeable = { ...one, id: '2', number: 2 };
  const refusals = (ticket: Mergeable, target: Mergeable, request: object = {}) =>
    codes(mergeRefusals(ticket, target, { comment: 'because', ...request }));

  it('names everything that is wrong', () => {
    expect(refusals(one, two)).toEqual([]);
    expect(refusals(one, one)).toEqual(['merge_into_itself']);
    expect(
      refusals({ ...one, mergedInto: 3 }, { ...two, mergedInto: 4, organisationId: 'p' }, { comment: ' ' }),
    ).toEqual(['comment_required', 'merge_target_merged', 'ticket_merged', 'merge_other_organisation']);
  });

  it('across organisations is one only when it is said to be', () => {
    const other = { ...two, organisationId: 'p' };
    expect(refusals(one, other)).toEqual(['merge_other_organisation']);
    expect(refusals(one, { ...two, organisationId: null })).toEqual(['merge_other_organisation']);
    expect(refusals(one, other, { acrossOrganisations: true })).toEqual([]);
  });

  it('takes people without an organisation for strangers, unless they are the same person', () => {
    const alone = { ...one, organisationId: null };
    const stranger = { ...two, organisationId: null, reporter: { personId: 'cust2', email: 'x@example.com' } };
    expect(refusals(alone, { ...two, organisationId: null })).toEqual([]);
    expect(refusals(alone, stranger)).toEqual(['merge_other_organisation']);
    const unknown = (email: string | null) => ({ ...alone, reporter: { personId: null, email } });
    expect(refusals(unknown('A@b.example'), { ...unknown('a@b.example'), id: '2' })).toEqual([]);
    expect(refusals(unknown(null), { ...unknown(null), id: '2' })).toEqual(['merge_other_organisation']);
  });
});

describe('undoing a merge', () => {
  const open = newTicket();
  const taken = updated(open, T0 + HOUR, { assignee: 'emp1', status: 'in_progress' });
  const suspended = updated(taken, T0 + 2 * HOUR, {
    status: 'suspended',
    suspensionCause: 'pending_closed',
    closeResolutionType: 'fixed',
    suspendedSeconds: DAY,
  });
  const MERGED = T0 + 3 * HOUR;
  const UNDONE = T0 + 30 * DAY;
  const actor = person('emp2');

  const merged = (ticket: Ticket) => updated(ticket, MERGED, { status: 'closed', resolutionType: 'duplicate' });
  const undone = (ticket: Ticket, before: BeforeMerge = { at: MERGED, ...ticket }) =>
    undoMerge(merged(ticket), before, DEFAULT_POLICY, { now: UNDONE, people, actor });

  it('lets the clocks go on with their remainder', () => {
    expect(undone(open).ticket).toMatchObject({
      status: 'open',
      closedAt: null,
      resolutionType: null,
      version: 3,
      assignClock: { state: 'running', consumedSeconds: 3 * HOUR, runningSince: UNDONE },
      resolveClock: { state: 'running', consumedSeconds: 3 * HOUR, runningSince: UNDONE },
    });
    expect(undone(taken).ticket).toMatchObject({
      status: 'in_progress',
      assigneeId: 'emp1',
      assignClock: { state: 'stopped', outcome: 'met' },
      resolveClock: { runningSince: UNDONE },
    });
  });

  it('gives a suspension back what was left of it', () => {
    expect(undone(suspended).ticket).toMatchObject({
      status: 'suspended',
      suspension: { cause: 'pending_closed', closeResolutionType: 'fixed', until: UNDONE + 23 * HOUR },
      resolveClock: { state: 'paused', consumedSeconds: 2 * HOUR },
    });
  });

  it('leaves a ticket closed that was closed before', () => {
    const fixed = updated(taken, T0 + 2 * HOUR, { status: 'closed', resolutionType: 'fixed' });
    const before = { at: MERGED, status: fixed.status, suspension: fixed.suspension };
    const { ticket, changes, told } = undoMerge(fixed, before, DEFAULT_POLICY, { now: UNDONE, people, actor });
    expect(ticket).toEqual({ ...fixed, version: fixed.version + 1 });
    expect([changes, told]).toEqual([[], []]);
  });

  it('gives it to nobody when the assignee has left', () => {
    const { ticket, fixes } = undoMerge(
      { ...merged(taken), assigneeId: 'gone' },
      { at: MERGED, status: 'in_progress', suspension: null },
      DEFAULT_POLICY,
      { now: UNDONE, people, actor },
    );
    expect(ticket).toMatchObject({ status: 'open', assigneeId: null, assignClock: { state: 'running' } });
    expect(fixes).toContain('inactive_assignee_cleared');
  });

  it.each([
    ['an open ticket', open],
    ['work in progress', taken],
    ['a suspended ticket', suspended],
  ])('is replayed, of %s', (_, before) => {
    const closing = merged(before);
    const { ticket, changes } = undone(before);
    const entry = { byPersonId: 'emp2', comment: 'because', settled: false };
    const change = (from: object, at: number) => ({ ...entry, at, changes: from as typeof changes });
    const history = [
      change(creationChanges(open), T0),
      ...(before === open ? [] : [change([changed('assignee', 'emp1'), changed('status', 'in_progress')], T0 + HOUR)]),
      ...(before === suspended
        ? [
            change(
              [
                changed('status', 'suspended'),
                changed('suspensionCause', 'pending_closed'),
                changed('suspendedUntil', '2026-03-03T11:00:00Z'),
                changed('closeResolutionType', 'fixed'),
              ],
              T0 + 2 * HOUR,
            ),
          ]
        : []),
      change([changed('status', 'closed'), changed('resolutionType', 'duplicate')], MERGED),
      change(changes, UNDONE),
    ];
    expect(closing.status).toBe('closed');
    expect(replay(open, history, () => DEFAULT_POLICY, UNDONE).ticket).toEqual(ticket);
  });

  const changed = (field: string, after: string) => ({ field, before: null, after });
});

describe('what is said on a parent outage', () => {
  it.each([
    ['an open child', newTicket()],
    [
      'a child that waits for its customer',
      updated(newTicket(), T0 + HOUR, { status: 'suspended', suspensionCause: 'pending_customer' }),
    ],
  ])('is told to the reporter of %s and does nothing else', (_, ticket) => {
    const said = applyOutageMessage(ticket, 'emp1', DEFAULT_POLICY, { now: T0 + 2 * HOUR - 1, people });
    expect(said).toMatchObject({ changes: [], fixes: [], told: [{ role: 'reporter' }] });
    expect(said.ticket).toEqual({ ...ticket, version: ticket.version + 1 });
  });

  it('is not told to a reporter who said it, or who has left', () => {
    const reportedBy = (personId: string): Ticket => ({
      ...newTicket(),
      reporter: { ...newTicket().reporter, personId },
    });
    const told = (personId: string) =>
      applyOutageMessage(reportedBy(personId), 'emp1', DEFAULT_POLICY, { now: T0, people }).told;
    expect([told('emp1'), told('gone'), told('cust2')]).toEqual([[], [], [{ role: 'reporter' }]]);
  });
});
