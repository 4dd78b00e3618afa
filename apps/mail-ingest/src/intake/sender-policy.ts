/** Whom a mailbox believes, and whose mail it does not take. */
import { isListed, senderOf, spamSign, type AuthenticationTrust, type ParsedMail, type Verdict } from '#mail';
import type { MailIngestEnv } from '../env.js';

export interface SenderPolicy {
  /** Which mail server's findings about senders count. */
  trust: AuthenticationTrust;
  /** What happens to what that server takes for spam: a ticket with a tag of which nobody is told, quarantine, nothing. */
  spam: 'tag' | 'quarantine' | 'ignore';
  /** Addresses and domains whose mail is rejected. */
  blocked: string[];
  /** Addresses and domains whose mail is neither blocked nor spam. */
  allowed: string[];
}

export function policyOf(env: MailIngestEnv): SenderPolicy {
  return {
    trust: { authservId: env.TRUSTED_AUTHSERV_ID ?? null, placement: env.TRUSTED_AUTHSERV_PLACEMENT },
    spam: env.MAIL_SPAM,
    blocked: wordsOf(env.MAIL_BLOCKED_SENDERS),
    allowed: wordsOf(env.MAIL_ALLOWED_SENDERS),
  };
}

/** Who wrote it, as far as rights go: From as one plain address that its domain does not deny. Null: nobody with rights. */
export function identityOf(mail: ParsedMail, verdict: Verdict): string | null {
  const [author, ...others] = mail.from;
  if (!author || others.length > 0 || mail.warnings.includes('ambiguous-sender') || verdict === 'fail') return null;
  // encoded-words are never decoded in an address, and one that has them is nobody's
  return author.address.includes('=?') ? null : author.address;
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
  return policy.spam === 'ignore' || isAllowed(identity, policy) ? null : spamSign(mail);
}

function isAllowed(identity: string | null, { allowed }: SenderPolicy): boolean {
  return identity !== null && isListed(identity, allowed);
}

function wordsOf(list: string): string[] {
  return list.split(/[\s,]+/).filter((word) => word !== '');
}
