/**
 * What operators write down about service levels: calendars, policies, and which organisation has which policy. Read it
 * once, here, into typed values; everything that is wrong with it is named at once.
 *
 * The file only adds and changes: what it does not name stays as it is, and a name that is new gets the product's
 * defaults for whatever is left out.
 */
import {
  checkCalendar,
  PRIORITIES,
  SUSPENSION_CAUSES,
  type Calendar,
  type EscalationMode,
  type Policy,
  type Rung,
  type Seconds,
  type SuspensionCause,
} from '#domain';
import type { Violation } from '#platform';
import { isEmail } from 'class-validator';
import { LONGEST_SECONDS, parseDuration } from './duration.js';

/** What a version of a policy says besides its calendar. */
export type Terms = Omit<Policy, 'version' | 'calendar'>;

export interface PolicyInput extends Partial<Omit<Terms, 'defaultSuspensionSeconds'>> {
  isDefault?: true;
  calendar?: string;
  defaultSuspensionSeconds?: Partial<Record<SuspensionCause, Seconds>>;
}

/** By name. What is named but cannot be used is undefined, and then there is a violation that says why. */
export interface PolicyChange {
  calendars: Map<string, Calendar | undefined>;
  policies: Map<string, PolicyInput | undefined>;
  organisations: Map<string, string | null | undefined>;
}

const FIELDS_OF_FILE = ['calendars', 'policies', 'organisations'];
const FIELDS_OF_CALENDAR = ['always', 'zone', 'weekly', 'exceptions'];
const FIELDS_OF_POLICY = [
  'default',
  'calendar',
  'targets',
  'defaultSuspension',
  'maxSuspension',
  'reopenWindow',
  'escalationMode',
  'warningPercents',
  'ladder',
];
const ESCALATION_MODES = ['reset', 'reset_capped', 'retroactive'] satisfies EscalationMode[];
const NAME = /^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,99}$/u;
const DURATION = `hours and minutes such as 4h, 15m or 1h30m, at most ${LONGEST_SECONDS / 3_600}h`;

type Json = Record<string, unknown>;

export function readPolicyFile(json: unknown): { change: PolicyChange; violations: Violation[] } {
  const reading = new Reading();
  const file = reading.object('', json) ?? {};
  reading.knownFields('', file, FIELDS_OF_FILE);
  const change = {
    calendars: reading.named('calendars', file['calendars'], (at, value) => reading.calendar(at, value)),
    policies: reading.named('policies', file['policies'], (at, value) => reading.policy(at, value)),
    organisations: reading.organisations(file['organisations']),
  };
  return { change, violations: reading.violations };
}

/** Every method returns the value, or notes what is wrong with it and returns undefined. */
class Reading {
  readonly violations: Violation[] = [];

  wrong(field: string, rule: string, message: string): undefined {
    this.violations.push({ field, rule, message });
    return undefined;
  }

