/** Writes events into the ledger. */
import { ENV, LOGGER, type Logger } from '#platform';
import { Inject, Injectable } from '@nestjs/common';
import type { NotifierEnv } from '../env.js';
import { GroupCommit } from '../group-commit.js';
import { Ledger, type HeldBack, type RecordedEvent } from './ledger.js';
import { domainOf } from './limits.js';
import { suppressed } from './metrics.js';

/** The durable consumer's name, on the stream and in the ledger. */
export const CONSUMER = 'notifier';

const ALARM_EVERY_MS = 3_600_000;

@Injectable()
export class Recorder {
  private readonly commits = new GroupCommit<RecordedEvent>((events) => this.write(events));
  /** When an alarm was last raised, by rule and domain. */
  private readonly alarms = new Map<string, number>();

  constructor(
    private readonly ledger: Ledger,
    @Inject(ENV) private readonly env: NotifierEnv,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  /** Resolves when the event is committed. @throws what the database says */
  async record(event: RecordedEvent): Promise<void> {
    await this.commits.add(event);
  }

  private async write(events: RecordedEvent[]): Promise<void> {
    for (const held of await this.ledger.record(CONSUMER, events, this.env)) this.report(held);
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
