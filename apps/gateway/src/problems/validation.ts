/** Strict parsing of what callers send: every wrong field is named at once, and nothing unknown is ignored. */
import type { FieldError } from '#contracts';
import { parseMessage, type Violation } from '#platform';
import { type ArgumentMetadata, Injectable, type PipeTransform } from '@nestjs/common';
import { getMetadataStorage } from 'class-validator';
import { ProblemException } from './problem.js';

type ClassOf<T> = new () => T;

/** class-validator's rule names as our stable codes; a rule that is not here is `<field>_invalid`'s generic `invalid`. */
const CODE_OF_RULE: Readonly<Record<string, string>> = {
  isUuid: 'uuid_invalid',
  isEmail: 'email_invalid',
  isNotEmpty: 'required',
  isString: 'string_required',
  isInt: 'integer_required',
  isNumber: 'number_required',
  isIn: 'value_unknown',
  maxLength: 'too_long',
  isLength: 'length_invalid',
  min: 'too_small',
  max: 'too_large',
};

/** The fields of a message class. */
export function fieldsOf(messageClass: ClassOf<object>): Set<string> {
  const metadata = getMetadataStorage().getTargetValidationMetadatas(messageClass, '', false, false);
  return new Set(metadata.map(({ propertyName }) => propertyName));
}

export function unknownFields(messageClass: ClassOf<object>, body: object): string[] {
  const known = fieldsOf(messageClass);
  return Object.keys(body).filter((field) => !known.has(field));
}

/** @throws ProblemException 422 that names every wrong and every unknown field */
export function parseStrictly<T extends object>(messageClass: ClassOf<T>, input: unknown, status = 422): T {
  const parsed = parseMessage(messageClass, input ?? {});
  const errors = 'violations' in parsed ? parsed.violations.map(asFieldError) : [];
  if (typeof input === 'object' && input !== null) {
    errors.push(...unknownFields(messageClass, input).map(unknownFieldError));
  }
  if (errors.length > 0) throw new ProblemException(status, errors[0]!.code, errors);
  return (parsed as { value: T }).value;
}

/**
 * For the update: wrong types are refused here, while unknown fields go along, so that the ticket rules can list them
 * together with everything else that is wrong.
 * @throws ProblemException 422
 */
export function parseMessageBody<T extends object>(
  messageClass: ClassOf<T>,
  body: unknown,
): { value: T; unknownFields: string[] } {
  const parsed = parseMessage(messageClass, body ?? {});
  if ('value' in parsed) return { value: parsed.value, unknownFields: unknownFields(messageClass, body ?? {}) };
  const errors = parsed.violations.map(asFieldError);
  throw new ProblemException(422, errors[0]!.code, errors);
}

function asFieldError({ field, rule, message }: Violation): FieldError {
  return { field, code: CODE_OF_RULE[rule] ?? 'invalid', message };
}

function unknownFieldError(field: string): FieldError {
  return { field, code: 'unknown_field', message: 'There is no such field.' };
}

/** For `@Body()` and `@Query()`: the parameter's class decides. */
@Injectable()
export class StrictPipe implements PipeTransform {
  transform(value: unknown, { metatype, type }: ArgumentMetadata): unknown {
    if (!metatype || metatype === Object || (type !== 'body' && type !== 'query')) return value;
    return parseStrictly(metatype as ClassOf<object>, value, type === 'query' ? 400 : 422);
  }
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** For path parameters. */
@Injectable()
export class UuidPipe implements PipeTransform<string, string> {
  transform(value: string, { data }: ArgumentMetadata): string {
    if (UUID.test(value)) return value.toLowerCase();
    const error = { field: data ?? 'id', code: 'uuid_invalid', message: 'must be a UUID' };
    throw new ProblemException(400, error.code, [error]);
  }
}
