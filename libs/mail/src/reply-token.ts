/**
 * What we give away to be recognised by later: reply addresses and Message-IDs that name a ticket and are signed, so that
 * nobody gets onto a ticket by guessing its number.
 *
 *   support+<number>.<token>@domain      token signs the number and the recipient it was given to
 *   t.<number>.<unique>.<token>@domain   token signs the number and the unique part
 *
 * A token is 80 bits of HMAC-SHA256 in base32, lower case: mail systems change the case of local parts.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { addressKey } from './addresses.js';

export interface MailSigner {
  /**
   * The address to which `recipient` may answer on the ticket. The mailbox itself where the local part would get longer
   * than 64 characters (RFC 5321 §4.5.3.1.1).
   */
  replyAddress(mailbox: string, ticketNumber: number, recipient: string): string;
  /** Null unless the address was made for exactly this sender. */
  verifyReplyAddress(address: string, sender: string): { ticketNumber: number } | null;
  /** A Message-ID, without angle brackets. @param unique letters, digits and hyphens, e.g. a UUID */
  messageId(ticketNumber: number, unique: string, domain: string): string;
  /** With or without angle brackets. Null when it is none of ours. */
  verifyMessageId(id: string): { ticketNumber: number; unique: string } | null;
}

const TOKEN_LENGTH = 16;
const MAX_LOCAL_PART = 64;
const REPLY_ADDRESS = /^(.+)\+(\d{1,15})\.([a-z2-7]{16})@([^@]+)$/;
const MESSAGE_ID = /^<?t\.(\d{1,15})\.([a-z0-9-]{1,100})\.([a-z2-7]{16})@[^@\s<>]+>?$/;

/** @param key the signing key, or `new,old` while it is being replaced: the first signs, each verifies */
export function mailSigner(key: string): MailSigner {
  const keys = key
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '');
  const signingKey = keys[0];
  if (signingKey === undefined) throw new Error('a mail signing key is needed');
  const verifies = (token: string, ...parts: string[]) => keys.some((one) => equal(token, sign(one, parts)));

  return {
    replyAddress(mailbox, ticketNumber, recipient) {
      const at = mailbox.lastIndexOf('@');
      const token = sign(signingKey, ['reply', String(ticketNumber), addressKey(recipient)]);
      const local = `${mailbox.slice(0, at)}+${ticketNumber}.${token}`;
      return local.length > MAX_LOCAL_PART ? mailbox : `${local}${mailbox.slice(at)}`;
    },
    verifyReplyAddress(address, sender) {
      const match = REPLY_ADDRESS.exec(address.trim().toLowerCase());
      if (!match || !verifies(match[3]!, 'reply', match[2]!, addressKey(sender))) return null;
      return { ticketNumber: Number(match[2]) };
    },
    messageId(ticketNumber, unique, domain) {
      const token = sign(signingKey, ['message-id', String(ticketNumber), unique.toLowerCase()]);
      return `t.${ticketNumber}.${unique.toLowerCase()}.${token}@${domain}`;
    },
    verifyMessageId(id) {
      const match = MESSAGE_ID.exec(id.trim().toLowerCase());
      if (!match || !verifies(match[3]!, 'message-id', match[1]!, match[2]!)) return null;
      return { ticketNumber: Number(match[1]), unique: match[2]! };
    },
  };
}

/** The reply address without its tag: `support+7.abc…@x` → `support@x`. Null when it carries none. */
export function mailboxOfReplyAddress(address: string): string | null {
  const match = REPLY_ADDRESS.exec(address.trim().toLowerCase());
  return match ? `${match[1]}@${match[4]}` : null;
}

/** How a subject names a ticket. Anybody can write it: a hint for people, never a proof. */
export function subjectTag(ticketNumber: number): string {
  return `[#${ticketNumber}]`;
}

function sign(key: string, parts: string[]): string {
  return base32(createHmac('sha256', key).update(parts.join('\0')).digest()).slice(0, TOKEN_LENGTH);
}

function equal(one: string, other: string): boolean {
  return one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));
}

/** RFC 4648 §6, lower case, without padding. */
function base32(bytes: Buffer): string {
  let bits = '';
  for (const byte of bytes) bits += byte.toString(2).padStart(8, '0');
  return (bits.match(/.{5}/g) ?? []).map((five) => 'abcdefghijklmnopqrstuvwxyz234567'[parseInt(five, 2)]).join('');
}
