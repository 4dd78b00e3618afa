import { baseSubject, sameBaseSubject } from './base-subject.js';

it.each([
  'Line down',
  'Re: Line down',
  'AW: WG: Line down',
  'SV: VS: TR: RV: Antw: Odp: Fwd: FW: Line down',
  'Re[2]: Line down',
  'RE (3) : Line down',
  'Re: [#1042] Line down',
  '[#1042] Re: Line down',
  'Line down [#1042]',
  '转发：回复: Line down',
  '  re:   Line   down ',
])('%j is about "Line down"', (subject) => {
  expect(baseSubject(subject)).toBe('Line down');
  expect(sameBaseSubject(subject, 'LINE DOWN')).toBe(true);
});

it.each(['Regarding: Line down', 'Line up', 'Line down again', 'Release: Line down', ''])('%j is not', (subject) => {
  expect(sameBaseSubject(subject, 'Line down')).toBe(false);
});

it('is empty when nothing but prefixes is there', () => {
  expect(baseSubject('Re: [#42]')).toBe('');
});

it('knows long subjects again that were cut', () => {
  const long = 'a word and '.repeat(40);
  expect(sameBaseSubject(long, `Re: [#1] ${long.slice(0, 200)}…`)).toBe(true);
});

it('costs little, whatever it is', () => {
  const begun = performance.now();
  for (const unit of ['re:', 're ', '[#1]', 're[1', ' ', 'r']) baseSubject(unit.repeat(500_000));
  expect(performance.now() - begun).toBeLessThan(5_000);
});
