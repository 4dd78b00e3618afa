/** From the parts of a mail, each read by itself, to what the mail as a whole is made of. */
import { attachmentName, numberDuplicates } from './attachment-name.js';
import type { BodyNode, InlineImage, TextPart } from './body.js';
import type { CalendarSummary } from './calendar.js';
import { cleanLine, cutText } from './charset.js';
import { HeaderFields, parseRawHeaders, parseStructured } from './headers.js';
import type { EnclosedMail, MailProtection, ParsedAttachment } from './mail.js';

export interface StoredAttachment {
  sha256: string;
  size: number;
}

/** A part without parts, as it was read when it came by. */
export interface Leaf {
  /** Declared media type in lower case. */
  type: string;
  text: TextPart | null;
  stored: StoredAttachment | null;
  /** From inside the part, for one whose headers name no file. */
  fileName: string | null;
  /** What was in it, and is attached in its stead. */
  files: UnpackedFile[];
  /** The mail that was wrapped up in it. */
  contents: Contents | null;
  /** A body that counts when the mail has no other. */
  spareBody: TextPart | null;
  enclosed: EnclosedMail | null;
  /** Message-IDs of the mail that it encloses. */
  messageIds: string[];
  calendar: CalendarSummary | null;
  protection: MailProtection | null;
}

export interface UnpackedFile extends StoredAttachment {
  name: string | null;
  type: string;
  contentId: string | null;
}

export interface FoundAttachment {
  attachment: ParsedAttachment;
  /** How a text may show it. */
  image: InlineImage | null;
  enclosed: EnclosedMail | null;
  messageIds: string[];
  isSignature: boolean;
}

export interface Contents {
  body: BodyNode;
  found: FoundAttachment[];
  spareBody: TextPart | null;
  calendar: CalendarSummary | null;
  protection: MailProtection | null;
}

export interface PartNode {
  contentType: string | false;
  /** The same object as the attachment's: what a leaf is recognised by. */
  headers: object;
  headerLines: { key: string; line: string }[];
  children: PartNode[];
}

const SIGNATURE_TYPE = /^application\/(?:(?:x-)?pkcs7-signature|pgp-signature)$/;
const SIGNATURE_NAME = /^(?:smime\.p7s|(?:open_?pgp|pgp)?_?(?:digital_)?signature\.(?:asc|sig|pgp))$/i;
const ENCRYPTED = /-encrypted$/;
const MAX_TYPE_LENGTH = 255;
const MAX_CONTENT_ID_LENGTH = 500;

/** The parser's limit of parts bounds the recursion. */
export function isDeeperThan(levels: number, { children }: PartNode): boolean {
  return children.length > 0 && (levels === 0 || children.some((child) => isDeeperThan(levels - 1, child)));
}

export function emptyLeaf(type: string): Leaf {
  return {
    type,
    text: null,
    stored: null,
    fileName: null,
    files: [],
    contents: null,
    spareBody: null,
    enclosed: null,
    messageIds: [],
    calendar: null,
    protection: null,
  };
}

export function textNode(part: TextPart): BodyNode {
  return { contentType: 'text/plain', part, image: null, children: [] };
}

export function readContents(tree: PartNode, leaves: Map<object, Leaf>): Contents {
  const gathered: Gathered = { leaves, found: [], spareBody: null, calendar: null, protection: null };
  const body = readNode(tree, '', gathered);
  const { found, spareBody, calendar, protection } = gathered;
  return { body, found, spareBody, calendar, protection };
}

interface Gathered extends Omit<Contents, 'body'> {
  leaves: Map<object, Leaf>;
}

