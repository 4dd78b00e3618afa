/** From a letter to the mail that the ledger keeps, and from there to what the mail server is given. */
import type { CloudEvent, TicketEventData } from '#contracts';
import { cleanName, composeMail, cutText, subjectTag, type MailSigner, type OutgoingMail } from '#mail';
import { createHash } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import type { NotifierEnv } from '../env.js';
import type { Notification } from '../templates/notifications.js';
import type { ClaimedDelivery, NewDelivery } from './ledger.js';
import { acknowledgedSubject } from './limits.js';

/** A rendered mail without what is known only when it leaves: `references` are those of the ticket, oldest first. */
export type LedgerMail = Pick<
  OutgoingMail,
  'from' | 'to' | 'replyTo' | 'subject' | 'text' | 'html' | 'autoSubmitted' | 'references'
>;

const MAX_SUBJECT_LENGTH = 200;

type MailSettings = Pick<NotifierEnv, 'MAIL_DOMAIN' | 'SUPPORT_NAME'>;

/** The same event and recipient always give the same Message-ID. */
export function deliveryOf(
  notification: Notification,
  event: CloudEvent<TicketEventData>,
  signer: MailSigner,
  { MAIL_DOMAIN, SUPPORT_NAME }: MailSettings,
): NewDelivery {
  const { recipient, template, isAnswer, automatic, text, html } = notification;
  const { ticket, thread } = event.data;
  const unique = createHash('sha256').update(`${event.id} ${recipient.email}`).digest('hex').slice(0, 20);
  const mail: LedgerMail = {
    from: { name: SUPPORT_NAME, address: thread.mailbox },
    to: { name: recipient.name, address: recipient.email },
    replyTo: signer.replyAddress(thread.mailbox, ticket.number, recipient.email),
    subject: subjectLine(notification.subject, subjectTag(ticket.number), isAnswer),
    text,
    html,
    autoSubmitted: automatic,
    references: thread.references,
  };
  return {
    id: uuidv7(),
    recipient: recipient.email,
    role: recipient.role,
    template,
    messageId: signer.messageId(ticket.number, unique, MAIL_DOMAIN),
    mail,
    automatic: automaticMail(notification),
  };
}

function automaticMail({ recipient, template, automatic, subject }: Notification): NewDelivery['automatic'] {
  if (automatic === null || recipient.kind !== 'customer') return null;
  const acknowledges = template === 'acknowledgement' ? acknowledgedSubject(subject) : null;
  return { recipient: recipient.email, acknowledges };
}

/**
 * What is handed to the mail server.
 * @throws RangeError when the recipient's address is none
 */
export function toSend({ ticketNumber, messageId, mail, sentBefore }: ClaimedDelivery, loopToken: string) {
  return composeMail({ ...mail, ticketNumber, messageId, loopToken, ...threadOf(mail.references, sentBefore) });
}

/**
 * RFC 5322, 3.6.4: the mail answers the last one from outside (for a ticket without any, our own last one). Its
 * references name the ticket's mails and, after them, what this reader has had from us, so that a mail program finds
 * the thread by any of them.
 */
export function threadOf(references: string[], sentBefore: string[]): { inReplyTo?: string; references: string[] } {
  const inReplyTo = references.at(-1) ?? sentBefore.at(-1);
  return { ...(inReplyTo !== undefined && { inReplyTo }), references: [...references, ...sentBefore] };
}

const REPLY_PREFIXES = /^(?:(?:re|aw|sv|antw|fwd?|wg|tr|rv|vs)(?:\[\d+\])?\s*:\s*)+/i;

/** `[#1042] subject`, with `Re: ` before an answer; a tag or prefix that is there already is not doubled. */
export function subjectLine(subject: string, tag: string, isAnswer: boolean): string {
  const plain = cleanName(subject).replaceAll(tag, ' ').replace(/\s+/g, ' ').trim();
  const base = plain.replace(REPLY_PREFIXES, '') || '(no subject)';
  const { text, truncated } = cutText(base, MAX_SUBJECT_LENGTH);
  return `${isAnswer ? 'Re: ' : ''}${tag} ${text}${truncated ? '…' : ''}`;
}
