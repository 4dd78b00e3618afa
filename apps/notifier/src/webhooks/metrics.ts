import { Counter, Gauge, Histogram } from 'prom-client';

export const attempted = new Counter({
  name: 'notifier_webhook_attempts_total',
  help: 'Requests to webhooks, by what became of them (delivered, failed)',
  labelNames: ['outcome'] as const,
});

export const attemptSeconds = new Histogram({
  name: 'notifier_webhook_seconds',
  help: 'How long a request to a webhook took',
  buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15],
});

export const waiting = new Gauge({
  name: 'notifier_webhook_waiting',
  help: 'Events that are still to be delivered to webhooks, of all instances',
});

export const deadLetters = new Gauge({
  name: 'notifier_webhook_dead_letters',
  help: 'Events that were not delivered to a webhook for three days and were given up',
});

export const failing = new Gauge({
  name: 'notifier_webhook_failing',
  help: 'Webhooks whose last attempts have all failed',
});
