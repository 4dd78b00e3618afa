import { overLimit, tally, type Arrival } from './floods.js';

const at = (time: string) => new Date(`2026-03-02T${time}Z`);
const WINDOW = at('10:00:00').getTime() / 600_000;
const KEY = 'mara@customer.test';

const arrivals = (count: number, time: string, key = KEY): Arrival[] =>
  Array.from({ length: count }, (_, index) => ({ id: `${key} ${time} ${index}`, key, receivedAt: at(time) }));

/** As if the counters had nothing but this of the batch's keys before. */
function over(batch: Arrival[], limit: number, before: { count?: number; previous?: number } = {}): string[] {
  const { count = 0, previous = 0 } = before;
  const counts = tally(batch).map((one) => ({ ...one, count: one.added + count, previous }));
  return overLimit(batch, counts, limit).map(({ id }) => id);
}

it('tallies each key in each window of ten minutes', () => {
  const batch = [...arrivals(2, '10:00:00'), ...arrivals(1, '10:09:59'), ...arrivals(3, '10:10:00')];
  expect(tally([...batch, ...arrivals(1, '10:00:00', '@customer.test')])).toEqual([
    { key: KEY, window: WINDOW, added: 3 },
    { key: KEY, window: WINDOW + 1, added: 3 },
    { key: '@customer.test', window: WINDOW, added: 1 },
  ]);
});

it('holds what comes after the limit, and nothing at the limit', () => {
  expect(over(arrivals(60, '10:00:00'), 60)).toEqual([]);
  expect(over(arrivals(61, '10:00:00'), 60)).toEqual([`${KEY} 10:00:00 60`]);
});

it('goes on from what was counted before', () => {
  expect(over(arrivals(3, '10:05:00'), 60, { count: 58 })).toEqual([`${KEY} 10:05:00 2`]);
  expect(over(arrivals(3, '10:05:00'), 60, { count: 500 })).toHaveLength(3);
});

it('counts as much of the window before as the ten minutes before a mail reach into it', () => {
  expect(over(arrivals(1, '10:00:00'), 60, { previous: 60 })).toHaveLength(1);
  expect(over(arrivals(30, '10:05:00'), 60, { previous: 60 })).toEqual([]);
  expect(over(arrivals(31, '10:05:00'), 60, { previous: 60 })).toEqual([`${KEY} 10:05:00 30`]);
  expect(over(arrivals(59, '10:09:59'), 60, { previous: 60 })).toEqual([]);
});

it('knows no flood in mails that came one after the other over a long time', () => {
  const batch = Array.from({ length: 200 }, (_, index) => ({
    id: String(index),
    key: KEY,
    receivedAt: new Date(at('10:00:00').getTime() + index * 60_000),
  }));
  const counts = tally(batch).map((one, index) => ({ ...one, count: one.added, previous: index === 0 ? 0 : 10 }));
  expect(overLimit(batch, counts, 20)).toEqual([]);
});

it('says how many there were', () => {
  const batch = arrivals(1, '10:05:00');
  expect(overLimit(batch, [{ key: KEY, window: WINDOW, added: 1, count: 40, previous: 43 }], 60)).toEqual([
    { id: batch[0]!.id, key: KEY, window: WINDOW, count: 62 },
  ]);
});
