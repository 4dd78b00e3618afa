import { Counter, Gauge, Histogram } from 'prom-client';

export const attempted = new Counter({
  name: 'notifier_deliveries_total',
  help: 'Attempts to deliver a mail, by what became of it (sent, failed, or pending again)',
  labelNames: ['state', 'template'] as const,
});

export const suppressed = new Counter({
  name: 'notifier_suppressed_total',
  help: 'Automatic mails to customers that a limit held back',
  labelNames: ['rule'] as const,
});

export const queueLength = new Gauge({
  name: 'notifier_queue_length',
  help: 'Deliveries that are not over yet, of all instances',
});

export const dialogueSeconds = new Histogram({
  name: 'notifier_smtp_seconds',
  help: 'How long handing a mail over to the mail server took',
  buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
});

export const delaySeconds = new Histogram({
  name: 'notifier_delay_seconds',
  help: 'From the ledger entry until the mail server has taken the mail',
  buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 60, 300, 3_600, 86_400],
});
