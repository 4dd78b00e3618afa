/**
 * One IMAP connection's life: look through the folder, store what is new, acknowledge what is stored, wait with IDLE
 * for more. It ends when the connection does; whoever runs it opens another.
 *
 * Store first, then acknowledge: after a crash in between, the next look finds the mail known and only acknowledges it.
 * Mails are named by UID, never by sequence number, and read with PEEK: reading leaves no trace on the server.
 */
import { type Logger, pause } from '#platform';
import { ImapFlow } from 'imapflow';
import type pg from 'pg';
import { Counter } from 'prom-client';
import {
  highestUid,
  knownUids,
  openMailbox,
  type Place,
  recordScan,
  setUidValidity,
  storeLarge,
  storeOversize,
  storeSmall,
} from '../intake/inbox.js';
import type { MailboxSettings } from './mailbox-url.js';

/** Mails up to this size are fetched and committed together. */
const SMALL_BYTES = 256 * 1024;
const BATCH_BYTES = 4 * 1024 * 1024;
/** UIDs of deliveries at the same time may become visible late: look this far back. */
const UID_OVERLAP = 500;
const SIZES_AT_ONCE = 500;
const FLAG = '$TicketDone';
/** So long after a mail the mailbox is looked at often instead of idling. */
const LIVELY_MS = 5_000;
const LOOK_EVERY_MS = 150;

const fetched = new Counter({ name: 'mail_fetched_total', help: 'Mails stored from IMAP' });

export interface SessionOptions {
  settings: MailboxSettings;
  pool: pg.Pool;
  log: Logger;
  batchSize: number;
  maxBytes: number;
  scanIntervalMs: number;
  /** Called after each commit. */
  onStored: () => void;
  /** Resolves when there is room for more stored but unprocessed mails. */
  room: (signal: AbortSignal) => Promise<void>;
}

interface Listed {
  uid: number;
  size: number;
}

export class ImapSession {
  private readonly client: ImapFlow;
  /** Aborts when the connection is gone, or when the session has to stop. */
  private readonly ended: AbortSignal;
  private readonly lost = new AbortController();
  private news = new AbortController();
  private place!: Place;
  private lastMailAt = -Infinity;

  constructor(
    private readonly options: SessionOptions,
    private readonly signal: AbortSignal,
  ) {
    const { settings, maxBytes } = options;
    this.client = new ImapFlow({
      host: settings.host,
      port: settings.port,
      secure: settings.secure,
      auth: { user: settings.user, pass: settings.password },
      logger: false,
      disableAutoIdle: true,
      maxIdleTime: 9 * 60_000,
      greetingTimeout: 15_000,
      socketTimeout: 5 * 60_000,
      maxLiteralSize: maxBytes + 1024 * 1024,
    });
    // both, and before connecting: a dropped connection may emit only `close`, and an unheard `error` ends the process
    this.client.on('error', (error: Error) => this.lost.abort(error));
    this.client.on('close', () => this.lost.abort(new Error('the IMAP server closed the connection')));
    this.client.on('exists', () => this.news.abort());
    this.ended = AbortSignal.any([signal, this.lost.signal]);
  }

  /**
   * Returns when asked to stop.
   * @param onHealthy called after each look through the folder without an error
   * @throws Error when the connection is lost or refused
   */
  async run(onHealthy: () => void): Promise<void> {
    try {
      await this.client.connect();
      await this.open();
      while (!this.ended.aborted) {
        this.news = new AbortController();
        await this.scan();
        await recordScan(this.options.pool, this.place.mailboxId, null);
        onHealthy();
        await this.idle();
      }
      if (!this.signal.aborted) throw this.lost.signal.reason;
    } finally {
      if (this.client.usable) await this.client.logout().catch(() => {});
      else this.client.close();
    }
  }

  private async open(): Promise<void> {
    const { settings, pool, log } = this.options;
    const { uidValidity } = await this.client.mailboxOpen(settings.folder, { readOnly: settings.mode === 'leave' });
    const row = await openMailbox(pool, settings.address);
    const present = String(uidValidity);
    if (row.uidValidity !== null && row.uidValidity !== present) {
      // mails that were taken under the old numbering are recognised by Message-ID and content
      log.error({ mailbox: settings.address, before: row.uidValidity, now: present }, 'UIDVALIDITY has changed');
    }
    if (row.uidValidity !== present) await setUidValidity(pool, row.id, present);
    this.place = { mailboxId: row.id, uidValidity: present };
  }

  /** Waits for the server's word of new mail, but not longer than the scan interval. */
  private async idle(): Promise<void> {
    await this.lookOften();
    if (this.news.signal.aborted || this.ended.aborted) return;
    const idling = this.client.idle().catch(() => {}); // a lost connection ends the loop by its own event
    await pause(this.options.scanIntervalMs, AbortSignal.any([this.ended, this.news.signal]));
    if (!this.ended.aborted) await this.client.noop(); // ends IDLE
    await Promise.race([idling, pause(5_000, this.ended)]);
  }

  /**
   * Mails come in bursts, and servers take their time to tell an idling client (Dovecot: half a second). So for a while
   * after a mail the server is asked, which costs it less than another IDLE.
   */
  private async lookOften(): Promise<void> {
    while (performance.now() - this.lastMailAt < LIVELY_MS && !this.news.signal.aborted && !this.ended.aborted) {
      await pause(LOOK_EVERY_MS, AbortSignal.any([this.ended, this.news.signal]));
      if (!this.ended.aborted) await this.client.noop();
    }
  }

