/**
 * Takes due deliveries from the ledger, hands them to the mail server, and writes down what it said.
 *
 * One loop does all the bookkeeping, so that results that come in while a statement runs are written together with the
 * next one: settle what has ended, take as many as there are free hands, wait for the next thing to happen (a dialogue
 * ends, a consumer has written deliveries, or the poll that finds retries and what other instances left).
 *
 * While the mail server cannot be reached nothing is taken: every try would only use up an attempt. It is checked with
 * growing pauses, which a mail that is taken resets.
 */
import { ENV, LOGGER, pause, Readiness, type Logger } from '#platform';
import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import type { NotifierEnv } from '../env.js';
import { LEASE_SECONDS, Ledger, type ClaimedDelivery, type DeliveryResult } from './ledger.js';
import { toSend } from './ledger-mail.js';
import { attempted, delaySeconds, dialogueSeconds, queueLength } from './metrics.js';
import { Relay, type SendResult } from './relay.js';
import { retryDelayMs } from './retry.js';

const POLL_MS = 1_000;
/** Dialogues that end within so short a time of each other are written down, and followed, together. */
const GATHER_MS = 5;
const FORGET_EVERY_MS = 3_600_000;
const PROLONG_MS = (LEASE_SECONDS * 1_000) / 4;
const FIRST_CHECK_MS = 250;
const LONGEST_CHECK_MS = 15_000;
/** A service has ten seconds to end: dialogues that take longer than this are cut off and tried again later. */
const FINISH_MS = 6_000;

@Injectable()
export class Sender implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly stopping = new AbortController();
  private readonly inHand = new Map<string, Promise<void>>();
  private readonly results: DeliveryResult[] = [];
  private awake = new AbortController();
  private running: Promise<void>[] = [];
  /** Why the mail server is not used at the moment. */
  private unavailable: string | null = null;
  private checkPauseMs = FIRST_CHECK_MS;

  constructor(
    private readonly ledger: Ledger,
    private readonly relay: Relay,
    @Inject(ENV) private readonly env: NotifierEnv,
    @Inject(LOGGER) private readonly log: Logger,
    readiness: Readiness,
  ) {
    readiness.register('smtp', async () => {
      if (this.unavailable !== null) throw new Error(this.unavailable);
      await this.relay.check();
    });
  }

  onApplicationBootstrap(): void {
    this.running = [this.deliver(), this.keepLeases()];
  }

  /** Finishes the dialogues in hand and writes their results down. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    this.wake();
    const cutOff = setTimeout(() => this.relay.close(true), FINISH_MS);
    await Promise.all(this.running);
    clearTimeout(cutOff);
    this.relay.close();
  }

  /** There may be something to do. */
  wake(): void {
    this.awake.abort('woken'); // with a reason of its own: the default one is an error with a stack
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
        this.log.error({ err: error }, 'the ledger cannot be used');
        await pause(POLL_MS, this.stopping.signal);
      }
    }
    await Promise.all(this.inHand.values());
    await this.settleResults().catch((error: unknown) => this.log.error({ err: error }, 'results not recorded'));
  }

  private async settleResults(): Promise<void> {
    if (this.results.length === 0) return;
    const settling = [...this.results];
    await this.ledger.settle(settling);
    this.results.splice(0, settling.length);
    for (const { id } of settling) this.inHand.delete(id);
  }

  private async takeMore(): Promise<void> {
    const freeHands = this.env.SMTP_CONCURRENCY - this.inHand.size;
    if (freeHands <= 0 || this.unavailable !== null || this.stopping.signal.aborted) return;
    for (const delivery of await this.ledger.claim(freeHands)) this.inHand.set(delivery.id, this.send(delivery));
  }

  private async send(delivery: ClaimedDelivery): Promise<void> {
    const stopTimer = dialogueSeconds.startTimer();
    const sent = await this.handOver(delivery);
    const seconds = stopTimer();
    const result = resultOfAttempt(delivery, sent, Math.random());
    this.results.push(result);
    this.wake();
    attempted.inc({ state: result.state, template: delivery.template });
    if (sent.outcome === 'sent') delaySeconds.observe(delivery.ageSeconds + seconds);
    this.report(delivery, sent, result);
  }

  private async handOver(delivery: ClaimedDelivery): Promise<SendResult> {
    let mail;
    try {
      mail = toSend(delivery, this.env.MAIL_LOOP_TOKEN);
    } catch (error) {
      return { outcome: 'refused', response: null, reason: String(error) };
    }
    return this.relay.send(mail);
  }

  private report(delivery: ClaimedDelivery, sent: SendResult, { state }: DeliveryResult): void {
    const { id, ticketNumber, template, attempts } = delivery;
    const about = { delivery: id, ticket: ticketNumber, template, attempt: attempts, state };
    if (sent.outcome === 'sent') {
      this.checkPauseMs = FIRST_CHECK_MS;
      this.log.info(about, 'mail sent');
    } else {
      const { reason, response } = sent;
      this.log.warn({ ...about, reason, response }, 'mail not sent');
      if (sent.outcome === 'deferred' && sent.unavailable) this.awaitRelay(reason);
    }
  }

  /** Stops taking deliveries until the mail server can be used again. */
  private awaitRelay(reason: string): void {
    if (this.unavailable !== null) return;
    this.unavailable = reason;
    this.log.warn({ reason }, 'mail server unavailable');
    const checking = async (): Promise<void> => {
      while (!this.stopping.signal.aborted) {
        await pause(this.checkPauseMs, this.stopping.signal);
        this.checkPauseMs = Math.min(this.checkPauseMs * 2, LONGEST_CHECK_MS);
        try {
          await this.relay.check();
          this.unavailable = null;
          this.log.info('mail server available again');
          return this.wake();
        } catch (error) {
          this.unavailable = error instanceof Error ? error.message : String(error);
        }
      }
    };
    void checking();
  }

  /** Says that this instance still works on what it has taken, counts the queue, and sweeps up now and then. */
  private async keepLeases(): Promise<void> {
    let forgottenAt = -Infinity;
    while (!this.stopping.signal.aborted) {
      try {
        if (this.inHand.size > 0) await this.ledger.prolong([...this.inHand.keys()]);
        queueLength.set(await this.ledger.waiting());
        if (performance.now() - forgottenAt > FORGET_EVERY_MS) {
          await this.ledger.forget();
          forgottenAt = performance.now();
        }
      } catch (error) {
        this.log.warn({ err: error }, 'leases not prolonged');
      }
      await pause(PROLONG_MS, this.stopping.signal);
    }
  }
}

function resultOfAttempt({ id, attempts }: ClaimedDelivery, sent: SendResult, random: number): DeliveryResult {
  const base = { id, attempts, delayMs: 0, response: sent.response };
  if (sent.outcome === 'sent') return { ...base, state: 'sent', error: null };
  const delayMs = sent.outcome === 'deferred' ? retryDelayMs(attempts, random) : null;
  if (delayMs === null) return { ...base, state: 'failed', error: sent.reason };
  return { ...base, state: 'pending', delayMs, error: sent.reason };
}
