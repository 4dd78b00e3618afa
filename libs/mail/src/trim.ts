/**
 * What of a reply is new. Everything from one point on is hidden when it is nothing but quoted mail and signature; a
 * quote that is answered below stays. Only hides: visible and hidden together are the text, and when nothing would
 * remain, everything is shown.
 */

/** Stands above the quoted conversation in our own mails. Mail programs keep it, so it says where the new words end. */
export const REPLY_MARKER = '-- Please write your reply above this line --';

export interface TrimmedReply {
  visible: string;
  /** The rest, from the cut on; '' when all is visible. */
  hidden: string;
}

const MAX_LINE = 500;
/** Signatures longer than this are text. */
const MAX_SIGNATURE_LINES = 15;

/** @param text a reply in an existing conversation; a first mail is never trimmed, what it forwards is the request */
export function visibleReply(text: string): TrimmedReply {
  const lines = text.split('\n');
  const kinds = lines.map((line) => line.trim()).map(kindOf);
  const cut = cutLine(lines, kinds);
  const visible = lines.slice(0, cut).join('\n');
  if (cut >= lines.length || !/[\p{L}\p{N}\p{S}\p{P}]/u.test(visible)) return { visible: text, hidden: '' };
  return { visible: visible.trimEnd(), hidden: lines.slice(cut).join('\n') };
}

type LineKind =
  'blank' | 'quote' | 'marker' | 'original' | 'header' | 'signature' | 'dashes' | 'device' | 'rule' | 'text';

function kindOf(line: string): LineKind {
  if (line === '') return 'blank';
  if (line.includes(REPLY_MARKER)) return 'marker';
  if (line.startsWith('>') || line === '|' || line.startsWith('| ')) return 'quote';
  if (line.length > MAX_LINE) return 'text';
  if (ORIGINAL.test(line)) return 'original';
  if (HEADER_LINE.test(line)) return 'header';
  if (line === '--' || line === '—') return 'dashes';
  if (DEVICE.test(line)) return 'device';
  if (/^_{10,}$|^-{3,}$/.test(line)) return 'rule';
  return 'text';
}

