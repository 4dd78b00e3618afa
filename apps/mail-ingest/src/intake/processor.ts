/**
 * Turns stored mails of one mailbox into dispositions, oldest first: parse, identify, interpret, hold back floods, offer to
 * tickets, record. Every step may be cut off and repeated: what is recorded is only what was answered, and tickets answers a
 * repeated offer with its first answer.
 */
import { acceptMail, type AcceptedMail, type AcceptMailResult, type IncomingMail } from '#contracts';
import { BusError, type Bus, type Logger, pause, type Sql } from '#platform';
import { Counter, Histogram } from 'prom-client';
import { FLOOD, type FloodGuard } from './floods.js';
import {
  beginAttempt,
  countRefusal,
  dispose,
  type Disposed,
  identify,
  quarantineWithTicket,
  retryLater,
  takeBackAttempt,
  waitingMessages,
  type WaitingMessage,
} from './inbox.js';
import { inMessages, type Interpretation } from './interpretation.js';
import type { ParseResult } from './parse.worker.js';
import { type Parser, ParserUnavailable } from './parser.js';

/** As often a mail may kill the parser, or be refused by tickets while others are taken. */
const MAX_ATTEMPTS = 3;
const KILLED = `the service ended ${MAX_ATTEMPTS} times while it read this mail`;
const LONGEST_PAUSE_MS = 30_000;
/** A mail that could not be read is tried again after this, then after four times as much. */
const REREAD_MS = 5_000;
/** A mail that tickets refused is offered again after this, then after four times as much. */
const REOFFER_MS = 60_000;
/** When tickets fails over each of several mails, it is left alone for so long. */
const ILL_PAUSE_MS = 10_000;
/** An answer of tickets is waited for this long after the signal to stop; it can be had again later. */
const STOP_LIMIT_MS = 5_000;
/** A safety net: a stored mail wakes the processor at once. */
const POLL_MS = 1_000;

const disposed = new Counter({
  name: 'mail_disposed_total',
  help: 'Mails by what became of them',
  labelNames: ['disposition'],
});
const parseSeconds = new Histogram({ name: 'mail_parse_batch_seconds', help: 'Time to take one batch of mails apart' });

export interface ProcessorOptions {
  sql: Sql;
  bus: Pick<Bus, 'expect'>;
  parser: Pick<Parser, 'parse'>;
  floods: Pick<FloodGuard, 'over'>;
  log: Logger;
  mailboxId: string;
  batchSize: number;
}

type Offer = Extract<Interpretation, { offer: IncomingMail }>;

/** What became of an offer: tickets took it, will not take it as it is, or there was no answer before the stop. */
type Answer = 'taken' | { fault: BusError } | 'stopped';

export class Processor {
  private wakeUp = new AbortController();

  constructor(private readonly options: ProcessorOptions) {}

  /** There may be new mails. */
  wake(): void {
    this.wakeUp.abort('woken');
  }

  /** While tickets takes one batch, the next is parsed; a batch is offered only after the one before was answered. */
  async run(stopping: AbortSignal): Promise<void> {
    const failed = new AbortController();
    const signal = AbortSignal.any([stopping, failed.signal]);
    let inHand: string[] = [];
    let offering: Promise<void> = Promise.resolve();
    try {
      while (!signal.aborted) {
        this.wakeUp = new AbortController();
        const batch = await this.nextBatch(inHand);
        if (batch.length === 0 && inHand.length === 0) {
          await pause(POLL_MS, AbortSignal.any([signal, this.wakeUp.signal]));
          continue;
        }
        const offers = await this.understand(batch);
        await offering;
        inHand = offers.map(({ offer }) => offer.inboundId);
        offering = this.offerAll(offers, signal);
        offering.catch(() => {}); // thrown where it is awaited
        if (batch.length === 0) await offering;
      }
    } finally {
      failed.abort();
      await offering;
    }
  }

