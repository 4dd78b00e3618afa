import type { ClassOf } from '#contracts';
import { plainToInstance } from 'class-transformer';
import { validateSync, type ValidationError } from 'class-validator';

/** A field that breaks a rule, as class-validator names it. */
export interface Violation {
  field: string;
  rule: string;
  message: string;
}

export type Parsed<T> = { value: T } | { violations: Violation[] };

/**
 * Turns a JSON value into an instance of its message class, or lists everything that is wrong with it.
 * Fields that the class does not know are dropped: a newer sender may say more than this receiver understands.
 */
export function parseMessage<T extends object>(messageClass: ClassOf<T>, json: unknown): Parsed<T> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    return { violations: [{ field: '', rule: 'isObject', message: 'must be a JSON object' }] };
  }
  const value = plainToInstance(messageClass, json);
  const errors = validateSync(value, { whitelist: true, forbidUnknownValues: true });
  return errors.length === 0 ? { value } : { violations: violationsOf(errors) };
}

/** class-validator's tree as a flat list with dotted paths. */
export function violationsOf(errors: ValidationError[], parent = ''): Violation[] {
  return errors.flatMap((error) => {
    const field = parent ? `${parent}.${error.property}` : error.property;
    const own = Object.entries(error.constraints ?? {}).map(([rule, message]) => ({ field, rule, message }));
    return [...own, ...violationsOf(error.children ?? [], field)];
  });
}
