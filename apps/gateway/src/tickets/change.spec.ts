import { parseChange } from './change.js';

const codesOf = (body: unknown): string[] => {
  try {
    parseChange(body);
    return [];
  } catch (error) {
    return (error as { errors: { field: string; code: string }[] }).errors.map(({ field, code }) => `${field} ${code}`);
  }
};

it('hands good fields on', () => {
  expect(parseChange({ priority: 'urgent', assignee: null, comment: 'c' })).toEqual({
    change: { priority: 'urgent', assignee: null, comment: 'c' },
  });
});

it('hands the names of unknown fields on, and not their values', () => {
  expect(parseChange({ colour: { a: 1 }, priority: 'low', size: 2 })).toEqual({
    change: { priority: 'low' },
    unknownFields: ['colour', 'size'],
  });
});

it('refuses values of the wrong type together with unknown fields', () => {
  expect(codesOf({ comment: 5, suspendedSeconds: '60', colour: 1 }).sort()).toEqual([
    'colour unknown_field',
    'comment string_expected',
    'suspendedSeconds number_expected',
  ]);
});

it.each([[[]], ['x'], [null], [7]])('refuses %j', (body) => {
  expect(codesOf(body)).toEqual([' object_expected']);
});

it('leaves an empty change to the rules', () => {
  expect(parseChange(undefined)).toEqual({ change: {} });
});
