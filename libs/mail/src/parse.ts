/**
 * A raw mail, read once as a stream: headers from the bytes themselves, bodies decoded by our own rules, attachments
 * handed on while they arrive. Nothing big is ever held whole but the text.
 */
import { MailParser, type AttachmentStream } from 'mailparser';
import { PassThrough, type Transform, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { attachmentName, numberDuplicates } from './attachment-name.js';
import { readBody, type BodyNode, type TextPart } from './body.js';
import { readFields } from './fields.js';
import { FirstBytes, HeadBytes } from './first-bytes.js';
import { HeaderFields, parseMessageIds, parseRawHeaders, parseStructured } from './headers.js';
import {
  DEFAULT_LIMITS,
  MailUnreadable,
  type MailLimits,
  type MailWarning,
  type ParsedAttachment,
  type ParsedMail,
  type UnreadableReason,
} from './mail.js';

/** What is known of an attachment when its bytes begin. Its name is known with the rest of the mail. */
export interface AttachmentMeta {
  type: string;
}

export interface StoredAttachment {
  sha256: string;
  size: number;
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
}

interface PartNode {
  contentType: string | false;
  /** The same object as the attachment's: what a leaf is recognised by. */
  headers: object;
  headerLines: { key: string; line: string }[];
  children: PartNode[];
}

interface Leaf {
  text: TextPart | null;
  stored: StoredAttachment | null;
  type: string;
  /** First bytes of an enclosed mail or report. */
  head: Buffer | null;
}

const ENCLOSED_MAIL = /^(?:message\/(?:rfc822|global)|text\/rfc822-headers|message\/global-headers)$/;
const REPORT_PART =
  /^message\/(?:(?:global-)?delivery-status|(?:global-)?disposition-notification|feedback-report|x?-?arf)$/;
const ENCLOSED_HEAD_BYTES = 64 * 1024;
const SALVAGE_BYTES = 256 * 1024;

/**
 * @throws MailUnreadable when the bytes are over a limit or cannot be taken apart; what `source` and `onAttachment`
 * throw is passed on
 */
export async function parseMail(source: Readable, options: ParseOptions): Promise<ParsedMail> {
  return new Reading(options).read(source);
}

class Reading {
  private readonly limits: MailLimits;
  private readonly head: HeadBytes;
  private readonly start = new FirstBytes(SALVAGE_BYTES);
  private readonly parser: LeafParser;
  private readonly leaves = new Map<object, Leaf>();
  private readonly warnings = new Set<MailWarning>();
  private attachments = 0;
  private current: Readable | null = null;
  /** A failure of the surroundings, not of the mail. */
  private outside: { error: unknown } | null = null;

  constructor(private readonly options: ParseOptions) {
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
    this.parser.once('close', () => this.current?.destroy());
  }

  async read(source: Readable): Promise<ParsedMail> {
    const feeding = pipeline(source, (chunks: AsyncIterable<Buffer>) => this.measured(chunks), this.parser);
    const [fed, taken] = await Promise.allSettled([feeding, this.takeLeaves()]);
    if (this.outside) throw this.outside.error;
    const failed = [fed, taken].find((result) => result.status === 'rejected');
    if (failed) throw this.unreadable(failed.reason);
    return this.finish();
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
      this.current = item.content;
      this.leaves.set(item.headers, await this.takeLeaf(item));
      this.current = null;
      item.content.resume();
      item.release?.();
    }
  }

  private async takeLeaf(item: AttachmentStream): Promise<Leaf> {
    const type = (item.contentType || 'text/plain').toLowerCase();
    const leaf: Leaf = { text: null, stored: null, type, head: null };
    const kind = this.textKind(item, type);
    if (kind !== null) {
      leaf.text = { kind, bytes: await this.readText(item.content), charset: null, flowed: false, deleteSpace: false };
    } else if (++this.attachments > this.limits.attachments) {
      this.warnings.add('attachments-over-limit');
    } else {
      const peek = ENCLOSED_MAIL.test(type) ? new HeadBytes(ENCLOSED_HEAD_BYTES) : null;
      leaf.stored = await this.store(type, item.content, peek);
      leaf.head = peek?.bytes() ?? null;
    }
    return leaf;
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

  private async readText(content: Readable): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of content as AsyncIterable<Buffer>) {
      if (length < this.limits.partBytes) chunks.push(chunk.subarray(0, this.limits.partBytes - length));
      length += chunk.length;
    }
    if (length > this.limits.partBytes) this.warnings.add('part-over-limit');
    return Buffer.concat(chunks);
  }

  private async store(type: string, content: Readable, peek: HeadBytes | null): Promise<StoredAttachment> {
    const handed = peek ? content.pipe(peekThrough(peek)) : content;
    this.current = handed;
    try {
      const { sha256, size } = await this.options.onAttachment({ type }, handed);
      return { sha256, size };
    } catch (error) {
      // a parser that has failed has cut the content short: then that is the reason
      if (!this.parser.errored) this.outside ??= { error };
      throw error;
    } finally {
      handed.resume();
    }
  }

  private unreadable(error: unknown): MailUnreadable {
    if (error instanceof MailUnreadable) return error;
    return new MailUnreadable(reasonOf(error), this.head.bytes(), { cause: error });
  }

  private finish(): ParsedMail {
    const headers = new HeaderFields(parseRawHeaders(this.head.bytes()));
    const fields = readFields(headers, this.limits);
    const found: FoundAttachment[] = [];
    const tree = this.parser.tree;
    if (tree && isDeeperThan(this.limits.depth, tree)) throw new MailUnreadable('too-deep', this.head.bytes());
    const isMail = headers.list.length > 0;
    const root = isMail && tree && this.leaves.size > 0 ? this.bodyNode(tree, found) : this.salvaged(isMail);
    const body = readBody(root, this.limits);
    const names = numberDuplicates(found.map(({ attachment }) => attachment.name));
    const shown = contentIdsIn(body.html);
    const warnings = new Set([...fields.warnings, ...this.warnings, ...body.warnings]);
    return {
      ...fields,
      automatic: {
        ...fields.automatic,
        reportParts: [
          ...new Set(found.map(({ attachment }) => attachment.type).filter((type) => REPORT_PART.test(type))),
        ],
        returnedMessageIds: [...new Set(found.flatMap(({ messageIds }) => messageIds))].slice(0, 100),
      },
      warnings: [...warnings],
      text: body.text,
      html: body.html,
      textTruncated: body.textTruncated,
      attachments: found.map(({ attachment }, index) => ({
        ...attachment,
        name: names[index]!,
        inline: attachment.contentId !== null && shown.has(attachment.contentId),
      })),
    };
  }

  /** A multipart whose boundary never comes has no parts, a text without headers is no mail: shown as it stands. */
  private salvaged(hasHeaders: boolean): BodyNode {
    const start = this.start.bytes();
    const head = hasHeaders ? /\r?\n\r?\n|$/.exec(start.toString('latin1'))! : null;
    const bytes = start.subarray(head ? head.index + head[0].length : 0);
    if (bytes.toString('latin1').trim() !== '') this.warnings.add('structure-broken');
    const part: TextPart = { kind: 'plain', bytes, charset: null, flowed: false, deleteSpace: false };
    return { contentType: 'text/plain', part, children: [] };
  }

  private bodyNode(node: PartNode, found: FoundAttachment[]): BodyNode {
    const leaf = this.leaves.get(node.headers);
    const contentType = node.contentType || '';
    if (!leaf) return { contentType, part: null, children: node.children.map((child) => this.bodyNode(child, found)) };
    const headers = new HeaderFields(
      parseRawHeaders(Buffer.from(node.headerLines.map(({ line }) => line).join('\r\n'), 'latin1')),
    );
    const { parameters } = parseStructured(headers.all('content-type')[0] ?? '');
    if (leaf.stored) found.push(foundAttachment(leaf, leaf.stored, headers, parameters));
    if (!leaf.text) return { contentType, part: null, children: [] };
    const part: TextPart = {
      ...leaf.text,
      charset: parameters.charset ?? null,
      flowed: parameters.format?.trim().toLowerCase() === 'flowed',
      deleteSpace: parameters.delsp?.trim().toLowerCase() === 'yes',
    };
    return { contentType, part, children: [] };
  }
}

