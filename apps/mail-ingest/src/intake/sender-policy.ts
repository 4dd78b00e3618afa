/** Whom a mailbox believes, and whose mail it does not take. */
import type { SenderVerification, SpamPolicy } from '#contracts';
import {
  authenticate,
  hasPlainAuthor,
  isListed,
  sameAddress,
  senderOf,
  spamSign,
  type AuthenticationTrust,
  type MailAddress,
  type ParsedMail,
  type Verdict,
} from '#mail';
import type { MailIngestEnv } from '../env.js';

/** What holds for all mailboxes. */
export interface SenderSettings {
  /** Which mail server's findings about senders count, where a mailbox does not say another. */
  trust: AuthenticationTrust;
  /** Addresses and domains whose mail is rejected. */
  blocked: string[];
  /** Addresses and domains whose mail is neither blocked nor spam nor a flood. */
  allowed: string[];
  /** Addresses and domains that write for others: contact forms, groups. Who is in Reply-To wrote their mail. */
  relays: string[];
}

export interface SenderPolicy extends SenderSettings {
  /** What happens to what the server takes for spam: a ticket with a tag of which nobody is told, or quarantine. */
  spam: SpamPolicy;
}

export function senderSettingsOf(env: MailIngestEnv): SenderSettings {
  return {
    trust: { authservId: env.TRUSTED_AUTHSERV_ID ?? null, placement: env.TRUSTED_AUTHSERV_PLACEMENT },
    blocked: wordsOf(env.MAIL_BLOCKED_SENDERS),
    allowed: wordsOf(env.MAIL_ALLOWED_SENDERS),
    relays: wordsOf(env.MAIL_RELAYS),
  };
}

/** @param terms of the mailbox that the mail came to; undefined when it was removed since */
export function policyOf(
  settings: SenderSettings,
  terms?: { spamPolicy: SpamPolicy; trustedAuthservId: string | null },
): SenderPolicy {
  const { trust } = settings;
  return {
    ...settings,
    trust: { ...trust, authservId: terms?.trustedAuthservId ?? trust.authservId },
    spam: terms?.spamPolicy ?? 'take',
  };
}

/** Whom people see as the author, believed or not. Null when nobody can be answered. */
export function authorOf(mail: ParsedMail, policy: SenderPolicy): MailAddress | null {
  return relayed(mail, policy) ?? senderOf(mail);
}

export interface SenderIdentity {
  /** Who wrote it, as far as rights go. Null: nobody with rights. */
  identity: string | null;
  verification: SenderVerification;
}

const VERIFICATION = { pass: 'verified', fail: 'failed', none: 'unverified' } as const satisfies Record<
  Verdict,
  string
>;

/** From as one plain address in which no two readers differ and that its domain does not deny; for a relay, which vouches for nobody, who is in Reply-To. */
export function identify(mail: ParsedMail, policy: SenderPolicy): SenderIdentity {
  const { verdict } = authenticate(mail, policy.trust);
  const isPlain = hasPlainAuthor(mail);
  const forOther = isPlain && relayed(mail, policy) !== null;
  const address = authorOf(mail, policy)?.address;
  const isDisputed = forOther && (mail.replyTo.length > 1 || mail.warnings.includes('reply-to-disputed'));
  const isKnown = isPlain && verdict !== 'fail' && address !== undefined && !isDisputed;
  return {
    identity: isKnown ? address : null,
    verification: forOther && verdict === 'pass' ? 'unverified' : VERIFICATION[verdict],
  };
}

/** Where the author wants answers, when that is somewhere else. */
export function otherReplyTo(mail: ParsedMail, author: MailAddress | null): string | null {
  const [wanted] = mail.replyTo;
  return wanted && author && !sameAddress(wanted.address, author.address) ? wanted.address : null;
}

function relayed({ from, replyTo }: ParsedMail, { relays }: SenderPolicy): MailAddress | null {
  const [author] = from;
  return (author && isListed(author.address, relays) ? replyTo[0] : undefined) ?? null;
}

export interface Refusal {
  disposition: 'rejected' | 'quarantined';
  rule: string;
  error?: string;
}

/**
 * Mail that is not wanted: kept, and a person may release it.
 * @param sender `answers`: it carries a signature of ours, and spam filters err
 */
export function refusalOf(
  mail: ParsedMail,
  { identity, answers }: { identity: string | null; answers: boolean },
  policy: SenderPolicy,
): Refusal | null {
  const address = senderOf(mail)?.address;
  if (address !== undefined && isListed(address, policy.blocked) && !isAllowed(identity, policy)) {
    return { disposition: 'rejected', rule: 'blocked-sender' };
  }
  const spam = spamSignOf(mail, identity, policy);
  if (spam === null || policy.spam !== 'quarantine' || answers) return null;
  return { disposition: 'quarantined', rule: `spam:${spam}`, error: 'the mail server takes it for spam' };
}

/** The header field by which the server calls it spam, if that counts. */
export function spamSignOf(mail: ParsedMail, identity: string | null, policy: SenderPolicy): string | null {
  return isAllowed(identity, policy) ? null : spamSign(mail);
}

/** The sender is on the list of those who are always taken, and not only in name. */
export function isAllowed(identity: string | null, { allowed }: SenderPolicy): boolean {
  return identity !== null && isListed(identity, allowed);
}

function wordsOf(list: string): string[] {
  return list.split(/[\s,]+/).filter((word) => word !== '');
}