  object(at: string, value: unknown): Json | undefined {
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Json) : this.wrong(at, 'object_required', 'must be a JSON object');
  }

  knownFields(at: string, object: Json, known: readonly string[]): void {
    for (const field of Object.keys(object)) {
      if (!known.includes(field)) this.wrong(join(at, field), 'field_unknown', `must be one of ${known.join(', ')}`);
    }
  }

  named<T>(
    at: string,
    value: unknown,
    read: (at: string, value: unknown) => T | undefined,
  ): Map<string, T | undefined> {
    const entries = Object.entries((value === undefined ? {} : this.object(at, value)) ?? {});
    for (const [name] of entries) {
      if (!NAME.test(name))
        this.wrong(join(at, name), 'name_invalid', 'must be 1 to 100 letters, digits, blanks, . _ -');
    }
    return new Map(entries.map(([name, one]) => [name, read(join(at, name), one)]));
  }

  organisations(value: unknown): Map<string, string | null | undefined> {
    const at = 'organisations';
    const entries = Object.entries((value === undefined ? {} : this.object(at, value)) ?? {});
    return new Map(
      entries.map(([name, policy]) => [
        name,
        typeof policy === 'string' || policy === null
          ? policy
          : this.wrong(join(at, name), 'policy_invalid', 'must be the name of a policy, or null for the default one'),
      ]),
    );
  }

  calendar(at: string, value: unknown): Calendar | undefined {
    const calendar = this.object(at, value);
    if (!calendar) return undefined;
    const before = this.violations.length;
    const { always, zone, weekly, exceptions } = calendar;
    this.knownFields(at, calendar, FIELDS_OF_CALENDAR);
    if (typeof zone !== 'string')
      this.wrong(join(at, 'zone'), 'zone_required', 'must be a time zone such as Europe/Oslo');
    if (always !== undefined) {
      if (always !== true) this.wrong(join(at, 'always'), 'always_invalid', 'must be true, or left out');
      for (const field of ['weekly', 'exceptions']) {
        if (field in calendar) this.wrong(join(at, field), 'hours_with_always', 'a calendar is always or has hours');
      }
    } else {
      this.days(join(at, 'weekly'), weekly);
      if (exceptions !== undefined) this.days(join(at, 'exceptions'), exceptions);
    }
    if (this.violations.length > before) return undefined;
    for (const sentence of checkCalendar(value as Calendar)) this.wrong(at, 'calendar_unusable', sentence);
    return this.violations.length > before ? undefined : (value as Calendar);
  }

  /** The shape only; `checkCalendar` knows the rest. */
  private days(at: string, value: unknown): void {
    for (const [day, intervals] of Object.entries(this.object(at, value) ?? {})) {
      const isList =
        Array.isArray(intervals) &&
        intervals.every(
          (one) => Array.isArray(one) && one.length === 2 && one.every((time) => typeof time === 'string'),
        );
      if (!isList) this.wrong(join(at, day), 'hours_invalid', 'must be a list of intervals such as ["09:00", "17:00"]');
    }
  }

  policy(at: string, value: unknown): PolicyInput | undefined {
    const policy = this.object(at, value);
    if (!policy) return undefined;
    this.knownFields(at, policy, FIELDS_OF_POLICY);
    const read = <T>(field: string, reader: (at: string, value: unknown) => T | undefined): T | undefined =>
      policy[field] === undefined ? undefined : reader.call(this, join(at, field), policy[field]);
    return given({
      isDefault: read('default', this.isDefault),
      calendar: read('calendar', this.text),
      targets: read('targets', this.targets),
      defaultSuspensionSeconds: read('defaultSuspension', this.defaultSuspension),
      maxSuspensionSeconds: read('maxSuspension', this.positive),
      reopenWindowSeconds: read('reopenWindow', this.duration),
      escalationMode: read('escalationMode', this.escalationMode),
      warningPercents: read('warningPercents', this.percents),
      ladder: read('ladder', this.ladder),
    });
  }

  private isDefault(at: string, value: unknown): true | undefined {
    return value === true ? true : this.wrong(at, 'default_invalid', 'must be true: name the policy that is to be it');
  }

  private text(at: string, value: unknown): string | undefined {
    return typeof value === 'string' ? value : this.wrong(at, 'text_required', 'must be a text');
  }

  private duration(at: string, value: unknown): Seconds | undefined {
    return parseDuration(value) ?? this.wrong(at, 'duration_invalid', `must be ${DURATION}`);
  }

  private positive(at: string, value: unknown): Seconds | undefined {
    const seconds = this.duration(at, value);
    return seconds === 0 ? this.wrong(at, 'duration_not_positive', 'must be longer than nothing') : seconds;
  }

  private wholeMinutes(at: string, value: unknown): Seconds | undefined {
    const seconds = this.positive(at, value);
    if (seconds === undefined || seconds % 60 === 0) return seconds;
    return this.wrong(at, 'duration_not_in_minutes', 'must be whole minutes');
  }

  private targets(at: string, value: unknown): Terms['targets'] | undefined {
    const targets = this.object(at, value);
    if (!targets) return undefined;
    this.knownFields(at, targets, PRIORITIES);
    const pairs = PRIORITIES.map((priority) => [priority, this.target(join(at, priority), targets[priority])] as const);
    return Object.fromEntries(pairs) as Terms['targets'];
  }

  private target(at: string, value: unknown) {
    if (value === undefined) return this.wrong(at, 'target_required', 'every priority needs its targets');
    const target = this.object(at, value);
    if (!target) return undefined;
    this.knownFields(at, target, ['assign', 'resolve']);
    const assignSeconds = this.wholeMinutes(join(at, 'assign'), target['assign']);
    const resolveSeconds = this.wholeMinutes(join(at, 'resolve'), target['resolve']);
    if (assignSeconds === undefined || resolveSeconds === undefined) return undefined;
    if (resolveSeconds >= assignSeconds) return { assignSeconds, resolveSeconds };
    return this.wrong(join(at, 'resolve'), 'resolve_before_assign', 'must not be shorter than assign');
  }

  private defaultSuspension(at: string, value: unknown): Partial<Record<SuspensionCause, Seconds>> | undefined {
    const suspension = this.object(at, value);
    if (!suspension) return undefined;
    this.knownFields(at, suspension, SUSPENSION_CAUSES);
    const causes = SUSPENSION_CAUSES.filter((cause) => suspension[cause] !== undefined);
    return Object.fromEntries(causes.map((cause) => [cause, this.positive(join(at, cause), suspension[cause])]));
  }

  private escalationMode(at: string, value: unknown): EscalationMode | undefined {
    const mode = ESCALATION_MODES.find((one) => one === value);
    return mode ?? this.wrong(at, 'escalation_mode_unknown', `must be one of ${ESCALATION_MODES.join(', ')}`);
  }

  private percents(at: string, value: unknown): number[] | undefined {
    const percents = this.list(at, value, (place, one) =>
      typeof one === 'number' && Number.isInteger(one) && one >= 1 && one <= 99
        ? one
        : this.wrong(place, 'percent_invalid', 'must be a whole number from 1 to 99'),
    );
    if (percents && !ascends(percents)) this.wrong(at, 'not_ascending', 'must ascend');
    return percents;
  }

  private ladder(at: string, value: unknown): Rung[] | undefined {
    const rungs = this.list(at, value, (place, one) => this.rung(place, one));
    if (rungs && !ascends(rungs.map((rung) => rung.overdueSeconds)))
      this.wrong(at, 'not_ascending', '`after` must ascend');
    return rungs;
  }

  private rung(at: string, value: unknown): Rung | undefined {
    const rung = this.object(at, value);
    if (!rung) return undefined;
    this.knownFields(at, rung, ['after', 'tell']);
    const overdueSeconds = this.wholeMinutes(join(at, 'after'), rung['after']);
    const tell = this.list(join(at, 'tell'), rung['tell'], (place, one) =>
      one === 'lead' || one === 'assignee' || isEmail(one, { require_tld: false })
        ? (one as string)
        : this.wrong(place, 'recipient_invalid', 'must be lead, assignee or a mail address'),
    );
    if (tell?.length === 0) return this.wrong(join(at, 'tell'), 'recipient_required', 'somebody must be told');
    return overdueSeconds === undefined || tell === undefined ? undefined : { overdueSeconds, tell };
  }

  /** Undefined unless all of its elements can be used. */
  private list<T>(at: string, value: unknown, read: (at: string, value: unknown) => T | undefined): T[] | undefined {
    if (!Array.isArray(value)) return this.wrong(at, 'list_required', 'must be a list');
    const items = value.map((one, index) => read(join(at, String(index)), one));
    const usable = items.filter((one) => one !== undefined);
    return usable.length === items.length ? usable : undefined;
  }
}

function join(at: string, field: string): string {
  return at === '' ? field : `${at}.${field}`;
}

function ascends(values: readonly number[]): boolean {
  return values.every((value, index) => index === 0 || value > values[index - 1]!);
}

/** Without what is undefined, so that spreading it leaves the rest alone. */
function given<T extends object>(fields: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}
