/**
 * winmail.dat: the envelope (TNEF, [MS-OXTNEF]) into which Outlook and Exchange put what they do not send as MIME. Read
 * for its attachments, its body and meetings. Every length in it is a stranger's claim and is checked.
 */
import { normaliseAddress } from './addresses.js';
import type { CalendarSummary, CalendarTime } from './calendar.js';
import { cleanName, cutText, decodeBytes } from './charset.js';
import { codePageLabel, decompressRtf, readRtf } from './rtf.js';

export interface TnefFile {
  /** As the sender wrote it, not safe. */
  name: string | null;
  type: string | null;
  contentId: string | null;
  bytes: Buffer;
}

export interface TnefBody {
  kind: 'plain' | 'html';
  bytes: Buffer;
  charset: string | null;
}

export interface TnefMessage {
  subject: string | null;
  body: TnefBody | null;
  files: TnefFile[];
  /** Of a meeting request, answer or cancellation. */
  calendar: CalendarSummary | null;
  /** False when it breaks off, or holds more than is read. */
  complete: boolean;
}

const SIGNATURE = 0x223e9f78;
const MAX_ATTRIBUTES = 10_000;
const MAX_PROPERTIES = 5_000;
const MAX_FILES = 200;
/** Messages within messages. */
const MAX_DEPTH = 3;
const MAX_RTF = 5 * 1024 * 1024;
const MAX_TEXT = 500;

/** The lower half of an attribute's tag. */
const ATTRIBUTE = {
  dateStart: 0x0006,
  dateEnd: 0x0007,
  messageClass: 0x8008,
  subject: 0x8004,
  body: 0x800c,
  attachData: 0x800f,
  attachTitle: 0x8010,
  attachRenderData: 0x9002,
  messageProperties: 0x9003,
  attachProperties: 0x9005,
  codePage: 0x9007,
};

/** Property ids of [MS-OXPROPS]. */
const PROPERTY = {
  messageClass: 0x001a,
  subject: 0x0037,
  sentRepresentingName: 0x0042,
  startDate: 0x0060,
  endDate: 0x0061,
  sentRepresentingAddress: 0x0065,
  senderName: 0x0c1a,
  senderAddress: 0x0c1f,
  body: 0x1000,
  compressedRtf: 0x1009,
  html: 0x1013,
  displayName: 0x3001,
  attachData: 0x3701,
  attachFileName: 0x3704,
  attachLongFileName: 0x3707,
  attachMimeTag: 0x370e,
  attachContentId: 0x3712,
  internetCodePage: 0x3fde,
  senderSmtpAddress: 0x5d01,
  sentRepresentingSmtpAddress: 0x5d02,
};
/** Named properties get ids of their own; these are the names. */
const NAMED = new Map([
  ['90dad86e0b451b1098da00aa003f1305:3', 'globalObjectId'],
  ['90dad86e0b451b1098da00aa003f1305:35', 'globalObjectId'],
  ['0220060000000000c000000000000046:33293', 'start'], // 0x820d
  ['0220060000000000c000000000000046:33294', 'end'], // 0x820e
]);
/** IID_IMessage: the object is a message in TNEF again. */
const EMBEDDED_MESSAGE = '0703020000000000c000000000000046';

type Value = Buffer | number | { text: string };
type Properties = Map<number | string, Value>;

interface Attachment {
  title: Buffer | null;
  data: Buffer | null;
  properties: Properties;
}

/** @returns null when the bytes are no TNEF at all */
export function readTnef(bytes: Buffer): TnefMessage | null {
  return readAt(bytes, 0);
}

function readAt(bytes: Buffer, depth: number): TnefMessage | null {
  if (bytes.length < 6 || bytes.readUInt32LE(0) !== SIGNATURE) return null;
  const reader = new TnefReader();
  const complete = reader.read(bytes);
  return new Assembly(reader, depth).message(complete);
}

/** Past the end, or past a limit. */
class Broken extends Error {}

class Cursor {
  constructor(
    private readonly bytes: Buffer,
    private at = 0,
  ) {}

  get left(): number {
    return this.bytes.length - this.at;
  }

