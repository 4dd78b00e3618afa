import { EnvError, parseEnv } from '#platform';
import { NotifierEnv } from './env.js';

const GOOD = {
  DATABASE_URL: 'postgres://user:password@127.0.0.1:5432/helpdesk',
  NATS_URL: 'nats://127.0.0.1:4222',
  SMTP_URL: 'smtps://user:p%40ss@mail.example:465',
  MAIL_SIGNING_KEY: 'k'.repeat(32),
  MAIL_DOMAIN: 'helpdesk.test',
  MAIL_LOOP_TOKEN: 'a-token-of-ours',
  WEBHOOK_SECRET_KEY: 'w'.repeat(32),
};

function wrongVariables(variables: Record<string, string | undefined>): string[] {
  try {
    parseEnv(NotifierEnv, variables);
    return [];
  } catch (error) {
    if (!(error instanceof EnvError)) throw error;
    return error.lines.map((line) => line.split(':')[0]!);
  }
}

describe('the settings', () => {
  it('have defaults', () => {
    expect(parseEnv(NotifierEnv, GOOD)).toMatchObject({
      SUPPORT_NAME: 'Support',
      SMTP_CONCURRENCY: 5,
      WEBHOOK_PRIVATE_HOSTS: false,
    });
  });

  it('take an old signing key beside the new one', () => {
    expect(wrongVariables({ ...GOOD, MAIL_SIGNING_KEY: `${'n'.repeat(32)},${'o'.repeat(40)}` })).toEqual([]);
  });

  it.each([
    ['SMTP_URL', 'http://mail.example'],
    ['SMTP_URL', undefined],
    ['MAIL_SIGNING_KEY', 'short'],
    ['MAIL_SIGNING_KEY', `${'n'.repeat(32)},short`],
    ['MAIL_DOMAIN', 'not a domain'],
    ['MAIL_LOOP_TOKEN', 'two words'],
    ['SMTP_CONCURRENCY', '0'],
    ['WEBHOOK_SECRET_KEY', 'short'],
    ['WEBHOOK_SECRET_KEY', undefined],
    ['WEBHOOK_PRIVATE_HOSTS', 'perhaps'],
  ])('name what is wrong: %s=%s', (name, value) => {
    expect(wrongVariables({ ...GOOD, [name]: value })).toEqual([name]);
  });
});
