import { SuppressionAlarm } from './suppression-alarm.js';

const HOUR = 3_600_000;

it('is loud once in an hour for each rule and what it counts by', () => {
  const lines: string[] = [];
  const write =
    (level: string) =>
    ({ rule, key }: { rule: string; key: string }): void =>
      void lines.push(`${level} ${rule} ${key}`);
  const alarm = new SuppressionAlarm({ error: write('error') as never, debug: write('debug') as never });
  const report = (rule: 'domain-hour' | 'recipient-hour', recipient: string, now: number) =>
    alarm.report({ id: 'd', rule, recipient }, 42, now);

  report('domain-hour', 'a@partner.test', HOUR);
  report('domain-hour', 'b@partner.test', HOUR + 1);
  report('domain-hour', 'c@other.test', HOUR + 2);
  report('recipient-hour', 'a@partner.test', HOUR + 3);
  report('domain-hour', 'd@partner.test', 2 * HOUR);
  expect(lines).toEqual([
    'error domain-hour partner.test',
    'debug domain-hour partner.test',
    'error domain-hour other.test',
    'error recipient-hour a@partner.test',
    'error domain-hour partner.test',
  ]);
});
