/**
 * Writes events into the ledger, those that come in at the same time together: their consumer takes many at once, and a
 * commit costs as much for one as for all of them.
 */
import { ENV, LOGGER, type Logger } from '#platform';
import { Inject, Injectable } from '@nestjs/common';
import type { NotifierEnv } from '../env.js';
import { Ledger, type HeldBack, type RecordedEvent } from './ledger.js';
import { domainOf } from './limits.js';
import { suppressed } from './metrics.js';

/** The durable consumer's name, on the stream and in the ledger. */
export const CONSUMER = 'notifier';

const ALARM_EVERY_MS = 3_600_000;

interface Waiting {
  event: RecordedEvent;
  settle: (error: unknown) => void;
}

@Injectable()
export class Recorder {
  private waiting: Waiting[] = [];
  private isWriting = false;
  /** When an alarm was last raised, by rule and domain. */
  private readonly alarms = new Map<string, number>();

  constructor(
    private readonly ledger: Ledger,
    @Inject(ENV) private readonly env: NotifierEnv,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  /** Resolves when the event is committed. @throws what the database says */
  async record(event: RecordedEvent): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.waiting.push({ event, settle: (error) => (error === null ? resolve() : reject(error)) });
      void this.writeAll();
    });
  }

  private async writeAll(): Promise<void> {
    if (this.isWriting) return;
    this.isWriting = true;
    while (this.waiting.length > 0) await this.write(this.waiting.splice(0));
    this.isWriting = false;
  }

  /** Together; or, when that fails, one by one, so that nobody suffers for another. */
  private async write(batch: Waiting[]): Promise<void> {
    const events = batch.map(({ event }) => event);
    try {
      for (const held of await this.ledger.record(CONSUMER, events, this.env)) this.report(held);
      for (const { settle } of batch) settle(null);
    } catch (error) {
      if (batch.length === 1) batch[0]!.settle(error);
      else for (const one of batch) await this.write([one]);
    }
  }

  private report({ id, ticketNumber, recipient, template, rule }: HeldBack): void {
    suppressed.inc({ rule });
    const domain = domainOf(recipient);
    const about = { delivery: id, ticket: ticketNumber, template, rule, domain };
    const key = rule === 'breaker' ? rule : `${rule} ${domain}`;
    const now = performance.now();
    if (now - (this.alarms.get(key) ?? -Infinity) < ALARM_EVERY_MS) {
      this.log.info(about, 'mail held back');
      return;
    }
    for (const [old, at] of this.alarms) if (now - at >= ALARM_EVERY_MS) this.alarms.delete(old);
    this.alarms.set(key, now);
    this.log.error(about, 'automatic mail held back');
  }
}