  private async scan(): Promise<void> {
    const { mode } = this.options.settings;
    const from = mode === 'move' ? 1 : Math.max(1, (await highestUid(this.options.pool, this.place)) - UID_OVERLAP);
    const found = (await this.client.search({ uid: `${from}:*` }, { uid: true })) || [];
    const uids = found.toSorted((a, b) => a - b);
    for (let start = 0; start < uids.length && !this.ended.aborted; start += SIZES_AT_ONCE) {
      const part = uids.slice(start, start + SIZES_AT_ONCE);
      const known = await knownUids(this.options.pool, this.place, part);
      await this.acknowledge(part.filter((uid) => known.has(uid)));
      await this.take(part.filter((uid) => !known.has(uid)));
    }
  }

  private async take(uids: number[]): Promise<void> {
    if (uids.length === 0) return;
    const listed: Listed[] = [];
    for await (const { uid, size } of this.client.fetch(uids.join(','), { size: true }, { uid: true })) {
      listed.push({ uid, size: size ?? Infinity });
    }
    listed.sort((a, b) => a.uid - b.uid);
    for (const batch of this.batches(listed)) {
      await this.options.room(this.ended);
      if (this.ended.aborted) return;
      await this.takeBatch(batch);
    }
  }

  /** Runs of small mails together, each large one alone, in the order of arrival. */
  private batches(listed: Listed[]): Listed[][] {
    const batches: Listed[][] = [];
    let bytes = Infinity;
    for (const mail of listed) {
      const full = batches.at(-1)?.length === this.options.batchSize || bytes + mail.size > BATCH_BYTES;
      if (full || mail.size > SMALL_BYTES) {
        batches.push([]);
        bytes = 0;
      }
      batches.at(-1)!.push(mail);
      bytes += mail.size > SMALL_BYTES ? Infinity : mail.size;
    }
    return batches;
  }

  private async takeBatch(batch: Listed[]): Promise<void> {
    const [first] = batch as [Listed];
    if (first.size > this.options.maxBytes) await this.takeHeaders(first);
    else if (first.size > SMALL_BYTES) await this.takeLarge(first);
    else await this.takeSmall(batch);
  }

  private async takeSmall(batch: Listed[]): Promise<void> {
    const mails: Parameters<typeof storeSmall>[2] = [];
    const range = batch.map(({ uid }) => uid).join(',');
    // nothing else may be asked of the server before the loop has ended
    for await (const message of this.client.fetch(range, { source: true, internalDate: true }, { uid: true })) {
      if (!message.source) continue; // expunged in between by somebody else
      mails.push({ uid: message.uid, source: message.source, internalDate: dateOf(message.internalDate) });
    }
    if (mails.length === 0) return;
    mails.sort((a, b) => a.uid - b.uid);
    await storeSmall(this.options.pool, this.place, mails);
    this.stored(mails.length);
    await this.acknowledge(mails.map((mail) => mail.uid));
  }

  private async takeLarge({ uid }: Listed): Promise<void> {
    const message = await this.client.fetchOne(String(uid), { internalDate: true }, { uid: true });
    if (!message) return;
    const { content } = await this.client.download(String(uid), undefined, { uid: true, chunkSize: SMALL_BYTES });
    if (!content) return;
    const cut = () => content.destroy(new Error('the connection was lost in the middle of a mail'));
    this.lost.signal.addEventListener('abort', cut, { once: true });
    try {
      await storeLarge(this.options.pool, this.place, {
        uid,
        internalDate: dateOf(message.internalDate),
        source: content as AsyncIterable<Buffer>,
      });
    } finally {
      this.lost.signal.removeEventListener('abort', cut);
    }
    this.stored(1);
    await this.acknowledge([uid]);
  }

  private async takeHeaders({ uid, size }: Listed): Promise<void> {
    const message = await this.client.fetchOne(String(uid), { headers: true, internalDate: true }, { uid: true });
    if (!message) return;
    const { maxBytes, settings } = this.options;
    const error = `the mail has ${size} bytes, the limit is ${maxBytes}; it is in the folder Oversize of ${settings.address}`;
    const headers = message.headers ?? Buffer.alloc(0);
    const internalDate = dateOf(message.internalDate);
    await storeOversize(this.options.pool, this.place, { uid, internalDate, headers, error });
    await this.acknowledge([uid], 'Oversize');
  }

  private stored(mails: number): void {
    fetched.inc(mails);
    this.lastMailAt = performance.now();
    this.options.onStored();
  }

  /** Tells the server that the mails are safe with us. */
  private async acknowledge(uids: number[], folder = 'Processed'): Promise<void> {
    const { address, mode } = this.options.settings;
    if (uids.length === 0 || mode === 'leave') return;
    const range = uids.join(',');
    if (mode === 'flag') {
      await this.client.messageFlagsAdd(range, [FLAG], { uid: true });
      return;
    }
    const path = await this.folder(folder);
    const moved = await this.client.messageMove(range, path, { uid: true });
    if (!moved) throw new Error(`mails of ${address} could not be moved to ${path}`);
  }

  private readonly folders = new Map<string, string>();

  /** The folder's path under the server's namespace, made when it is missing. */
  private async folder(name: string): Promise<string> {
    const known = this.folders.get(name);
    if (known) return known;
    const namespace = (this.client as { namespace?: { prefix?: string } }).namespace?.prefix ?? '';
    const path = namespace.replace(/^INBOX$/i, '') + name;
    await this.client.mailboxCreate(path).catch((error: { serverResponseCode?: string }) => {
      if (error.serverResponseCode !== 'ALREADYEXISTS') throw error;
    });
    this.folders.set(name, path);
    return path;
  }
}

function dateOf(value: Date | string | undefined): Date {
  const date = new Date(value ?? Number.NaN);
  return Number.isNaN(date.getTime()) ? new Date() : date;
}
