/**
 * A raw mail, read once as a stream: headers from the bytes themselves, bodies decoded by our own rules, attachments
 * handed on while they arrive. Nothing big is ever held whole but the text.
 */
import { MailParser, type AttachmentStream } from 'mailparser';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { readArmour } from './armour.js';
import { readBody, type Body, type TextPart } from './body.js';
import { beginning, continued, peekThrough, slices, wholeLines } from './byte-streams.js';
import { readCalendar } from './calendar.js';
import { decodeBytes } from './charset.js';
import { readCms } from './cms.js';
import {
  emptyLeaf,
  isDeeperThan,
  namedAttachments,
  readContents,
  textNode,
  type Contents,
  type Leaf,
  type PartNode,
  type StoredAttachment,
  type UnpackedFile,
} from './contents.js';
import { readFields } from './fields.js';
import { FirstBytes, HeadBytes } from './first-bytes.js';
import { forwardedIn } from './forward.js';
import { HeaderFields, parseMessageIds, parseRawHeaders } from './headers.js';
import {
  DEFAULT_LIMITS,
  MailUnreadable,
  type EnclosedMail,
  type MailFields,
  type MailLimits,
  type MailWarning,
  type ParsedMail,
  type UnreadableReason,
} from './mail.js';
import { typeByName } from './media-type.js';
import { readTnef, type TnefFile } from './tnef.js';
import { isUuencode, takeUuencoded, UudecodeStream } from './uuencode.js';

export type { StoredAttachment } from './contents.js';

/** What is known of an attachment when its bytes begin. Its name is known with the rest of the mail. */
export interface AttachmentMeta {
  type: string;
}

export interface ParseOptions {
  /** Takes the bytes of one attachment, to the end of the stream. The next begins when the promise is fulfilled. */
  onAttachment(meta: AttachmentMeta, content: Readable): Promise<StoredAttachment>;
  limits?: Partial<MailLimits>;
}

/**
 * Every leaf of the MIME tree as raw bytes: with no text types of its own, MailParser decodes no charset (it would put
 * U+FFFD where a byte does not fit), joins no text and keeps the order of the parts.
 */
class LeafParser extends MailParser {
  textTypes: string[] = [];
  declare readonly tree: PartNode | false;

  /** A part of a digest that says nothing else is a mail (RFC 2046 §5.1.5); misspelt encodings are what they look like. */
  createNode(node: SplitNode): unknown {
    if (/^\W*base[-_]?64\b/i.test(node.encoding || '')) node.encoding = 'base64';
    if (/^\W*quoted[-_]?printable\b/i.test(node.encoding || '')) node.encoding = 'quoted-printable';
    if (!node.headers.hasHeader('content-type') && node.parentNode?.contentType === 'multipart/digest')
      node.contentType = 'message/rfc822';
    return (MailParser.prototype as unknown as { createNode(node: SplitNode): unknown }).createNode.call(this, node);
  }
}

interface SplitNode {
  contentType: string | false;
  encoding: string | false;
  headers: { hasHeader(name: string): boolean };
  parentNode?: SplitNode;
}

/** What a mail and all that is wrapped up in it may use together. */
class Budget {
  attachments = 0;
  /** Bytes of text held. */
  text = 0;
  previews = 0;
  /** Mails around this one, enclosing or wrapping it. */
  constructor(readonly depth: number) {}
}

const ENCLOSED_MAIL = /^message\/(?:rfc822|global)$/;
const ENCLOSED_HEADERS = /^(?:text\/rfc822-headers|message\/global-headers)$/;
const REPORT_PART =
  /^message\/(?:(?:global-)?delivery-status|(?:global-)?disposition-notification|feedback-report|x?-?arf)$/;
const TNEF = /^application\/(?:vnd\.)?ms-tnef$/;
const CMS = /^application\/(?:x-)?pkcs7-mime$/;
const CALENDAR = /^(?:text\/(?:x-v)?calendar|application\/ics)$/;
const DELIVERY_REPORT = /^message\/(?:global-)?delivery-status$/;
const DELIVERY_REPORT_BYTES = 64 * 1024;
const MAX_DELIVERY_REPORTS = 5;
const ENCLOSED_BYTES = 256 * 1024;
const ENCLOSED_HEAD_BYTES = 64 * 1024;
const CALENDAR_BYTES = 256 * 1024;
const SALVAGE_BYTES = 256 * 1024;
/** Mails within mails that are still looked into. */
const MAX_DEPTH = 5;
const MAX_PREVIEWS = 20;
const PREVIEW_LIMITS: Partial<MailLimits> = {
  htmlLength: 0,
  textLength: 10_000,
  parts: 200,
  attachments: 50,
  addresses: 50,
};

