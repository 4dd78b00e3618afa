/** Worked by hand. Europe/Berlin, Monday to Friday 08:00–17:00 where it says so; T0 is Monday 2 March 2026, 09:00 UTC. */
import { entry, HOUR, newTicket, play, T0, writtenDown, type Step } from '../test/world.js';
import { DEFAULT_POLICY, explainClocks, moveToPolicy, type Policy, type TicketChange } from './index.js';

const DAY = 24 * HOUR;
const OFFICE: Policy = {
  ...DEFAULT_POLICY,
  calendar: {
    zone: 'Europe/Berlin',
    weekly: Object.fromEntries(['mon', 'tue', 'wed', 'thu', 'fri'].map((day) => [day, [['08:00', '17:00']]])),
  },
};
/** Monday 2 March 2026, 08:00 in Berlin. */
const MONDAY = Date.UTC(2026, 2, 2, 7) / 1000;

const after = (wait: number, change: TicketChange): Step => ({
  wait,
  act: { change: { comment: 'because', ...change }, by: 'emp1' },
});

function explained(steps: Step[], { policy = DEFAULT_POLICY, at = T0, rest = 0 } = {}) {
  const first = newTicket({}, policy, at);
  const { trail, now } = play(first, steps, policy);
  return explainClocks(first, writtenDown(first, trail), () => policy, now + rest);
}

const sentences = ({ lines }: { lines: { sentence: string }[] }) => lines.map(({ sentence }) => sentence);

it('counts business time and sums up the hours outside', () => {
  const { resolve } = explained([], { policy: OFFICE, at: MONDAY + HOUR, rest: 25.5 * HOUR });
  expect(sentences(resolve)).toEqual([
    'Started on Mon 2 March 2026, 09:00 (Europe/Berlin) with 24 h to resolve, priority medium.',
    'Running since Mon 2 March 2026, 09:00 (Europe/Berlin): 10 h 30 min of business time so far; 15 h lay outside hours.',
  ]);
  expect(resolve).toMatchObject({ countedSeconds: 10.5 * HOUR, outsideHoursSeconds: 15 * HOUR, gainSeconds: 0 });
});

it('tells a life from the creation to the closing', () => {
  const { assign, resolve } = explained([
    after(HOUR, { assignee: 'emp1' }),
    after(HOUR, { priority: 'high' }),
    after(5 * HOUR, { status: 'suspended', suspensionCause: 'pending_customer', suspendedSeconds: DAY + 2 * HOUR }),
    after(2 * DAY, { status: 'closed', resolutionType: 'fixed' }),
  ]);
  expect(sentences(assign)).toEqual([
    'Started on Mon 2 March 2026, 09:00 (UTC) with 4 h to assign, priority medium.',
    'Ran 1 h from Mon 2 March 2026, 09:00 to Mon 2 March 2026, 10:00 (UTC).',
    'Stopped on Mon 2 March 2026, 10:00 (UTC), the promise kept: 3 h of 4 h left.',
  ]);
  expect(sentences(resolve)).toEqual([
    'Started on Mon 2 March 2026, 09:00 (UTC) with 24 h to resolve, priority medium.',
    'Ran 2 h from Mon 2 March 2026, 09:00 to Mon 2 March 2026, 11:00 (UTC).',
    'Reset when the priority changed from medium to high on Mon 2 March 2026, 11:00 (UTC): ' +
      'a new promise of 8 h from then on; before, 22 h of 24 h left.',
    'Warned on Mon 2 March 2026, 15:00 (UTC): 50 % of the time to resolve was used up, 4 h of 8 h left.',
    'Ran 5 h from Mon 2 March 2026, 11:00 to Mon 2 March 2026, 16:00 (UTC).',
    'Paused for 1 day 2 h from Mon 2 March 2026, 16:00 to Tue 3 March 2026, 18:00 (UTC): waiting for the customer.',
    'Warned on Tue 3 March 2026, 19:24 (UTC): 80 % of the time to resolve was used up, 1 h 36 min of 8 h left.',
    'Broken on Tue 3 March 2026, 21:00 (UTC): the 8 h to resolve were used up.',
    'Still broken on Wed 4 March 2026, 01:00 (UTC), 4 h after the due time.',
    'Ran 22 h from Tue 3 March 2026, 18:00 to Wed 4 March 2026, 16:00 (UTC).',
    'Stopped on Wed 4 March 2026, 16:00 (UTC), the promise broken: 19 h over the 8 h.',
  ]);
  expect(resolve).toMatchObject({ state: 'stopped', pausedSeconds: 26 * HOUR, gainSeconds: 2 * HOUR });
});

it('names who began a segment, and nobody where time did', () => {
  const { resolve } = explained(
    [after(HOUR, { status: 'suspended', suspensionCause: 'pending_change', suspendedSeconds: HOUR })],
    { rest: 2 * HOUR },
  );
  const segments = resolve.lines.filter((line) => line.kind === 'segment');
  expect(segments.map(({ state, why, cause, by }) => [state, why, cause, by?.comment])).toEqual([
    ['running', 'created', null, 'because'],
    ['paused', 'suspended', 'pending_change', 'because'],
    ['running', 'suspension_expired', null, undefined],
  ]);
});

