import { TicketChange, type FieldError } from '#contracts';
import { validationFailed } from '../problems/problem-error.js';
import { check } from '../problems/validation.js';

export interface ParsedChange {
  change: TicketChange;
  unknownFields?: string[];
}

/**
 * The body of a change. Fields that do not exist are handed on by name, so that the ticket rules refuse them together
 * with everything else that is wrong.
 * @param parent the field of the body that holds the change; empty when the body is the change
 * @throws ProblemError when values have the wrong type: rules cannot be asked about those
 */
export function parseChange(body: unknown, parent = ''): ParsedChange {
  const checked = check(TicketChange, body);
  if ('value' in checked) return { change: checked.value };
  const unknownFields = checked.errors.filter(({ code }) => code === 'unknown_field').map(({ field }) => field);
  if (unknownFields.length < checked.errors.length)
    throw validationFailed(checked.errors.map((error) => within(parent, error)));
  const known = Object.entries(body as object).filter(([name]) => !unknownFields.includes(name));
  return { change: Object.fromEntries(known), unknownFields };
}

function within(parent: string, error: FieldError): FieldError {
  return { ...error, field: [parent, error.field].filter(Boolean).join('.') };
}
