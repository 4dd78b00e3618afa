/** From raw header fields to the facts of a mail; also all that can be said of a mail that cannot be read. */
import { normaliseAddress, parseAddresses, type MailAddress } from './addresses.js';
import { decodeHeader, HeaderFields, parseDate, parseMessageIds, parseRawHeaders, parseStructured } from './headers.js';
import {
  DEFAULT_LIMITS,
  type AutomaticSigns,
  type MailFields,
  type MailLimits,
  type MailWarning,
  type ParsedMail,
} from './mail.js';
import { soleAddress } from './sole-address.js';
import { SPAM_FIELDS } from './spam.js';

export const LOOP_HEADER = 'X-Helpdesk-Loop';
export const TICKET_HEADER = 'X-Helpdesk-Ticket';

const LIST_HEADERS = [
  'list-id',
  'list-unsubscribe',
  'list-post',
  'list-help',
  'list-subscribe',
  'list-owner',
  'x-beenthere',
  'x-mailman-version',
  'mailing-list',
];

const AUTO_REPLY_HEADERS = [
  'x-autoreply',
  'x-autorespond',
  'x-autoresponder',
  'x-autoreply-from',
  'x-mail-autoreply',
  'x-vacation',
  'x-ms-exchange-inbox-rules-loop',
  'feedback-id',
];

const TRACE_FIELDS = new Set(['received', 'authentication-results', ...SPAM_FIELDS]);
const MAX_TRACE_FIELDS = 200;

const DELIVERED_TO = ['delivered-to', 'x-original-to', 'envelope-to', 'x-envelope-to', 'x-delivered-to'];

export function readFields(headers: HeaderFields, limits: MailLimits): MailFields {
  const warnings: MailWarning[] = [];
  const addressesOf = (name: string): MailAddress[] => {
    const found = headers.all(name).flatMap((raw) => parseAddresses(raw, limits.addresses + 1));
    if (found.length > limits.addresses) warnings.push('addresses-over-limit');
    return found.slice(0, limits.addresses);
  };

  const from = addressesOf('from');
  if (headers.all('from').length > 1 || from.length > 1) warnings.push('ambiguous-sender');
  if (from.length === 0) warnings.push('no-sender');
  const replyTo = addressesOf('reply-to');
  if (isDisputed(headers, 'from', from)) warnings.push('sender-disputed');
  if (isDisputed(headers, 'reply-to', replyTo)) warnings.push('reply-to-disputed');
  const rawDate = headers.all('date')[0];
  const date = rawDate === undefined ? null : parseDate(rawDate);
  if (rawDate !== undefined && date === null) warnings.push('date-unreadable');

  return {
    messageId: headers.all('message-id').flatMap(parseMessageIds)[0] ?? null,
    inReplyTo: headers.all('in-reply-to').flatMap(parseMessageIds).slice(0, 100),
    references: parseMessageIds(headers.all('references').join(' ')),
    from,
    sender: addressesOf('sender')[0] ?? null,
    replyTo,
    to: addressesOf('to'),
    cc: addressesOf('cc'),
    deliveredTo: [...new Set(DELIVERED_TO.flatMap(addressesOf).map(({ address }) => address))],
    returnPath: returnPathOf(headers),
    subject: headers.text('subject') || '(no subject)',
    date,
    automatic: readSigns(headers),
    trace: headers.list.filter(({ name }) => TRACE_FIELDS.has(name)).slice(0, MAX_TRACE_FIELDS),
    warnings: [...new Set(warnings)],
  };
}

/** Whether one address was found and a second reader does not find the same. */
function isDisputed(headers: HeaderFields, name: string, [found, ...more]: MailAddress[]): boolean {
  if (!found || more.length > 0) return false;
  const second = headers.all(name).length === 1 ? soleAddress(headers.all(name)[0]!) : null;
  return second !== found.address || (headers.isGuessed(name) && /[^\x00-\x7f]/.test(second));
}

function returnPathOf(headers: HeaderFields): string | null {
  const raw = headers.all('return-path')[0];
  if (raw === undefined) return null;
  if (/^\s*<\s*>/.test(raw)) return '';
  return normaliseAddress(raw.replace(/[<>\s]/g, '')) ?? parseAddresses(raw, 1)[0]?.address ?? null;
}

function readSigns(headers: HeaderFields): AutomaticSigns {
  const lower = (name: string) => headers.text(name)?.toLowerCase() ?? null;
  const contentType = parseStructured(headers.all('content-type')[0] ?? '');
  const autoReplyHeaders = AUTO_REPLY_HEADERS.filter((name) => headers.has(name));
  if (lower('x-fc-machinegenerated') === 'true') autoReplyHeaders.push('x-fc-machinegenerated');
  if (headers.all('delivered-to').some((value) => /^autoresponder\b/i.test(value)))
    autoReplyHeaders.push('delivered-to');
  return {
    autoSubmitted:
      lower('auto-submitted')
        ?.replace(/[;(].*$/, '')
        .trim() ?? null,
    precedence: lower('precedence') ?? lower('x-precedence'),
    autoResponseSuppress: lower('x-auto-response-suppress'),
    listHeaders: LIST_HEADERS.filter((name) => headers.has(name)),
    autoReplyHeaders,
    fromText: headers.text('from') ?? '',
    failedRecipientAddresses: headers
      .all('x-failed-recipients')
      .flatMap((raw) => parseAddresses(raw, 50))
      .map(({ address }) => address),
    contentType: contentType.value,
    reportType: contentType.parameters['report-type']?.trim().toLowerCase() ?? null,
    reportParts: [],
    deliveryReports: [],
    returnedMessageIds: [],
    loopTokens: headers.all(LOOP_HEADER.toLowerCase()).map(decodeHeader),
    hops: headers.all('received').length,
  };
}

/**
 * The least ticket there can be: what the headers say of a mail whose body cannot be read. Never throws.
 *
 * @param head the first bytes of the mail
 * @param size bytes of the whole mail
 * @param reason why it cannot be read, shown to people
 */
export function fallbackMail(head: Buffer, size: number, reason: string): ParsedMail {
  const headers = new HeaderFields(parseRawHeaders(head.subarray(0, DEFAULT_LIMITS.headerBytes)));
  const fields = readFields(headers, DEFAULT_LIMITS);
  return {
    ...fields,
    warnings: [...fields.warnings, 'unreadable'],
    text: `(This mail of ${size} bytes could not be read: ${reason}. The original is kept.)`,
    html: null,
    textTruncated: false,
    attachments: [],
    enclosed: [],
    forwarded: null,
    calendar: null,
    protection: null,
    signatures: [],
  };
}
