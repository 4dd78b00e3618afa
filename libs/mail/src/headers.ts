/**
 * Headers as they stand in the raw bytes (RFC 5322): whatever a parser library made of them is already too late, because
 * raw 8-bit text, repeated fields and lists of ids are damaged by then.
 *
 * A raw value is a string of bytes (latin1, one character per byte), unfolded. It becomes text through `decodeHeader`.
 * `HeaderFields` reads undeclared 8-bit text of all fields together, as a single name or subject says little of its charset.
 */
import { isUtf8 } from 'node:buffer';
import { cleanLine, decodeBytes, decodeUndeclared } from './charset.js';

export interface RawHeader {
  /** In lower case. */
  name: string;
  /** Unfolded bytes, one character each. */
  value: string;
}

const MAX_DECODED_LENGTH = 64 * 1024;
const MAX_ID_BYTES = 20 * 1024;
const MAX_IDS = 100;
const EIGHT_BIT = /[\x80-\xff]/;

/**
 * Reads header fields up to the blank line, or to the end of the bytes. Lines that are no field are skipped, an mbox
 * `From ` line too.
 */
export function parseRawHeaders(head: Buffer): RawHeader[] {
  const headers: RawHeader[] = [];
  const lines = head.toString('latin1').split(/\r\n|\n|\r/);
  let folded: string[] = [];
  const finish = () => {
    const [first, ...more] = folded;
    folded = [];
    const colon = first?.indexOf(':') ?? -1;
    if (first === undefined || colon < 1) return;
    const name = first.slice(0, colon).trimEnd().toLowerCase();
    if (!/^[!-9;-~]+$/.test(name)) return;
    headers.push({ name, value: [first.slice(colon + 1), ...more].join('').trim() });
  };
  for (const line of lines) {
    if (line === '') break;
    if (line.startsWith(' ') || line.startsWith('\t')) {
      if (folded.length > 0) folded.push(line);
      continue;
    }
    finish();
    folded = [line];
  }
  finish();
  return headers;
}

/** Fields by name, in the order of the mail. */
export class HeaderFields {
  private readonly byName = new Map<string, string[]>();

  readonly list: RawHeader[];
  private readonly guessed: ReadonlySet<string>;

  constructor(list: RawHeader[]) {
    this.list = inUtf8(list);
    this.guessed = new Set(this.list.filter((header, index) => header !== list[index]).map(({ name }) => name));
    for (const { name, value } of this.list) {
      const values = this.byName.get(name);
      if (values) values.push(value);
      else this.byName.set(name, [value]);
    }
  }

  /** The raw values of every field of that name. */
  all(name: string): string[] {
    return this.byName.get(name) ?? [];
  }

  /** The first one, as clean text; null when the field is missing. */
  text(name: string): string | null {
    const raw = this.byName.get(name)?.[0];
    return raw === undefined ? null : decodeHeader(raw);
  }

  /** Whether a field of that name has 8-bit text of an undeclared charset. */
  isGuessed(name: string): boolean {
    return this.guessed.has(name);
  }

  has(name: string): boolean {
    return this.byName.has(name);
  }
}

/** With undeclared 8-bit text of any charset as UTF-8. The one that is declared for the body is the likeliest. */
function inUtf8(list: RawHeader[]): RawHeader[] {
  const foreign = list.filter(({ value }) => EIGHT_BIT.test(value) && !isUtf8(Buffer.from(value, 'latin1')));
  if (foreign.length === 0) return list;
  const type = list.find(({ name }) => name === 'content-type')?.value ?? '';
  const hint = /;\s*charset\s*=\s*"?([\w.:-]{1,40})/i.exec(type.slice(0, MAX_DECODED_LENGTH))?.[1] ?? null;
  const bytes = Buffer.from(foreign.map(({ value }) => value).join('\n'), 'latin1');
  // no charset has the line feed within a character
  const texts = decodeUndeclared(bytes, hint).text.split('\n');
  const inText = new Map(foreign.map((header, index) => [header, texts[index] ?? '']));
  return list.map((header) => {
    const text = inText.get(header);
    return text === undefined ? header : { ...header, value: Buffer.from(text).toString('latin1') };
  });
}

/** Raw bytes to text: UTF-8, else what they look like. Encoded-words stay as they are. */
export function decodeRaw(raw: string): string {
  if (!EIGHT_BIT.test(raw) && !raw.includes('\x1b')) return raw;
  return decodeBytes(Buffer.from(raw, 'latin1'), null).text;
}

