import fc from 'fast-check';
import { searchQuery } from './search-query.js';

it.each([
  ['line', `'line':*`],
  ['line down', `'line' & 'down':*`],
  ['  line   DOWN ', `'line' & 'DOWN':*`],
  ['"line is down" bern', `('line' <-> 'is' <-> 'down') & 'bern':*`],
  ['bern "line is', `'bern' & ('line' <-> 'is')`],
  ['line -bern', `'line' & !'bern'`],
  ['-bern line', `!'bern' & 'line':*`],
  ['line -"to bern"', `'line' & !('to' <-> 'bern')`],
  ['"line"down', `'line' & 'down':*`],
  ['zrh-core-1', `('zrh' <-> 'core' <-> '1')`],
  ['zrh-core', `('zrh' <-> 'core':*)`],
  ['zoe@customer.test', `('zoe' <-> 'customer' <-> 'test':*)`],
  ['10.2.3.', `'10.2.3':*`],
  ['[#1042]', `'1042':*`],
  ['to', `'to'`],
  ['線', `'線':*`],
  ["d'accord & <b> | !x", `('d' <-> 'accord') & 'b' & 'x'`],
  ['Zoe\u0308', `'Zoë':*`],
])('reads %s as %s', (typed, query) => {
  expect(searchQuery(typed, '')?.words).toBe(query);
});

it('restricts each word to where it may be found', () => {
  expect(searchQuery('"line down" -bern zrh-core', 'AB')).toEqual({
    words: `('line':AB <-> 'down':AB) & !'bern':AB & ('zrh':AB <-> 'core':*AB)`,
    wholeWords: `('line':AB <-> 'down':AB) & !'bern':AB`,
  });
});

it.each([
  ['line', null],
  ['-bern line', null],
  ['line do', `'line' & 'do'`],
  ['line -bern down', `'line' & !'bern'`],
])('tells the whole words of %s', (typed, query) => {
  expect(searchQuery(typed, '')?.wholeWords).toBe(query);
});

it.each(['', '   ', '-', '""', '-line', '-"line down" -bern', '!!! …'])(
  'finds nothing to look for in "%s"',
  (typed) => {
    expect(searchQuery(typed, '')).toBeNull();
  },
);

it('never lets a sign of the query language through', () => {
  const signs = fc.string({ unit: fc.constantFrom(...'ab1.\'"\\:*&|!<>()- \0é') });
  fc.assert(
    fc.property(signs, (typed) => {
      const query = searchQuery(typed, 'AB')?.words ?? '';
      expect(query.replaceAll(/!?\(?'[^'\\\0]+':\*?AB\)?/gu, 'W')).toMatch(/^(W( (&|<->) W)*)?$/u);
    }),
    { numRuns: 2_000 },
  );
});
