/**
 * One IMAP connection's life: look through the folder, store what is new, acknowledge what is stored, wait with IDLE
 * for more. It ends when the connection does; whoever runs it opens another.
 *
 * Store first, then acknowledge: after a crash in between, the next look finds the mail known and only acknowledges it.
 * Mails are named by UID, never by sequence number, and read with PEEK: reading leaves no trace on the server.
 */
import { type Logger, pause } from '#platform';
import type { ImapFlow, SearchObject } from 'imapflow';
import type pg from 'pg';
import { Counter } from 'prom-client';
import { highestUid, knownUids, storeLarge, storeOversize, storeSmall } from '../intake/inbox.js';
import { inBatches, type Listed } from './batches.js';
import { fileFailed } from './failed-folder.js';
import { Folders } from './folders.js';
import { folderMissing } from './imap-connection.js';
import { type MailboxRow, openPlace, recordSuccess, type Start } from './mailbox.rows.js';

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
/** How often it is looked whether there is room for more mails. */
const ROOM_EVERY_MS = 200;
const LOGOUT_LIMIT_MS = 2_000;
const DAY_MS = 86_400_000;
const CLOSED = new Error('the IMAP server closed the connection');

export const fetched = new Counter({
  name: 'mail_fetched_total',
  help: 'Mails stored from IMAP',
  labelNames: ['mailbox'],
});

export interface SessionOptions {
  mailbox: MailboxRow;
  /** Connects and logs in, unless the signal comes first. */
  connect: (signal: AbortSignal) => Promise<ImapFlow>;
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
  private client!: ImapFlow;
  private folders!: Folders;
  /** Aborts when the connection is gone, or when the session has to stop. */
  private readonly ended: AbortSignal;
  private readonly lost = new AbortController();
  private news = new AbortController();
  private start!: Start;
  private lookedBack = false;
  private lastMailAt = -Infinity;
  private onScanned!: (problem: string | null) => Promise<void>;
  /** What went wrong during the present look through the folder, without ending it. */
  private problem: string | null = null;

  constructor(
    private readonly options: SessionOptions,
    private readonly signal: AbortSignal,
  ) {
    this.ended = AbortSignal.any([signal, this.lost.signal]);
  }

  /**
   * Returns when asked to stop.
   * @param onScanned called after each look through the folder, and now and then during a long one, with what went wrong
   * @throws Error when the connection is lost or refused
   */
  async run(onScanned: (problem: string | null) => Promise<void>): Promise<void> {
    this.onScanned = onScanned;
    try {
      this.watch(await this.options.connect(this.signal));
      this.folders = new Folders(this.client);
      await this.open();
      while (!this.ended.aborted) {
        this.news = new AbortController();
        this.problem = null;
        await this.scan();
        if (this.ended.aborted) break;
        await this.report(0);
        await this.fileFailed();
        await this.idle();
      }
      if (!this.signal.aborted) throw this.lost.signal.reason;
    } finally {
      await this.leave();
    }
  }

  /** Both events: a dropped connection may emit only `close`. */
  private watch(client: ImapFlow): void {
    this.client = client;
    client.on('error', (error: Error) => this.lost.abort(error));
    client.on('close', () => this.lost.abort(CLOSED));
    client.on('exists', () => this.news.abort('new mail'));
    if (!client.usable) this.lost.abort(CLOSED);
  }

  private async leave(): Promise<void> {
    if (!this.client) return;
    const gone = new AbortController();
    const leaving = this.client.usable ? this.client.logout().catch(() => {}) : Promise.resolve();
    await Promise.race([leaving.finally(() => gone.abort('gone')), pause(LOGOUT_LIMIT_MS, gone.signal)]);
    this.client.close();
  }

  private async open(): Promise<void> {
    const { mailbox, pool, log } = this.options;
    const { uidValidity, uidNext } = await this.openInbox();
    this.start = await openPlace(pool, mailbox.id, { uidValidity: String(uidValidity), uidNext });
    const { uidValidityBefore: before, uidValidity: now } = this.start;
    // mails that were taken under the old numbering are recognised by Message-ID and content
    if (before !== null && before !== now)
      log.error({ mailbox: mailbox.address, before, now }, 'UIDVALIDITY has changed');
  }

  private async openInbox(): Promise<{ uidValidity: bigint; uidNext: number }> {
    const { inboxFolder, mode } = this.options.mailbox;
    const path = await this.folders.find(inboxFolder);
    if (path === null) throw folderMissing(inboxFolder);
    return this.client.mailboxOpen(path, { readOnly: mode === 'leave' });
  }

