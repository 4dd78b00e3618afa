import { EnvError, parseEnv, ServiceEnv } from './env.js';

const good = { DATABASE_URL: 'postgres://u:p@localhost/db', NATS_URL: 'nats://u:p@127.0.0.1:4222' };

function linesOf(source: Record<string, string | undefined>): string[] {
  try {
    parseEnv(ServiceEnv, source);
  } catch (error) {
    if (error instanceof EnvError) return error.lines;
    throw error;
  }
  throw new Error('nothing was wrong');
}

it('takes defaults for what is not set, and an empty variable is not set', () => {
  const env = parseEnv(ServiceEnv, { ...good, LOG_LEVEL: '', OPS_PORT: '9100', SOMETHING_ELSE: 'x' });
  expect(env).toMatchObject({ ...good, LOG_LEVEL: 'info', OPS_PORT: 9100, NODE_ENV: 'development' });
});

it('names every wrong variable in a line of its own', () => {
  const lines = linesOf({ NATS_URL: 'http://x', OPS_PORT: '70000', RPC_TIMEOUT_MS: 'soon', NODE_ENV: 'prod' });
  expect(new Set(lines.map((line) => line.split(':')[0]))).toEqual(
    new Set(['DATABASE_URL', 'NATS_URL', 'NODE_ENV', 'OPS_PORT', 'RPC_TIMEOUT_MS']),
  );
  expect(lines).toHaveLength(5);
});

it('never repeats a value: it may be a secret', () => {
  expect(linesOf({ ...good, DATABASE_URL: 'mysql://root:hunter2@localhost/db' }).join()).not.toContain('hunter2');
});