/** A raw value as one clean line: 8-bit text detected, encoded-words decoded (RFC 2047), no control characters. */
export function decodeHeader(raw: string): string {
  return cleanLine(decodeWords(decodeRaw(raw.slice(0, MAX_DECODED_LENGTH))));
}

interface EncodedWord {
  start: number;
  end: number;
  charset: string;
  bytes: Buffer;
}

/**
 * Decodes encoded-words (RFC 2047) the way people expect: blanks inside Q words, no blank between words, words inside
 * quotes, characters split over two words of one charset. Unknown charsets and broken words give something readable.
 * The result is not cleaned: it may hold line breaks.
 */
export function decodeWords(text: string): string {
  if (!text.includes('=?')) return text;
  const pieces: string[] = [];
  let pending: EncodedWord[] = [];
  let end = 0;
  const flush = () => {
    if (pending.length === 0) return;
    pieces.push(decodeBytes(Buffer.concat(pending.map((word) => word.bytes)), pending[0]!.charset).text);
    pending = [];
  };
  for (let at = text.indexOf('=?'); at >= 0; at = text.indexOf('=?', at)) {
    const word = wordAt(text, at);
    if (!word) {
      at += 2;
      continue;
    }
    const between = text.slice(end, word.start);
    const adjacent = pending.length > 0 && between.trim() === '';
    if (!adjacent || pending[0]!.charset !== word.charset) {
      flush();
      if (!adjacent) pieces.push(between);
    }
    pending.push(word);
    at = end = word.end;
  }
  flush();
  pieces.push(text.slice(end));
  return pieces.join('');
}

function wordAt(text: string, start: number): EncodedWord | null {
  const head = /^=\?([^?\s]{1,60})\?([bq])\?/i.exec(text.slice(start, start + 70));
  if (!head) return null;
  const from = start + head[0].length;
  const to = text.indexOf('?=', from);
  if (to < 0) return null;
  const payload = text.slice(from, to);
  // RFC 2231 §5: a language may follow the charset
  const charset = head[1]!.toLowerCase().replace(/\*.*$/, '');
  const looksBase64 = /^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(payload);
  const bytes = head[2]!.toLowerCase() === 'b' && looksBase64 ? Buffer.from(payload, 'base64') : decodeQ(payload);
  return { start, end: to + 2, charset, bytes };
}