  take(length: number): Buffer {
    if (length > this.left) throw new Broken();
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  uint16(): number {
    return this.take(2).readUInt16LE();
  }

  uint32(): number {
    return this.take(4).readUInt32LE();
  }

  /** Values are filled up to multiples of four bytes; the filling may be missing at the end. */
  padded(length: number): Buffer {
    const value = this.take(length);
    this.take(Math.min((4 - (length % 4)) % 4, this.left));
    return value;
  }
}

class TnefReader {
  readonly message = new Map<number, Buffer>();
  readonly properties: Properties = new Map();
  readonly attachments: Attachment[] = [];

  /** @returns whether it could be read to the end */
  read(bytes: Buffer): boolean {
    const cursor = new Cursor(bytes.subarray(6));
    try {
      for (let count = 0; cursor.left >= 9; count++) {
        if (count >= MAX_ATTRIBUTES) return false;
        const level = cursor.take(1)[0]!;
        const attribute = cursor.uint32() & 0xffff;
        const data = cursor.take(cursor.uint32());
        if (cursor.left >= 2) cursor.uint16(); // a checksum, which some programs get wrong
        if (level === 1) this.messageAttribute(attribute, data);
        else if (level === 2) this.attachmentAttribute(attribute, data);
        else return false;
      }
      return true;
    } catch (error) {
      if (error instanceof Broken) return false;
      throw error;
    }
  }

  private messageAttribute(attribute: number, data: Buffer): void {
    if (attribute === ATTRIBUTE.messageProperties) readProperties(data, this.properties);
    else if (!this.message.has(attribute)) this.message.set(attribute, data);
  }

  private attachmentAttribute(attribute: number, data: Buffer): void {
    if (attribute === ATTRIBUTE.attachRenderData || this.attachments.length === 0) {
      if (this.attachments.length >= MAX_FILES) throw new Broken();
      this.attachments.push({ title: null, data: null, properties: new Map() });
    }
    const attachment = this.attachments.at(-1)!;
    if (attribute === ATTRIBUTE.attachTitle) attachment.title = data;
    else if (attribute === ATTRIBUTE.attachData) attachment.data = data;
    else if (attribute === ATTRIBUTE.attachProperties) readProperties(data, attachment.properties);
  }
}

const MULTIPLE = 0x1000;
const SIZES = new Map([
  [0x0001, 0],
  [0x0002, 4],
  [0x0003, 4],
  [0x0004, 4],
  [0x000a, 4],
  [0x000b, 4],
  [0x0005, 8],
  [0x0006, 8],
  [0x0007, 8],
  [0x0014, 8],
  [0x0040, 8],
  [0x0048, 16],
]);
const OBJECT = 0x000d;
const TEXT_8 = 0x001e;
const TEXT_16 = 0x001f;
const BINARY = 0x0102;
const TIME = 0x0040;
const LONG = 0x0003;

function readProperties(data: Buffer, properties: Properties): void {
  const cursor = new Cursor(data);
  const count = cursor.uint32();
  if (count > MAX_PROPERTIES) throw new Broken();
  for (let i = 0; i < count; i++) {
    const type = cursor.uint16();
    const id = cursor.uint16();
    const key = id >= 0x8000 ? (readName(cursor) ?? id) : id;
    const single = type & ~MULTIPLE;
    const values = type & MULTIPLE || isSized(single) ? cursor.uint32() : 1;
    // a count of more values than there are bytes for is an attempt at something
    if (values > 1 && (SIZES.get(single) === 0 || values > cursor.left)) throw new Broken();
    for (let value = 0; value < values; value++) {
      const read = readValue(cursor, single);
      if (read !== null && !properties.has(key)) properties.set(key, read);
    }
  }
}

function isSized(type: number): boolean {
  return type === TEXT_8 || type === TEXT_16 || type === BINARY || type === OBJECT;
}

function readName(cursor: Cursor): string | null {
  const set = cursor.take(16).toString('hex');
  if (cursor.uint32() === 0) return NAMED.get(`${set}:${cursor.uint32()}`) ?? null;
  cursor.padded(cursor.uint32());
  return null;
}

function readValue(cursor: Cursor, type: number): Value | null {
  if (isSized(type)) {
    const bytes = cursor.padded(cursor.uint32());
    return type === TEXT_16 ? { text: withoutEnd(bytes.subarray(0, bytes.length & ~1).toString('utf16le')) } : bytes;
  }
  const size = SIZES.get(type);
  if (size === undefined) throw new Broken();
  const bytes = cursor.take(size);
  if (type === LONG) return bytes.readUInt32LE();
  return type === TIME ? bytes : null;
}

function withoutEnd(text: string): string {
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}

/** What the attributes mean together. */
class Assembly {
  private readonly charset: string;

