/**
 * Whose mail somebody passed on: found in the block of headers that mail programs write above it, in the languages that
 * they speak. What is found is a claim of the forwarder, who could have typed it: nobody's identity rests on it alone.
 */
import { addressKey, parseAddresses, type MailAddress } from './addresses.js';
import { cleanName, cutText } from './charset.js';
import type { EnclosedMail } from './mail.js';

export interface ForwardedMail {
  /** Who wrote the original; null unless there is exactly one plausible sender with an address. */
  from: MailAddress | null;
  /** The sender as it was written there, at most 300 characters; '' when there is none. */
  fromText: string;
  subject: string | null;
  /** As it was written there. */
  date: string | null;
  /** What the forwarder wrote above, '' when nothing. */
  comment: string;
  /** The original's text; '' when it could not be read. */
  text: string;
  style: 'gmail' | 'outlook' | 'apple' | 'attached' | 'other';
}

type Role = 'from' | 'date' | 'to' | 'cc' | 'subject' | 'other';

/** Header names as mail programs translate them. */
const LABELS: Record<Role, string> = {
  from: 'from|von|de|da|van|från|fra|lähettäjä|od|feladó|от|отправитель|від|kimden|gönderen|de la|από|发件人|寄件者|寄件人|差出人|送信者|보낸 사람|보낸사람|šalje|nuo|kellelt|no|mittente|expéditeur|remitente|pošiljatelj|מאת|من',
  date: 'date|sent|datum|gesendet|envoyé|date d’envoi|enviado|enviado el|enviada em|fecha|data|inviato|verzonden|skickat|sendt|dato|lähetetty|päivämäärä|päiväys|pvm|wysłano|odesláno|dátum|elküldve|küldve|дата|отправлено|надіслано|tarih|gönderildi|gönderme tarihi|trimis|ημερομηνία|στάλθηκε|日期|发送时间|發送時間|寄件日期|时间|日付|送信日時|날짜|보낸 날짜|poslano|odoslané|дата отправки|תאריך|التاريخ',
  to: 'to|an|à|para|a|aan|till|til|vastaanottaja|do|komu|címzett|кому|kime|alıcı|către|προς|收件人|收件者|宛先|받는 사람|받는사람|za|destinataire|destinatario|אל|إلى',
  cc: 'cc|kopie|copie à|copia|kopi|kopia|kopio|dw|másolatot kap|копия|копія|bilgi|抄送|副本|참조',
  subject:
    'subject|betreff|objet|asunto|assunto|oggetto|onderwerp|ämne|emne|aihe|temat|předmět|predmet|tárgy|тема|konu|subiect|θέμα|主题|主題|主旨|件名|제목|נושא|الموضوع',
  other:
    'reply-to|bcc|importance|attachments|message-id|antwort an|wichtigkeit|anlagen|svar till|répondre à|responder a',
};
const ROLE_OF = new Map(
  (Object.entries(LABELS) as [Role, string][]).flatMap(([role, labels]) =>
    labels.split('|').map((label) => [label, role]),
  ),
);

