import { OnEveryEvent, type Outcome, type StreamedEvent } from '#platform';
import { Controller } from '@nestjs/common';
import { GroupCommit } from '../group-commit.js';
import { Courier } from './courier.js';
import { WebhookQueue, type NewEvent } from './queue.js';

/** The durable consumer's name on the stream. */
export const WEBHOOK_CONSUMER = 'webhooks';

/** Turns facts into deliveries, which are committed before the fact is acknowledged. */
@Controller()
export class WebhookEventsController {
  private readonly commits = new GroupCommit<NewEvent>((events) => this.write(events));

  constructor(
    private readonly queue: WebhookQueue,
    private readonly courier: Courier,
  ) {}

  @OnEveryEvent()
  async take({ event, json }: StreamedEvent): Promise<Outcome> {
    const { id, type, subject, sequence } = event;
    if (!/^[1-9]\d{0,8}$/.test(subject)) return { discard: 'the subject is no ticket number' };
    await this.commits.add({ id, type, ticketNumber: Number(subject), sequence, json });
    return 'done';
  }

  private async write(events: NewEvent[]): Promise<void> {
    if ((await this.queue.record(events)) > 0) this.courier.wake();
  }
}