  constructor(
    private readonly reader: TnefReader,
    private readonly depth: number,
  ) {
    const codePage = reader.message.get(ATTRIBUTE.codePage);
    this.charset = codePageLabel(codePage && codePage.length >= 4 ? codePage.readUInt32LE() : 1252);
  }

  message(complete: boolean): TnefMessage {
    const files: TnefFile[] = [];
    for (const attachment of this.reader.attachments) {
      for (const file of this.files(attachment)) files.push(file);
    }
    const subject = this.text(PROPERTY.subject) ?? this.decoded(this.reader.message.get(ATTRIBUTE.subject));
    return {
      subject,
      body: this.body(),
      files: files.slice(0, MAX_FILES),
      calendar: this.calendar(subject),
      complete: complete && files.length <= MAX_FILES,
    };
  }

  private files({ title, data, properties }: Attachment): TnefFile[] {
    const name =
      this.text(PROPERTY.attachLongFileName, properties) ??
      this.text(PROPERTY.attachFileName, properties) ??
      this.decoded(title) ??
      this.text(PROPERTY.displayName, properties);
    const object = properties.get(PROPERTY.attachData);
    if (Buffer.isBuffer(object) && object.subarray(0, 16).toString('hex') === EMBEDDED_MESSAGE) {
      const embedded = this.depth < MAX_DEPTH ? readAt(object.subarray(16), this.depth + 1) : null;
      if (embedded) return filesOf(embedded, name);
    }
    const bytes = data && data.length > 0 ? data : Buffer.isBuffer(object) ? withoutInterface(object) : null;
    if (!bytes) return [];
    return [
      {
        name,
        type: this.text(PROPERTY.attachMimeTag, properties)?.toLowerCase() ?? null,
        contentId: this.text(PROPERTY.attachContentId, properties)?.replace(/[<>\s]/g, '') || null,
        bytes,
      },
    ];
  }

  private body(): TnefBody | null {
    const { properties, message } = this.reader;
    const html = properties.get(PROPERTY.html);
    if (Buffer.isBuffer(html) && html.length > 0) {
      const codePage = properties.get(PROPERTY.internetCodePage);
      return {
        kind: 'html',
        bytes: html,
        charset: typeof codePage === 'number' ? codePageLabel(codePage) : this.charset,
      };
    }
    const plain = this.text(PROPERTY.body) ?? this.decoded(message.get(ATTRIBUTE.body));
    if (plain?.trim()) return { kind: 'plain', bytes: Buffer.from(plain), charset: 'utf-8' };
    const compressed = properties.get(PROPERTY.compressedRtf);
    const rtf = Buffer.isBuffer(compressed) ? decompressRtf(compressed, MAX_RTF) : null;
    const rich = rtf && readRtf(rtf);
    if (!rich || rich.text.trim() === '') return null;
    return { kind: rich.kind, bytes: Buffer.from(rich.text), charset: 'utf-8' };
  }

  private calendar(subject: string | null): CalendarSummary | null {
    const { message, properties } = this.reader;
    const messageClass = this.text(PROPERTY.messageClass) ?? this.decoded(message.get(ATTRIBUTE.messageClass)) ?? '';
    const kind = meetingKind(messageClass);
    if (!kind) return null;
    const sender = this.person(
      [
        PROPERTY.sentRepresentingSmtpAddress,
        PROPERTY.sentRepresentingAddress,
        PROPERTY.senderSmtpAddress,
        PROPERTY.senderAddress,
      ],
      [PROPERTY.sentRepresentingName, PROPERTY.senderName],
    );
    const answers = kind.method === 'reply';
    return {
      method: kind.method,
      isMessage: true,
      uid: uidOf(properties.get('globalObjectId')),
      summary: subject && (cutText(cleanName(subject), MAX_TEXT).text || null),
      start: this.time([PROPERTY.startDate, 'start'], ATTRIBUTE.dateStart),
      end: this.time([PROPERTY.endDate, 'end'], ATTRIBUTE.dateEnd),
      organizer: answers ? null : sender,
      attendees: answers ? [{ ...(sender ?? { name: null, address: null }), status: kind.status }] : [],
    };
  }

