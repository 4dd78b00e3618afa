import { readFileSync } from 'node:fs';
import { readPolicyFile } from './policy-file.js';

/** `path rule` of everything that is wrong with the file. */
function violationsOf(json: unknown): string[] {
  return readPolicyFile(json).violations.map(({ field, rule }) => `${field} ${rule}`);
}

const TARGETS = {
  critical: { assign: '15m', resolve: '4h' },
  high: { assign: '1h', resolve: '8h' },
  medium: { assign: '4h', resolve: '24h' },
  low: { assign: '8h', resolve: '40h' },
};

it('reads a complete file', () => {
  const { change, violations } = readPolicyFile({
    calendars: {
      office: { zone: 'Europe/Oslo', weekly: { mon: [['09:00', '17:00']] }, exceptions: { '2026-12-25': [] } },
      always: { always: true, zone: 'UTC' },
    },
    policies: {
      gold: {
        default: true,
        calendar: 'office',
        targets: { ...TARGETS, critical: { assign: 900, resolve: '1h30m' } },
        defaultSuspension: { pending_customer: '72h' },
        maxSuspension: '2160h',
        reopenWindow: '0m',
        escalationMode: 'reset_capped',
        warningPercents: [25, 75],
        ladder: [
          { after: '1h', tell: ['assignee'] },
          { after: '4h', tell: ['lead', 'duty@helpdesk.example'] },
        ],
      },
      plain: {},
    },
    organisations: { 'Fjordnett AS': 'gold', 'Sjöberg Fiber AB': null },
  });
  expect(violations).toEqual([]);
  expect(change.calendars.get('office')).toEqual({
    zone: 'Europe/Oslo',
    weekly: { mon: [['09:00', '17:00']] },
    exceptions: { '2026-12-25': [] },
  });
  expect(change.calendars.get('always')).toEqual({ always: true, zone: 'UTC' });
  expect(change.policies.get('gold')).toEqual({
    isDefault: true,
    calendar: 'office',
    targets: {
      critical: { assignSeconds: 900, resolveSeconds: 5_400 },
      high: { assignSeconds: 3_600, resolveSeconds: 28_800 },
      medium: { assignSeconds: 14_400, resolveSeconds: 86_400 },
      low: { assignSeconds: 28_800, resolveSeconds: 144_000 },
    },
    defaultSuspensionSeconds: { pending_customer: 259_200 },
    maxSuspensionSeconds: 7_776_000,
    reopenWindowSeconds: 0,
    escalationMode: 'reset_capped',
    warningPercents: [25, 75],
    ladder: [
      { overdueSeconds: 3_600, tell: ['assignee'] },
      { overdueSeconds: 14_400, tell: ['lead', 'duty@helpdesk.example'] },
    ],
  });
  expect(change.policies.get('plain')).toEqual({});
  expect([...change.organisations]).toEqual([
    ['Fjordnett AS', 'gold'],
    ['Sjöberg Fiber AB', null],
  ]);
});

it('reads the example of the documentation', () => {
  const operations = readFileSync(new URL('../../../../docs/operations.md', import.meta.url), 'utf8');
  const blocks = [...operations.matchAll(/```json\n(.*?)```/gs)].map(([, json = '']) => json);
  const { change, violations } = readPolicyFile(JSON.parse(blocks.find((json) => json.includes('"policies"'))!));
  expect(violations).toEqual([]);
  expect([...change.policies.keys()]).toEqual(['standard', 'gold']);
});

it('names everything that is wrong at once', () => {
  expect(
    violationsOf({
      calender: {},
      calendars: { a: { zone: 'Mars/Base', weekly: { mon: [['09:00', '17:00']] } }, '': [] },
      policies: { gold: { targets: { ...TARGETS, low: { assign: '9h', resolve: '8h' } }, calendar: 7 } },
      organisations: { Acme: 3 },
    }),
  ).toEqual([
    'calender field_unknown',
    'calendars. name_invalid',
    'calendars.a calendar_unusable',
    'calendars. object_required',
    'policies.gold.calendar text_required',
    'policies.gold.targets.low.resolve resolve_before_assign',
    'organisations.Acme policy_invalid',
  ]);
});

it.each([[null], [[]], ['policies'], [7]])('takes %j for no file', (json) => {
  expect(violationsOf(json)).toEqual([' object_required']);
});

