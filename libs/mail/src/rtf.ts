/**
 * Rich text as Outlook encloses it: decompressed ([MS-OXRTFCP]) and read as the HTML that it was made from
 * ([MS-OXRTFEX]), or else as plain text. One pass, no recursion; fonts, pictures and styles are left out.
 */
import { decodeBytes } from './charset.js';

export interface RichText {
  kind: 'plain' | 'html';
  text: string;
}

const DICTIONARY = Buffer.from(
  '{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx',
  'latin1',
);
const WINDOW = 4096;
const COMPRESSED = 0x75465a4c;
const UNCOMPRESSED = 0x414c454d;

/** @returns at most `maxLength` bytes, fewer when the data break off; null when it is no such data */
export function decompressRtf(bytes: Buffer, maxLength: number): Buffer | null {
  if (bytes.length < 16) return null;
  const rawLength = Math.min(bytes.readUInt32LE(4), maxLength);
  const kind = bytes.readUInt32LE(8);
  if (kind === UNCOMPRESSED) return bytes.subarray(16, 16 + rawLength);
  if (kind !== COMPRESSED) return null;
  // each two bytes give 17 at most: the announced length alone must not cost memory
  const out = Buffer.alloc(Math.min(rawLength, (bytes.length - 16) * 9 + 17));
  const window = Buffer.alloc(WINDOW);
  DICTIONARY.copy(window);
  let written = 0;
  let head = DICTIONARY.length;
  const put = (byte: number) => {
    window[head] = byte;
    head = (head + 1) % WINDOW;
    if (written < out.length) out[written++] = byte;
  };
  for (let at = 16; at < bytes.length && written < out.length;) {
    const flags = bytes[at++]!;
    for (let bit = 0; bit < 8 && at < bytes.length; bit++) {
      if (!(flags & (1 << bit))) {
        put(bytes[at++]!);
        continue;
      }
      if (at + 1 >= bytes.length) return out.subarray(0, written);
      const token = bytes.readUInt16BE(at);
      at += 2;
      const offset = token >> 4;
      if (offset === head) return out.subarray(0, written);
      for (let i = 0; i < (token & 15) + 2; i++) put(window[(offset + i) % WINDOW]!);
    }
  }
  return out.subarray(0, written);
}

const SKIPPED = new Set(
  'fonttbl colortbl stylesheet info pict object themedata datastore listtable listoverridetable rsidtbl generator header footer headerl headerr footerl footerr mhtmltag xmlnstbl latentstyles'.split(
    ' ',
  ),
);
const CHARACTERS: Record<string, string> = {
  par: '\n',
  line: '\n',
  row: '\n',
  sect: '\n',
  page: '\n',
  tab: '\t',
  cell: '\t',
  lquote: '‘',
  rquote: '’',
  ldblquote: '“',
  rdblquote: '”',
  bullet: '•',
  endash: '–',
  emdash: '—',
};
const MAX_GROUPS = 1000;
const CONTROL_WORD = /\\([a-z]{1,32})(-?\d{1,10})? ?/iy;
const PLAIN_RUN = /[^\\{}\r\n]+/y;

interface Group {
  skipped: boolean;
  /** Between \htmlrtf and \htmlrtf0: what is only there for readers of rich text. */
  onlyRich: boolean;
  /** How many characters stand in for one \u character. */
  substitutes: number;
}

/** @returns null when it is no rich text */
export function readRtf(rtf: Buffer): RichText | null {
  const source = rtf.toString('latin1');
  if (!/^\s*\{\\rtf/.test(source)) return null;
  const isHtml = /\\fromhtml1?\b/.test(source.slice(0, 1000));
  const charset = codePageLabel(Number(/\\ansicpg(\d{1,6})/.exec(source.slice(0, 1000))?.[1] ?? 1252));
  const pieces: string[] = [];
  let bytes = '';
  const groups: Group[] = [];
  let group: Group = { skipped: false, onlyRich: false, substitutes: 1 };
  let toSkip = 0;
  const hidden = () => group.skipped || (isHtml && group.onlyRich);
  const flush = () => {
    if (bytes !== '') pieces.push(decodeBytes(Buffer.from(bytes, 'latin1'), charset).text);
    bytes = '';
  };
  const write = (text: string) => {
    if (hidden()) return;
    flush();
    pieces.push(text);
  };
  for (let at = 0; at < source.length;) {
    const character = source[at]!;
    if (character === '{') {
      if (groups.length >= MAX_GROUPS) return null;
      groups.push(group);
      group = { ...group };
      at++;
    } else if (character === '}') {
      group = groups.pop() ?? group;
      if (groups.length === 0) break;
      at++;
    } else if (character === '\r' || character === '\n') {
      at++;
    } else if (character !== '\\') {
      PLAIN_RUN.lastIndex = at;
      const run = PLAIN_RUN.exec(source)![0];
      at += run.length;
      const skipped = Math.min(toSkip, run.length);
      toSkip -= skipped;
      if (!hidden()) bytes += run.slice(skipped);
    } else if (source.startsWith("\\'", at)) {
      const byte = Number.parseInt(source.slice(at + 2, at + 4), 16);
      at += 4;
      if (toSkip > 0) toSkip--;
      else if (!hidden() && !Number.isNaN(byte)) bytes += String.fromCharCode(byte);
    } else {
      CONTROL_WORD.lastIndex = at;
      const match = CONTROL_WORD.exec(source);
      if (!match) {
        const symbol = source[at + 1] ?? '';
        at += 2;
        if (symbol === '*') {
          // only programs that know it shall read such a group
          const known = isHtml && source.startsWith('\\htmltag', at);
          if (!known) group.skipped = true;
        } else if (symbol === '~') write('\u00a0');
        else if (symbol === '_') write('-');
        else if ('\\{}'.includes(symbol)) write(symbol);
        continue;
      }
      at += match[0].length;
      const word = match[1]!;
      const number = match[2] === undefined ? null : Number(match[2]);
      if (SKIPPED.has(word)) group.skipped = true;
      else if (word === 'htmlrtf') group.onlyRich = number !== 0;
      else if (word === 'uc') group.substitutes = Math.min(Math.max(number ?? 1, 0), 10);
      else if (word === 'u' && number !== null) {
        write(String.fromCharCode(number & 0xffff));
        toSkip = group.substitutes;
      } else if (word === 'bin') at += Math.max(number ?? 0, 0);
      else if (CHARACTERS[word] !== undefined) write(CHARACTERS[word]);
    }
  }
  flush();
  const text = pieces.join('');
  return { kind: isHtml ? 'html' : 'plain', text: isHtml ? text : text.trim() };
}

/** The charset of a Windows code page. */
export function codePageLabel(codePage: number): string {
  if (codePage === 65001) return 'utf-8';
  if (codePage === 20127) return 'us-ascii';
  if (codePage === 932) return 'shift_jis';
  if (codePage === 20866) return 'koi8-r';
  if (codePage === 21866) return 'koi8-u';
  if (codePage === 28605) return 'iso-8859-15';
  if (codePage > 28590 && codePage < 28600) return `iso-8859-${codePage - 28590}`;
  if (codePage === 874 || (codePage >= 1250 && codePage <= 1258)) return `windows-${codePage}`;
  return `cp${codePage}`;
}
