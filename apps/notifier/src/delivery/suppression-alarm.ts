/** Held back mail is counted and told to operators: loudly for each rule and what it counts by, but once in an hour. */
import type { Logger } from '#platform';
import { suppressionKey } from './limits.js';
import { suppressedTotal } from './metrics.js';
import type { SuppressedDelivery } from './recorder.js';

const HOUR_MS = 3_600_000;

export class SuppressionAlarm {
  private hour = 0;
  private raised = new Set<string>();

  constructor(private readonly log: Pick<Logger, 'error' | 'debug'>) {}

  /** @param now milliseconds since the epoch */
  report({ id, rule, recipient }: SuppressedDelivery, ticketNumber: number, now: number): void {
    suppressedTotal.inc({ rule });
    const key = suppressionKey(rule, recipient, ticketNumber);
    const level = this.isFirst(`${rule} ${key}`, now) ? 'error' : 'debug';
    this.log[level]({ rule, key, delivery: id, ticket: ticketNumber }, 'automatic mail held back');
  }

  private isFirst(alarm: string, now: number): boolean {
    const hour = Math.floor(now / HOUR_MS);
    if (hour !== this.hour) this.raised.clear();
    this.hour = hour;
    const isFirst = !this.raised.has(alarm);
    this.raised.add(alarm);
    return isFirst;
  }
}
