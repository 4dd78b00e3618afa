/** What a parsed mail means for us: an offer to tickets, or a disposition of its own. Pure. */
import type { Disposition, IncomingMail } from '#contracts';
import {
  arrivalsAt,
  bounceResults,
  classify,
  cutText,
  mayAutoReply,
  parseMessageIds,
  sameAddress,
  ticketCandidates,
  visibleReply,
  type MailAddress,
  type MailSigner,
  type ParsedMail,
  type TicketCandidates,
} from '#mail';
import {
  authorOf,
  identify,
  isAllowed,
  otherReplyTo,
  refusalOf,
  spamSignOf,
  type SenderPolicy,
} from './sender-policy.js';

/** An offer must fit into one NATS message (1 MB) with room for its envelope. */
const MAX_OFFER_BYTES = 700_000;
/** Of a text that has to be cut, this many UTF-16 units stay: four bytes each and twice over still fit. */
const CUT_LENGTH = 80_000;
/** UTF-16 units; longer ones are no subjects and names but attempts at something. */
const MAX_SUBJECT = 1_000;
const MAX_NAME = 255;
/** Mails that one mail passes on. */
const MAX_FORWARDED = 20;
/** A mail that came over more servers, or to our own one so often, goes round in circles. */
const MAX_HOPS = 30;
const MAX_ARRIVALS = 2;
/** Stands for the sender of mails that have none. */
const NO_SENDER = '<>';
const NO_TEXT = '(no text)';
const CUT_NOTE = '\n\n[Cut here: the raw mail has all of it.]';

export interface OwnMail {
  addresses: string[];
  loopToken: string;
  signer: MailSigner;
}

/** The mail's place in the inbox. */
export interface Received {
  inboundId: string;
  mailbox: string;
  rawSha256: string;
  rawSize: number;
  receivedAt: Date;
  /** Of its mailbox. */
  aliases: string[];
  /** Host name of its mailbox's server. */
  server: string | null;
  /** Of its mailbox. */
  defaultOrganisationId: string | null;
  /** Why only its headers were read, if so. */
  headersOnly?: string | undefined;
  /** A person decided that it is taken as a ticket, whatever it is. */
  released?: boolean;
}

export type Interpretation =
  /** `sender`: whose mails it is counted among, lest they become a flood; null when it is not counted. */
  | { offer: IncomingMail; bytes: number; rule: string; sender: string | null }
  | { disposition: Disposition; rule: string; ticketNumber?: number; error?: string };

export function interpret(
  mail: ParsedMail,
  messageId: string,
  received: Received,
  own: OwnMail,
  policy: SenderPolicy,
): Interpretation {
  const isOwnMessageId = (id: string) => own.signer.verifyMessageId(id) !== null;
  const { class: mailClass, rule } = classify(mail, { ...own, isOwnMessageId });
  const { released = false } = received;
  const addresses = [received.mailbox, ...received.aliases];
  if (mailClass === 'own' && !released) return { disposition: 'own_mail', rule };
  const sender = authorOf(mail, policy);
  if (sender && !released && isOwnEcho(sender, messageId, addresses)) {
    return { disposition: 'own_mail', rule: 'own-address' };
  }
  const looping = released ? null : loopOf(mail, [policy.trust.authservId, received.server]);
  if (looping !== null) return { disposition: 'quarantined', rule: 'hops', error: looping };
  const { identity, verification } = identify(mail, policy);
  const candidates = ticketCandidates(mail, own.signer, { sender: identity, addresses });
  if (mailClass === 'complaint' && !released) return { disposition: 'rejected', rule: `complaint:${rule}` };
  const reported = mailClass === 'bounce' || mailClass === 'receipt' ? mailReported(mail, own.signer) : null;
  if (mailClass === 'receipt' && reported && !released) {
    return { disposition: 'auto_linked', rule, ticketNumber: reported.ticketNumber };
  }
  if ((mailClass === 'bounce' || mailClass === 'receipt') && !reported && !released) {
    return { disposition: 'rejected', rule: `${mailClass}:${rule}` };
  }
  // somebody who answers us is known; whether they may, is decided with the ticket
  const refused = refusalOf(mail, { identity, answers: signedTicketNumber(candidates) !== null }, policy);
  if (refused && !released) return refused;
  const scheduling = released ? null : schedulingAnswer(mail);
  const spam = released ? null : spamSignOf(mail, identity, policy);
  const text = mail.html === null && mail.text.trim() === '' ? NO_TEXT : mail.text;
  const offer: IncomingMail = {
    inboundId: received.inboundId,
    mailbox: received.mailbox,
    mailboxAliases: received.aliases,
    ...shownOf(mail, policy),
    text,
    visibleText: visibleReply(text).visible,
    html: mail.html,
    attachments: mail.attachments,
    messageId,
    referencedIds: candidates.referencedIds,
    repliedTo: candidates.repliedTo,
    threadRoot: candidates.root,
    signedTicketNumber: reported?.ticketNumber ?? signedTicketNumber(candidates),
    bounce: reported && !released ? { messageId: reported.messageId, results: bounceResults(mail) } : null,
    threadClaims: reported
      ? [{ ticketNumber: reported.ticketNumber, carrier: 'message-id', direct: true }]
      : candidates.claims,
    // a daemon is nobody whom the directory should know
    senderIdentified: identity !== null && reported === null,
    senderVerification: verification,
    replyTo: otherReplyTo(mail, sender),
    forwarded: forwardedOf(mail, own.addresses),
    spam,
    appendOnly: scheduling,
    headersOnly: received.headersOnly !== undefined,
    automatic: mailClass !== 'human' || scheduling !== null,
    mayAutoReply: identity !== null && spam === null && mayAutoReply(mail, { class: mailClass, rule }),
    rawSha256: received.rawSha256,
    rawSize: received.rawSize,
    receivedAt: received.receivedAt.toISOString(),
    defaultOrganisationId: received.defaultOrganisationId,
  };
  return {
    ...fitting(offer),
    rule: reported ? rule : (candidates.claims[0]?.carrier ?? rule),
    // a bounce opens no ticket
    sender: released || reported || isAllowed(identity, policy) ? null : (sender?.address.toLowerCase() ?? NO_SENDER),
  };
}