/** "-----Original Message-----" and its like. */
const ORIGINAL =
  /^[-_=*\s]{2,}\s*(?:original (?:message|appointment|mail)|ursprüngliche (?:nachricht|mail)|originalnachricht|weitergeleitete nachricht|forwarded message|message d'origine|message original|mensaje original|messaggio originale|mensagem original|oorspronkelijk bericht|ursprungligt meddelande|originalmeddelande|oprindelig meddelelse|opprinnelig melding|alkuperäinen viesti|wiadomość oryginalna|oryginalna wiadomość|původní zpráva|eredeti üzenet|исходное сообщение|пересылаемое сообщение|orijinal mesaj|原始邮件|原始郵件|原郵件|元のメッセージ|원본 메시지)\s*[-_=*\s]{2,}$/iu;

/** A line of the block of headers that Outlook puts above what it quotes. */
const HEADER_LINE =
  /^\*?(?:from|sent|to|cc|date|subject|von|gesendet|an|datum|betreff|de|envoyé|à|date|objet|enviado(?: el)?|para|fecha|asunto|da|inviato|a|data|oggetto|assunto|van|verzonden|aan|onderwerp|från|skickat|till|ämne|fra|sendt|til|emne|lähettäjä|lähetetty|vastaanottaja|aihe|od|wysłano|do|temat|odesláno|komu|předmět|feladó|elküldve|címzett|tárgy|от|отправлено|кому|тема|дата|kimden|gönderildi|kime|konu|发件人|发送时间|收件人|主题|寄件者|寄件日期|收件者|主旨|差出人|送信日時|宛先|件名|보낸 사람|보낸 날짜|받는 사람|제목)\s?\*?\s?[:：]\*?(?:\s|$)/iu;

const DEVICE =
  /^[<(]{0,2}(?:sent (?:from|via|using|with|by) (?:my |the |a )?\S.{0,80}|from my (?:iphone|ipad|phone|mobile)\b.{0,20}|get \[?outlook for .{1,60}|someone from mobile|diese nachricht wurde von meinem .{1,60} gesendet\.?|從我的 .{1,40} 傳送|从我的 .{1,40} 发送|get outlook for .{1,40}|von meinem \S.{0,40} gesendet|gesendet (?:von|mit) \S.{0,60}|envoyé (?:de|depuis) (?:mon |ma )?\S.{0,60}|enviado (?:desde|de|do) (?:mi |meu )?\S.{0,60}|inviato da(?:l mio)? \S.{0,60}|verzonden (?:vanaf|met) (?:mijn )?\S.{0,60}|verstuurd vanaf mijn \S.{0,40}|skickat från \S.{0,60}|sendt fra \S.{0,60}|lähetetty \S.{0,60}|wysłane z \S.{0,60}|отправлено с \S.{0,60})$/iu;

/** Who wrote when, above a quote. These begin in a way that nothing else does, so they may run over three lines. */
const LONG_ATTRIBUTIONS = [
  /^(?:on|op|am|le|el|em|il|den|w dniu|dne|dnia|pe|a|в)\s.{4,400}(?:wrote|schreef(?: .{1,200})?(?:geschreven)?|schrieb(?: .{1,200})?|a écrit|escribió|escreveu|ha scritto|skrev(?: .{1,200})?|napisał\(?a?\)?|napsal\(?a?\)?|kirjoitti|írta|написал\(?а?\)?|пишет)\s?[:：]?$/iu,
  /^\d{4}[-年/.].{4,200}(?:<[^<>]{3,100}>|写道|寫道|のメール|님이 작성)\s?.{0,10}[:：]$/u,
  /^\d{4}\/\d{1,2}\/\d{1,2}\s.{2,200}<[^<>\s]{1,100}@[^<>\s]{3,100}>$/u,
  /^\d{1,2}[./]\d{1,2}[./]\d{2,4}.{2,200}(?:<[^<>]{3,100}>|wrote|schrieb|пишет|написал)\s?[:：]$/iu,
];

/** These begin with anything: a line before that has no date in it is the writer's. */
const SHORT_ATTRIBUTIONS = [
  /^\S.{1,200}(?:wrote|schrieb|a écrit|escribió|escreveu|ha scritto|schreef|skrev|napisał\(?a?\)?|napsal\(?a?\)?|kirjoitti|написал\(?а?\)?|пишет)\s?(?:am .{4,60}|on .{4,60}|op .{4,60})?[:：]$/iu,
  /^\S.{5,200}\s\d{1,2}:\d{2}.{1,200}<[^<>\s]{1,100}@[^<>\s]{3,100}>\s?:$/u,
];

const ATTRIBUTIONS = [...LONG_ATTRIBUTIONS, ...SHORT_ATTRIBUTIONS];

/** What every attribution has; cheap, since it is asked of every line. */
const MAY_ATTRIBUTE =
  /[:：]$|>$|wrote|schreef|schrieb|écrit|escribió|escreveu|scritto|skrev|napisał|napsal|kirjoitti|írta|написал|пишет/iu;

function cutLine(lines: string[], kinds: LineKind[]): number {
  const quotedFrom = onlyQuotedFrom(kinds);
  for (let at = 0; at < lines.length; at++) {
    switch (kinds[at]!) {
      case 'marker':
        return at;
      case 'original':
        return at;
      case 'rule':
        if (isHeaderBlock(kinds, next(kinds, at + 1))) return at;
        break;
      case 'header':
        if (isHeaderBlock(kinds, at)) return at;
        break;
      case 'quote':
        if (quotedFrom[at]) return at;
        break;
      case 'dashes':
        if (isSignature(lines[at]!, kinds, at, quotedFrom)) return at;
        break;
      case 'device':
        if (quotedFrom[next(kinds, at + 1)] ?? true) return at;
        if (isQuoteStart(lines, kinds, quotedFrom, next(kinds, at + 1))) return at;
        break;
      case 'text':
        if (isQuoteStart(lines, kinds, quotedFrom, at)) return at;
        break;
      default:
    }
  }
  return lines.length;
}

/** By line: whether from there on everything is quoted or blank, or a signature below that. */
function onlyQuotedFrom(kinds: LineKind[]): boolean[] {
  const only = Array.from<boolean>({ length: kinds.length });
  let below = true;
  for (let at = kinds.length - 1; at >= 0; at--) {
    const kind = kinds[at]!;
    if (kind === 'dashes' && kinds.length - at <= MAX_SIGNATURE_LINES) below = true;
    else if (kind !== 'quote' && kind !== 'blank' && kind !== 'device' && kind !== 'marker') below = false;
    only[at] = below;
  }
  return only;
}

/** An attribution that a quote follows to the end, or that text follows without any quote marks at all. */
function isQuoteStart(lines: string[], kinds: LineKind[], quotedFrom: boolean[], at: number): boolean {
  const end = attributionEnd(lines, kinds, at);
  if (end < 0) return false;
  const following = next(kinds, end);
  if (following >= lines.length || quotedFrom[following]) return true;
  return !kinds.includes('quote', following);
}

/** The line behind an attribution that starts here, the longest that there is; -1 when none does. */
function attributionEnd(lines: string[], kinds: LineKind[], at: number): number {
  let joined = '';
  let found = -1;
  for (let end = at; end < Math.min(at + 3, lines.length) && joined.length < MAX_LINE; end++) {
    if (kinds[end] === 'blank' || kinds[end] === 'quote') break;
    joined = `${joined} ${lines[end]!.trim()}`.trim();
    if (joined.length > MAX_LINE || !MAY_ATTRIBUTE.test(joined)) continue;
    const patterns = end === at || /\d/.test(lines[at]!) ? ATTRIBUTIONS : LONG_ATTRIBUTIONS;
    if (patterns.some((pattern) => pattern.test(joined))) found = end + 1;
  }
  return found;
}

/** At least three header lines together, the first of them a sender's. */
function isHeaderBlock(kinds: LineKind[], at: number): boolean {
  let headers = 0;
  for (let line = at; line < Math.min(at + 8, kinds.length); line++) {
    if (kinds[line] === 'header') headers++;
    else if (kinds[line] !== 'text' || headers === 0) break;
  }
  return kinds[at] === 'header' && headers >= 3;
}

/** `-- ` (RFC 3676 §4.3), or two dashes whose blank was lost on the way, above few lines and no answer to a quote. */
function isSignature(line: string, kinds: LineKind[], at: number, quotedFrom: boolean[]): boolean {
  const proper = line === '-- ' || line === '--\u00a0';
  const limit = proper ? kinds.length : at + MAX_SIGNATURE_LINES;
  for (let end = at + 1; end < kinds.length; end++) {
    if (kinds[end] === 'quote') return quotedFrom[end]!;
    if (end > limit && kinds[end] === 'text') return false;
  }
  return true;
}

/** The next line that is not blank. */
function next(kinds: LineKind[], from: number): number {
  let at = from;
  while (kinds[at] === 'blank') at++;
  return at;
}
