/**
 * In which charset bytes are text: the one that makes of them the least surprising letters. Each character costs bits,
 * few when it is frequent where it stands, many when nobody would have written it there; the cheapest reading wins. It
 * works for the four characters of a subject as for a page, and gives the same answer for the same bytes.
 */

/** Only so much of a text is looked at, and of that only so many bytes of the lines that are not ASCII. */
const LOOKED_AT = 64 * 1024;
const WEIGHED = 2 * 1024;

interface Candidate {
  charset: string;
  /** Bits that it takes to believe in it before any byte is seen: how seldom it comes unlabelled. */
  prior: number;
  common?: () => ReadonlySet<string>;
}

const CANDIDATES: Candidate[] = [
  { charset: 'shift_jis', prior: 2, common: commonJapanese },
  { charset: 'euc-jp', prior: 6, common: commonJapanese },
  { charset: 'gb18030', prior: 2.5, common: commonSimplified },
  { charset: 'big5', prior: 3, common: commonTraditional },
  { charset: 'euc-kr', prior: 3 },
  { charset: 'windows-1251', prior: 4 },
  { charset: 'koi8-r', prior: 4.5 },
  { charset: 'windows-1250', prior: 2.5 },
  { charset: 'iso-8859-2', prior: 3 },
  { charset: 'windows-1253', prior: 5 },
  { charset: 'windows-1254', prior: 4 },
  { charset: 'windows-1255', prior: 5 },
  { charset: 'windows-1256', prior: 5 },
  { charset: 'windows-874', prior: 8 },
];

/** A charset that somebody named, though not all bytes fit it, is believed for this many bits. */
const NAMED = 40;
/** The one of which every second program makes its default says less. */
const NAMED_BY_DEFAULT = 20;

/**
 * @param fallback reads the bytes that fit no candidate better, as windows-1252; it is weighed as they are
 * @param named a label of the encoding standard that somebody gave to it or to a text near by: more likely than others
 * @returns a label of the encoding standard; null when `fallback` is the best reading
 */
export function detectCharset(
  bytes: Buffer,
  fallback: (bytes: Buffer) => string,
  named: string | null = null,
): string | null {
  const sample = sampleOf(bytes);
  const candidates: Candidate[] = CANDIDATES.some(({ charset }) => charset === named)
    ? CANDIDATES.map((one) => (one.charset === named ? { ...one, prior: -NAMED } : one))
    : [...CANDIDATES, ...(named === null || named === 'windows-1252' ? [] : [{ charset: named, prior: -NAMED }])];
  let best: string | null = null;
  let least = surprise(fallback(sample)) - (named === 'windows-1252' ? NAMED_BY_DEFAULT : 0);
  for (const { charset, prior, common } of candidates) {
    const text = new TextDecoder(charset).decode(sample);
    const bits = prior + surprise(text, common?.(), least - prior);
    if (bits < least) [best, least] = [charset, bits];
  }
  return best;
}

/** Lines with bytes above ASCII. A line feed is part of no character in any charset here. */
function sampleOf(bytes: Buffer): Buffer {
  const lines: Buffer[] = [];
  let length = 0;
  for (let from = 0; from < Math.min(bytes.length, LOOKED_AT) && length < WEIGHED;) {
    const end = bytes.indexOf(0x0a, from);
    const line = bytes.subarray(from, Math.min(end < 0 ? bytes.length : end + 1, from + WEIGHED));
    if (line.some((byte) => byte > 0x7f)) {
      lines.push(line);
      length += line.length;
    }
    from += line.length;
  }
  return Buffer.concat(lines);
}

/** Bits per character. A byte of random noise would be 8. */
const ASCII = 4.5;
const FREQUENT_HAN = 8.5;
const COMMON_HAN = 12;
const RARE_HAN = 17;
const BROKEN = 24;

type Script = 'latin' | 'cyrillic' | 'greek' | 'hebrew' | 'arabic' | 'thai' | 'wide' | 'sign' | 'none';

/** Letters in the order of their frequency, the first costs the first number of bits, the last the second. */
function graded(letters: string, first: number, last: number): [string, number][] {
  const step = (last - first) / (letters.length - 1);
  return [...letters].map((letter, index) => [letter, first + index * step]);
}

