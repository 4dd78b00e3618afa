import { correlationIdOf } from './correlation.js';
import { idempotencyKeyOf, UuidPipe, versionOf } from './parameters.js';

it.each([
  [undefined, undefined],
  ['*', undefined],
  ['"3"', 3],
  [' "12" ', 12],
])('reads If-Match %j as %j', (header, version) => {
  expect(versionOf(header)).toBe(version);
});

it.each(['3', 'W/"3"', '"3", "4"', '"x"', '', '"99999999999"'])('refuses If-Match %j', (header) => {
  expect(() => versionOf(header)).toThrow(expect.objectContaining({ status: 400, code: 'if_match_invalid' }));
});

it.each(['', 'x'.repeat(256), 'ü', ['a', 'b']])('refuses Idempotency-Key %j', (header) => {
  expect(() => idempotencyKeyOf(header)).toThrow(expect.objectContaining({ status: 400 }));
});

it('takes an Idempotency-Key, or none', () => {
  expect(idempotencyKeyOf('"8e03978e-40d5-43dd-bc93-6894a57f9324"')).toBe('"8e03978e-40d5-43dd-bc93-6894a57f9324"');
  expect(idempotencyKeyOf(undefined)).toBeUndefined();
});

it('names the path parameter that is no UUID', () => {
  const pipe = new UuidPipe();
  const metadata = { type: 'param', data: 'attachmentId' } as const;
  expect(pipe.transform('0197F0A0-0000-7000-8000-000000000001', metadata)).toBe('0197f0a0-0000-7000-8000-000000000001');
  expect(() => pipe.transform('7', metadata)).toThrow(
    expect.objectContaining({
      status: 400,
      errors: [{ field: 'attachmentId', code: 'uuid_invalid', message: 'must be a UUID' }],
    }),
  );
});

it.each(['x y', 'a\nb', '', 'x'.repeat(65), '{"a":1}'])('replaces the correlation id %j', (given) => {
  expect(correlationIdOf({ headers: { 'x-correlation-id': given } })).toMatch(/^[0-9a-f-]{36}$/);
});

it('keeps a sane correlation id', () => {
  expect(correlationIdOf({ headers: { 'x-correlation-id': 'order_7.a-b' } })).toBe('order_7.a-b');
});
