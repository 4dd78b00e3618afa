/**
 * Turns stored mails of one mailbox into dispositions, oldest first: parse, identify, interpret, offer to tickets,
 * record. Every step may be cut off and repeated: what is recorded is only what was answered, and tickets answers a
 * repeated offer with its first answer.
 */
import { acceptMail, type AcceptedMail, type IncomingMail } from '#contracts';
import { BusError, type Bus, type Logger, pause, type Sql } from '#platform';
import { Counter, Histogram } from 'prom-client';
import {
  beginAttempt,
  dispose,
  type Disposed,
  identify,
  retryLater,
  waitingMessages,
  type WaitingMessage,
} from './inbox.js';
import { inMessages, interpret, type Interpretation, type OwnMail } from './interpretation.js';
import type { ParseResult } from './parse.worker.js';
import type { Parser } from './parser.js';

const MAX_ATTEMPTS = 3;
const LONGEST_PAUSE_MS = 30_000;
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
  log: Logger;
  mailboxId: string;
  mailboxAddress: string;
  own: OwnMail;
  batchSize: number;
}

export class Processor {
  private wakeUp = new AbortController();

  constructor(private readonly options: ProcessorOptions) {}

  /** There may be new mails. */
  wake(): void {
    this.wakeUp.abort();
  }

  /** While tickets takes one batch, the next is parsed; a batch is offered only after the one before was answered. */
  async run(signal: AbortSignal): Promise<void> {
    let inHand: string[] = [];
    let offering: Promise<void> = Promise.resolve();
    while (!signal.aborted) {
      this.wakeUp = new AbortController();
      const batch = await this.nextBatch(inHand);
      if (batch.length === 0 && inHand.length === 0) {
        await pause(POLL_MS, AbortSignal.any([signal, this.wakeUp.signal]));
        continue;
      }
      const offers = await this.understand(batch);
      await offering;
      inHand = offers.map((offer) => offer.inboundId);
      offering = this.offerAll(offers, signal);
      offering.catch(() => {}); // thrown where it is awaited
      if (batch.length === 0) await offering;
    }
    await offering;
  }

  /** A mail that was begun before and did not come to an end is tried alone, so that it spoils nothing but itself. */
  private async nextBatch(inHand: string[]): Promise<WaitingMessage[]> {
    const { sql, mailboxId, batchSize } = this.options;
    const waiting = await waitingMessages(sql, mailboxId, inHand, batchSize);
    if (waiting[0] && waiting[0].attempts > 0) return [waiting[0]];
    const suspect = waiting.findIndex((message) => message.attempts > 0);
    return suspect === -1 ? waiting : waiting.slice(0, suspect);
  }

  /** Parses, identifies and interprets; records at once what concerns nobody else. @returns what tickets is to take */
  private async understand(batch: WaitingMessage[]): Promise<IncomingMail[]> {
    const spent = batch.filter((message) => message.attempts >= MAX_ATTEMPTS);
    await this.record(spent.map(({ id }) => quarantined(id, 'attempts', `given up after ${MAX_ATTEMPTS} attempts`)));
    const tried = batch.filter((message) => !spent.includes(message));
    if (tried.length === 0) return [];
    await beginAttempt(
      this.options.sql,
      tried.map((message) => message.id),
    );
    const stop = parseSeconds.startTimer();
    const parsed = await this.options.parser.parse(tried);
    stop();
    for (const [id, result] of parsed) {
      if ('mail' in result) continue;
      this.options.log.warn({ inboundId: id, error: result.error }, 'mail not parsed');
      if (result.permanent) await this.record([quarantined(id, 'unreadable', result.error)]);
    }
    return this.interpretAll(tried, parsed);
  }

  private async offerAll(offers: IncomingMail[], signal: AbortSignal): Promise<void> {
    for (const part of inMessages(offers)) {
      if (!(await this.offer(part, signal))) return;
    }
  }