const ENCRYPTED_TEXT = '(This message is encrypted and cannot be read here. It is kept as it came.)';

/**
 * @throws MailUnreadable when the bytes are over a limit or cannot be taken apart; what `source` and `onAttachment`
 * throw is passed on
 */
export async function parseMail(source: Readable, options: ParseOptions): Promise<ParsedMail> {
  return new Reading(options, new Budget(0)).read(source);
}

class Reading {
  private readonly limits: MailLimits;
  private readonly head: HeadBytes;
  private readonly start = new FirstBytes(SALVAGE_BYTES);
  private readonly parser: LeafParser;
  private readonly leaves = new Map<object, Leaf>();
  private readonly deliveryReports: string[] = [];
  private readonly warnings = new Set<MailWarning>();
  /** What is being read of the part in hand. */
  private open: Readable[] = [];
  /** A failure of the surroundings, not of the mail. */
  private outside: { error: unknown } | null = null;

  constructor(
    private readonly options: ParseOptions,
    private readonly budget: Budget,
  ) {
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.head = new HeadBytes(this.limits.headerBytes);
    this.parser = new LeafParser({
      ignoreEmbedded: true,
      keepDeliveryStatus: true,
      skipTextLinks: true,
      skipTextToHtml: true,
      skipHtmlToText: true,
      skipImageLinks: true,
      checksumAlgo: false,
      maxHeadSize: this.limits.headerBytes,
      maxChildNodes: this.limits.parts,
    });
    // whoever is reading an attachment must not wait for bytes that will not come
    this.parser.once('close', () => this.open.forEach((stream) => stream.destroy()));
  }

  async read(source: Readable): Promise<ParsedMail> {
    return this.finish(await this.take(source));
  }

  /** Only what is in it: for a mail that is wrapped up in another. */
  async take(source: Readable): Promise<Contents> {
    const feeding = pipeline(source, (chunks: AsyncIterable<Buffer>) => this.measured(chunks), this.parser);
    const [fed, taken] = await Promise.allSettled([feeding, this.takeLeaves()]);
    if (this.outside) throw this.outside.error;
    const failed = [fed, taken].find((result) => result.status === 'rejected');
    if (failed) throw this.unreadable(failed.reason);
    const { tree } = this.parser;
    if (tree && isDeeperThan(this.limits.depth, tree)) throw new MailUnreadable('too-deep', this.head.bytes());
    const hasHeaders = parseRawHeaders(this.head.bytes()).length > 0;
    if (hasHeaders && tree && this.leaves.size > 0) return readContents(tree, this.leaves);
    const body = textNode(this.salvaged(hasHeaders));
    return { body, found: [], spareBody: null, calendar: null, protection: null };
  }

  private async *measured(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let size = 0;
    const chunks = source[Symbol.asyncIterator]();
    for (;;) {
      const next = await chunks.next().catch((error: unknown) => {
        this.outside ??= { error };
        throw error;
      });
      if (next.done) return;
      size += next.value.length;
      this.head.add(next.value);
      this.start.add(next.value);
      if (size > this.limits.rawBytes) throw new MailUnreadable('too-large', this.head.bytes());
      yield next.value;
    }
  }

  private async takeLeaves(): Promise<void> {
    for await (const item of this.parser as AsyncIterable<AttachmentStream | { type: 'text' }>) {
      if (item.type !== 'attachment') continue;
      this.open = [item.content];
      this.leaves.set(item.headers, await this.takeLeaf(item));
      this.open = [];
      item.content.resume();
      item.release?.();
    }
  }

  private async takeLeaf(item: AttachmentStream): Promise<Leaf> {
    const leaf = emptyLeaf((item.contentType || 'text/plain').toLowerCase());
    const kind = this.textKind(item, leaf.type);
    const decoder = isUuencode(textOf(item.headers.get('content-transfer-encoding'))) ? new UudecodeStream() : null;
    const content = decoder ? this.opened(item.content.pipe(decoder)) : item.content;
    if (kind !== null) await this.takeText(leaf, kind, content);
    else if (this.mayAttach()) await this.takeAttachment(leaf, item, content);
    leaf.fileName = decoder?.fileName ?? null;
    return leaf;
  }