/** Lines above the block, without dashes, stars and colons around. */
const GMAIL = new Set(
  'forwarded message|weitergeleitete nachricht|message transféré|mensaje reenviado|messaggio inoltrato|mensagem encaminhada|doorgestuurd bericht|vidarebefordrat meddelande|videresendt melding|videresendt meddelelse|videresendt besked|välitetty viesti|edelleen lähetetty viesti|wiadomość przekazana dalej|přeposlaná zpráva|továbbított üzenet|пересылаемое сообщение|переслане повідомлення|пересланное сообщение|yönlendirilmiş mesaj|iletilmiş mesaj|mesaj redirecționat|προωθημένο μήνυμα|转发的邮件|转发邮件信息|轉寄郵件|轉寄的郵件|転送メッセージ|転送されたメッセージ|전달된 메일|forwarded mail|proslijeđena poruka|preposlaná správa|posredovano sporočilo|edasi saadetud kiri|הודעה שהועברה'.split(
    '|',
  ),
);
const APPLE = new Set(
  'begin forwarded message|anfang der weitergeleiteten nachricht|début du message transféré|début du message réexpédié|inicio del mensaje reenviado|inizio messaggio inoltrato|início da mensagem encaminhada|início da mensagem reencaminhada|begin doorgestuurd bericht|vidarebefordrat mejl|vidarebefordrat brev|videresendt e-post|start på videresendt besked|videresendt mail|lähetetty edelleen|välitetty viesti alkaa|początek przekazywanej wiadomości|začátek přeposílané zprávy|továbbított levél kezdete|начало переадресованного сообщения|начало пересылаемого сообщения|початок листа, що пересилається|iletilen ileti başlangıcı|i̇letilen ileti başlangıcı|începutul mesajului redirecționat|αρχή προωθημένου μηνύματος|以下是转发的邮件|開始轉寄郵件|转发的邮件开始|転送されたメッセージ|전달된 메시지 시작'.split(
    '|',
  ),
);
/** Above the block in Outlook, and above quoted replies too: they tell nothing alone. */
const NEUTRAL =
  /^(?:original (?:message|appointment)|ursprüngliche nachricht|originalnachricht|message d'origine|mensaje original|messaggio originale|mensagem original|oorspronkelijk bericht|ursprungligt meddelande|oprindelig meddelelse|opprinnelig melding|alkuperäinen viesti|wiadomość oryginalna|původní zpráva|eredeti üzenet|исходное сообщение|orijinal ileti|原始邮件|原始郵件|元のメッセージ|원본 메시지)$/iu;

const FORWARD_PREFIX =
  /^\s*(?:\[[^\]]{0,40}\]\s*)?\[?(?:fwd?|wg|tr|rv|enc|i|inoltro|doorst|vb|vl|vidarebefordrat|videresendt|pd|fw|továbbítás|пер|переслано|i̇lt|ilt|yönl|πρθ|转发|轉寄|転送|전달)\s*[:：]/iu;
const REPLY_PREFIX = /^\s*(?:re|aw|antw|sv|vs|vá|odp|ynt|απ|ref|res|回复|回覆|답장)\s*[:：]/iu;

const MAX_LINES = 2000;
const MAX_LINE = 1000;
const MAX_BLOCK = 16;
const MAX_TEXT = 300;

interface Marker {
  style: 'gmail' | 'apple' | 'other' | 'outlook';
  /** Says by itself that something was forwarded. */
  explicit: boolean;
}

interface Block {
  marker: Marker;
  /** The first line of it, marker included, and the first behind it. */
  from: number;
  to: number;
  fields: Map<Role, string>;
  quoted: boolean;
}

/** @returns null when the mail passes nothing on */
export function forwardedIn(
  mail: { subject: string; from: MailAddress[] },
  text: string,
  enclosed: EnclosedMail[],
): ForwardedMail | null {
  const forwarder = mail.from.map(({ address }) => address);
  if (enclosed.length === 0) return readForward(mail.subject, text, forwarder);
  return REPLY_PREFIX.test(mail.subject) ? null : attachedForward(text, enclosed, forwarder);
}

function attachedForward(comment: string, enclosed: EnclosedMail[], forwarder: string[]): ForwardedMail {
  const only = enclosed.length === 1 ? enclosed[0]! : null;
  const senders = enclosed.map(({ from }) => from);
  const keys = new Set(senders.map((sender) => sender && addressKey(sender.address)));
  const sender = keys.size === 1 ? senders[0]! : null;
  const isOwn = sender !== null && forwarder.some((address) => addressKey(address) === addressKey(sender.address));
  return {
    from: isOwn ? null : sender,
    fromText: short(sender ? `${sender.name ?? ''} <${sender.address}>`.trim() : '') ?? '',
    subject: only?.subject ?? null,
    date: only?.date ?? null,
    comment: comment.trim(),
    text: only?.text ?? '',
    style: 'attached',
  };
}

/**
 * @param forwarder addresses of the mail's own author, who is nobody's original sender
 * @returns null when the mail passes nothing on
 */
export function readForward(subject: string, text: string, forwarder: string[]): ForwardedMail | null {
  const declared = isForwardSubject(subject);
  // an answer quotes with the same blocks
  if (!declared && REPLY_PREFIX.test(subject)) return null;
  const lines = text.split('\n', MAX_LINES);
  if (!declared && !lines.some((line) => markerAt(line)?.explicit)) return null;
  const block = firstBlock(lines, declared);
  if (!block) return null;
  const original = lines.slice(block.to).map((line) => (block.quoted ? line.replace(/^> ?/, '') : line));
  if (text.length > lines.join('\n').length) original.push(text.slice(lines.join('\n').length + 1));
  const fromText = block.fields.get('from') ?? '';
  const sender = senderIn(fromText);
  const others = block.marker.explicit ? laterSenders(lines, block) : [];
  const own = new Set(forwarder.map(addressKey));
  const isOnly = sender !== null && others.every((other) => addressKey(other) === addressKey(sender.address));
  return {
    from: isOnly && !own.has(addressKey(sender.address)) ? sender : null,
    fromText: short(fromText) ?? '',
    subject: short(block.fields.get('subject')),
    date: short(block.fields.get('date')),
    comment: lines.slice(0, block.from).join('\n').trim(),
    text: original.join('\n').trim(),
    style: block.marker.style,
  };
}

/** "Fwd:", "WG:", "TR:" and so on at the beginning, or "(fwd)" at the end. */
export function isForwardSubject(subject: string): boolean {
  return FORWARD_PREFIX.test(subject) || /\(fwd\)\s*$/i.test(subject);
}

function short(text: string | undefined): string | null {
  return cutText(cleanName(text ?? ''), MAX_TEXT).text || null;
}

function firstBlock(lines: string[], declared: boolean): Block | null {
  for (let at = 0; at < lines.length; at++) {
    const marker = markerAt(lines[at]!);
    const start = marker ? skipBlank(lines, at + 1) : at;
    if (!marker && !startsBlock(lines[at]!)) continue;
    const block = blockAt(lines, start);
    if (!block) continue;
    if (!marker?.explicit && !declared) return null;
    return {
      ...block,
      marker: marker ?? { style: 'outlook', explicit: false },
      from: marker ? at : ruleAbove(lines, at),
    };
  }
  return null;
}

/** Senders of other mails that were passed on beside the first: forwarded as a bundle, or one within the other. */
function laterSenders(lines: string[], first: Block): string[] {
  const senders: string[] = [];
  for (let at = first.to; at < lines.length; at++) {
    if (!markerAt(lines[at]!)?.explicit) continue;
    const sender = senderIn(blockAt(lines, skipBlank(lines, at + 1))?.fields.get('from') ?? '');
    if (sender) senders.push(sender.address);
  }
  return senders;
}

function markerAt(raw: string): Marker | null {
  if (raw.length > 200 || !/^\s*--|[:：]\s*$/.test(raw)) return null;
  const line = raw.trim();
  const words = bare(line, RULES).toLowerCase();
  if (words === '') return null;
  const dashed = line.startsWith('--');
  if (dashed && GMAIL.has(words))
    return { style: /^-{10} .{1,60} -{9,10}$/.test(line) ? 'gmail' : 'other', explicit: true };
  if (!dashed && /[:：]$/.test(line) && (APPLE.has(words) || GMAIL.has(words)))
    return { style: 'apple', explicit: true };
  return dashed && NEUTRAL.test(words) ? { style: 'outlook', explicit: false } : null;
}

function skipBlank(lines: string[], from: number): number {
  let at = from;
  while (at < Math.min(lines.length, from + 4) && /^[>\s]*$/.test(lines[at]!)) at++;
  return at;
}

/** Outlook's line of underscores belongs to the block. */
function ruleAbove(lines: string[], at: number): number {
  return at > 0 && /^_{10,}\s*$/.test(lines[at - 1]!) ? at - 1 : at;
}

function startsBlock(line: string): boolean {
  const field = fieldIn(line);
  return field?.role === 'from' || field?.role === 'subject' || field?.role === 'date';
}

/** A sender and two more, in lines that follow each other. */
function blockAt(lines: string[], start: number): Omit<Block, 'marker' | 'from'> | null {
  const fields = new Map<Role, string>();
  const quoted = lines[start]?.startsWith('>') ?? false;
  let last: Role | null = null;
  let at = start;
  for (; at < Math.min(lines.length, start + MAX_BLOCK * 2) && fields.size < MAX_BLOCK; at++) {
    const line = lines[at]!;
    if (/^[>\s]*$/.test(line)) {
      // programs that make text from HTML put empty lines between
      const following = lines[at + 1] ?? '';
      if (fields.size > 0 && fields.size < 3 && fieldIn(following)) continue;
      break;
    }
    const field = fieldIn(line);
    if (field && !fields.has(field.role)) {
      fields.set(field.role, field.value);
      last = field.role;
    } else if (field) {
      // a second field of the kind: "Da" and "De" mean different things in different languages
      last = field.role;
    } else if (last !== null && goesOn(last, line)) {
      fields.set(last, `${fields.get(last)!.slice(0, MAX_LINE)} ${line.replace(/^[>\s]+/, '').slice(0, MAX_LINE)}`);
    } else break;
  }
  const known = ['date', 'to', 'subject'].filter((role) => fields.has(role as Role)).length;
  return fields.has('from') && known >= 2 ? { fields, to: at, quoted } : null;
}

/** A wrapped list of people, or a line that is set in. */
function goesOn(role: Role, line: string): boolean {
  if (/^(?:>\s?)?[ \t]{1,20}\S/.test(line)) return true;
  return (role === 'from' || role === 'to' || role === 'cc') && line.includes('@') && line.length < MAX_LINE;
}

function fieldIn(raw: string): { role: Role; value: string } | null {
  const colon = raw.slice(0, 60).search(/[:：]/);
  if (colon < 1) return null;
  const label = raw
    .slice(0, colon)
    .replace(/^[>\s*_]+|[\s*_\u00a0]+$/g, '')
    .replace(/\s+/g, ' ')
    .toLowerCase();
  const role = ROLE_OF.get(label);
  return role ? { role, value: bare(raw.slice(colon + 1, colon + 1 + MAX_LINE), STARS) } : null;
}

const STARS = /[\s*_]/;
const RULES = /[-_=*:：\s]/;

/** Without such characters at its ends. A pattern would take the square of the length for that. */
function bare(text: string, marks: RegExp): string {
  let from = 0;
  let to = text.length;
  while (from < to && marks.test(text[from]!)) from++;
  while (to > from && marks.test(text[to - 1]!)) to--;
  return text.slice(from, to);
}

/** `Jane <jane@x>`, `Jane [mailto:jane@x]`, `jane@x`; null when it is only a name, or more than one. */
function senderIn(value: string): MailAddress | null {
  const written = value
    .slice(0, MAX_LINE)
    .replace(/mailto:/gi, '')
    .replace(/\[([^[\]<>\s]{3,320})\]/g, '<$1>')
    .replace(/<\s*<([^<>]{3,320})>\s*>/g, '<$1>')
    // text made from HTML repeats an address behind itself
    .replace(/([^\s<>]{3,320})\s*<\1>(?=\s*>)/g, '$1');
  const addresses = parseAddresses(Buffer.from(written, 'utf8').toString('latin1'), 3);
  const distinct = new Set(addresses.map(({ address }) => addressKey(address)));
  return distinct.size === 1 ? addresses[0]! : null;
}
