/**
 * What people decide about mails that have their disposition already.
 *
 * - release: a quarantined or rejected mail is taken as a ticket after all, whatever kept it out
 * - reprocess: a mail is read again, after a repair of ours; what became a message is rebuilt in place
 * - discard: a quarantined mail is left for good
 *
 * Each is one transaction that holds the mail's row, so that two people who decide at once decide one after the other. A
 * transaction that is cut off after tickets has answered may be repeated: tickets gives the same answer again. One mail
 * is in hand at a time, besides those that intake reads.
 */
import {
  acceptMail,
  isRefused,
  rebuildMessage,
  refuse,
  type DecideAll,
  type DecideAllResult,
  type DecidedInbound,
  type DecideInbound,
  type Disposition,
  type IncomingMail,
  type InboundAction,
  type InboundResult,
  type InboundView,
  type Refused,
} from '#contracts';
import { type Bus, BusError, inTransaction, type Logger, type Sql } from '#platform';
import type pg from 'pg';
import { FLOOD } from './floods.js';
import { changeDisposition, readInbound, selectInbound, shown, type StoredInbound } from './inbound.rows.js';
import { identify, type Disposed } from './inbox.js';
import type { Interpretation } from './interpretation.js';
import type { ParseResult, ParseTask } from './parse.worker.js';
import type { Parser } from './parser.js';
import { asDisposed, duplicateOf } from './processor.js';

/** Of many mails no further one is begun after so long: who asks waits for the answer. */
const BEGIN_WITHIN_MS = 4_000;

const MESSAGES: readonly (Disposition | null)[] = ['ticket_created', 'appended'];
const DISCARDED = 'discarded';
/** Rules that reading a mail again says nothing about. */
const OTHER_THAN_READ: (string | null)[] = [DISCARDED, FLOOD];
const AWAY = 'tickets_away';
const UNCHANGED = { unchanged: true } as const;

type Settled = StoredInbound & { disposition: Disposition };
type Reading = Extract<ParseResult, { interpretation: Interpretation }>;

/** What a decision comes to: another disposition, or none because all is as it should be. */
type Outcome = Disposed | typeof UNCHANGED | Refused;

export interface DecisionsOptions {
  pool: pg.Pool;
  bus: Bus;
  parser: Pick<Parser, 'parse'>;
  log: Logger;
}

export class Decisions {
  private inHand: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: DecisionsOptions) {}

  async release(request: DecideInbound): Promise<InboundResult | Refused> {
    return this.decide('release', request, async (sql, row) => {
      if (MESSAGES.includes(row.disposition)) return UNCHANGED;
      if (row.disposition !== 'quarantined' && row.disposition !== 'rejected') return notQuarantined(row);
      const reading = await this.readOrHeaders({ ...taskOf(row), released: true });
      if (isRefused(reading)) return reading;
      const taken = await (row.ticketId === null
        ? this.take(sql, row, reading)
        : this.rebuild(sql, row, reading, request));
      return 'rule' in taken ? { ...taken, rule: `released:${taken.rule}` } : taken;
    });
  }

  async reprocess(request: DecideInbound): Promise<InboundResult | Refused> {
    return this.decide('reprocess', request, async (sql, row) => {
      if (OTHER_THAN_READ.includes(row.rule)) return UNCHANGED;
      const isMessage = MESSAGES.includes(row.disposition) || (row.ticketId !== null && isQuarantined(row));
      if (isMessage && row.headersOnly) return UNCHANGED;
      const reading = await this.read({ ...taskOf(row), released: isMessage });
      if (isRefused(reading)) return reading;
      return isMessage ? this.rebuild(sql, row, reading, request) : this.take(sql, row, reading);
    });
  }

  async discard(request: DecideInbound): Promise<InboundResult | Refused> {
    return this.decide('discard', request, async (_sql, row) => {
      if (row.rule === DISCARDED) return UNCHANGED;
      if (!isQuarantined(row)) return notQuarantined(row);
      return { ...disposedOf(row), disposition: 'rejected', rule: DISCARDED };
    });
  }

  async releaseAll(request: DecideAll): Promise<DecideAllResult | Refused> {
    return this.decideAll(request, (one) => this.release(one));
  }

  async reprocessAll(request: DecideAll): Promise<DecideAllResult | Refused> {
    return this.decideAll(request, (one) => this.reprocess(one));
  }

  /** Oldest first, so that a mail comes before those that answer it. Each by itself: one that fails holds up no other. */
  private async decideAll(
    { actor, filter, after, limit }: DecideAll,
    decideOne: (request: DecideInbound) => Promise<InboundResult | Refused>,
  ): Promise<DecideAllResult | Refused> {
    if (Object.values(filter).every((condition) => condition === undefined)) {
      return refuse({ field: 'filter', code: 'filter_required', message: 'must name at least one condition' });
    }
    const began = performance.now();
    const found = await selectInbound(this.options.pool, filter, { order: 'oldest', after, limit: limit + 1 });
    const results: DecidedInbound[] = [];
    for (const { id } of found.slice(0, limit)) {
      if (results.length > 0 && performance.now() - began > BEGIN_WITHIN_MS) break;
      const result = await decideOne({ actor, inboundId: id });
      if (isRefused(result) && result.refusals[0]!.code === AWAY) {
        // the others would fare no better: this one and they are still to be done
        if (results.length === 0) return result;
        break;
      }
      results.push(resultOf(id, result));
    }
    return { results, next: results.length < found.length ? results.at(-1)!.id : null };
  }

  private decide(
    action: InboundAction,
    { actor, inboundId }: DecideInbound,
    work: (sql: Sql, row: Settled) => Promise<Outcome>,
  ): Promise<InboundResult | Refused> {
    const { pool, log } = this.options;
    return this.alone(() =>
      inTransaction(pool, async (sql) => {
        const row = await readInbound(sql, inboundId, { lock: true });
        if (!row) return inboundUnknown();
        if (!isSettled(row)) return stillWaiting();
        const outcome = await work(sql, row).catch(asRefusal);
        if (isRefused(outcome)) return outcome;
        if ('unchanged' in outcome) return { inbound: shown(row), changed: false };
        await changeDisposition(sql, row, outcome, { action, actor });
        const { disposition, rule } = outcome;
        log.info({ inboundId, action, actor, before: row.disposition, disposition, rule }, 'disposition changed');
        return { inbound: shown((await readInbound(sql, inboundId))!), changed: true };
      }),
    );
  }

  /** Offers the mail to tickets when it is for them, and says what became of it. */
  private async take(sql: Sql, row: Settled, reading: Reading): Promise<Outcome> {
    const { id } = row;
    const { interpretation, messageId } = reading;
    const { duplicates } = await identify(sql, row.mailboxId, [{ id, ...reading }]);
    if (duplicates.has(id)) return unlessSame(row, duplicateOf({ id, messageId }));
    if (!('offer' in interpretation)) return unlessSame(row, { id, messageId, ...interpretation });
    const { accepted } = await this.options.bus.expect(acceptMail, { mails: [interpretation.offer] });
    return unlessSame(row, { ...asDisposed(accepted[0]!), messageId });
  }

  private async rebuild(sql: Sql, row: Settled, reading: Reading, { actor }: DecideInbound): Promise<Outcome> {
    const { id } = row;
    const { interpretation, messageId } = reading;
    const mail: IncomingMail = (interpretation as Extract<Interpretation, { offer: IncomingMail }>).offer;
    const rebuilt = await this.options.bus.call(rebuildMessage, { actor, mail });
    if (isRefused(rebuilt)) return rebuilt;
    await identify(sql, row.mailboxId, [{ id, ...reading }]);
    const { ticketId, ticketNumber, changed } = rebuilt;
    if (!MESSAGES.includes(row.disposition)) {
      return { id, messageId, disposition: 'ticket_created', rule: 'reprocessed', ticketId, ticketNumber };
    }
    return changed ? { ...disposedOf(row), messageId } : UNCHANGED;
  }

  private async read(task: ParseTask): Promise<Reading | Refused> {
    const results = await this.options.parser.parse([task]);
    const result = results.get(task.id)!;
    return 'interpretation' in result ? result : mailUnreadable(result.error);
  }

  /** What cannot be read is taken with what its headers say. */
  private async readOrHeaders(task: ParseTask): Promise<Reading | Refused> {
    const reading = await this.read(task);
    if (!isRefused(reading)) return reading;
    return this.read({ ...task, headersOnly: reading.refusals[0]!.message });
  }

  private alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.inHand.then(work);
    this.inHand = done.catch(() => {}); // whoever asked for it hears of the error
    return done;
  }
}

