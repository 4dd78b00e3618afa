/** What the notifier listens on: facts for mails, facts for webhooks, and requests about webhooks. */
import { JetStreamStrategy, RpcStrategy, type Logger } from '#platform';
import type { CustomTransportStrategy } from '@nestjs/microservices';
import type { NatsConnection } from '@nats-io/transport-node';
import { CONSUMER } from './delivery/recorder.js';
import { WEBHOOK_CONSUMER } from './webhooks/webhook-events.controller.js';

export function strategies({ nats, log }: { nats: NatsConnection; log: Logger }): CustomTransportStrategy[] {
  return [
    new JetStreamStrategy(nats, { durable: CONSUMER }, log),
    new JetStreamStrategy(nats, { durable: WEBHOOK_CONSUMER, whole: true }, log),
    new RpcStrategy(nats, 'notifier', log),
  ];
}
