import { pauseAfter } from './pauses.js';

const seconds = (kind: Parameters<typeof pauseAfter>[0], failures: number[]) =>
  failures.map((count) => pauseAfter(kind, count) / 1_000);

it('tries again soon when the network fails, and later each time', () => {
  expect(seconds('network', [1, 2, 3, 8, 9, 10, 1_000])).toEqual([1, 2, 4, 128, 256, 300, 300]);
});

it('leaves an account alone that is refused', () => {
  expect(seconds('credentials', [1, 2, 6, 7, 1_000])).toEqual([30, 60, 960, 1_800, 1_800]);
  expect(seconds('authorisation', [1, 2])).toEqual([30, 60]);
});
