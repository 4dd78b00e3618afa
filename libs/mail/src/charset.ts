/**
 * Bytes of unknown virtue to text, and text to text that every database, header and screen can take.
 *
 * The declared charset goes first; what does not fit it is tried as its relatives, then as UTF-8, then as whatever makes
 * most sense of the bytes: a charset of the world, or byte by byte UTF-8 where that is valid and windows-1252 where not.
 * So ASCII survives anything and U+FFFD is never produced.
 */
import { isAscii, isUtf8 } from 'node:buffer';
import { detectCharset } from './charset-detection.js';

export interface DecodedText {
  text: string;
  /** The declared charset was missing, unknown or wrong. */
  guessed: boolean;
}

/** Names seen in mail that the WHATWG encoding table does not know. */
const ALIASES: Record<string, string> = {
  cp949: 'euc-kr',
  ms949: 'euc-kr',
  uhc: 'euc-kr',
  cp932: 'shift_jis',
  cp936: 'gbk',
  cp950: 'big5',
  cp1250: 'windows-1250',
  ansi: 'windows-1252',
  euc_jp: 'euc-jp',
  eucjp: 'euc-jp',
  'iso-gb2312': 'gb18030',
  gb2312: 'gb18030',
  gbk: 'gb18030',
  'iso-2022-jp-1': 'iso-2022-jp',
  'iso-2022-jp-2': 'iso-2022-jp',
  'iso-2022-jp-3': 'iso-2022-jp',
  'iso-2022-jp-ms': 'iso-2022-jp',
  cp50220: 'iso-2022-jp',
  cp50221: 'iso-2022-jp',
  'mac-roman': 'macintosh',
  utf7: 'utf-7',
  'unicode-1-1-utf-7': 'utf-7',
};

/** Labels that say nothing about bytes above 0x7F. */
const SAYS_NOTHING = new Set([
  '',
  'us-ascii',
  'ascii',
  'usascii',
  'ansi_x3.4-1968',
  'unknown-8bit',
  'x-unknown',
  'unknown',
  'default',
  'none',
  '7bit',
  '8bit',
]);

const UTF8_LABELS = new Set(['utf-8', 'utf8', 'unicode-1-1-utf-8']);

/** Charsets that senders label as one another. */
const RELATIVES: Record<string, string[]> = {
  'iso-2022-jp': ['shift_jis', 'euc-jp'],
  shift_jis: ['iso-2022-jp', 'euc-jp'],
  'euc-jp': ['iso-2022-jp', 'shift_jis'],
};