const LATIN = new Map([
  ...graded('éäüöáßíóèàçñåøæúâêãîôůčřşığśążćłęšžěńňťďőțș', 6.5, 8),
  ...graded('ăëïõùûìòýþðœÿ', 8, 10),
]);
const ALPHABETS: [Script, RegExp, Map<string, number>, number][] = [
  ['latin', /\p{Script=Latin}/u, LATIN, 10.5],
  ['cyrillic', /\p{Script=Cyrillic}/u, new Map(graded('оеаинтсрвлкмдпуяыьгзбчйхжшюцщэёіїфєґъ', 3.2, 9)), 12],
  ['greek', /\p{Script=Greek}/u, new Map(graded('αοιετσνηυρπκμλςωόίάγέήδύχθώφβξζψ', 3.4, 9)), 11],
  ['hebrew', /[\u05d0-\u05ea]/, new Map(graded('יוהלארמתבשנםדקחפעןטגצכסזךףץ', 3.2, 8)), 9],
  ['arabic', /[\u0621-\u064a]/, new Map(graded('اليمونتربةعدفسهكقحجأشطصىخإضغذزئءثظآؤ', 3, 9)), 10],
  ['thai', /[\u0e01-\u0e4e]/, new Map(), 5],
];
const SIGNS = new Set('½¼¾×±²³µ');
const PUNCTUATION = new Set('\u00a0«»„“”‘’‚–—…€°§№·•®©™´¿¡£');
/** 、。「」 and their like, and the wide forms of ASCII. */
const WIDE_PUNCTUATION = /[\u3001-\u3011\uff01-\uff5e\u30fb\u30fc]/;
const SMALL_KANA = /[ぁぃぅぇぉゎァィゥェォヮヵヶ]/;
const HANGUL = new Set(
  '이다는을가에의고하지로서기한도를사어시나리은자인대해있아정부수일보그것게들전라만여오상과제면스안주할우습니까요문합안녕견적서청비밀번호재설정메일답장회신첨부파계약신주세금산발송관련공지내용확드립감',
);
const HAN = new Set(
  '的一是不了在人有我他这個个们們中来來上大为為和国國地到以说說时時要就出会會可也你您对對生能子得下自之年过過发發' +
    '后後作里用道行所家事成方多经經去法学學如都同现現没動动面起看定天分还還进進好小部其些主理心本前開开但因只想实實日' +
    '无無力与與长長公工明知全三关關点點正业業外高间問问很最重文件信息回复覆復题題请請订訂單单密码碼电電邮郵箱产產品票账帳' +
    '户戶号號收测試试服务務系统統登录錄置退书書京東お注見積合願致',
);

/** @param limit in bits, beyond which nobody asks how many */
function surprise(text: string, common?: ReadonlySet<string>, limit = Infinity): number {
  let bits = 0;
  let before: { script: Script; upper: boolean; lower: boolean } = { script: 'none', upper: false, lower: false };
  for (const character of text) {
    const { script, cost } = weigh(character, common);
    const [small, large] = script === 'none' ? ['', ''] : [character.toLowerCase(), character.toUpperCase()];
    const upper = small !== large && character === large;
    const lower = small !== large && character === small;
    bits += cost + switching(before.script, script);
    if (upper) bits += before.lower ? 6 : before.upper ? 0.3 : 1;
    if (lower && script === 'cyrillic' && before.script === 'none') bits += 0.5;
    if (bits > limit) return bits;
    before = { script, upper, lower };
  }
  return bits;
}

/** Within a word people stay with one script. */
function switching(from: Script, to: Script): number {
  if (from === to || from === 'none' || to === 'none') return 0;
  return [from, to].some((script) => script === 'wide' || script === 'sign') ? 4 : 8;
}

function weigh(character: string, common: ReadonlySet<string> | undefined): { script: Script; cost: number } {
  const code = character.codePointAt(0)!;
  if (code < 0x80) {
    if (/[a-z]/i.test(character)) return { script: 'latin', cost: ASCII };
    return { script: 'none', cost: code >= 0x20 || (code >= 9 && code <= 13) ? ASCII : BROKEN };
  }
  if (code < 0xa0 || code === 0xfffd || (code >= 0xe000 && code < 0xf900)) return { script: 'none', cost: BROKEN };
  if (PUNCTUATION.has(character)) return { script: 'none', cost: 9 };
  if (SIGNS.has(character)) return { script: 'sign', cost: 9 };
  const alphabet = ALPHABETS.find(([, pattern]) => pattern.test(character));
  if (alphabet) return { script: alphabet[0], cost: alphabet[2].get(character.toLowerCase()) ?? alphabet[3] };
  if (WIDE_PUNCTUATION.test(character)) return { script: 'none', cost: 9 };
  if (code >= 0x3041 && code <= 0x30fa)
    return { script: 'wide', cost: !common?.has('の') ? 14 : SMALL_KANA.test(character) ? 9 : 7 };
  if (code >= 0xff61 && code <= 0xff9f) return { script: 'wide', cost: 9.5 }; // narrow katakana, one byte each
  if (code >= 0xac00 && code <= 0xd7a3) return { script: 'wide', cost: HANGUL.has(character) ? 7.5 : COMMON_HAN };
  if (/\p{Script=Han}/u.test(character)) {
    return {
      script: 'wide',
      cost: !common?.has(character) ? RARE_HAN : HAN.has(character) ? FREQUENT_HAN : COMMON_HAN,
    };
  }
  return { script: 'none', cost: 15 };
}

const sets = new Map<string, ReadonlySet<string>>();

/** The characters of a charset's rows of frequent ones: its makers sorted them out. */
function rows(charset: string, from: number, to: number, trails: [number, number][], more = ''): ReadonlySet<string> {
  const known = sets.get(charset);
  if (known) return known;
  const bytes: number[] = [];
  for (let lead = from; lead <= to; lead++) {
    for (const [first, last] of trails) for (let trail = first; trail <= last; trail++) bytes.push(lead, trail);
  }
  const made = new Set(new TextDecoder(charset).decode(Uint8Array.from(bytes)) + more);
  made.delete('\ufffd');
  sets.set(charset, made);
  return made;
}

function commonJapanese(): ReadonlySet<string> {
  return rows('euc-jp', 0xb0, 0xcf, [[0xa1, 0xfe]], 'の');
}

function commonSimplified(): ReadonlySet<string> {
  return rows('gb18030', 0xb0, 0xd7, [[0xa1, 0xfe]]);
}

function commonTraditional(): ReadonlySet<string> {
  return rows('big5', 0xa4, 0xc6, [
    [0x40, 0x7e],
    [0xa1, 0xfe],
  ]);
}
