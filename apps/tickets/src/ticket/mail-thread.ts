/**
 * Which of the tickets that a mail names it may be written on. Naming one is not the right to write there:
 *
 * - by a signature or a stored id: its reporter, its participants, people of its organisation, employees; and whom a
 *   reply address was given to
 * - by a mere number in the subject: its reporter and its participants under the ticket's own subject, and who is
 *   verified. Numbers are easily guessed, and so are addresses
 *
 * A ticket of another mailbox is never written on, and one that only References name is not when the subject is another.
 */
import type { ForwardedMail, IncomingMail, ThreadCarrier, ThreadClaim } from '#contracts';
import { sameBaseSubject } from '#mail';
import type { DirectoryPerson } from './surroundings.js';
import type { Ticket } from './ticket.entity.js';

export interface Candidate {
  /** The ticket that the mail names. */
  named: Ticket;
  /** What that is merged into, else the same. */
  row: Ticket;
  carrier: ThreadCarrier | 'signed' | 'stored-id' | 'thread-root' | 'forwarded-id';
  /** The carrier, as the mail's disposition says it. */
  rule: string;
  /** The mail answers the ticket; otherwise only References lead to it. */
  direct: boolean;
}

export interface Rights {
  follows(sender: DirectoryPerson, row: Ticket): boolean;
  /** Without being a participant. */
  maySee(sender: DirectoryPerson, row: Ticket): boolean;
}

/** Who may write on a ticket may write on what it is merged into. */
export function mayAppend(mail: IncomingMail, sender: DirectoryPerson, candidate: Candidate, rights: Rights): boolean {
  const { named, row, carrier } = candidate;
  if (!sender.active || !cameToMailboxOf(named, mail)) return false;
  const concerns = [row, named].some((one) => isReporter(sender, one) || rights.follows(sender, one));
  if (carrier === 'forwarded-id') return false;
  if (carrier === 'reply-address') return true;
  if (carrier === 'subject-tag') {
    if (mail.senderVerification === 'verified') return concerns || rights.maySee(sender, named);
    return concerns && sender.kind === 'customer' && hasSubjectOf(mail, candidate);
  }
  return (concerns || [row, named].some((one) => rights.maySee(sender, one))) && sameMatter(mail, candidate);
}

function cameToMailboxOf({ mailbox }: Ticket, mail: IncomingMail): boolean {
  const addresses = [mail.mailbox, ...(mail.mailboxAliases ?? [])];
  return addresses.some((address) => address.toLowerCase() === mailbox.toLowerCase());
}

/** A conversation goes on, or begins anew under an old one's References (RFC 8621 §3). A machine begins none. */
export function sameMatter(mail: IncomingMail, candidate: Candidate): boolean {
  if (candidate.direct) return true;
  return hasSubjectOf(mail, candidate) || (mail.automatic && candidate.carrier !== 'thread-root');
}

function hasSubjectOf({ subject }: IncomingMail, { named, row }: Candidate): boolean {
  return sameBaseSubject(subject, named.subject) || sameBaseSubject(subject, row.subject);
}

/** A reporter whom the directory did not know is known by the address. */
export function isReporter({ id, email }: DirectoryPerson, { reporter }: Ticket): boolean {
  return id === reporter.personId || email === reporter.email?.toLowerCase();
}

/** What a verified employee passes on from somebody who can be answered is that somebody's request. */
export function requestIn(mail: IncomingMail, sender: DirectoryPerson | undefined): Request | null {
  const { forwarded } = mail;
  if (sender?.kind !== 'employee' || !sender.active || mail.senderVerification !== 'verified') return null;
  return forwarded?.from?.email ? { ...forwarded, from: { ...forwarded.from, email: forwarded.from.email } } : null;
}

export interface Request extends ForwardedMail {
  from: { name: string; email: string };
}

/** Of a mail that passes a request on, the request: what the forwarder wrote is for employees. */
export function requestWords(mail: IncomingMail, { text }: Pick<Request, 'text'>): IncomingMail {
  const words = text.trim() === '' ? '(See the attachment.)' : text;
  return { ...mail, text: words, visibleText: words, html: null };
}

/** An employee's answer is what they wrote themselves: what they quote may be meant for employees only. */
export function ownWords(mail: IncomingMail): IncomingMail {
  return { ...mail, text: mail.visibleText, html: null };
}

/** The sender's address in lower case; null when whoever it names has no rights by this mail. */
export function identityOf({ from, senderIdentified }: IncomingMail): string | null {
  return senderIdentified === false ? null : (from.email?.toLowerCase() ?? null);
}

/** Senders of an older version say only which ticket is signed. */
export function claimsOf(mail: IncomingMail): (Omit<ThreadClaim, 'carrier'> & Pick<Candidate, 'carrier'>)[] {
  if (mail.threadClaims) return mail.threadClaims;
  const ticketNumber = mail.signedTicketNumber;
  return ticketNumber === null ? [] : [{ ticketNumber, carrier: 'signed', direct: true }];
}
