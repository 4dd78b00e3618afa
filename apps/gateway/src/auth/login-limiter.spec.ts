import { LoginLimiter } from './login-limiter.js';

const KEY = '192.0.2.1 zoe@customer.test';
let now = 0;
const limiter = () => new LoginLimiter({ failures: 3, windowMs: 60_000, capacity: 2 }, () => now);

beforeEach(() => {
  now = 1_000_000;
});

it('stops after so many failures until the window has passed', () => {
  const logins = limiter();
  expect([1, 2, 3].map(() => logins.begin(KEY))).toEqual([0, 0, 0]);
  now += 20_500;
  expect(logins.begin(KEY)).toBe(40);
  now += 39_500;
  expect(logins.begin(KEY)).toBe(0);
});

it('counts attempts that are still being decided', () => {
  const logins = limiter();
  const answers = Array.from({ length: 5 }, () => logins.begin(KEY));
  expect(answers.filter((wait) => wait === 0)).toHaveLength(3);
});

it('forgets failures after a success', () => {
  const logins = limiter();
  logins.begin(KEY);
  logins.begin(KEY);
  logins.begin(KEY);
  logins.succeeded(KEY);
  expect(logins.begin(KEY)).toBe(0);
});

it('does not count what came to no decision', () => {
  const logins = limiter();
  for (let i = 0; i < 10; i++) {
    expect(logins.begin(KEY)).toBe(0);
    logins.undecided(KEY);
  }
});

it('keeps others apart and its memory bounded', () => {
  const logins = limiter();
  for (let i = 0; i < 3; i++) logins.begin(KEY);
  expect(logins.begin('192.0.2.2 zoe@customer.test')).toBe(0);
  expect(logins.begin(KEY)).toBeGreaterThan(0);
  expect(logins.begin('192.0.2.3 zoe@customer.test')).toBe(0); // the third key: the oldest is forgotten
  expect(logins.begin(KEY)).toBe(0);
});
