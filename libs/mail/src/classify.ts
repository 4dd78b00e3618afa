/**
 * Who wrote it: a person or a machine, and which kind of machine. Ordered: what a machine says of itself in a standard
 * way decides first (RFC 3464, 5965, 8098, 3834, 2369), then signs that only together prove a bounce, then habits.
 *
 *   own        sent by this help desk and come back: no ticket
 *   complaint  abuse report about our mail       receipt   read receipt
 *   bounce     our mail could not be delivered   list      from a mailing list
 *   automatic  any other machine mail            human     everything else
 */
import { addressKey, senderOf } from './addresses.js';
import { hasPlainAuthor, type ParsedMail } from './mail.js';

export type MailClass = 'human' | 'automatic' | 'bounce' | 'complaint' | 'receipt' | 'list' | 'own';

export interface Classification {
  class: MailClass;
  /** The rule that decided, for the log and the mail's disposition. */
  rule: string;
}

export interface OwnIdentity {
  addresses: string[];
  loopToken: string;
  isOwnMessageId(id: string): boolean;
}

type Rule = (mail: ParsedMail, own: OwnIdentity) => Classification | null;

const RULES: Rule[] = [
  ownMail,
  report,
  serviceNotification,
  softBounce,
  declaredAutomatic,
  list,
  habituallyAutomatic,
  ownAddress,
];

export function classify(mail: ParsedMail, own: OwnIdentity): Classification {
  for (const rule of RULES) {
    const found = rule(mail, own);
    if (found) return found;
  }
  return { class: 'human', rule: 'no-machine-sign' };
}

/**
 * Whether a machine may answer this mail. Stricter than being human: no auto-reply to anybody who asks for none, to role
 * accounts, or where it is unclear who wrote.
 */
export function mayAutoReply(mail: ParsedMail, classification: Classification): boolean {
  const { automatic } = mail;
  if (classification.class !== 'human' || mail.returnPath === '') return false;
  if (/\b(?:all|oof|autoreply)\b/.test(automatic.autoResponseSuppress ?? '')) return false;
  // an answer to an invitation, or its end, is a calendar's doing
  if (/^(?:reply|cancel)$/.test(mail.calendar?.method ?? '')) return false;
  const sender = mail.from[0] ?? mail.replyTo[0];
  if (!sender || (mail.from.length > 0 && !hasPlainAuthor(mail))) return false;
  return ![sender, ...mail.replyTo.slice(0, 1)].some(({ address }) => ROLE_ACCOUNT.test(localPart(address)));
}

function ownMail(mail: ParsedMail, { loopToken, isOwnMessageId }: OwnIdentity): Classification | null {
  if (loopToken !== '' && mail.automatic.loopTokens.includes(loopToken))
    return { class: 'own', rule: 'own-loop-header' };
  if (mail.messageId !== null && isOwnMessageId(mail.messageId)) return { class: 'own', rule: 'own-message-id' };
  return null;
}

/** Reports of mail services about our mail that are not in the standard's form. */
const COMPLAINT_SUBJECT = /^complaint about message from\b/i;
const SERVICE_NOTIFICATION = /notificationType\\?"\s{0,5}:\s{0,5}\\?"(Bounce|Complaint)/;

function serviceNotification({ text, automatic }: ParsedMail): Classification | null {
  if (automatic.fromText === '' || !text.trimStart().startsWith('{')) return null;
  const kind = SERVICE_NOTIFICATION.exec(text.slice(0, 4000))?.[1];
  return kind ? { class: kind === 'Bounce' ? 'bounce' : 'complaint', rule: 'service-notification' } : null;
}

function report({ automatic, subject }: ParsedMail): Classification | null {
  const { reportType, reportParts } = automatic;
  const has = (kind: string) => reportType === kind || reportParts.some((type) => type.endsWith(kind));
  if (COMPLAINT_SUBJECT.test(subject)) return { class: 'complaint', rule: 'complaint-subject' };
  if (has('feedback-report') || reportType === 'abuse-report') return { class: 'complaint', rule: 'feedback-report' };
  if (has('disposition-notification')) return { class: 'receipt', rule: 'disposition-notification' };
  if (has('delivery-status')) return { class: 'bounce', rule: 'delivery-status' };
  return null;
}

const DAEMON =
  /\b(?:mailer-?daemon|mail ?daemon|post_?master|mail delivery (?:sub)?system|mail delivery service|mail(?:er)? administrator|delivery(?:[ _-](?:status|failure))?[ _-](?:notification|subsystem)|internet mail delivery|system administrator|mdaemon|mailrouter|mail system)\b/i;
