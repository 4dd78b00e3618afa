import { DEFAULT_POLICY, type Calendar } from '#domain';
import { readPolicyFile } from './policy-file.js';
import { checkReferences, planOf, type Present } from './policy-plan.js';

const { version: _version, calendar: _calendar, ...TERMS } = DEFAULT_POLICY;
const OFFICE = {
  zone: 'Europe/Oslo',
  weekly: { mon: [['09:00', '17:00']] },
  exceptions: { '2026-12-25': [] },
} as Calendar;

function present(): Present {
  const policy = { terms: TERMS, isDefault: false, calendar: 'office', calendarVersion: 4 };
  return {
    calendars: new Map([
      ['always', { version: 1, hours: { always: true, zone: 'UTC' } as Calendar }],
      ['office', { version: 4, hours: OFFICE }],
    ]),
    policies: new Map([
      ['standard', { ...policy, version: 1, isDefault: true, calendar: 'always', calendarVersion: 1 }],
      ['gold', { ...policy, version: 7 }],
      ['silver', { ...policy, version: 8 }],
    ]),
    organisations: new Map([
      ['Fjordnett AS', { id: 'fjordnett', policy: 'gold' }],
      ['Sjöberg Fiber AB', { id: 'sjoberg', policy: null }],
    ]),
  };
}

function plan(json: object) {
  const { change, violations } = readPolicyFile(json);
  expect([...violations, ...checkReferences(present(), change)]).toEqual([]);
  return planOf(present(), change);
}

function violationsOf(json: object): string[] {
  return checkReferences(present(), readPolicyFile(json).change).map(({ field, rule }) => `${field} ${rule}`);
}

const NOTHING = { calendars: [], policies: [], defaultPolicy: null, organisations: [] };

it('makes nothing of what holds already, however it is written', () => {
  expect(
    plan({
      calendars: { office: { weekly: { mon: [['09:00', '17:00']], tue: [] }, zone: 'Europe/Oslo' } },
      policies: { standard: { default: true }, gold: { calendar: 'office', maxSuspension: 7_776_000 } },
      organisations: { 'Fjordnett AS': 'gold', 'Sjöberg Fiber AB': null },
    }),
  ).toEqual(NOTHING);
  expect(plan({})).toEqual(NOTHING);
});

it('gives a new version to each policy that counts with a changed calendar', () => {
  const weekly = { mon: [['08:00', '17:00']] };
  const { calendars, policies } = plan({ calendars: { office: { zone: 'Europe/Oslo', weekly } } });
  expect(calendars).toEqual([
    { name: 'office', version: 5, hours: { zone: 'Europe/Oslo', weekly, exceptions: { '2026-12-25': [] } } },
  ]);
  expect(policies).toEqual([
    { name: 'gold', replaces: 7, terms: TERMS, calendar: 'office', calendarVersion: 5 },
    { name: 'silver', replaces: 8, terms: TERMS, calendar: 'office', calendarVersion: 5 },
  ]);
});

it('drops exceptions only when the file says so', () => {
  const office = { zone: 'Europe/Oslo', weekly: { mon: [['09:00', '17:00']] }, exceptions: {} };
  expect(plan({ calendars: { office } }).calendars).toEqual([
    { name: 'office', version: 5, hours: { zone: 'Europe/Oslo', weekly: { mon: [['09:00', '17:00']] } } },
  ]);
});

it('keeps what a policy does not name', () => {
  const { policies } = plan({ policies: { gold: { defaultSuspension: { pending_closed: '24h' } } } });
  const defaultSuspensionSeconds = { ...TERMS.defaultSuspensionSeconds, pending_closed: 86_400 };
  const terms = { ...TERMS, defaultSuspensionSeconds };
  expect(policies).toEqual([{ name: 'gold', replaces: 7, terms, calendar: 'office', calendarVersion: 4 }]);
});

it("gives a new policy the product's defaults", () => {
  const made = plan({ policies: { bronze: { default: true } }, organisations: { 'Fjordnett AS': 'bronze' } });
  expect(made).toEqual({
    calendars: [],
    policies: [{ name: 'bronze', replaces: null, terms: TERMS, calendar: 'always', calendarVersion: 1 }],
    defaultPolicy: 'bronze',
    organisations: [{ id: 'fjordnett', name: 'Fjordnett AS', policy: 'bronze' }],
  });
});

it('lets a new policy count with a new calendar', () => {
  const night = { zone: 'UTC', weekly: { mon: [['00:00', '24:00']] } };
  const { calendars, policies } = plan({ calendars: { night }, policies: { watch: { calendar: 'night' } } });
  expect(calendars).toMatchObject([{ name: 'night', version: 1 }]);
  expect(policies).toMatchObject([{ name: 'watch', calendar: 'night', calendarVersion: 1 }]);
});

it('names what nobody knows and what does not fit together', () => {
  expect(
    violationsOf({
      policies: {
        gold: { default: true, calendar: 'nights' },
        silver: { default: true, maxSuspension: '100h' },
      },
      organisations: { Acme: 'gold', 'Fjordnett AS': 'platinum' },
    }),
  ).toEqual([
    'policies.gold.calendar calendar_unknown',
    'policies.silver.defaultSuspension.pending_change suspension_too_long',
    'policies.silver.defaultSuspension.pending_third_party suspension_too_long',
    'policies.gold.default default_not_unique',
    'policies.silver.default default_not_unique',
    'organisations.Acme organisation_unknown',
    'organisations.Fjordnett AS policy_unknown',
  ]);
});

it('does not call a calendar unknown that is only wrong', () => {
  expect(violationsOf({ calendars: { night: {} }, policies: { watch: { calendar: 'night' } } })).toEqual([]);
});
