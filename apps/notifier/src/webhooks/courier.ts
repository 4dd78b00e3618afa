/**
 * Takes what is due from the queue, posts it, and writes down what came of it. One loop does the bookkeeping; each request
 * runs beside it.
 */
import { ENV, LOGGER, pause, SecretBox, type HostPolicy, type Logger } from '#platform';
import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import type { NotifierEnv } from '../env.js';
import { EndpointFailed, post, TIMEOUT_MS, type Answer } from './endpoint.js';
import * as metrics from './metrics.js';
import { WebhookQueue, type AttemptResult, type ClaimedDelivery } from './queue.js';
import { LONGEST_DELAY_SECONDS, retryDelaySeconds } from './retry.js';
import { signedHeaders } from './signature.js';
import { placeOf } from './subscriptions.js';

const HANDS = 32;
const POLL_MS = 1_000;
/** Requests that end within so short a time of each other are written down together. */
const GATHER_MS = 5;
const SWEEP_EVERY_MS = 15_000;
const FORGET_EVERY_MS = 3_600_000;
/** A service has ten seconds to end: requests that take longer than this are cut off and made again later. */
const FINISH_MS = 6_000;

type Request = Pick<ClaimedDelivery, 'webhookId' | 'eventId' | 'event' | 'url' | 'secret' | 'formerSecret'>;

interface Attempt {
  status: number | null;
  /** Null when it was delivered. */
  error: string | null;
  retryAfter: number | null;
}

@Injectable()
export class Courier implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly policy: HostPolicy;
  private readonly stopping = new AbortController();
  private readonly cutOff = new AbortController();
  private readonly inHand = new Map<string, ClaimedDelivery & { done: Promise<void> }>();
  private results: AttemptResult[] = [];
  private awake = new AbortController();
  private running: Promise<void>[] = [];

  constructor(
    private readonly queue: WebhookQueue,
    private readonly box: SecretBox,
    @Inject(ENV) env: NotifierEnv,
    @Inject(LOGGER) private readonly log: Logger,
  ) {
    this.policy = { allowPrivate: env.WEBHOOK_PRIVATE_HOSTS };
  }

  onApplicationBootstrap(): void {
    this.running = [this.deliver(), this.sweep()];
  }

  /** Finishes the requests in hand and writes their results down. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort('stopping');
    this.wake();
    const timer = setTimeout(() => this.cutOff.abort('stopping'), FINISH_MS);
    await Promise.all(this.running);
    clearTimeout(timer);
  }

  /** There may be something to do. */
  wake(): void {
    this.awake.abort('woken');
  }

  /** Posts an event once. */
  async request({ webhookId, eventId, event, url, secret, formerSecret }: Request): Promise<Attempt> {
    try {
      const secrets = [secret, formerSecret].filter((one) => one !== null);
      const opened = secrets.map((one) => this.box.open(one, placeOf(webhookId)));
      const headers = {
        'content-type': 'application/cloudevents+json',
        'user-agent': 'helpdesk-webhooks/1',
        ...signedHeaders(eventId, Math.floor(Date.now() / 1_000), event, opened),
      };
      const signal = AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), this.cutOff.signal]);
      return attemptOf(await post(url, { headers, body: event, policy: this.policy, signal }));
    } catch (error) {
      const reason = error instanceof EndpointFailed ? error.message : `the secret ${(error as Error).message}`;
      return { status: null, error: reason, retryAfter: null };
    }
  }

  private async deliver(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      this.awake = new AbortController();
      try {
        await this.settleResults();
        await this.takeMore();
        if (this.results.length === 0) await pause(POLL_MS, this.awake.signal);
        if (this.inHand.size > 0) await pause(GATHER_MS, this.stopping.signal);
      } catch (error) {
        this.log.error({ err: error }, 'the queue of webhooks cannot be used');
        await pause(POLL_MS, this.stopping.signal);
      }
    }
    await Promise.all([...this.inHand.values()].map(({ done }) => done));
    await this.settleResults().catch((error: unknown) => this.log.error({ err: error }, 'results not recorded'));
  }

  private async settleResults(): Promise<void> {
    if (this.results.length === 0) return;
    const settling = [...this.results];
    for (const { webhookId, isNewlyFailing, isNewlyGone, error } of await this.queue.settle(settling)) {
      if (isNewlyFailing) this.log.error({ webhook: webhookId, error }, 'webhook failing');
      if (isNewlyGone) this.log.error({ webhook: webhookId }, 'webhook gone: it is paused');
    }
    this.results = this.results.slice(settling.length);
    for (const result of settling) this.inHand.delete(keyOf(result));
  }

  private async takeMore(): Promise<void> {
    const freeHands = HANDS - this.inHand.size;
    if (freeHands <= 0 || this.stopping.signal.aborted) return;
    const busy = [...this.inHand.values()].map(({ webhookId }) => webhookId);
    for (const delivery of await this.queue.claim(freeHands, busy)) {
      this.inHand.set(keyOf(delivery), { ...delivery, done: this.attempt(delivery) });
    }
  }

  private async attempt(delivery: ClaimedDelivery): Promise<void> {
    const stopTimer = metrics.attemptSeconds.startTimer();
    const attempt = await this.request(delivery);
    if (attempt.error !== null && this.cutOff.signal.aborted) return; // nobody knows; made again when the lease has ended
    stopTimer();
    const { webhookId, eventId, eventType, ticketNumber, attempts } = delivery;
    const delivered = attempt.error === null;
    metrics.attempted.inc({ outcome: delivered ? 'delivered' : 'failed' });
    const about = { webhook: webhookId, event: eventId, type: eventType, ticket: ticketNumber, attempt: attempts };
    if (delivered) this.log.debug(about, 'webhook delivered');
    else this.log.warn({ ...about, reason: attempt.error }, 'webhook not delivered');
    const restSeconds = Math.min(attempt.retryAfter ?? 0, LONGEST_DELAY_SECONDS);
    this.results.push({
      webhookId,
      eventId,
      attempts,
      delivered,
      delaySeconds: Math.max(retryDelaySeconds(attempts, Math.random()), restSeconds),
      restSeconds,
      gone: attempt.status === 410,
      error: attempt.error,
    });
    this.wake();
  }

  /** Gives up what has waited too long, forgets what is over, and counts. */
  private async sweep(): Promise<void> {
    let forgottenAt = -Infinity;
    while (!this.stopping.signal.aborted) {
      try {
        const expired = await this.queue.expire();
        if (expired > 0) this.log.error({ events: expired }, 'webhooks not delivered for three days: dead letters');
        if (performance.now() - forgottenAt > FORGET_EVERY_MS) {
          await this.queue.forget();
          forgottenAt = performance.now();
        }
        const { waiting, dead, failing } = await this.queue.figures();
        metrics.waiting.set(waiting);
        metrics.deadLetters.set(dead);
        metrics.failing.set(failing);
      } catch (error) {
        this.log.warn({ err: error }, 'webhooks not swept');
      }
      await pause(SWEEP_EVERY_MS, this.stopping.signal);
    }
  }
}

function keyOf({ webhookId, eventId }: { webhookId: string; eventId: string }): string {
  return `${webhookId} ${eventId}`;
}

/** Delivered is what is answered with 2xx, and nothing else. */
function attemptOf({ status, retryAfter }: Answer): Attempt {
  if (status >= 200 && status < 300) return { status, error: null, retryAfter: null };
  const hint = status >= 300 && status < 400 ? ', and redirects are not followed' : '';
  return { status, error: `the endpoint answers ${status}${hint}`, retryAfter };
}
