import { parseDuration } from './duration.js';

it.each([
  ['15m', 900],
  ['4h', 14_400],
  ['1h30m', 5_400],
  ['90m', 5_400],
  ['0m', 0],
  ['8784h', 31_622_400],
  [900, 900],
  [0, 0],
])('reads %j as %d seconds', (written, seconds) => {
  expect(parseDuration(written)).toBe(seconds);
});

it.each([
  '',
  'h',
  '1d',
  '2 h',
  '30m1h',
  '1.5h',
  '-1h',
  '1h30',
  '30s',
  '8785h',
  0.5,
  -1,
  31_622_401,
  NaN,
  null,
  true,
  [],
])('takes %j for no duration', (written) => {
  expect(parseDuration(written)).toBeUndefined();
});