  private async fileFailed(): Promise<void> {
    const { pool, mailbox } = this.options;
    if (mailbox.mode !== 'move' || !this.mayMove()) return;
    const { processedFolder: from, failedFolder: to } = mailbox;
    const filed = await fileFailed(this.client, pool, mailbox.id, {
      from: () => this.folder(from),
      to: () => this.folder(to),
    });
    if (!filed) return;
    await this.open();
    this.news.abort('unheard'); // of mail that came meanwhile nobody has told us
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
    const { pool } = this.options;
    const { mailbox: folder } = this.client;
    if (folder && String(folder.uidValidity) !== this.start.uidValidity) throw new Error('the inbox was numbered anew');
    const uids = await this.listed();
    for (let start = 0; start < uids.length && !this.ended.aborted; start += SIZES_AT_ONCE) {
      if (uids.length > SIZES_AT_ONCE) await this.report(uids.length - start);
      const part = uids.slice(start, start + SIZES_AT_ONCE);
      const known = await knownUids(pool, this.start, part);
      await this.acknowledge(part.filter((uid) => known.get(uid)?.oversize === false));
      await this.acknowledge(
        part.filter((uid) => known.get(uid)?.oversize),
        { oversize: true },
      );
      await this.take(part.filter((uid) => !known.has(uid)));
    }
  }

  /** Writes down how it goes: a long look is no silence. */
  private async report(unfetched: number): Promise<void> {
    if (this.problem === null) await recordSuccess(this.options.pool, this.start.mailboxId, unfetched);
    await this.onScanned(this.problem);
  }

  /** The UIDs that may have to be taken or acknowledged, in order. */
  private async listed(): Promise<number[]> {
    const { firstUid } = this.start;
    const from = this.options.mailbox.mode === 'move' ? firstUid : await this.unseenFrom();
    const recent = await this.search({ uid: `${from}:*` });
    // a range that ends in * has the last mail in it in any case
    const uids = recent.filter((uid) => uid >= from);
    return [...(await this.earlier()), ...uids].sort((a, b) => a - b);
  }

  private async unseenFrom(): Promise<number> {
    return Math.max(this.start.firstUid, (await highestUid(this.options.pool, this.start)) - UID_OVERLAP);
  }

  /** Mails that were there before, and that are taken by the time when the server received them. Once a session. */
  private async earlier(): Promise<number[]> {
    const { firstUid, takenSince } = this.start;
    if (this.lookedBack || takenSince === null || firstUid <= 1) return [];
    this.lookedBack = true;
    const range = { uid: `1:${firstUid - 1}`, since: new Date(takenSince.getTime() - DAY_MS) }; // the server has its own days
    return (await this.search(range)).filter((uid) => uid < firstUid);
  }

  private async search(query: SearchObject): Promise<number[]> {
    const found = await this.client.search(query, { uid: true });
    if (!found) throw new Error('the server does not list the inbox');
    return found;
  }

  private async take(uids: number[]): Promise<void> {
    if (uids.length === 0) return;
    const { firstUid, takenSince } = this.start;
    const listed: Listed[] = [];
    const asked = { size: true, internalDate: true };
    for await (const { uid, size, internalDate } of this.client.fetch(uids.join(','), asked, { uid: true })) {
      if (uid < firstUid && (takenSince === null || dateOf(internalDate) < takenSince)) continue;
      listed.push({ uid, size: size ?? this.options.maxBytes });
    }
    listed.sort((a, b) => a.uid - b.uid);
    const limits = { smallBytes: SMALL_BYTES, mails: this.options.batchSize, bytes: BATCH_BYTES };
    for (const batch of inBatches(listed, limits)) {
      await this.room();
      if (this.ended.aborted) return;
      await this.takeBatch(batch).catch((error: unknown) => this.refused(batch, error));
    }
  }

  /** One mail that the server does not hand out holds up no other; it is asked for again at the next look. */
  private async refused(batch: Listed[], error: unknown): Promise<void> {
    if (!isRefusal(error) || this.ended.aborted) throw error;
    if (batch.length === 1) {
      this.lookedBack = false;
      this.problem = `the server does not hand out the mail with UID ${batch[0]!.uid}`;
      return;
    }
    for (const mail of batch) {
      if (!this.ended.aborted) await this.takeBatch([mail]).catch((reason: unknown) => this.refused([mail], reason));
    }
  }

