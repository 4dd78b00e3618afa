/**
 * Which ticket a mail may belong to. Only a valid signature counts by itself; ids are for the lookup among stored mails;
 * a number in the subject is reported and never trusted alone.
 */
import { addressKey, senderOf } from './addresses.js';
import type { ParsedMail } from './mail.js';
import { mailboxOfReplyAddress, type MailSigner } from './reply-token.js';

export interface TicketCandidates {
  /** What a verified signature names; a reply address only when it was given to this sender. */
  signed: { ticketNumber: number; rule: 'reply-address' | 'message-id' } | null;
  /** The last `[#number]` of the subject. */
  subjectTag: number | null;
  /** In-Reply-To, then References newest first; without angle brackets, each once, at most 100. */
  referencedIds: string[];
}

const MAX_IDS = 100;
const SUBJECT_TAG = /\[#(\d{1,15})\]/g;

/** @param ourAddresses the mailboxes whose reply addresses count */
export function ticketCandidates(mail: ParsedMail, signer: MailSigner, ourAddresses: string[]): TicketCandidates {
  const referencedIds = [...new Set([...mail.inReplyTo, ...mail.references.toReversed()])].slice(0, MAX_IDS);
  return {
    signed: byReplyAddress(mail, signer, ourAddresses) ?? byMessageId(referencedIds, signer),
    subjectTag: Number([...mail.subject.matchAll(SUBJECT_TAG)].at(-1)?.[1] ?? 0) || null,
    referencedIds,
  };
}

function byReplyAddress(mail: ParsedMail, signer: MailSigner, ourAddresses: string[]): TicketCandidates['signed'] {
  const sender = senderOf(mail);
  if (!sender) return null;
  const ours = new Set(ourAddresses.map(addressKey));
  const recipients = [...mail.to, ...mail.cc].map(({ address }) => address);
  for (const address of [...recipients, ...mail.deliveredTo]) {
    const mailbox = mailboxOfReplyAddress(address);
    if (mailbox === null || !ours.has(addressKey(mailbox))) continue;
    const verified = signer.verifyReplyAddress(address, sender.address);
    if (verified) return { ticketNumber: verified.ticketNumber, rule: 'reply-address' };
  }
  return null;
}

function byMessageId(ids: string[], signer: MailSigner): TicketCandidates['signed'] {
  for (const id of ids) {
    const verified = signer.verifyMessageId(id);
    if (verified) return { ticketNumber: verified.ticketNumber, rule: 'message-id' };
  }
  return null;
}