  private opened<Stream extends Readable>(stream: Stream): Stream {
    this.open.push(stream);
    return stream;
  }

  private mayAttach(): boolean {
    if (++this.budget.attachments <= this.limits.attachments) return true;
    this.warnings.add('attachments-over-limit');
    return false;
  }

  /** What is part of the message itself rather than attached to it. A type without a slash is no type: plain text. */
  private textKind(item: AttachmentStream, type: string): 'plain' | 'html' | null {
    const disposition = item.contentDisposition ?? 'inline';
    if (disposition !== 'inline') return null;
    const kind = type === 'text/html' ? 'html' : type === 'text/plain' || !type.includes('/') ? 'plain' : null;
    // a second, named text is a file that the sender's program shows in place
    const repeated = item.filename && [...this.leaves.values()].some(({ text }) => text?.kind === kind);
    return repeated ? null : kind;
  }

  private async takeText(leaf: Leaf, kind: 'plain' | 'html', content: Readable): Promise<void> {
    const { partBytes } = this.limits;
    const room = Math.min(partBytes, 2 * partBytes - this.budget.text);
    const { bytes, rest } = await beginning(content, room);
    leaf.text = textPart(kind, rest ? wholeLines(bytes.subarray(0, room)) : bytes);
    this.budget.text += leaf.text.bytes.length;
    if (rest) {
      this.warnings.add('part-over-limit');
      const whole = continued(bytes, rest);
      if (this.mayAttach()) leaf.stored = await this.store(leaf.type, this.opened(Readable.from(whole)));
      else for await (const _ of whole);
    }
    if (kind !== 'plain') return;
    const uuencoded = takeUuencoded(leaf.text.bytes, this.limits.attachments);
    if (!uuencoded) return;
    leaf.text.bytes = uuencoded.text;
    for (const file of uuencoded.files) await this.attach(leaf, { ...file, type: null, contentId: null });
  }

  private async takeAttachment(leaf: Leaf, item: AttachmentStream, content: Readable): Promise<void> {
    const { type } = leaf;
    const name = item.filename ?? '';
    if (TNEF.test(type) || /^winmail\.dat$/i.test(name)) return this.unpack(leaf, content, this.takeTnef);
    if (CMS.test(type) || /^smime\.p7m$/i.test(name)) {
      const declared = parameterOf(item, 'smime-type');
      if (declared === 'enveloped-data' || declared === 'authenveloped-data') leaf.protection = 'smime-encrypted';
      return this.unpack(leaf, content, this.takeCms);
    }
    if (ENCLOSED_MAIL.test(type)) return this.takeEnclosed(leaf, content);
    if (ENCLOSED_HEADERS.test(type)) {
      const head = new HeadBytes(ENCLOSED_HEAD_BYTES);
      leaf.stored = await this.store(type, content, head);
      leaf.messageIds = messageIdsIn(head.bytes());
    } else if (DELIVERY_REPORT.test(type) && this.deliveryReports.length < MAX_DELIVERY_REPORTS) {
      const start = new FirstBytes(DELIVERY_REPORT_BYTES);
      leaf.stored = await this.store(type, content, start);
      this.deliveryReports.push(decodeBytes(start.bytes(), 'utf-8').text);
    } else if (CALENDAR.test(type) || /\.ics$/i.test(name)) {
      const start = new FirstBytes(CALENDAR_BYTES);
      leaf.stored = await this.store(type, content, start);
      const { text } = decodeBytes(start.bytes(), parameterOf(item, 'charset') ?? 'utf-8');
      leaf.calendar = readCalendar(text, parameterOf(item, 'method'), item.contentDisposition === 'attachment');
    } else {
      leaf.stored = await this.store(type, content);
    }
  }

  /** Hands the bytes to `take`; what that refuses, or is too large for it, is attached as it is. */
  private async unpack(
    leaf: Leaf,
    content: Readable,
    take: (leaf: Leaf, bytes: Buffer) => Promise<boolean>,
  ): Promise<void> {
    const { bytes, rest } = await beginning(content, this.limits.unpackBytes);
    if (rest) {
      this.warnings.add('not-unpacked');
      leaf.stored = await this.store(leaf.type, this.opened(Readable.from(continued(bytes, rest))));
    } else if (!(await take.call(this, leaf, bytes))) {
      leaf.stored = await this.store(leaf.type, this.opened(Readable.from(slices(bytes))));
    }
  }

