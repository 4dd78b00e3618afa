import { retryDelaySeconds } from './retry.js';

it('waits longer each time, up to an hour', () => {
  const delays = Array.from({ length: 12 }, (_, index) => retryDelaySeconds(index + 1, 0.5));
  expect(delays).toEqual([5, 10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600, 3_600]);
  expect(retryDelaySeconds(2_000, 0.5)).toBe(3_600);
});

it('differs by up to a fifth', () => {
  expect(retryDelaySeconds(1, 0)).toBeCloseTo(4);
  expect(retryDelaySeconds(1, 1)).toBeCloseTo(6);
});
