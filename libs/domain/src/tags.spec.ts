import { normalTag, normalTags } from './tags.js';

const broken = (texts: string[]) => {
  const result = normalTags(texts);
  return 'refusals' in result ? result.refusals.map(({ field, code }) => `${field} ${code}`) : [];
};

it('keeps one spelling of each, sorted', () => {
  expect(normalTags(['  VPN ', 'fibre', 'Äther'])).toEqual({ tags: ['fibre', 'vpn', 'äther'] });
  expect(normalTag('e\u0301')).toBe('\u00e9');
});

it('allows none at all', () => {
  expect(normalTags([])).toEqual({ tags: [] });
});

it('names each broken rule with the place of its tag', () => {
  expect(broken(['ok', ' ', 'x'.repeat(51), 'a\tb', 'OK'])).toEqual([
    'tags.1 tag_length_invalid',
    'tags.2 tag_length_invalid',
    'tags.3 tag_invalid',
    'tags.4 tag_repeated',
  ]);
});

it.each(['a\nb', 'a\u0000b', 'a\u0085b', 'a\u2028b'])('refuses the control character in %j', (tag) => {
  expect(broken([tag])).toEqual(['tags.0 tag_invalid']);
});

it('counts characters as people do, not code units', () => {
  expect(broken(['🦊'.repeat(50)])).toEqual([]);
  expect(broken(['🦊'.repeat(51)])).toEqual(['tags.0 tag_length_invalid']);
});

it('takes 30 and refuses 31', () => {
  const many = (count: number) => Array.from({ length: count }, (_, index) => `tag ${index}`);
  expect(broken(many(30))).toEqual([]);
  expect(broken(many(31))).toEqual(['tags tags_too_many']);
});
