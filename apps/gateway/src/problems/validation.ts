/** Bodies and query strings against their classes: every offending field, each with one stable code. */
import type { ClassOf, FieldError } from '#contracts';
import { Injectable, type ArgumentMetadata, type PipeTransform } from '@nestjs/common';
import { plainToInstance } from 'class-transformer';
import { validateSync, type ValidationError } from 'class-validator';
import { validationFailed } from './problem-error.js';

/** class-validator's rules as codes. The order tells which one to name when a value breaks several. */
const CODE_OF_RULE: Readonly<Record<string, string>> = {
  whitelistValidation: 'unknown_field',
  isArray: 'list_expected',
  isString: 'string_expected',
  isInt: 'integer_expected',
  isNumber: 'number_expected',
  nestedValidation: 'object_expected',
  isObject: 'object_expected',
  arrayMinSize: 'too_few',
  arrayMaxSize: 'too_many',
  arrayUnique: 'repeated',
  unknownValue: 'object_expected',
  isNotEmpty: 'required',
  isUuid: 'uuid_invalid',
  isEmail: 'email_invalid',
  isIn: 'value_unknown',
  matches: 'format_invalid',
  isLength: 'length_invalid',
  maxLength: 'too_long',
  min: 'too_small',
  max: 'too_large',
};

/** For @Body() and @Query(): the parameter's class is the shape, and fields that it does not have are refused. */
@Injectable()
export class ValidPipe implements PipeTransform<unknown, object> {
  transform(value: unknown, { metatype }: ArgumentMetadata): object {
    const checked = check(metatype as ClassOf<object>, value);
    if ('errors' in checked) throw validationFailed(checked.errors);
    return checked.value;
  }
}

export type Checked<T> = { value: T } | { errors: FieldError[] };

export function check<T extends object>(shape: ClassOf<T>, json: unknown = {}): Checked<T> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    return { errors: [{ field: '', code: 'object_expected', message: 'must be a JSON object' }] };
  }
  if (isTooDeep(json)) return { errors: [{ field: '', code: 'too_deep', message: 'is nested too deeply' }] };
  const value = plainToInstance(shape, json);
  const errors = [
    ...fieldErrors(validateSync(value, { whitelist: true, forbidNonWhitelisted: true, forbidUnknownValues: true })),
    ...Object.keys(json)
      .filter((name) => !Object.hasOwn(value, name)) // class-transformer drops names that every object has
      .map(unknownField),
    ...textErrors(json),
  ];
  return errors.length === 0 ? { value } : { errors };
}

/** No message of ours comes near it; what looks into fields of fields would run out of stack. */
const MAX_DEPTH = 16;

function isTooDeep(json: object): boolean {
  let values: unknown[] = [json];
  for (let depth = 0; depth <= MAX_DEPTH; depth++) {
    values = values.flatMap((value) => (typeof value === 'object' && value !== null ? Object.values(value) : []));
    if (values.length === 0) return false;
  }
  return true;
}

function fieldErrors(errors: ValidationError[], parent = ''): FieldError[] {
  return errors.flatMap((error) => {
    const field = [parent, error.property].filter(Boolean).join('.');
    return [...ownError(error, field), ...fieldErrors(error.children ?? [], field)];
  });
}

function ownError({ constraints, value }: ValidationError, field: string): FieldError[] {
  if (!constraints) return [];
  if (value === undefined && !constraints['whitelistValidation']) {
    return [{ field, code: 'required', message: 'is required' }];
  }
  const rules = Object.keys(constraints);
  const rule = Object.keys(CODE_OF_RULE).find((known) => rules.includes(known)) ?? rules[0]!;
  if (rule === 'whitelistValidation') return [unknownField(field)];
  return [{ field, code: CODE_OF_RULE[rule] ?? 'value_invalid', message: constraints[rule]! }];
}

function unknownField(field: string): FieldError {
  return { field, code: 'unknown_field', message: 'There is no such field.' };
}

/** PostgreSQL keeps neither U+0000 nor half of a surrogate pair. */
function textErrors(json: object, parent = ''): FieldError[] {
  return Object.entries(json).flatMap(([name, value]: [string, unknown]) => {
    const field = [parent, name].filter(Boolean).join('.');
    if (typeof value === 'object' && value !== null) return textErrors(value, field);
    if (typeof value !== 'string' || (value.isWellFormed() && !value.includes('\0'))) return [];
    return [{ field, code: 'text_invalid', message: 'contains characters that are not text' }];
  });
}