  private person(addresses: number[], names: number[]): { name: string | null; address: string | null } | null {
    const address =
      addresses.map((id) => normaliseAddress(this.text(id) ?? '')).find((found) => found !== null) ?? null;
    const name = names.map((id) => this.text(id)).find((found) => found !== null) ?? null;
    return address || name ? { name: name && cutText(cleanName(name), MAX_TEXT).text, address } : null;
  }

  private time(properties: (number | string)[], attribute: number): CalendarTime | null {
    const values = properties.map((id) => this.reader.properties.get(id));
    const fileTime = values.find((value): value is Buffer => Buffer.isBuffer(value) && value.length === 8);
    const at = fileTime ? fromFileTime(fileTime) : fromDateAttribute(this.reader.message.get(attribute));
    return at === null ? null : { at, zone: null };
  }

  private text(id: number, properties: Properties = this.reader.properties): string | null {
    const value = properties.get(id);
    if (value === undefined || typeof value === 'number') return null;
    return Buffer.isBuffer(value) ? this.decoded(value) : value.text || null;
  }

  private decoded(bytes: Buffer | null | undefined): string | null {
    if (!bytes) return null;
    return withoutEnd(decodeBytes(bytes, this.charset).text) || null;
  }
}

/** Objects have the identifier of their interface in front of their bytes. */
function withoutInterface(object: Buffer): Buffer {
  return /^[0-9a-f]{2}00000000000000c000000000000046/.test(object.subarray(0, 16).toString('hex'))
    ? object.subarray(16)
    : object;
}

/** A message within: its own files, and its text as one more. */
function filesOf({ subject, body, files }: TnefMessage, name: string | null): TnefFile[] {
  if (!body) return files;
  const isHtml = body.kind === 'html';
  const title = subject ?? name ?? 'message';
  const text: TnefFile = {
    name: `${title}.${isHtml ? 'html' : 'txt'}`,
    type: isHtml ? 'text/html' : 'text/plain',
    contentId: null,
    bytes: body.bytes,
  };
  return [text, ...files];
}

function meetingKind(messageClass: string): { method: string; status: string | null } | null {
  const name = messageClass.toLowerCase();
  if (/^ipm\.(?:schedule\.meeting\.request|microsoft schedule\.mtgreq)/.test(name))
    return { method: 'request', status: null };
  if (/^ipm\.(?:schedule\.meeting\.canceled|microsoft schedule\.mtgcncl)/.test(name))
    return { method: 'cancel', status: null };
  const answer = /^ipm\.(?:schedule\.meeting\.resp\.(pos|neg|tent)|microsoft schedule\.mtgresp([pna]))/.exec(name);
  if (!answer) return null;
  const status = { pos: 'accepted', p: 'accepted', neg: 'declined', n: 'declined', tent: 'tentative', a: 'tentative' };
  return { method: 'reply', status: status[(answer[1] ?? answer[2]) as keyof typeof status] };
}

/** A GlobalObjectId holds the UID of an appointment from elsewhere, or is one itself as hexadecimal digits. */
function uidOf(value: Value | undefined): string | null {
  if (!Buffer.isBuffer(value) || value.length < 16) return null;
  const foreign = value.indexOf('vCal-Uid\x01\0\0\0', 0, 'latin1');
  if (foreign >= 0) return cleanName(withoutEnd(value.subarray(foreign + 12, foreign + 512).toString('utf8'))) || null;
  return value.subarray(0, 256).toString('hex').toUpperCase();
}

/** 100 ns since 1601. */
function fromFileTime(bytes: Buffer): string | null {
  const milliseconds = Number(bytes.readBigUInt64LE() / 10_000n) - 11_644_473_600_000;
  return isoOf(milliseconds);
}

/** Seven numbers of two bytes, from the year to the day of the week. */
function fromDateAttribute(bytes: Buffer | undefined): string | null {
  if (!bytes || bytes.length < 12) return null;
  const [year, month, day, hour, minute, second] = [0, 2, 4, 6, 8, 10].map((at) => bytes.readUInt16LE(at));
  return isoOf(Date.UTC(year!, month! - 1, day, hour, minute, second));
}

function isoOf(milliseconds: number): string | null {
  const date = new Date(milliseconds);
  const year = date.getUTCFullYear();
  return year >= 1970 && year < 4000 ? date.toISOString().replace('.000Z', 'Z') : null;
}