/** What shows that the mail goes round in circles; null when nothing does. */
function loopOf(mail: ParsedMail, ourHosts: (string | null)[]): string | null {
  const { hops } = mail.automatic;
  if (hops > MAX_HOPS) return `it came over ${hops} servers, at most ${MAX_HOPS} are ordinary: a loop`;
  for (const host of ourHosts) {
    const arrivals = host === null ? 0 : arrivalsAt(mail, host);
    if (arrivals > MAX_ARRIVALS) return `it came to ${host} ${arrivals} times: a loop`;
  }
  return null;
}

/** That somebody comes to a meeting, or that there is none, says something on a ticket but begins none. */
function schedulingAnswer({ calendar }: ParsedMail): string | null {
  return calendar?.isMessage && /^(?:reply|cancel)$/.test(calendar.method ?? '') ? `calendar:${calendar.method}` : null;
}

/** Ids in the text of a report are looked for in its beginning. */
const REPORT_LENGTH = 64 * 1024;

/** The mail of ours that a report is about: whoever returns it has its signed id. A report without one proves nothing. */
function mailReported(mail: ParsedMail, signer: MailSigner): { messageId: string; ticketNumber: number } | null {
  const enclosed = mail.automatic.returnedMessageIds;
  const named = parseMessageIds(mail.text.slice(0, REPORT_LENGTH));
  for (const messageId of [...enclosed, ...mail.inReplyTo, ...mail.references.toReversed(), ...named]) {
    const verified = signer.verifyMessageId(messageId);
    if (verified) return { messageId, ticketNumber: verified.ticketNumber };
  }
  return null;
}

/** The mailbox writes to itself with an id of its own domain: a copy or a loop. A person there would write from elsewhere. */
function isOwnEcho({ address }: MailAddress, messageId: string, addresses: string[]): boolean {
  const domain = address.slice(address.lastIndexOf('@')).toLowerCase();
  return addresses.some((one) => sameAddress(one, address)) && messageId.toLowerCase().endsWith(domain);
}

function signedTicketNumber({ claims }: TicketCandidates): number | null {
  return claims.find(({ carrier }) => carrier !== 'subject-tag')?.ticketNumber ?? null;
}

/** What is passed on of our own mails has no author but us. */
function forwardedOf({ forwarded, automatic }: ParsedMail, ourAddresses: string[]): IncomingMail['forwarded'] {
  if (!forwarded) return null;
  const { from, subject, comment, text } = forwarded;
  const isOurs = from !== null && ourAddresses.some((address) => sameAddress(address, from.address));
  return {
    from: from && !isOurs ? { name: cutText(from.name ?? '', MAX_NAME).text, email: from.address } : null,
    subject: subject === null ? null : cutText(subject, MAX_SUBJECT).text,
    comment,
    text,
    messageIds: automatic.returnedMessageIds.slice(0, MAX_FORWARDED),
  };
}

/** What people see of a mail without opening it. */
export function shownOf(mail: ParsedMail, policy: SenderPolicy): Pick<IncomingMail, 'from' | 'subject'> {
  const sender = authorOf(mail, policy);
  return {
    from: { name: cutText(sender?.name ?? '', MAX_NAME).text, email: sender?.address ?? null },
    subject: cutText(mail.subject, MAX_SUBJECT).text,
  };
}

/** Drops the HTML, then cuts the text, until the offer fits. The raw mail stays whole. */
function fitting(offer: IncomingMail): { offer: IncomingMail; bytes: number } {
  const whole = measured(offer);
  if (whole.bytes <= MAX_OFFER_BYTES) return whole;
  const plain = measured({ ...offer, html: null });
  if (plain.bytes <= MAX_OFFER_BYTES) return plain;
  return measured({ ...plain.offer, text: cut(offer.text), visibleText: cut(offer.visibleText), forwarded: null });
}

function measured(offer: IncomingMail): { offer: IncomingMail; bytes: number } {
  return { offer, bytes: Buffer.byteLength(JSON.stringify(offer)) };
}

function cut(text: string): string {
  if (text.length <= CUT_LENGTH) return text;
  return cutText(text, CUT_LENGTH).text + CUT_NOTE;
}

/** Splits a list so that each part, sent together, fits into one message. */
export function inMessages(offers: { offer: IncomingMail; bytes: number }[]): IncomingMail[][] {
  const parts: IncomingMail[][] = [];
  let total = Infinity;
  for (const { offer, bytes } of offers) {
    if (total + bytes > MAX_OFFER_BYTES) {
      parts.push([]);
      total = 0;
    }
    parts.at(-1)!.push(offer);
    total += bytes;
  }
  return parts;
}