/** ESC $ B, ESC $ @ or ESC ( J: ISO-2022-JP in a 7-bit text. */
const ISO_2022_JP = /\x1b(?:\$[@B]|\(J)/;

/** Of these, bytes may be UTF-8 by chance. */
const SEVERAL_BYTES = /^(?:utf-16[lb]e|iso-2022-jp|shift_jis|euc-jp|euc-kr|gbk|gb18030|big5)$/;

/** @param declared its charset in the sender's words */
export function decodeBytes(bytes: Buffer, declared: string | null): DecodedText {
  const label = normaliseLabel(declared);
  if (SAYS_NOTHING.has(label)) return guess(bytes, null);
  if (UTF8_LABELS.has(label)) return isUtf8(bytes) ? { text: utf8(bytes), guessed: false } : guess(bytes, null);
  // no text in another charset begins like that, and without such a mark nobody knows the order of the bytes
  if (label.startsWith('utf-16') && byteOrder(bytes))
    return { text: leniently(bytes, byteOrder(bytes)!), guessed: false };
  if (label === 'utf-7') return { text: decodeUtf7(bytes.toString('latin1')), guessed: false };
  const name = encodingOf(label);
  if (name === null || (!SEVERAL_BYTES.test(name) && isUtf8(bytes) && !isAscii(bytes))) return guess(bytes, null);
  const declaredText = strictly(bytes, name);
  if (declaredText !== null) return { text: declaredText, guessed: false };
  for (const relative of RELATIVES[name] ?? []) {
    const text = strictly(bytes, relative);
    if (text !== null) return { text, guessed: true };
  }
  return guess(bytes, name);
}

/**
 * Bytes of which nobody said what they are.
 * @param hint a charset that they may be in, as text near by is
 */
export function decodeUndeclared(bytes: Buffer, hint: string | null): DecodedText {
  return guess(bytes, hint === null ? null : encodingOf(normaliseLabel(hint)));
}

/** @param named a label of the encoding standard that is likelier than others */
function guess(bytes: Buffer, named: string | null): DecodedText {
  const wide = byteOrder(bytes);
  if (wide && bytes.length % 2 === 0) return { text: leniently(bytes, wide), guessed: true };
  if (!isUtf8(bytes)) {
    const charset = detectCharset(bytes, decodeMixed, named);
    return { text: charset === null ? decodeMixed(bytes) : leniently(bytes, charset), guessed: true };
  }
  const text = utf8(bytes);
  const japanese = ISO_2022_JP.test(text) ? strictly(bytes, 'iso-2022-jp') : null;
  return { text: japanese ?? text, guessed: japanese !== null || !isAscii(bytes) };
}

const BYTE_ORDER = new Map([
  ['\xff\xfe', 'utf-16le'],
  ['\xfe\xff', 'utf-16be'],
]);

function byteOrder(bytes: Buffer): string | undefined {
  return BYTE_ORDER.get(bytes.subarray(0, 2).toString('latin1'));
}

/** Without a byte order mark. */
function utf8(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

/** The encoding standard's name of a charset; null when it has none. */
function encodingOf(label: string): string | null {
  try {
    return new TextDecoder(label).encoding;
  } catch {
    return null;
  }
}

/** @returns null when a byte does not fit */
function strictly(bytes: Buffer, encoding: string): string | null {
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
    // the standard gives every byte a meaning, but nobody writes these
    return encoding === 'windows-1252' && /[\x80-\x9f]/.test(text) ? null : text;
  } catch {
    return null;
  }
}

/** A byte that fits nothing becomes a question mark. */
function leniently(bytes: Buffer, encoding: string): string {
  return new TextDecoder(encoding).decode(bytes).replaceAll('\ufffd', '?');
}

function normaliseLabel(declared: string | null): string {
  const label = (declared ?? '')
    .trim()
    .toLowerCase()
    .replace(/^["']+|["']+$/g, '')
    .replace(/\*.*$/, '');
  return ALIASES[label] ?? label;
}

const WINDOWS_1252_HIGH = [
  ...new TextDecoder('windows-1252').decode(Uint8Array.from({ length: 128 }, (_, i) => i + 128)),
];

/** Valid UTF-8 sequences as such, every other byte as windows-1252: half-converted mails stay readable. */
function decodeMixed(bytes: Buffer): string {
  const pieces: string[] = [];
  let start = 0;
  let i = 0;
  while (i < bytes.length) {
    const length = sequenceLength(bytes, i);
    if (length > 0) {
      i += length;
      continue;
    }
    if (i > start) pieces.push(bytes.toString('utf8', start, i));
    pieces.push(WINDOWS_1252_HIGH[bytes[i]! - 128]!);
    start = ++i;
  }
  pieces.push(bytes.toString('utf8', start));
  return pieces.join('');
}

/** Bytes of the valid UTF-8 sequence at `at` (RFC 3629), 0 when there is none. */
function sequenceLength(bytes: Buffer, at: number): number {
  const first = bytes[at]!;
  if (first < 0x80) return 1;
  const length =
    first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xf0 && first < 0xf5 ? 4 : 0;
  if (length === 0 || at + length > bytes.length) return 0;
  return isUtf8(bytes.subarray(at, at + length)) ? length : 0;
}

/** RFC 2152. Text that merely looks like it stays as it is. */
function decodeUtf7(text: string): string {
  return text.replace(/\+([A-Za-z0-9+/]*)-?/g, (whole, base64: string) => {
    if (base64 === '') return whole === '+-' ? '+' : whole;
    const units = Buffer.from(base64, 'base64');
    return units
      .subarray(0, units.length & ~1)
      .swap16()
      .toString('utf16le');
  });
}

// C0 but tab and line feed, DEL
const BODY_CONTROLS = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g;
const HEADER_CONTROLS = /[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g;
const LONE_SURROGATES = /\p{Surrogate}/gu;
const BIDI_OVERRIDES = /[\u202a-\u202e\u2066-\u2069]/g;

/** Body text: line ends are \n, no NUL and other control characters, no lone surrogates. */
export function cleanText(text: string): string {
  return text.replace(/\r\n?/g, '\n').replace(BODY_CONTROLS, '').replace(LONE_SURROGATES, '\ufffd');
}

/** One line: control characters and line breaks become blanks, so that nothing can end a header. */
export function cleanLine(text: string): string {
  return text.replace(HEADER_CONTROLS, ' ').trim().replace(LONE_SURROGATES, '\ufffd');
}

/** For names that people see: as {@link cleanLine}, and nothing may turn the writing direction round. */
export function cleanName(text: string): string {
  return cleanLine(text.replace(BIDI_OVERRIDES, ''));
}

/** Cuts after at most `max` UTF-16 units, never inside a code point. */
export function cutText(text: string, max: number): { text: string; truncated: boolean } {
  if (text.length <= max) return { text, truncated: false };
  const unit = text.charCodeAt(max - 1);
  const end = unit >= 0xd800 && unit < 0xdc00 ? max - 1 : max;
  return { text: text.slice(0, end), truncated: true };
}
