import fc from 'fast-check';
import { inBatches } from './batches.js';

const limits = { smallBytes: 100, mails: 3, bytes: 250 };
const sizes = (...given: number[]) =>
  inBatches(
    given.map((size, index) => ({ uid: index + 1, size })),
    limits,
  ).map((batch) => batch.map(({ size }) => size));

describe('batches of mails', () => {
  it('take small mails together, as many and as large as the limits allow', () => {
    expect(sizes(1, 2, 3, 4)).toEqual([[1, 2, 3], [4]]);
    expect(sizes(100, 100, 50, 1)).toEqual([[100, 100, 50], [1]]);
    expect(sizes(100, 100, 60)).toEqual([[100, 100], [60]]);
  });

  it('take a larger mail alone, in its place', () => {
    expect(sizes(1, 101, 2, 500, 600, 3)).toEqual([[1], [101], [2], [500], [600], [3]]);
  });

  it('are none when there is nothing', () => {
    expect(sizes()).toEqual([]);
  });

  it('lose nothing, keep the order and the limits', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 300 })), (given) => {
        const batches = sizes(...given);
        expect(batches.flat()).toEqual(given);
        for (const batch of batches) {
          expect(batch.length).toBeGreaterThan(0);
          if (batch.length === 1) continue;
          expect(batch.length).toBeLessThanOrEqual(limits.mails);
          expect(Math.max(...batch)).toBeLessThanOrEqual(limits.smallBytes);
          expect(batch.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(limits.bytes);
        }
      }),
    );
  });
});