  private async takeTnef(leaf: Leaf, bytes: Buffer): Promise<boolean> {
    const tnef = readTnef(bytes);
    if (!tnef?.complete) this.warnings.add('not-unpacked');
    if (!tnef) return false;
    for (const file of tnef.files) await this.attach(leaf, file);
    leaf.calendar = tnef.calendar;
    if (tnef.body) leaf.spareBody = { ...textPart(tnef.body.kind, tnef.body.bytes), charset: tnef.body.charset };
    const isEmpty = tnef.files.length === 0 && !tnef.body && !tnef.calendar;
    return tnef.complete && !isEmpty;
  }

  private async takeCms(leaf: Leaf, bytes: Buffer): Promise<boolean> {
    const cms = readCms(bytes);
    if (cms?.kind === 'encrypted') leaf.protection = 'smime-encrypted';
    if (!cms?.content || this.budget.depth >= MAX_DEPTH) return false;
    leaf.protection = 'smime-signed';
    try {
      const within = new Budget(this.budget.depth + 1);
      within.attachments = this.budget.attachments;
      within.text = this.budget.text;
      const inner = new Reading(this.options, within);
      leaf.contents = await inner.take(this.opened(Readable.from(slices(cms.content))));
      this.budget.attachments = within.attachments;
      this.budget.text = within.text;
      inner.warnings.forEach((warning) => this.warnings.add(warning));
      return true;
    } catch (error) {
      if (!(error instanceof MailUnreadable)) throw this.failedOutside(error);
      this.warnings.add('not-unpacked');
      return false;
    }
  }

  private async takeEnclosed(leaf: Leaf, content: Readable): Promise<void> {
    const start = new FirstBytes(ENCLOSED_BYTES);
    leaf.stored = await this.store(leaf.type, content, start);
    leaf.messageIds = messageIdsIn(start.bytes());
    if (this.budget.depth < MAX_DEPTH && ++this.budget.previews <= MAX_PREVIEWS)
      leaf.enclosed = await this.preview(start.bytes());
  }

  private async preview(bytes: Buffer): Promise<EnclosedMail> {
    const within = new Budget(this.budget.depth + 1);
    within.previews = this.budget.previews;
    const limits = { ...this.limits, ...PREVIEW_LIMITS };
    const mail = await new Reading({ onAttachment: discard, limits }, within)
      .read(Readable.from([bytes]))
      .catch((error: unknown) => {
        if (!(error instanceof MailUnreadable)) throw this.failedOutside(error);
        return {
          ...readFields(new HeaderFields(parseRawHeaders(bytes)), limits),
          text: '',
          attachments: [],
          enclosed: [],
        };
      });
    this.budget.previews = within.previews;
    const { from, to, subject, date, text, attachments, enclosed } = mail;
    return {
      attachment: '',
      from: from[0] ?? null,
      to,
      subject,
      date,
      text,
      attachments: attachments.map(({ name }) => name),
      enclosed,
    };
  }

  private async attach(leaf: Leaf, { name, type, contentId, bytes }: TnefFile): Promise<void> {
    if (!this.mayAttach()) return;
    const known = type?.includes('/') ? type : typeByName(name);
    const stored = await this.store(known, this.opened(Readable.from(slices(bytes))));
    leaf.files.push({ name, type: known, contentId, ...stored } satisfies UnpackedFile);
  }

  private async store(type: string, content: Readable, peek: FirstBytes | null = null): Promise<StoredAttachment> {
    const handed = peek ? this.opened(content.pipe(peekThrough(peek))) : content;
    try {
      const { sha256, size } = await this.options.onAttachment({ type }, handed);
      return { sha256, size };
    } catch (error) {
      // a parser that has failed has cut the content short: then that is the reason
      throw this.parser.errored ? error : this.failedOutside(error);
    } finally {
      handed.resume();
    }
  }

  private failedOutside(error: unknown): unknown {
    this.outside ??= { error };
    return error;
  }