function decodeQ(payload: string): Buffer {
  const unquoted = payload
    .replace(/_/g, ' ')
    .replace(/=([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(unquoted, /[^\x00-\xff]/.test(unquoted) ? 'utf8' : 'latin1');
}

/**
 * The msg-ids of Message-ID, In-Reply-To or References (RFC 5322 §3.6.4), in their order, each once, without angle
 * brackets and inner blanks. Takes folded, comma- or blank-separated ids and ids without brackets. At most 100: of
 * longer lists the first and the last 99.
 */
export function parseMessageIds(raw: string): string[] {
  const ends =
    raw.length <= MAX_ID_BYTES ? [raw] : [raw.slice(0, MAX_ID_BYTES / 2), raw.slice(raw.length - MAX_ID_BYTES / 2)];
  const ids = [...new Set(ends.flatMap(idsIn))];
  return ids.length <= MAX_IDS ? ids : [ids[0]!, ...ids.slice(1 - MAX_IDS)];
}

function idsIn(raw: string): string[] {
  const bracketed = [...raw.matchAll(/<([^<>]{1,998})>/g)].map((match) => match[1]!);
  const found = bracketed.length > 0 ? bracketed : raw.split(/[\s,;]+/).filter((token) => /[^<]@[^>]/.test(token));
  return found.map((id) => cleanLine(decodeRaw(id.replace(/[\s<>]+/g, '')))).filter((id) => id !== '');
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const ZONE_HOURS: Record<string, number> = { est: -5, edt: -4, cst: -6, cdt: -5, mst: -7, mdt: -6, pst: -8, pdt: -7 };
const DATE =
  /(\d{1,2})[\s-]+([a-z]{3})[a-z]*[\s-]+(\d{2,4})[\s,]+(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?(?:\s*([+-]\d{4}|[a-z]{1,5}))?/i;

/**
 * A Date field (RFC 5322 §3.3, obsolete forms too) as ISO 8601 in UTC. Null when it is no date, or one from before there
 * was mail: a sender without a clock.
 */
export function parseDate(raw: string): string | null {
  const text = raw.slice(0, 200).replace(/\([^()]*\)/g, ' ');
  const match = DATE.exec(text);
  const time = match ? timeOf(match) : /^\s*\d{4}-\d{2}-\d{2}T/.test(text) ? Date.parse(text.trim()) : NaN;
  if (Number.isNaN(time) || time < Date.UTC(1980, 0, 1)) return null;
  return new Date(time).toISOString();
}

function timeOf([, day, month, year, hour, minute, second, zone]: RegExpExecArray): number {
  const monthIndex = MONTHS.indexOf(month!.toLowerCase());
  const [d, h, m, s] = [Number(day), Number(hour), Number(minute), Number(second ?? 0)];
  if (monthIndex < 0 || d < 1 || d > 31 || h > 24 || m > 59 || s > 60) return NaN;
  const y = Number(year);
  const fullYear = year!.length === 4 ? y : year!.length === 3 ? y + 1900 : y + (y < 50 ? 2000 : 1900);
  return Date.UTC(fullYear, monthIndex, d, h, m, s) - offsetMinutes(zone) * 60_000;
}

function offsetMinutes(zone: string | undefined): number {
  if (!zone) return 0;
  const numeric = /^([+-])(\d{2})(\d{2})$/.exec(zone);
  if (!numeric) return (ZONE_HOURS[zone.toLowerCase()] ?? 0) * 60;
  return (numeric[1] === '-' ? -1 : 1) * (Number(numeric[2]) * 60 + Number(numeric[3]));
}

export interface StructuredValue {
  /** In lower case, without parameters: `text/plain`, `attachment`. */
  value: string;
  /** Decoded (RFC 2231, RFC 2047, raw 8-bit) but not cleaned, by lower-case name. */
  parameters: Record<string, string>;
}

/** Content-Type and Content-Disposition (RFC 2045 §5.1, RFC 2231). */
export function parseStructured(raw: string): StructuredValue {
  const [first = '', ...rest] = splitParameters(raw.slice(0, MAX_DECODED_LENGTH));
  const given = new Map<string, string>();
  for (const part of rest) {
    const equals = part.indexOf('=');
    if (equals < 1) continue;
    const name = part.slice(0, equals).trim().toLowerCase();
    if (!given.has(name)) given.set(name, unquote(part.slice(equals + 1).trim()));
  }
  const parameters: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [name, value] of given) {
    if (!name.includes('*')) parameters[name] = decodeWords(decodeRaw(value));
  }
  for (const name of new Set([...given.keys()].filter((key) => key.includes('*')).map((key) => key.split('*')[0]!))) {
    parameters[name] = extendedValue(name, given);
  }
  return {
    value: first
      .replace(/\([^()]*\)/g, '')
      .trim()
      .toLowerCase(),
    parameters,
  };
}

/** At semicolons outside quoted strings; quotes stay. */
function splitParameters(raw: string): string[] {
  return (raw.match(/(?:[^;"]+|"(?:[^"\\]|\\.)*(?:"|$)|")+/g) ?? []).map((part) => part.trim());
}

/** Without quotes, escapes and a comment behind. Of a path that nobody escaped the backslashes stay. */
function unquote(value: string): string {
  const quoted = /^"((?:[^"\\]|\\.)*)/.exec(value);
  if (quoted) return quoted[1]!.replace(/\\(["\\])/g, '$1');
  return value.endsWith(')') ? value.slice(0, value.lastIndexOf('(')).trimEnd() : value;
}

/** RFC 2231: `name*`, or the pieces `name*0`, `name*1*`, … of which only those with a final asterisk are escaped. */
function extendedValue(name: string, given: Map<string, string>): string {
  const pieces: { value: string; escaped: boolean }[] = [];
  const whole = given.get(`${name}*`);
  if (whole !== undefined) pieces.push({ value: whole, escaped: true });
  else {
    for (let i = 0; i < 1000; i++) {
      const escaped = given.get(`${name}*${i}*`);
      const value = escaped ?? given.get(`${name}*${i}`);
      if (value === undefined) break;
      pieces.push({ value, escaped: escaped !== undefined });
    }
  }
  let charset: string | null = null;
  const bytes = pieces.map(({ value, escaped }, index) => {
    if (!escaped) return Buffer.from(value, 'latin1');
    const prefix = index === 0 ? /^([^']*)'[^']*'/.exec(value) : null;
    if (prefix) charset = prefix[1]!;
    const rest = prefix ? value.slice(prefix[0].length) : value;
    return Buffer.from(
      rest.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))),
      'latin1',
    );
  });
  return decodeWords(decodeBytes(Buffer.concat(bytes), charset).text);
}