  /** Gives each mail its identity and its meaning. */
  private async interpretAll(batch: WaitingMessage[], parsed: Map<string, ParseResult>): Promise<IncomingMail[]> {
    const { sql, mailboxId, mailboxAddress, own } = this.options;
    const read = batch.flatMap((message) => {
      const result = parsed.get(message.id);
      if (!result || !('mail' in result)) return [];
      // a mail without a Message-ID gets one from its bytes: the same mail always gets the same
      const messageId = result.mail.messageId ?? `${message.rawSha256}@synthetic.invalid`;
      return [{ message, mail: result.mail, messageId, contentSha256: result.contentSha256 }];
    });
    const duplicates = await identify(
      sql,
      mailboxId,
      read.map(({ message, messageId, contentSha256 }) => ({ id: message.id, messageId, contentSha256 })),
    );
    const readings = read.map(({ message, mail, messageId }) => {
      const received = {
        inboundId: message.id,
        mailbox: mailboxAddress,
        rawSha256: message.rawSha256,
        rawSize: message.rawSize,
        receivedAt: message.internalDate,
      };
      const reading: Interpretation = duplicates.has(message.id)
        ? { disposition: 'duplicate', rule: 'message-id-and-content' }
        : interpret(mail, messageId, received, own);
      return { message, reading };
    });
    await this.record(
      readings.flatMap(({ message, reading }) => ('disposition' in reading ? [{ id: message.id, ...reading }] : [])),
    );
    return readings.flatMap(({ reading }) => ('offer' in reading ? [reading.offer] : []));
  }

  /**
   * Offers mails until they are answered, however long tickets is away.
   * @returns false when the processor has to stop before there was an answer
   */
  private async offer(mails: IncomingMail[], signal: AbortSignal): Promise<boolean> {
    let pauseMs = 250;
    for (let faults = 0; !signal.aborted;) {
      try {
        const { accepted } = await this.options.bus.expect(acceptMail, { mails });
        await this.record(accepted.map(asDisposed));
        return true;
      } catch (error) {
        if (!(error instanceof BusError)) throw error;
        this.options.log.warn({ err: error, mails: mails.length }, 'tickets did not accept');
        if (!error.retryable) {
          faults += 1;
          if (faults >= MAX_ATTEMPTS || error.reason !== 'internal') return this.singleOut(mails, error, signal);
        }
      }
      await pause(pauseMs, signal);
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    }
    return false;
  }

  /** Something in these mails is not taken: find the one, put it aside for a while, in the end quarantine it. */
  private async singleOut(mails: IncomingMail[], error: BusError, signal: AbortSignal): Promise<boolean> {
    if (mails.length > 1) {
      for (const mail of mails) if (!(await this.offer([mail], signal))) return false;
      return true;
    }
    const { sql } = this.options;
    const id = mails[0]!.inboundId;
    const { rows } = await sql.query<{ attempts: number }>('select attempts from mail.inbound_message where id = $1', [
      id,
    ]);
    const attempts = rows[0]?.attempts ?? 0;
    if (error.reason !== 'internal') await this.record([quarantined(id, 'refused', error.message)]);
    else await retryLater(sql, id, error.message, 60_000 * 2 ** attempts);
    return true;
  }

  private async record(mails: Disposed[]): Promise<void> {
    await dispose(this.options.sql, mails);
    for (const { id, disposition, rule, error } of mails) {
      disposed.inc({ disposition });
      if (disposition === 'quarantined') this.options.log.error({ inboundId: id, rule, error }, 'mail quarantined');
    }
  }
}

function quarantined(id: string, rule: string, error: string): Disposed {
  return { id, disposition: 'quarantined', rule, error };
}

function asDisposed({ inboundId, result, rule, ticketId, ticketNumber }: AcceptedMail): Disposed {
  return { id: inboundId, disposition: result, rule, ticketId, ticketNumber };
}