  private unreadable(error: unknown): MailUnreadable {
    if (error instanceof MailUnreadable) return error;
    return new MailUnreadable(reasonOf(error), this.head.bytes(), { cause: error });
  }

  private finish(contents: Contents): ParsedMail {
    const { found, calendar } = contents;
    const fields = readFields(new HeaderFields(parseRawHeaders(this.head.bytes())), this.limits);
    const body = this.readBody(contents);
    const armour = readArmour(body.text);
    const protection = armour?.unreadable ? armour.kind : (contents.protection ?? armour?.kind ?? null);
    const text = shownText(armour?.text ?? body.text, body, protection, armour?.unreadable ?? false);
    const attachments = namedAttachments(found, body.html);
    const enclosed = found.flatMap(({ enclosed: mail }, index) =>
      mail ? { ...mail, attachment: attachments[index]!.name } : [],
    );
    const reportParts = new Set(
      found.map(({ attachment }) => attachment.type).filter((type) => REPORT_PART.test(type)),
    );
    const byMachine =
      fields.automatic.contentType === 'multipart/report' || reportParts.size > 0 || isAutomatic(fields);
    return {
      ...fields,
      automatic: {
        ...fields.automatic,
        reportParts: [...reportParts],
        deliveryReports: this.deliveryReports,
        returnedMessageIds: [...new Set(found.flatMap(({ messageIds }) => messageIds))].slice(0, 100),
      },
      warnings: [...new Set([...fields.warnings, ...this.warnings, ...body.warnings])],
      text,
      html: body.html,
      textTruncated: body.textTruncated,
      attachments,
      enclosed,
      forwarded: byMachine ? null : forwardedIn(fields, text, enclosed),
      calendar,
      protection,
      signatures: attachments.filter((_, index) => found[index]!.isSignature).map(({ name }) => name),
    };
  }

  private readBody({ body: root, spareBody }: Contents): Body {
    const body = readBody(root, this.limits);
    if (!spareBody || body.html !== null || body.text.trim() !== '') return body;
    return readBody(textNode(spareBody), this.limits);
  }

  /** A multipart whose boundary never comes has no parts, a text without headers is no mail: shown as it stands. */
  private salvaged(hasHeaders: boolean): TextPart {
    const start = this.start.bytes();
    const head = hasHeaders ? /\r?\n\r?\n|$/.exec(start.toString('latin1'))! : null;
    const bytes = start.subarray(head ? head.index + head[0].length : 0);
    if (bytes.toString('latin1').trim() !== '') this.warnings.add('structure-broken');
    return textPart('plain', bytes);
  }
}

/** Machines return mails, and forward none. */
function isAutomatic({ returnPath, automatic }: MailFields): boolean {
  return returnPath === '' || (automatic.autoSubmitted !== null && automatic.autoSubmitted !== 'no');
}

function textPart(kind: 'plain' | 'html', bytes: Buffer): TextPart {
  return { kind, bytes, charset: null, flowed: false, deleteSpace: false };
}

function shownText(text: string, body: Body, protection: ParsedMail['protection'], unreadable: boolean): string {
  if (unreadable) return `${ENCRYPTED_TEXT}\n\n${text}`;
  const isEmpty = text.trim() === '' && body.html === null;
  return isEmpty && protection?.endsWith('-encrypted') ? ENCRYPTED_TEXT : text;
}

function messageIdsIn(head: Buffer): string[] {
  return new HeaderFields(parseRawHeaders(head)).all('message-id').flatMap(parseMessageIds);
}

function textOf(header: unknown): string {
  return typeof header === 'string' ? header : '';
}

/** A parameter of the Content-Type, in lower case, as far as the library understood it. */
function parameterOf(item: AttachmentStream, name: string): string | null {
  const header = item.headers.get('content-type') as { params?: Record<string, unknown> } | undefined;
  return textOf(header?.params?.[name]).toLowerCase() || null;
}

async function discard(_meta: AttachmentMeta, content: Readable): Promise<StoredAttachment> {
  let size = 0;
  for await (const chunk of content as AsyncIterable<Buffer>) size += chunk.length;
  return { sha256: '', size };
}

function reasonOf(error: unknown): UnreadableReason {
  const message = error instanceof Error ? error.message : '';
  if (/max header size/i.test(message)) return 'headers-too-large';
  if (/child nodes/i.test(message)) return 'too-many-parts';
  return 'malformed';
}
