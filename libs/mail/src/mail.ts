/** What a mail is to the help desk: plain data, ready for structured clone and JSON. */
import type { MailAddress } from './addresses.js';
import type { CalendarSummary } from './calendar.js';
import type { ForwardedMail } from './forward.js';

export interface ParsedAttachment {
  /** Safe to show and to save under: no path, no control characters, at most 200 bytes, unique within the mail. */
  name: string;
  /** The declared media type, in lower case. A claim, not a fact. */
  type: string;
  /** Bytes after transfer decoding. */
  size: number;
  sha256: string;
  /** Without angle brackets. */
  contentId: string | null;
  /** The HTML shows it in its place (`cid:`). */
  inline: boolean;
}

/** Signs that a machine wrote the mail, as the headers have them; read by `classify`. */
export interface AutomaticSigns {
  /** Auto-Submitted (RFC 3834 §5), lower case, without parameters. */
  autoSubmitted: string | null;
  /** Precedence or X-Precedence, lower case. */
  precedence: string | null;
  /** X-Auto-Response-Suppress, lower case. */
  autoResponseSuppress: string | null;
  /** Names of the list headers present (RFC 2369, RFC 2919). */
  listHeaders: string[];
  /** Names of the vacation and autoresponder headers present. */
  autoReplyHeaders: string[];
  /** The whole From line as text: daemons write what is no address. */
  fromText: string;
  /** X-Failed-Recipients (Exim, Gmail). */
  failedRecipientAddresses: string[];
  /** The mail's own media type, lower case. */
  contentType: string;
  /** report-type of a multipart/report (RFC 6522), lower case. */
  reportType: string | null;
  /** Media types of report parts found anywhere in it: message/delivery-status and its like. */
  reportParts: string[];
  /** Beginnings of its delivery reports (RFC 3464), as text: what `bounceResults` reads. */
  deliveryReports: string[];
  /** Message-IDs of the mails that it returns or encloses. */
  returnedMessageIds: string[];
  /** Values of our own loop header. */
  loopTokens: string[];
  /** Received fields: hops. */
  hops: number;
}

export type MailWarning =
  /** More than one From, or more than one address in it. */
  | 'ambiguous-sender'
  /** Another reader of From finds another address than `from`, or none: it is not in plain form. */
  | 'sender-disputed'
  /** The same of Reply-To. */
  | 'reply-to-disputed'
  | 'no-sender'
  | 'date-unreadable'
  | 'charset-guessed'
  | 'addresses-over-limit'
  | 'attachments-over-limit'
  | 'part-over-limit'
  | 'not-unpacked'
  | 'structure-broken'
  | 'html-over-limit'
  | 'html-too-deep'
  | 'unreadable';

/** A field that a server on the way wrote, or says to have written. */
export interface TraceField {
  /** In lower case. */
  name: string;
  /** Raw: unfolded bytes, one character each. */
  value: string;
}

/** Header-derived facts: all that there is of an unreadable mail. */
export interface MailFields {
  /** The mail's own Message-ID without angle brackets. */
  messageId: string | null;
  inReplyTo: string[];
  /** Oldest first, as in the header. */
  references: string[];
  /** Empty when there is no usable address. `senderOf` knows the substitutes. */
  from: MailAddress[];
  sender: MailAddress | null;
  replyTo: MailAddress[];
  to: MailAddress[];
  cc: MailAddress[];
  /** Addresses of Delivered-To, X-Original-To, Envelope-To. */
  deliveredTo: string[];
  /** Null when there is none, '' for the null path `<>`. */
  returnPath: string | null;
  /** One clean line, never empty. */
  subject: string;
  /** The sender's clock, ISO 8601; null when missing or unreadable. Order by receipt, not by this. */
  date: string | null;
  automatic: AutomaticSigns;
  /** Received, Authentication-Results and what spam filters write, topmost (youngest) first. */
  trace: TraceField[];
  warnings: MailWarning[];
}

/** From is one plain address, about which no two readers differ. */
export function hasPlainAuthor({ from, warnings }: Pick<MailFields, 'from' | 'warnings'>): boolean {
  return from.length === 1 && !warnings.some((one) => one === 'ambiguous-sender' || one === 'sender-disputed');
}

export interface ParsedMail extends MailFields {
  /** Plain text for display and search. */
  text: string;
  /** Sanitised by allow-list; null when there is none, or it was too big or too deep to sanitise. */
  html: string | null;
  textTruncated: boolean;
  attachments: ParsedAttachment[];
  /** Mails within it, at most 20 in all: for reading only, never for threading or to know somebody by. */
  enclosed: EnclosedMail[];
  /** Somebody else's mail that it passes on. A claim of the forwarder. */
  forwarded: ForwardedMail | null;
  calendar: CalendarSummary | null;
  /** What it says of itself; nothing is verified or decrypted. */
  protection: MailProtection | null;
  /** Names of attachments that are nothing but signatures, for screens to fold away. */
  signatures: string[];
}

export type MailProtection = 'smime-signed' | 'smime-encrypted' | 'pgp-signed' | 'pgp-encrypted';

/** As much of an enclosed mail as its first 256 kB tell. */
export interface EnclosedMail {
  /** Name of the attachment that has all of it. */
  attachment: string;
  from: MailAddress | null;
  to: MailAddress[];
  subject: string;
  /** ISO 8601; null when missing or unreadable. */
  date: string | null;
  /** At most 10,000 characters. */
  text: string;
  /** Names of its attachments. */
  attachments: string[];
  /** Mails within that one; five levels are read. */
  enclosed: EnclosedMail[];
}

export interface MailLimits {
  /** Bytes of the whole mail. More: unreadable. */
  rawBytes: number;
  /** Bytes of one header block. More: unreadable. */
  headerBytes: number;
  /** MIME parts. More: unreadable. */
  parts: number;
  /** Levels of parts within parts. More: unreadable. */
  depth: number;
  /** Attachments kept; the rest is counted out by a warning. */
  attachments: number;
  /** Bytes read of one text or HTML part, and twice that of all together. A part that is longer is attached, too. */
  partBytes: number;
  /** Bytes of a winmail.dat or S/MIME part that is still unpacked; a larger one stays an attachment. */
  unpackBytes: number;
  /** Characters (UTF-16 units) of text kept. */
  textLength: number;
  /** Characters of HTML that are still sanitised; longer HTML becomes text only. */
  htmlLength: number;
  /** Levels of nested elements that are still sanitised. */
  htmlDepth: number;
  /** Addresses kept of one header. */
  addresses: number;
}

export const DEFAULT_LIMITS: MailLimits = {
  rawBytes: 50 * 1024 * 1024,
  headerBytes: 256 * 1024,
  parts: 1000,
  depth: 50,
  attachments: 500,
  partBytes: 3 * 1024 * 1024,
  unpackBytes: 25 * 1024 * 1024,
  textLength: 500_000,
  htmlLength: 500_000,
  htmlDepth: 300,
  addresses: 200,
};

export type UnreadableReason = 'too-large' | 'headers-too-large' | 'too-many-parts' | 'too-deep' | 'malformed';

/** The bytes cannot be taken apart. `head` is what was seen of its headers, for `fallbackMail`. */
export class MailUnreadable extends Error {
  constructor(
    readonly reason: UnreadableReason,
    readonly head: Buffer,
    options?: ErrorOptions,
  ) {
    super(`the mail cannot be read: ${reason}`, options);
    this.name = 'MailUnreadable';
  }
}
