/** What the system sees in one mail, as plain data. */
import {
  bounceResults,
  classify,
  fallbackMail,
  MailUnreadable,
  parseMail,
  visibleReply,
  type BounceResult,
  type MailAddress,
  type MailClass,
  type ParsedMail,
} from '#mail';
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';

export type Inspection = Partial<Reading> & {
  file: string;
  /** Why the mail could not be taken apart; what its headers say is there nevertheless. */
  error: string | null;
};

interface Reading {
  class: MailClass;
  /** Which rule decided on the class. */
  rule: string;
  from: MailAddress[];
  replyTo: MailAddress[];
  to: MailAddress[];
  cc: MailAddress[];
  subject: string;
  /** ISO 8601; null when missing or unreadable. */
  date: string | null;
  messageId: string | null;
  inReplyTo: string[];
  references: string[];
  text: string;
  /** What of the text is new, if the mail is a reply. */
  visibleText: string;
  /** Sanitised. */
  html: string | null;
  attachments: { name: string; type: string; size: number; inline: boolean; sha256: string }[];
  /** Of a bounce, by recipient. */
  bounce: BounceResult[];
  enclosed: ParsedMail['enclosed'];
  forwarded: ParsedMail['forwarded'];
  calendar: ParsedMail['calendar'];
  protection: ParsedMail['protection'];
  warnings: string[];
}

/** Nobody in particular: without mailboxes of our own, no mail is our own. */
const NOBODY = { addresses: [], loopToken: '', isOwnMessageId: () => false };

/**
 * @param size of the mail in bytes
 * @throws what `source` throws, when it cannot be opened or read
 */
export async function inspectMail(file: string, size: number, source: Readable): Promise<Inspection> {
  try {
    return { file, ...reading(await parseMail(source, { onAttachment: measured })), error: null };
  } catch (error) {
    if (!(error instanceof MailUnreadable)) throw error;
    return { file, ...reading(fallbackMail(error.head, size, error.reason)), error: error.message };
  }
}

function reading(mail: ParsedMail): Reading {
  const { class: mailClass, rule } = classify(mail, NOBODY);
  return {
    class: mailClass,
    rule,
    from: mail.from,
    replyTo: mail.replyTo,
    to: mail.to,
    cc: mail.cc,
    subject: mail.subject,
    date: mail.date,
    messageId: mail.messageId,
    inReplyTo: mail.inReplyTo,
    references: mail.references,
    text: mail.text,
    visibleText: visibleReply(mail.text).visible,
    html: mail.html,
    attachments: mail.attachments.map(({ name, type, size, inline, sha256 }) => ({ name, type, size, inline, sha256 })),
    bounce: mailClass === 'bounce' ? bounceResults(mail) : [],
    enclosed: mail.enclosed,
    forwarded: mail.forwarded,
    calendar: mail.calendar,
    protection: mail.protection,
    warnings: mail.warnings,
  };
}

async function measured(_meta: unknown, content: Readable): Promise<{ sha256: string; size: number }> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of content as AsyncIterable<Buffer>) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { sha256: hash.digest('hex'), size };
}