  /** A mail that made trouble before is tried alone, so that it spoils nothing but itself. */
  private async nextBatch(inHand: string[]): Promise<WaitingMessage[]> {
    const { sql, mailboxId, batchSize } = this.options;
    const waiting = await waitingMessages(sql, mailboxId, inHand, batchSize);
    const suspect = waiting.findIndex((message) => message.attempts > 0 || message.refusals > 0);
    return suspect === -1 ? waiting : waiting.slice(0, Math.max(suspect, 1));
  }

  /** Parses, identifies and interprets; records at once what concerns nobody else. @returns what tickets is to take */
  private async understand(batch: WaitingMessage[]): Promise<Offer[]> {
    const spent = batch.filter(({ attempts, rule }) => attempts >= MAX_ATTEMPTS * (rule === null ? 1 : 2));
    for (const message of spent) await this.giveUp(message, message.error ?? KILLED);
    const tried = batch.filter((message) => !spent.includes(message));
    if (tried.length === 0) return [];
    const parsed = await this.parse(tried);
    for (const message of tried) {
      const result = parsed.get(message.id);
      if (result && 'error' in result) await this.notRead(message, result);
    }
    return this.identifyAll(tried, parsed);
  }

  private async parse(batch: WaitingMessage[]): Promise<Map<string, ParseResult>> {
    const { sql, parser } = this.options;
    const ids = batch.map((message) => message.id);
    await beginAttempt(sql, ids);
    const stop = parseSeconds.startTimer();
    try {
      return await parser.parse(batch.map((one) => ({ ...one, headersOnly: headersOnly(one) })));
    } catch (error) {
      if (error instanceof ParserUnavailable) await takeBackAttempt(sql, ids);
      throw error;
    } finally {
      stop();
    }
  }

  private async notRead(
    message: WaitingMessage,
    { error, permanent }: { error: string; permanent: boolean },
  ): Promise<void> {
    const { sql, log } = this.options;
    const { id, attempts } = message;
    log.warn({ inboundId: id, error }, 'mail not parsed');
    if (permanent) await this.record([quarantined(id, 'unreadable', error)]);
    else if (attempts + 1 >= MAX_ATTEMPTS) await this.giveUp(message, error);
    else await retryLater(sql, id, { error, delayMs: REREAD_MS * 4 ** attempts });
  }

  /** What its headers say is still a ticket that a person can look at; if not even they are read, there is none. */
  private async giveUp({ id, rule }: WaitingMessage, error: string): Promise<void> {
    if (rule === null) await quarantineWithTicket(this.options.sql, id, { rule: 'attempts', error });
    else await this.record([quarantined(id, rule, error)]);
  }

  /** Gives each mail its identity, and sorts out what was taken before or is part of a flood. */
  private async identifyAll(batch: WaitingMessage[], parsed: Map<string, ParseResult>): Promise<Offer[]> {
    const { sql, mailboxId } = this.options;
    const read = batch.flatMap(({ id }) => {
      const result = parsed.get(id);
      return result && 'interpretation' in result ? [{ id, ...result }] : [];
    });
    const { duplicates, repeated } = await identify(sql, mailboxId, read);
    const readings = read.map(({ id, messageId, interpretation }) =>
      duplicates.has(id) ? duplicateOf({ id, messageId }) : { id, ...interpretation },
    );
    const offers = readings.flatMap((reading) => ('offer' in reading ? [reading] : []));
    // whose reading is repeated was counted before, and not held
    const flooding = await this.flooding(offers.filter(({ offer }) => !repeated.has(offer.inboundId)));
    await this.record([...readings.flatMap((reading) => ('disposition' in reading ? [reading] : [])), ...flooding]);
    const held = new Set(flooding.map(({ id }) => id));
    return offers.filter(({ offer }) => !held.has(offer.inboundId));
  }

  private async flooding(offers: Offer[]): Promise<Disposed[]> {
    const counted = offers.flatMap(({ offer, sender }) =>
      sender === null ? [] : [{ id: offer.inboundId, sender, receivedAt: new Date(offer.receivedAt) }],
    );
    const over = await this.options.floods.over(counted);
    return [...over].map(([id, sentence]) => quarantined(id, FLOOD, sentence));
  }

