/** What has to be made so that the house's policies are what the operators have written down. */
import { DEFAULT_POLICY, SUSPENSION_CAUSES, type Calendar, type Interval } from '#domain';
import type { Violation } from '#platform';
import { isDeepStrictEqual } from 'node:util';
import type { PolicyChange, PolicyInput, Terms } from './policy-file.js';

/** What holds now, by name: of calendars and policies the current version. */
export interface Present {
  calendars: Map<string, PresentCalendar>;
  policies: Map<string, PresentPolicy>;
  organisations: Map<string, { id: string; policy: string | null }>;
}

export interface PresentCalendar {
  version: number;
  hours: Calendar;
}

interface PresentPolicy {
  version: number;
  isDefault: boolean;
  terms: Terms;
  calendar: string;
  calendarVersion: number;
}

/** Only what differs from what holds now. */
export interface Plan {
  calendars: { name: string; version: number; hours: Calendar }[];
  policies: PlannedPolicy[];
  /** The policy that becomes the default one; null when that stays. */
  defaultPolicy: string | null;
  organisations: { id: string; name: string; policy: string | null }[];
}

export interface PlannedPolicy {
  name: string;
  /** The version that its tickets run on now; null for a new policy. */
  replaces: number | null;
  terms: Terms;
  calendar: string;
  calendarVersion: number;
}

/** What a policy counts with that names no calendar. */
const DEFAULT_CALENDAR = 'always';
const { version: _version, calendar: _calendar, ...DEFAULT_TERMS } = DEFAULT_POLICY;

/** What the change names and nobody knows, and what does not fit together with what holds now. */
export function checkReferences(present: Present, change: PolicyChange): Violation[] {
  const violations: Violation[] = [];
  const wrong = (field: string, rule: string, message: string) => violations.push({ field, rule, message });

  for (const [name, input] of change.policies) {
    const field = `policies.${name}`;
    const calendar = input?.calendar ?? present.policies.get(name)?.calendar ?? DEFAULT_CALENDAR;
    if (!change.calendars.has(calendar) && !present.calendars.has(calendar)) {
      wrong(`${field}.calendar`, 'calendar_unknown', `there is no calendar "${calendar}"`);
    }
    const { defaultSuspensionSeconds, maxSuspensionSeconds } = termsAfter(present, name, input ?? {});
    for (const cause of SUSPENSION_CAUSES) {
      if (defaultSuspensionSeconds[cause] > maxSuspensionSeconds) {
        wrong(`${field}.defaultSuspension.${cause}`, 'suspension_too_long', 'must not be longer than maxSuspension');
      }
    }
  }
  const defaults = [...change.policies].filter(([, input]) => input?.isDefault).map(([name]) => name);
  if (defaults.length > 1) {
    for (const name of defaults) wrong(`policies.${name}.default`, 'default_not_unique', 'one policy is the default');
  }
  for (const [name, policy] of change.organisations) {
    const field = `organisations.${name}`;
    if (!present.organisations.has(name)) wrong(field, 'organisation_unknown', `there is no organisation "${name}"`);
    if (typeof policy === 'string' && !change.policies.has(policy) && !present.policies.has(policy)) {
      wrong(field, 'policy_unknown', `there is no policy "${policy}"`);
    }
  }
  return violations;
}

/** @param change without violations */
export function planOf(present: Present, change: PolicyChange): Plan {
  const calendars = [...change.calendars].flatMap(([name, given]) => {
    const before = present.calendars.get(name);
    const hours = hoursAfter(before?.hours, given!);
    const differs = !before || !isDeepStrictEqual(inOrder(before.hours), hours);
    return differs ? [{ name, version: (before?.version ?? 0) + 1, hours }] : [];
  });
  const versionOf = (calendar: string) =>
    calendars.find(({ name }) => name === calendar)?.version ?? present.calendars.get(calendar)!.version;

  const names = new Set([...present.policies.keys(), ...change.policies.keys()]);
  const policies = [...names].flatMap((name): PlannedPolicy[] => {
    const input = change.policies.get(name) ?? {};
    const before = present.policies.get(name);
    const calendar = input.calendar ?? before?.calendar ?? DEFAULT_CALENDAR;
    const after = { terms: termsAfter(present, name, input), calendar, calendarVersion: versionOf(calendar) };
    const differs =
      !before ||
      before.calendar !== calendar ||
      before.calendarVersion !== after.calendarVersion ||
      !isDeepStrictEqual(before.terms, after.terms);
    return differs ? [{ name, replaces: before?.version ?? null, ...after }] : [];
  });

  const chosen = [...change.policies].find(([, input]) => input?.isDefault)?.[0];
  const organisations = [...change.organisations].flatMap(([name, policy = null]) => {
    const { id, policy: before } = present.organisations.get(name)!;
    return before === policy ? [] : [{ id, name, policy }];
  });
  const staysDefault = chosen === undefined || present.policies.get(chosen)?.isDefault === true;
  return { calendars, policies, defaultPolicy: staysDefault ? null : chosen, organisations };
}

function termsAfter(present: Present, name: string, input: PolicyInput): Terms {
  const before = present.policies.get(name)?.terms ?? DEFAULT_TERMS;
  const { isDefault: _isDefault, calendar: _named, defaultSuspensionSeconds, ...given } = input;
  return {
    ...before,
    ...given,
    defaultSuspensionSeconds: { ...before.defaultSuspensionSeconds, ...defaultSuspensionSeconds },
  };
}

/** Exceptions that are not named stay: most come from elsewhere than the file. */
function hoursAfter(before: Calendar | undefined, given: Calendar): Calendar {
  if (given.always || given.exceptions || !before || before.always) return inOrder(given);
  return inOrder({ ...given, ...(before.exceptions && { exceptions: before.exceptions }) });
}

/** One way to write the same hours: intervals in order, no day without hours, no empty list of exceptions. */
function inOrder(calendar: Calendar): Calendar {
  if (calendar.always) return { always: true, zone: calendar.zone };
  const { zone, weekly, exceptions = {} } = calendar;
  const days = Object.entries(weekly).filter(([, intervals]) => intervals.length > 0);
  const dates = Object.entries(exceptions);
  return {
    zone,
    weekly: Object.fromEntries(days.map(([day, intervals]) => [day, ordered(intervals)])),
    ...(dates.length > 0 && {
      exceptions: Object.fromEntries(dates.map(([date, intervals]) => [date, ordered(intervals)])),
    }),
  };
}

function ordered(intervals: readonly Interval[]): Interval[] {
  return intervals.toSorted(([a], [b]) => (a < b ? -1 : 1));
}