it('knows of what falls due at the very instant of the look', () => {
  const suspension = { status: 'suspended', suspensionCause: 'pending_change', suspendedSeconds: HOUR };
  const { assign } = explained([after(2 * HOUR - 1, suspension)], { rest: HOUR });
  expect(sentences(assign).slice(2)).toEqual([
    'Paused for 1 h from Mon 2 March 2026, 10:59:59 to Mon 2 March 2026, 11:59:59 (UTC): waiting for a planned change.',
    'Running since Mon 2 March 2026, 11:59:59 (UTC): 0 min so far.',
  ]);
  const later = explained([after(2 * HOUR - 1, suspension)], { rest: HOUR + 1 });
  expect(later.assign.lines.at(-2)).toMatchObject({ type: 'warned', percent: 50, remainingSeconds: 2 * HOUR });
});

it('goes on when a closed ticket is taken up again, with the time between as a segment', () => {
  const { resolve, assign } = explained(
    [
      after(HOUR, { status: 'closed', resolutionType: 'fixed' }),
      after(DAY, { status: 'open' }),
      after(HOUR, { priority: 'low' }),
    ],
    { rest: HOUR },
  );
  expect(sentences(resolve).slice(2)).toEqual([
    'Stopped on Mon 2 March 2026, 10:00 (UTC), the promise kept: 23 h of 24 h left.',
    'Stood still from Mon 2 March 2026, 10:00 to Tue 3 March 2026, 10:00 (UTC): it had been stopped.',
    'Taken up again on Tue 3 March 2026, 10:00 (UTC): 23 h of 24 h left.',
    'Ran 1 h from Tue 3 March 2026, 10:00 to Tue 3 March 2026, 11:00 (UTC).',
    'Extended by 16 h when the priority changed from medium to low on Tue 3 March 2026, 11:00 (UTC): ' +
      '38 h of 40 h left; before, 22 h of 24 h left.',
    'Running since Tue 3 March 2026, 11:00 (UTC): 1 h so far.',
  ]);
  expect(assign.remainingSeconds).toBe(5 * HOUR);
});

it('says what the other modes of escalation do', () => {
  const steps = [after(20 * HOUR, { priority: 'high' })];
  const line = (escalationMode: Policy['escalationMode']) =>
    sentences(explained(steps, { policy: { ...DEFAULT_POLICY, escalationMode } }).resolve).find((one) =>
      one.includes('priority changed'),
    );
  const when = 'when the priority changed from medium to high on Tue 3 March 2026, 05:00 (UTC)';
  expect(line('reset_capped')).toBe(
    `Shortened ${when}, but to no more than had been left: 4 h of 8 h left; before, 4 h of 24 h left.`,
  );
  expect(line('retroactive')).toBe(`Counted anew from the start ${when}: 12 h over the 8 h; before, 4 h of 24 h left.`);
});

it('counts on under a new version of the policy', () => {
  const first = newTicket({}, DEFAULT_POLICY, MONDAY);
  const moved = moveToPolicy(first, DEFAULT_POLICY, { ...OFFICE, version: 2 }, MONDAY + HOUR, () => undefined);
  const entries = [...writtenDown(first, []), entry(MONDAY + HOUR, moved.changes)];
  const policies = (version: number) => (version === 1 ? DEFAULT_POLICY : { ...OFFICE, version });
  const { resolve } = explainClocks(first, entries, policies, MONDAY + 10 * HOUR);
  expect(sentences(resolve)).toEqual([
    'Started on Mon 2 March 2026, 07:00 (UTC) with 24 h to resolve, priority medium.',
    'Ran 1 h from Mon 2 March 2026, 07:00 to Mon 2 March 2026, 08:00 (UTC).',
    'Under a new version of the service-level policy on Mon 2 March 2026, 09:00 (Europe/Berlin): ' +
      '23 h of 24 h left; before, 23 h of 24 h left.',
    'Running since Mon 2 March 2026, 09:00 (Europe/Berlin): 8 h of business time so far; 1 h lay outside hours.',
  ]);
});

it('says the offsets where clocks change in between', () => {
  const saturday = Date.UTC(2026, 2, 28, 11) / 1000;
  const { resolve } = explained([after(2 * DAY, { status: 'closed', resolutionType: 'fixed' })], {
    policy: OFFICE,
    at: saturday,
  });
  expect(sentences(resolve)[1]).toBe(
    'Ran 5 h of business time from Sat 28 March 2026, 12:00 (UTC+01:00) to Mon 30 March 2026, 13:00 ' +
      '(UTC+02:00, Europe/Berlin); 43 h lay outside hours.',
  );
});

it('says one line of years of closing times', () => {
  const { resolve } = explained([], { policy: OFFICE, at: MONDAY, rest: 10 * 365 * DAY });
  expect(resolve.lines.filter((line) => line.kind === 'segment')).toHaveLength(1);
  expect(JSON.stringify(resolve).length).toBeLessThan(5_000);
});