const BOUNCE_SUBJECT =
  /delayed mail|deliver(?:y|ed|able|ing)[^a-z]{1,3}(?:status|fail|problem|report|notif|error|delay|incomplete|unsuccess|warning)|undeliver|non[- ]?deliver|not (?:be )?(?:deliver|sent)|could ?n[o']t (?:be )?(?:deliver|send|sent)|return(?:ed|ing) (?:mail|message|to sender)|fail(?:ed|ure) (?:notice|delivery|mail|to deliver|report)|mail(?:ing)? (?:failure|failed|error|system error|delivery)|message (?:delayed|delivery failure|not delivered|you sent blocked)|unzustellbar|nicht zugestellt|zustellung|non remis|no entregad|devuelt|non recapitabil|onbestelbaar|onbezorgbaar|niet bezorgd|nepodařilo se doručit|недоставлен|не доставлен|退信|未能送达|メールエラー|配信(?:不能|できません|エラー)|user unknown|unknown user|rejected (?:mail|message)|mail could not be/i;

const BOUNCE_WORDS =
  /(?:could|can|did|was|were)(?: ?n[o']t| not) (?:be )?(?:deliver|sent)|undeliver|(?:unknown|no such) (?:user|address|recipient)|user unknown|no valid recipients|out of connections|\b5\d\d [\d<]|errors? from|配信|送信できません|送信されませんでした|エラー/i;

/** Signs of a bounce that prove it only in pairs, or with one of our own mails enclosed. */
function softBounce(mail: ParsedMail, { isOwnMessageId }: OwnIdentity): Classification | null {
  const { automatic } = mail;
  const signs = [
    mail.returnPath === '',
    mail.returnPath === '' && automatic.returnedMessageIds.length > 0,
    isDaemon(mail),
    automatic.failedRecipientAddresses.length > 0,
    BOUNCE_SUBJECT.test(mail.subject),
    // people write such words, too: only a daemon's count
    (isDaemon(mail) || isNoReply(mail)) && BOUNCE_WORDS.test(mail.text.slice(0, 4000)),
    automatic.contentType === 'multipart/report',
  ].filter(Boolean).length;
  if (signs >= 2) return { class: 'bounce', rule: 'bounce-signs' };
  if (signs === 1 && automatic.returnedMessageIds.some(isOwnMessageId))
    return { class: 'bounce', rule: 'returned-own-mail' };
  return null;
}

function isNoReply(mail: ParsedMail): boolean {
  return NO_REPLY_ACCOUNT.test(localPart(senderOf(mail)?.address ?? mail.automatic.fromText));
}

function isDaemon(mail: ParsedMail): boolean {
  const { fromText } = mail.automatic;
  return DAEMON.test(fromText) || (fromText === '' && DAEMON.test(mail.sender?.address ?? ''));
}

function declaredAutomatic({ automatic, returnPath }: ParsedMail): Classification | null {
  if (automatic.autoSubmitted !== null && automatic.autoSubmitted !== 'no') return machine('auto-submitted');
  if (automatic.autoReplyHeaders.length > 0) return machine('auto-reply-header');
  if (returnPath === '') return machine('null-return-path');
  return null;
}

function list({ automatic }: ParsedMail): Classification | null {
  if (automatic.listHeaders.length > 0) return { class: 'list', rule: 'list-header' };
  if (automatic.precedence === 'list') return { class: 'list', rule: 'precedence' };
  return null;
}

const ABSENT_SUBJECT =
  /^\s*(?:auto(?:matic|mated)?[- ]?(?:reply|response|answer)\b|out of (?:the )?office|automatische (?:antwort|beantwortung)|abwesenheits?|abwesend|réponse automatique|respuesta automática|fuera de la oficina|risposta automatica|automatisch antwoord|afwezig|autosvar|automatiskt? svar|frånvaro|fravær|resposta automática|autoodpowiedź|automatyczna odpowiedź|automatická odpověď|автоответ|自動応答|自動返信|自动回复|자동 ?회신)/iu;
const NO_REPLY_ACCOUNT =
  /^(?:no-?_?reply|do-?_?not-?_?reply|noreply[-+._].*|bounces?|bounces?[-+._].*|notifications?)$/i;
const DAEMON_ACCOUNT = /^(?:mailer-daemon|mail-daemon|daemon)$/i;
const ROLE_ACCOUNT =
  /^(?:mailer-daemon|mail-daemon|daemon|postmaster|no-?_?reply|do-?_?not-?_?reply|noreply[-+._].*|bounces?|bounces?[-+._].*|abuse|root|notifications?)$/i;

function habituallyAutomatic(mail: ParsedMail): Classification | null {
  const { automatic, subject } = mail;
  if (/^(?:bulk|junk|auto_reply)\b/.test(automatic.precedence ?? '')) return machine('precedence');
  if (automatic.failedRecipientAddresses.length > 0) return machine('failed-recipients');
  if (ABSENT_SUBJECT.test(subject)) return machine('absence-subject');
  const local = localPart(senderOf(mail)?.address ?? automatic.fromText);
  if (DAEMON_ACCOUNT.test(local)) return machine('sender-daemon');
  if (NO_REPLY_ACCOUNT.test(local)) return machine('sender-no-reply');
  return null;
}

/** Somebody writes as one of our mailboxes, without the marks of our own mail: a ticket, but nobody answers it. */
function ownAddress(mail: ParsedMail, { addresses }: OwnIdentity): Classification | null {
  const sender = senderOf(mail);
  const ours = new Set(addresses.map(addressKey));
  return sender && ours.has(addressKey(sender.address)) ? machine('own-address') : null;
}

function machine(rule: string): Classification {
  return { class: 'automatic', rule };
}

function localPart(address: string): string {
  const at = address.lastIndexOf('@');
  return (at < 0 ? address : address.slice(0, at)).trim();
}
