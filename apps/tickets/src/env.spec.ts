import { EnvError } from '#platform';
import { readEnv } from './env.js';

const GOOD = {
  DATABASE_URL: 'postgres://user:password@127.0.0.1:5432/helpdesk',
  NATS_URL: 'nats://127.0.0.1:4222',
  SUPPORT_ADDRESS: 'support@helpdesk.test',
};
const before = process.env;

afterEach(() => {
  process.env = before;
});

it('refuses a clock that can be shifted in production, and takes it in tests', () => {
  process.env = { ...GOOD, NODE_ENV: 'production', TEST_CLOCK: 'true' };
  expect(readEnv).toThrow(new EnvError(['TEST_CLOCK: must not be set in production']));
  process.env = { ...GOOD, NODE_ENV: 'test', TEST_CLOCK: 'true' };
  expect(readEnv().TEST_CLOCK).toBe(true);
  process.env = { ...GOOD, NODE_ENV: 'production', TEST_CLOCK: 'false' };
  expect(readEnv().TEST_CLOCK).toBe(false);
});
