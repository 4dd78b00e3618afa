import { retryDelayMs } from './retry.js';

const EVEN = 0.5; // in the middle of the jitter

describe('the retry schedule', () => {
  it('starts with a second and doubles up to an hour', () => {
    const delays = [1, 2, 3, 12, 13, 50].map((attempt) => retryDelayMs(attempt, EVEN));
    expect(delays).toEqual([1_000, 2_000, 4_000, 2_048_000, 3_600_000, 3_600_000]);
  });

  it('spreads mails that failed together by a fifth to either side', () => {
    expect(retryDelayMs(1, 0)).toBe(800);
    expect(retryDelayMs(1, 0.999_999)).toBe(1_200);
  });

  it('gives up after about five days', () => {
    let total = 0;
    let attempt = 1;
    for (; retryDelayMs(attempt, EVEN) !== null; attempt++) total += retryDelayMs(attempt, EVEN)!;
    expect(total / 86_400_000).toBeCloseTo(5, 1);
    expect(retryDelayMs(attempt + 1, EVEN)).toBeNull();
  });
});