function taskOf({ id, mailbox, rawSha256, size, receivedAt, headersOnly, rule, error }: StoredInbound): ParseTask {
  const task = { id, mailbox, rawSha256, rawSize: size, internalDate: new Date(receivedAt) };
  // it may be held for more than that
  const tooLarge = rule === 'oversize' && error !== null ? error : 'it was too large';
  return headersOnly ? { ...task, headersOnly: tooLarge } : task;
}

/** The disposition as it is. */
function disposedOf({ id, disposition, rule, ticketId, ticketNumber, error }: Settled): Disposed {
  return {
    id,
    disposition,
    rule: rule ?? '',
    ...(ticketId !== null && { ticketId }),
    ...(ticketNumber !== null && { ticketNumber }),
    ...(error !== null && { error }),
  };
}

function isSettled(row: StoredInbound): row is Settled {
  return row.disposition !== null;
}

function isQuarantined({ disposition }: InboundView): boolean {
  return disposition === 'quarantined';
}

function unlessSame(row: Settled, after: Disposed): Outcome {
  return row.disposition === after.disposition && row.rule === after.rule ? UNCHANGED : after;
}

export function inboundUnknown(): Refused {
  return refuse({ field: 'inboundId', code: 'inbound_unknown', message: 'there is no such mail' });
}

function stillWaiting(): Refused {
  return refuse({ field: 'inboundId', code: 'inbound_waiting', message: 'the mail is still being processed' });
}

function notQuarantined({ disposition }: InboundView): Refused {
  const message = `the mail is not quarantined but ${disposition}`;
  return refuse({ field: 'inboundId', code: 'not_quarantined', message });
}

function mailUnreadable(reason: string): Refused {
  return refuse({ field: 'inboundId', code: 'mail_unreadable', message: reason });
}

/** Without an answer of tickets nothing is decided; a mail that tickets will not take stays what it is. */
function asRefusal(error: unknown): Refused {
  if (!(error instanceof BusError)) throw error;
  if (!error.retryable) return refuse({ field: 'inboundId', code: 'mail_not_accepted', message: error.message });
  return refuse({ field: '', code: AWAY, message: 'tickets does not answer: nothing was decided, try again' });
}

function resultOf(id: string, result: InboundResult | Refused): DecidedInbound {
  if (isRefused(result)) {
    return { id, changed: false, disposition: null, ticketNumber: null, code: result.refusals[0]!.code };
  }
  const { disposition, ticketNumber } = result.inbound;
  return { id, changed: result.changed, disposition, ticketNumber, code: null };
}
