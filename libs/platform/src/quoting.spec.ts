import { PostgreSqlPlatform } from '@mikro-orm/postgresql';
import fc from 'fast-check';
import { quoteLiteral } from './quoting.js';

const platform = new PostgreSqlPlatform();

it('quotes as MikroORM does', () => {
  const hostile = fc.string({
    unit: fc.constantFrom("'", '\\', '"', '?', '$1', ';', '--', '\n', '\u0000', 'é', '𝄞', 'a'),
  });
  fc.assert(
    fc.property(fc.oneof(hostile, fc.string({ unit: 'binary' })), (text) => {
      expect(quoteLiteral(text)).toBe(platform.escape(text));
    }),
    { numRuns: 2_000 },
  );
});