function readNode(node: PartNode, parentType: string, gathered: Gathered): BodyNode {
  const contentType = node.contentType || '';
  const empty: BodyNode = { contentType, part: null, image: null, children: [] };
  const leaf = gathered.leaves.get(node.headers);
  if (!leaf) {
    if (contentType === 'multipart/encrypted') protect(gathered, 'pgp-encrypted');
    return { ...empty, children: node.children.map((child) => readNode(child, contentType, gathered)) };
  }
  protect(gathered, leaf.protection);
  gathered.calendar ??= leaf.calendar;
  gathered.spareBody ??= leaf.spareBody;
  if (leaf.contents) return unwrapped(leaf.contents, gathered);
  const headers = new HeaderFields(
    parseRawHeaders(Buffer.from(node.headerLines.map(({ line }) => line).join('\r\n'), 'latin1')),
  );
  const { parameters } = parseStructured(headers.all('content-type')[0] ?? '');
  const found = leaf.stored ? foundAttachment(leaf, leaf.stored, headers, parameters, parentType) : null;
  if (found) gathered.found.push(found);
  if (found?.isSignature) protect(gathered, found.attachment.type.includes('pgp') ? 'pgp-signed' : 'smime-signed');
  if (leaf.type === 'application/pgp-encrypted') protect(gathered, 'pgp-encrypted');
  for (const file of leaf.files) gathered.found.push(foundFile(file));
  if (!leaf.text) return { ...empty, image: found?.image ?? null };
  const part: TextPart = {
    ...leaf.text,
    charset: parameters.charset ?? null,
    flowed: parameters.format?.trim().toLowerCase() === 'flowed',
    deleteSpace: parameters.delsp?.trim().toLowerCase() === 'yes',
  };
  return { ...empty, part };
}

function unwrapped({ body, found, spareBody, calendar, protection }: Contents, gathered: Gathered): BodyNode {
  protect(gathered, protection);
  gathered.calendar ??= calendar;
  gathered.spareBody ??= spareBody;
  for (const each of found) gathered.found.push(each);
  return body;
}

/** What is encrypted is that first of all; otherwise the outermost counts. */
function protect(gathered: { protection: MailProtection | null }, protection: MailProtection | null): void {
  if (protection === null) return;
  const { protection: known } = gathered;
  if (known === null || (ENCRYPTED.test(protection) && !ENCRYPTED.test(known))) gathered.protection = protection;
}

function foundAttachment(
  { type, fileName, enclosed, messageIds }: Leaf,
  stored: StoredAttachment,
  headers: HeaderFields,
  parameters: Record<string, string>,
  parentType: string,
): FoundAttachment {
  const disposition = parseStructured(headers.all('content-disposition')[0] ?? '');
  const given = disposition.parameters.filename ?? parameters.name ?? fileName;
  const contentId = shownContentId(headers.text('content-id')?.replace(/[<>\s]/g, '') ?? null);
  const name = attachmentName(given, type, enclosed?.subject ?? null);
  const isInline = type.startsWith('image/') && disposition.value !== 'attachment';
  const isSignature =
    SIGNATURE_NAME.test(name) || (SIGNATURE_TYPE.test(type) && (parentType === 'multipart/signed' || given === null));
  return {
    attachment: { name, type: shownType(type), ...stored, contentId, inline: false },
    image: isInline
      ? { contentId: contentId ?? ownContentId(stored), name, location: headers.text('content-location') }
      : null,
    enclosed,
    messageIds,
    isSignature,
  };
}

function foundFile({ name: given, type, contentId, sha256, size }: UnpackedFile): FoundAttachment {
  const name = attachmentName(given, type, null);
  return {
    attachment: { name, type: shownType(type), size, sha256, contentId: shownContentId(contentId), inline: false },
    image: null,
    enclosed: null,
    messageIds: [],
    isSignature: false,
  };
}

/** As everything can keep it. */
function shownType(type: string): string {
  return cutText(cleanLine(type), MAX_TYPE_LENGTH).text;
}

/** One that no text can name is none. */
function shownContentId(contentId: string | null): string | null {
  return contentId !== null && contentId.length <= MAX_CONTENT_ID_LENGTH ? cleanLine(contentId) || null : null;
}

function ownContentId({ sha256 }: StoredAttachment): string {
  return `${sha256.slice(0, 32)}@inline.invalid`;
}

/** Every name once; of several with one Content-ID, the HTML shows the first. */
export function namedAttachments(found: FoundAttachment[], html: string | null): ParsedAttachment[] {
  const names = numberDuplicates(found.map(({ attachment }) => attachment.name));
  const shown = contentIdsIn(html);
  return found.map(({ attachment, image }, index) => {
    const contentId = attachment.contentId ?? image?.contentId ?? null;
    const inline = contentId !== null && shown.delete(contentId);
    return { ...attachment, name: names[index]!, inline, contentId: inline ? contentId : attachment.contentId };
  });
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