describe('a calendar', () => {
  const week = { mon: [['09:00', '17:00']] };
  it.each([
    ['without a zone', { weekly: week }, ['.zone zone_required']],
    ['in an unknown zone', { zone: 'Mars/Base', weekly: week }, [' calendar_unusable']],
    ['without hours', { zone: 'UTC', weekly: {} }, [' calendar_unusable']],
    ['without a week', { zone: 'UTC' }, ['.weekly object_required']],
    [
      'with hours that overlap',
      {
        zone: 'UTC',
        weekly: {
          mon: [
            ['09:00', '12:00'],
            ['11:00', '13:00'],
          ],
        },
      },
      [' calendar_unusable'],
    ],
    ['with an unknown weekday', { zone: 'UTC', weekly: { ...week, Monday: [] } }, [' calendar_unusable']],
    ['with hours of another shape', { zone: 'UTC', weekly: { mon: ['09:00-17:00'] } }, ['.weekly.mon hours_invalid']],
    [
      'with a date that is none',
      { zone: 'UTC', weekly: week, exceptions: { '2026-02-30': [] } },
      [' calendar_unusable'],
    ],
    ['that is always open and has hours', { always: true, zone: 'UTC', weekly: week }, ['.weekly hours_with_always']],
    ['that is not always open', { always: false, zone: 'UTC' }, ['.always always_invalid']],
    ['with a misspelt field', { zone: 'UTC', weekly: week, exception: {} }, ['.exception field_unknown']],
  ])('%s is refused', (_, calendar, expected) => {
    expect(violationsOf({ calendars: { office: calendar } })).toEqual(expected.map((one) => `calendars.office${one}`));
  });
});

describe('a policy', () => {
  it.each([
    [{ default: false }, ['.default default_invalid']],
    [{ target: TARGETS }, ['.target field_unknown']],
    [{ targets: { critical: TARGETS.critical } }, ['.targets.low', '.targets.medium', '.targets.high']],
    [{ targets: { ...TARGETS, urgent: TARGETS.low } }, ['.targets.urgent field_unknown']],
    [
      { targets: { ...TARGETS, low: { assign: '0m', resolve: '1d' } } },
      ['.targets.low.assign duration_not_positive', '.targets.low.resolve duration_invalid'],
    ],
    [{ targets: { ...TARGETS, low: { assign: 90, resolve: '1h' } } }, ['.targets.low.assign duration_not_in_minutes']],
    [{ targets: { ...TARGETS, low: { assign: '1h' } } }, ['.targets.low.resolve duration_invalid']],
    [{ defaultSuspension: { pending: '1h' } }, ['.defaultSuspension.pending field_unknown']],
    [{ defaultSuspension: { pending_change: '0h' } }, ['.defaultSuspension.pending_change duration_not_positive']],
    [{ maxSuspension: '9000h' }, ['.maxSuspension duration_invalid']],
    [{ reopenWindow: '-1h' }, ['.reopenWindow duration_invalid']],
    [{ escalationMode: 'resets' }, ['.escalationMode escalation_mode_unknown']],
    [{ warningPercents: [0, 50, 100, '60'] }, ['.0 percent', '.2 percent', '.3 percent']],
    [{ warningPercents: [80, 50] }, ['.warningPercents not_ascending']],
    [{ warningPercents: [50, 50] }, ['.warningPercents not_ascending']],
    [{ warningPercents: 50 }, ['.warningPercents list_required']],
    [{ ladder: [{ after: '0h', tell: ['lead'] }] }, ['.ladder.0.after duration_not_positive']],
    [
      {
        ladder: [
          { after: '4h', tell: ['lead'] },
          { after: '4h', tell: ['lead'] },
        ],
      },
      ['.ladder not_ascending'],
    ],
    [{ ladder: [{ after: '4h', tell: [] }] }, ['.ladder.0.tell recipient_required']],
    [{ ladder: [{ after: '4h', tell: ['lead', 'boss'] }] }, ['.ladder.0.tell.1 recipient_invalid']],
    [{ ladder: [{ after: '4h' }] }, ['.ladder.0.tell list_required']],
  ])('%j is refused', (policy, expected) => {
    const found = violationsOf({ policies: { gold: policy } });
    expect(found).toHaveLength(expected.length);
    for (const [index, part] of expected.entries()) expect(found[index]).toContain(part);
  });
});
