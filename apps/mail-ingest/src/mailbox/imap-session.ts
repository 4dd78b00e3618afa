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
import { inBatches, type Listed } from './batches.js';
import { fileFailed } from './failed-folder.js';
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
/** A connection on which nothing happens for long is taken for lost. */
const KEEP_ALIVE_MS = 60_000;
const LOGOUT_LIMIT_MS = 2_000;

const fetched = new Counter({ name: 'mail_fetched_total', help: 'Mails stored from IMAP' });

export interface SessionOptions {
  settings: MailboxSettings;
  pool: pg.Pool;
  log: Logger;
  batchSize: number;
  maxBytes: number;
  scanIntervalMs: number;
  /** Called after each commit, with the bytes of small mails by their sha256. */
  onStored: (raw: Map<string, Buffer>) => void;
  /** Whether more mails may be stored: those stored before are mostly processed. */
  hasRoom: () => Promise<boolean>;
}

export class ImapSession {
  private readonly client: ImapFlow;
  /** Aborts when the connection is gone, or when the session has to stop. */
  private readonly ended: AbortSignal;
  private readonly lost = new AbortController();
  private news = new AbortController();
  private place!: Place;
  private lastMailAt = -Infinity;
  /** What went wrong during the present look through the folder, without ending it. */
  private problem: string | null = null;

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
    this.client.on('exists', () => this.news.abort('new mail'));
    this.ended = AbortSignal.any([signal, this.lost.signal]);
  }

  /**
   * Returns when asked to stop.
   * @param onScanned called after each look through the folder, with what went wrong
   * @throws Error when the connection is lost or refused
   */
  async run(onScanned: (problem: string | null) => void): Promise<void> {
    try {
      await this.client.connect();
      await this.open();
      while (!this.ended.aborted) {
        this.news = new AbortController();
        this.problem = null;
        await this.scan();
        if (this.ended.aborted) break;
        await recordScan(this.options.pool, this.place.mailboxId, this.problem);
        onScanned(this.problem);
        await this.fileFailed();
        await this.idle();
      }
      if (!this.signal.aborted) throw this.lost.signal.reason;
    } finally {
      const gone = new AbortController();
      const leaving = this.client.usable ? this.client.logout().catch(() => {}) : Promise.resolve();
      await Promise.race([leaving.finally(() => gone.abort()), pause(LOGOUT_LIMIT_MS, gone.signal)]);
      this.client.close();
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

  private async fileFailed(): Promise<void> {
    if (this.options.settings.mode !== 'move' || !this.mayMove()) return;
    const { pool } = this.options;
    const filed = await fileFailed(this.client, pool, this.place.mailboxId, (name) => this.folder(name));
    if (!filed) return;
    await this.open();
    this.news.abort(); // of mail that came meanwhile nobody has told us
  }

  /** Without UIDPLUS the fallback for MOVE would remove what others have marked as deleted, too. */
  private mayMove(): boolean {
    return this.client.capabilities.has('MOVE') || this.client.capabilities.has('UIDPLUS');
  }

  /** Waits for the server's word of new mail, but not longer than the scan interval. */
  private async idle(): Promise<void> {
    await this.lookOften();
    if (this.news.signal.aborted || this.ended.aborted) return;
    const idling = this.client.idle().catch(() => {}); // a lost connection ends the loop by its own event
    await pause(this.options.scanIntervalMs, AbortSignal.any([this.ended, this.news.signal]));
    if (this.ended.aborted) return;
    await this.client.noop(); // ends IDLE
    await idling;
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
    const { mode, folder } = this.options.settings;
    const { mailbox } = this.client;
    if (mailbox && String(mailbox.uidValidity) !== this.place.uidValidity)
      throw new Error(`${folder} was numbered anew`);
    const from = mode === 'move' ? 1 : Math.max(1, (await highestUid(this.options.pool, this.place)) - UID_OVERLAP);
    const found = await this.client.search({ uid: `${from}:*` }, { uid: true });
    if (!found) throw new Error(`the server does not list ${folder}`);
    const uids = found.toSorted((a, b) => a - b);
    for (let start = 0; start < uids.length && !this.ended.aborted; start += SIZES_AT_ONCE) {
      const part = uids.slice(start, start + SIZES_AT_ONCE);
      const known = await knownUids(this.options.pool, this.place, part);
      await this.acknowledge(part.filter((uid) => known.get(uid)?.oversize === false));
      await this.acknowledge(
        part.filter((uid) => known.get(uid)?.oversize),
        'Oversize',
      );
      await this.take(part.filter((uid) => !known.has(uid)));
    }
  }

  private async take(uids: number[]): Promise<void> {
    if (uids.length === 0) return;
    const listed: Listed[] = [];
    for await (const { uid, size } of this.client.fetch(uids.join(','), { size: true }, { uid: true })) {
      listed.push({ uid, size: size ?? this.options.maxBytes });
    }
    listed.sort((a, b) => a.uid - b.uid);
    const limits = { smallBytes: SMALL_BYTES, mails: this.options.batchSize, bytes: BATCH_BYTES };
    for (const batch of inBatches(listed, limits)) {
      await this.room();
      if (this.ended.aborted) return;
      await this.takeBatch(batch);
    }
  }

  /** Waits for room; it may be long, and the connection must not look dead meanwhile. */
  private async room(): Promise<void> {
    let aliveAt = performance.now();
    while (!this.ended.aborted && !(await this.options.hasRoom())) {
      await pause(50, this.ended);
      if (performance.now() - aliveAt < KEEP_ALIVE_MS || this.ended.aborted) continue;
      await this.client.noop();
      aliveAt = performance.now();
    }
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
    const blobs = await storeSmall(this.options.pool, this.place, mails);
    this.stored(mails.length, new Map(blobs.map(({ sha256 }, index) => [sha256, mails[index]!.source])));
    await this.acknowledge(mails.map((mail) => mail.uid));
  }

  private async takeLarge({ uid }: Listed): Promise<void> {
    const message = await this.client.fetchOne(String(uid), { internalDate: true }, { uid: true });
    if (!message) return;
    const { content } = await this.client.download(String(uid), undefined, { uid: true, chunkSize: SMALL_BYTES });
    if (!content) return;
    const cut = () => content.destroy(new Error('cut off in the middle of a mail'));
    this.ended.addEventListener('abort', cut, { once: true });
    try {
      await storeLarge(this.options.pool, this.place, {
        uid,
        internalDate: dateOf(message.internalDate),
        source: content as AsyncIterable<Buffer>,
      });
    } finally {
      this.ended.removeEventListener('abort', cut);
    }
    this.stored(1);
    await this.acknowledge([uid]);
  }

  private async takeHeaders({ uid, size }: Listed): Promise<void> {
    const message = await this.client.fetchOne(String(uid), { headers: true, internalDate: true }, { uid: true });
    if (!message) return;
    const { maxBytes, settings } = this.options;
    const where = settings.mode === 'move' ? 'the folder Oversize' : settings.folder;
    const error = `the mail has ${size} bytes, the limit is ${maxBytes}; it is in ${where} of ${settings.address}`;
    const headers = message.headers ?? Buffer.alloc(0);
    const internalDate = dateOf(message.internalDate);
    await storeOversize(this.options.pool, this.place, { uid, internalDate, headers, error });
    await this.acknowledge([uid], 'Oversize');
  }

  private stored(mails: number, raw = new Map<string, Buffer>()): void {
    fetched.inc(mails);
    this.lastMailAt = performance.now();
    this.options.onStored(raw);
  }

  /** Tells the server that the mails are safe with us. A refusal is reported, and tried again at the next look. */
  private async acknowledge(uids: number[], folder = 'Processed'): Promise<void> {
    const { mode } = this.options.settings;
    if (uids.length === 0 || mode === 'leave') return;
    if (mode === 'flag') await this.flag(uids);
    else await this.move(uids, folder);
  }

  /** Marks mails that stay in their folder. */
  private async flag(uids: number[]): Promise<void> {
    const accepted = this.client.mailbox ? this.client.mailbox.permanentFlags : undefined;
    // a server without keywords of our own has at least this one
    const flag = !accepted || accepted.has('\\*') || accepted.has(FLAG) ? FLAG : '\\Flagged';
    const unmarked = flag === FLAG ? { unKeyword: FLAG } : { flagged: false };
    const open = (await this.client.search({ uid: uids.join(','), ...unmarked }, { uid: true })) || [];
    if (open.length === 0) return;
    const done = await this.client.messageFlagsAdd(open.join(','), [flag], { uid: true });
    if (!done) this.problem = `mails of ${this.options.settings.address} could not be flagged`;
  }

  private async move(uids: number[], name: string): Promise<void> {
    if (!this.mayMove()) return this.flag(uids);
    const path = await this.folder(name);
    const moved = path !== null && (await this.client.messageMove(uids.join(','), path, { uid: true }));
    if (!moved) this.problem = `mails of ${this.options.settings.address} could not be moved to ${path ?? name}`;
  }

  private readonly folders = new Map<string, string>();

  /** The folder's path under the server's namespace, made when it is missing; null when the server does not let us. */
  private async folder(name: string): Promise<string | null> {
    const known = this.folders.get(name);
    if (known) return known;
    try {
      const { path } = await this.client.mailboxCreate(name);
      this.folders.set(name, path);
      return path;
    } catch (error) {
      if (this.ended.aborted) throw error;
      this.options.log.error({ err: error, folder: name }, 'folder not made');
      return null;
    }
  }
}

function dateOf(value: Date | string | undefined): Date {
  const date = new Date(value ?? Number.NaN);
  return Number.isNaN(date.getTime()) ? new Date() : date;
}
