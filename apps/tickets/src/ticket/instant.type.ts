import type { Instant } from '#domain';
import { Type } from '@mikro-orm/postgresql';

/** A domain instant (whole epoch seconds) in a timestamptz column. */
export class InstantType extends Type<Instant | null, string | null> {
  override convertToDatabaseValue(value: Instant | null): string | null {
    return value === null || value === undefined ? null : isoInstant(value);
  }

  override convertToJSValue(value: string | Date | null): Instant | null {
    return value === null || value === undefined ? null : instantOf(value);
  }

  override getColumnType(): string {
    return 'timestamptz(0)';
  }

  override compareAsType(): string {
    return 'string';
  }

  override get runtimeType(): string {
    return 'number';
  }
}

/** The second in which a point in time lies. */
export function instantOf(time: string | Date): Instant {
  return Math.floor(new Date(time).getTime() / 1000);
}

/** ISO 8601 in UTC, e.g. `2026-03-02T13:00:00.000Z`. */
export function isoInstant(instant: Instant): string {
  return new Date(instant * 1000).toISOString();
}

/** @returns NaN for what is no ISO 8601 instant with an offset; null for null */
export function instantOfIso(text: string | null): Instant | null {
  if (text === null) return null;
  const [, day] = /^(\d{4}-\d\d-\d\d)T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)$/.exec(text) ?? [];
  return day !== undefined && isDay(day) ? instantOf(text) : NaN;
}

/** Date takes the 30th of February for the 2nd of March. */
function isDay(day: string): boolean {
  const instant = instantOf(day);
  return !Number.isNaN(instant) && isoInstant(instant).startsWith(day);
}