  /** Waits for room; it may be long, and the connection must not look dead meanwhile. */
  private async room(): Promise<void> {
    let aliveAt = performance.now();
    while (!this.ended.aborted && !(await this.options.hasRoom())) {
      await pause(ROOM_EVERY_MS, this.ended);
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
    const blobs = await storeSmall(this.options.pool, this.start, mails);
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
      await storeLarge(this.options.pool, this.start, {
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
    const { maxBytes, mailbox } = this.options;
    const where = mailbox.mode === 'move' ? `the folder ${mailbox.oversizeFolder}` : mailbox.inboxFolder;
    const error = `the mail has ${size} bytes, the limit is ${maxBytes}; it is in ${where} of ${mailbox.address}`;
    const headers = message.headers ?? Buffer.alloc(0);
    const internalDate = dateOf(message.internalDate);
    await storeOversize(this.options.pool, this.start, { uid, internalDate, headers, error });
    await this.acknowledge([uid], { oversize: true });
  }

  private stored(mails: number, raw = new Map<string, Buffer>()): void {
    fetched.inc({ mailbox: this.options.mailbox.address }, mails);
    this.lastMailAt = performance.now();
    this.options.onStored(raw);
  }

  /** Tells the server that the mails are safe with us. A refusal is reported, and tried again at the next look. */
  private async acknowledge(uids: number[], { oversize } = { oversize: false }): Promise<void> {
    const { mode, processedFolder, oversizeFolder } = this.options.mailbox;
    if (uids.length === 0 || mode === 'leave') return;
    if (mode === 'flag' || !this.mayMove()) await this.flag(uids);
    else await this.move(uids, oversize ? oversizeFolder : processedFolder);
  }

  /** Marks mails that stay in their folder. @returns those that were not marked before */
  private async flag(uids: number[]): Promise<number[]> {
    const accepted = this.client.mailbox ? this.client.mailbox.permanentFlags : undefined;
    // a server without keywords of our own has at least this one
    const flag = !accepted || accepted.has('\\*') || accepted.has(FLAG) ? FLAG : '\\Flagged';
    const unmarked = flag === FLAG ? { unKeyword: FLAG } : { flagged: false };
    const open = (await this.client.search({ uid: uids.join(','), ...unmarked }, { uid: true })) || [];
    if (open.length === 0) return [];
    const done = await this.client.messageFlagsAdd(open.join(','), [flag], { uid: true });
    if (!done) this.problem = 'mails could not be flagged';
    return done ? open : [];
  }

  private async move(uids: number[], name: string): Promise<void> {
    const path = await this.folder(name);
    if (path === null) {
      this.problem = `mails could not be moved: there is no folder ${name}`;
    } else if (this.client.capabilities.has('MOVE')) {
      const moved = await this.client.messageMove(uids.join(','), path, { uid: true });
      if (!moved) this.problem = `mails could not be moved to ${path}`;
    } else {
      await this.copyAndRemove(uids, path);
    }
  }

  /**
   * What MOVE does, in steps that may be cut off. A mail is marked first, and only one that was not is copied: so it is
   * never copied again, not even when its removal fails each time; then it stays in the inbox as well, marked.
   */
  private async copyAndRemove(uids: number[], path: string): Promise<void> {
    const fresh = (await this.flag(uids)).join(',');
    if (fresh === '') return;
    if (!(await this.client.messageCopy(fresh, path, { uid: true }))) {
      this.problem = `mails could not be copied to ${path}`;
      if (this.client.usable) await this.client.messageFlagsRemove(fresh, [FLAG], { uid: true });
    } else if (!(await this.client.messageDelete(fresh, { uid: true }))) {
      this.problem = `mails were copied to ${path}, but could not be removed`;
    }
  }

  /** Without UIDPLUS a removal would remove what others have marked as deleted, too. */
  private mayMove(): boolean {
    return this.client.capabilities.has('MOVE') || this.client.capabilities.has('UIDPLUS');
  }

  /** The folder's path, made when it is missing; null when the server does not let us. */
  private async folder(name: string): Promise<string | null> {
    try {
      return await this.folders.findOrMake(name);
    } catch (error) {
      if (this.ended.aborted) throw error;
      this.options.log.error({ mailbox: this.options.mailbox.address, folder: name }, 'folder not made');
      return null;
    }
  }
}

/** The server has answered a command with NO or BAD, and not because it is asked too much. */
function isRefusal(error: unknown): boolean {
  const { responseStatus, code } = error as { responseStatus?: string; code?: string };
  return (responseStatus === 'NO' || responseStatus === 'BAD') && code !== 'ETHROTTLE';
}

function dateOf(value: Date | string | undefined): Date {
  const date = new Date(value ?? Number.NaN);
  return Number.isNaN(date.getTime()) ? new Date() : date;
}