  private async offerAll(offers: Offer[], signal: AbortSignal): Promise<void> {
    for (const part of inMessages(offers)) {
      const answer = await this.offer(part, signal);
      if (answer === 'stopped') return;
      if (answer !== 'taken') await this.offerSingly(part, answer.fault, signal);
    }
  }

  /** Offers mails until they are answered, however long tickets is away. */
  private async offer(mails: IncomingMail[], signal: AbortSignal): Promise<Answer> {
    let pauseMs = 250;
    for (let faults = 0; !signal.aborted;) {
      try {
        const answer = await this.ask(mails, signal);
        if (answer === null) return 'stopped';
        await this.record(answer.accepted.map(asDisposed));
        return 'taken';
      } catch (error) {
        if (!(error instanceof BusError)) throw error;
        this.options.log.warn({ err: error, mails: mails.length }, 'tickets did not accept');
        if (!error.retryable && ++faults === MAX_ATTEMPTS) return { fault: error };
      }
      await pause(pauseMs, signal);
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    }
    return 'stopped';
  }

  /** @returns null when there was no answer soon after the signal */
  private async ask(mails: IncomingMail[], signal: AbortSignal): Promise<AcceptMailResult | null> {
    const answered = new AbortController();
    const asking = this.options.bus.expect(acceptMail, { mails }).finally(() => answered.abort('answered'));
    const givingUp = pause(2 ** 31 - 1, AbortSignal.any([signal, answered.signal]))
      .then(() => pause(STOP_LIMIT_MS, answered.signal))
      .then(() => null);
    return Promise.race([asking, givingUp]);
  }

  /**
   * Something in these mails is not taken. Whoever is refused alone while others are taken is put aside for a while, and
   * in the end quarantined. When nothing at all is taken, tickets is at fault and no mail is blamed.
   */
  private async offerSingly(mails: IncomingMail[], fault: BusError, signal: AbortSignal): Promise<void> {
    const refused: { mail: IncomingMail; fault: BusError }[] = [];
    if (mails.length === 1) refused.push({ mail: mails[0]!, fault });
    for (const mail of mails.length === 1 ? [] : mails) {
      const answer = await this.offer([mail], signal);
      if (answer === 'stopped') return;
      if (answer !== 'taken') refused.push({ mail, fault: answer.fault });
    }
    if (mails.length > 1 && refused.length === mails.length && fault.reason === 'internal') {
      this.options.log.error({ err: fault, mails: mails.length }, 'tickets takes nothing');
      await pause(ILL_PAUSE_MS, signal);
      return;
    }
    for (const one of refused) await this.refused(one.mail.inboundId, one.fault);
  }

  private async refused(id: string, fault: BusError): Promise<void> {
    const { sql } = this.options;
    const refusals = await countRefusal(sql, id, fault.message);
    if (refusals >= MAX_ATTEMPTS) await this.record([quarantined(id, 'refused', fault.message)]);
    else await retryLater(sql, id, { error: fault.message, delayMs: REOFFER_MS * 4 ** (refusals - 1) });
  }

  private async record(mails: Disposed[]): Promise<void> {
    for (const { id, disposition, rule, error } of await dispose(this.options.sql, mails)) {
      disposed.inc({ disposition });
      // of a flood there is one alarm for all
      if (disposition === 'quarantined' && rule !== FLOOD) {
        this.options.log.error({ inboundId: id, rule, error }, 'mail quarantined');
      }
    }
  }
}

/** Why only the headers of a mail are read, if so. */
function headersOnly({ rule, error }: WaitingMessage): string | undefined {
  return rule === null ? undefined : (error ?? rule);
}

function quarantined(id: string, rule: string, error: string): Disposed {
  return { id, disposition: 'quarantined', rule, error };
}

export function duplicateOf({ id, messageId }: { id: string; messageId: string }): Disposed {
  return { id, messageId, disposition: 'duplicate', rule: 'message-id-and-content' };
}

export function asDisposed({ inboundId, result, rule, ticketId, ticketNumber }: AcceptedMail): Disposed {
  const ticket = ticketId !== null && ticketNumber !== null ? { ticketId, ticketNumber } : {};
  return { id: inboundId, disposition: result, rule, ...ticket };
}
