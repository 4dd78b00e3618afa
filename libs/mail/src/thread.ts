/**
 * Which tickets a mail may belong to. Three things name one, in the order in which they are believed:
 *
 *   reply-address  signed, and given to exactly this sender
 *   message-id     signed, and known to whoever has seen the mail that is answered
 *   subject-tag    `[#1042]`: not signed, anybody can write it
 *
 * Ids without a signature are for the lookup among stored mails. Whether the sender may write on what is named is decided
 * where the tickets are.
 */
import { addressKey } from './addresses.js';
import type { ParsedMail } from './mail.js';
import { mailboxOfReplyAddress, type MailSigner } from './reply-token.js';

export const CARRIERS = ['reply-address', 'message-id', 'subject-tag'] as const;
export type Carrier = (typeof CARRIERS)[number];

export interface ThreadClaim {
  ticketNumber: number;
  carrier: Carrier;
  /** The mail answers what the claim names; otherwise only its References name it, which a new matter may have, too. */
  direct: boolean;
}

export interface TicketCandidates {
  /** Best first, each ticket once for each carrier. */
  claims: ThreadClaim[];
  /** In-Reply-To, then References newest first; without angle brackets, each once, at most 100. */
  referencedIds: string[];
  /** How many of them In-Reply-To names: the first ones. */
  repliedTo: number;
  /** The id of the mail with which the conversation began; null when this is it, or when the id is one of ours. */
  root: string | null;
}

const MAX_IDS = 100;
/** Of a mail that names more tickets than this, the others are not looked at. */
const MAX_CLAIMS = 20;
const SUBJECT_TAG = /\[#(\d{1,9})\]/g;

/**
 * @param sender whose reply addresses count; null when nobody can say who sent it
 * @param addresses of the mailbox that it came to: only its reply addresses count
 */
export function ticketCandidates(
  mail: ParsedMail,
  signer: MailSigner,
  { sender, addresses }: { sender: string | null; addresses: string[] },
): TicketCandidates {
  const replied = [...new Set(mail.inReplyTo)].slice(0, MAX_IDS);
  const referencedIds = [...new Set([...replied, ...mail.references.toReversed()])].slice(0, MAX_IDS);
  const root = mail.references[0] ?? mail.inReplyTo[0] ?? null;
  return {
    claims: eachOnce([
      ...byReplyAddress(mail, signer, sender, addresses),
      ...byMessageId(referencedIds, replied.length, signer),
      ...bySubject(mail.subject),
    ]).slice(0, MAX_CLAIMS),
    referencedIds,
    repliedTo: replied.length,
    root: root === null || signer.verifyMessageId(root) ? null : root,
  };
}

/** The subject without the tag of a ticket that it does not belong to. */
export function withoutSubjectTag(subject: string, ticketNumber: number): string {
  const rest = subject.replaceAll(`[#${ticketNumber}]`, ' ').replace(/\s+/g, ' ').trim();
  return rest === '' ? '(no subject)' : rest;
}

function byReplyAddress(
  mail: ParsedMail,
  signer: MailSigner,
  sender: string | null,
  addresses: string[],
): ThreadClaim[] {
  if (sender === null) return [];
  const ours = new Set(addresses.map(addressKey));
  const recipients = [...mail.to, ...mail.cc].map(({ address }) => address);
  return [...recipients, ...mail.deliveredTo].flatMap((address): ThreadClaim[] => {
    const given = mailboxOfReplyAddress(address);
    if (given === null || !ours.has(addressKey(given))) return [];
    const verified = signer.verifyReplyAddress(address, sender);
    return verified ? [{ ...verified, carrier: 'reply-address', direct: true }] : [];
  });
}

function byMessageId(ids: string[], repliedTo: number, signer: MailSigner): ThreadClaim[] {
  return ids.flatMap((id, index): ThreadClaim[] => {
    const verified = signer.verifyMessageId(id);
    if (!verified) return [];
    return [{ ticketNumber: verified.ticketNumber, carrier: 'message-id', direct: index < repliedTo }];
  });
}

/** The last tag: systems that forward put their own before it. */
function bySubject(subject: string): ThreadClaim[] {
  const number = Number([...subject.matchAll(SUBJECT_TAG)].at(-1)?.[1] ?? 0);
  return number > 0 ? [{ ticketNumber: number, carrier: 'subject-tag', direct: true }] : [];
}

function eachOnce(claims: ThreadClaim[]): ThreadClaim[] {
  const seen = new Set<string>();
  return claims.filter(({ ticketNumber, carrier }) => {
    const key = `${carrier} ${ticketNumber}`;
    return !seen.has(key) && seen.add(key);
  });
}
