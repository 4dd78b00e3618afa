/**
 * Our own mails: what nodemailer is told. Whatever goes into a header is cleaned to one line here, wherever it came from
 * (RFC 5322 §2.2), and automatic mail says that it is (RFC 3834), so that no other machine answers it.
 */
import type { SendMailOptions } from 'nodemailer';
import { cleanName, cutText } from './charset.js';
import { normaliseAddress } from './addresses.js';
import { LOOP_HEADER, TICKET_HEADER } from './fields.js';
import { textToHtml } from './html-text.js';

export interface OutgoingMail {
  from: OutgoingAddress;
  to: OutgoingAddress;
  /** The signed reply address. */
  replyTo: string;
  subject: string;
  ticketNumber: number;
  /** With or without angle brackets, as all ids here. */
  messageId: string;
  inReplyTo?: string;
  /** Oldest first; of more than 20 the first and the last 19 are sent. */
  references: string[];
  /** What kind of machine mail it is (RFC 3834 §5); null for the words of a person. */
  autoSubmitted: 'auto-replied' | 'auto-generated' | null;
  loopToken: string;
  text: string;
  /** Made from the text unless given; given HTML must be safe already. */
  html?: string;
}

export interface OutgoingAddress {
  name: string;
  address: string;
}

const MAX_REFERENCES = 20;
const MAX_SUBJECT = 500;

/** @throws RangeError when a mailbox is no address: nobody could be written to */
export function composeMail(mail: OutgoingMail): SendMailOptions {
  const from = mailbox(mail.from);
  const to = mailbox(mail.to);
  const references = cappedReferences(mail.references.map(bracketed).filter((id) => id !== null));
  return {
    from,
    to,
    replyTo: mailbox({ name: mail.from.name, address: mail.replyTo }),
    subject: cutText(cleanName(mail.subject), MAX_SUBJECT).text,
    messageId: bracketed(mail.messageId) ?? undefined,
    inReplyTo: bracketed(mail.inReplyTo ?? '') ?? undefined,
    references: references.length > 0 ? references.join(' ') : undefined,
    headers: {
      [LOOP_HEADER]: cleanName(mail.loopToken),
      [TICKET_HEADER]: String(mail.ticketNumber),
      ...automaticHeaders(mail.autoSubmitted),
    },
    // an auto-reply that cannot be delivered is nobody's concern (RFC 3834 §3.3): the null path `<>`
    envelope: { from: mail.autoSubmitted === 'auto-replied' ? '' : from.address, to: [to.address] },
    text: mail.text,
    html: mail.html ?? textToHtml(mail.text),
    // addresses, texts and files are values, never places to read from
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

function automaticHeaders(autoSubmitted: OutgoingMail['autoSubmitted']): Record<string, string> {
  if (autoSubmitted === null) return {};
  return {
    'Auto-Submitted': autoSubmitted,
    'X-Auto-Response-Suppress': 'All',
    ...(autoSubmitted === 'auto-replied' ? { Precedence: 'bulk' } : {}),
  };
}

function mailbox({ name, address }: OutgoingAddress): OutgoingAddress {
  const normalised = normaliseAddress(address);
  if (normalised === null) throw new RangeError(`not a mail address: ${JSON.stringify(address)}`);
  return { name: cutText(cleanName(name), 255).text, address: normalised };
}

/** Null when it is no msg-id that fits on a line. */
function bracketed(id: string): string | null {
  const bare = id.trim().replace(/^<|>$/g, '');
  return /^[\x21-\x3b\x3d\x3f-\x7e]{1,900}$/.test(bare) ? `<${bare}>` : null;
}

function cappedReferences(ids: string[]): string[] {
  const unique = [...new Set(ids)];
  return unique.length <= MAX_REFERENCES ? unique : [unique[0]!, ...unique.slice(1 - MAX_REFERENCES)];
}