/** The parser's limit of parts bounds the recursion. */
function isDeeperThan(levels: number, { children }: PartNode): boolean {
  return children.length > 0 && (levels === 0 || children.some((child) => isDeeperThan(levels - 1, child)));
}

interface FoundAttachment {
  attachment: ParsedAttachment;
  messageIds: string[];
}

function foundAttachment(
  { type, head }: Leaf,
  stored: StoredAttachment,
  headers: HeaderFields,
  parameters: Record<string, string>,
): FoundAttachment {
  const disposition = parseStructured(headers.all('content-disposition')[0] ?? '');
  const given = disposition.parameters.filename ?? parameters.name ?? null;
  const contentId = headers.text('content-id')?.replace(/[<>\s]/g, '') || null;
  const enclosed = head ? new HeaderFields(parseRawHeaders(head)) : null;
  const name = attachmentName(given, type, enclosed?.text('subject') ?? null);
  return {
    attachment: { name, type, ...stored, contentId, inline: false },
    messageIds: enclosed?.all('message-id').flatMap(parseMessageIds) ?? [],
  };
}

function contentIdsIn(html: string | null): Set<string> {
  const ids = html?.matchAll(/\bsrc="cid:([^"]{1,500})"/gi) ?? [];
  return new Set([...ids].flatMap(([, id]) => [id!.replace(/&amp;/g, '&'), safeDecode(id!)]));
}

/** RFC 2392: a cid URL is the Content-ID with percent escapes. */
function safeDecode(id: string): string {
  try {
    return decodeURIComponent(id);
  } catch {
    return id;
  }
}

function reasonOf(error: unknown): UnreadableReason {
  const message = error instanceof Error ? error.message : '';
  if (/max header size/i.test(message)) return 'headers-too-large';
  if (/child nodes/i.test(message)) return 'too-many-parts';
  return 'malformed';
}

function peekThrough(capture: HeadBytes): Transform {
  return new PassThrough({
    transform(chunk: Buffer, _encoding, done) {
      capture.add(chunk);
      done(null, chunk);
    },
  });
}
