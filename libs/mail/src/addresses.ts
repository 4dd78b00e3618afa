/**
 * Mail addresses. Who somebody is, is decided by the addr-spec alone, as it stands in the header: encoded-words in it are
 * never decoded, display names never looked into.
 */
import addressparser from 'nodemailer/lib/addressparser';
import { domainToASCII } from 'node:url';
import { cleanName, cutText } from './charset.js';
import { decodeRaw, decodeWords } from './headers.js';

export interface MailAddress {
  /** Decoded and cleaned; null when there is none, or it only repeats the address. */
  name: string | null;
  /** An addr-spec (RFC 5322 §3.4.1); the domain in lower case and as A-labels. */
  address: string;
}

const MAX_HEADER_LENGTH = 100_000;
const MAX_NAME_LENGTH = 255;
const ADDR_SPEC =
  /^(?:[^\s\x00-\x20"(),:;<>@[\\\]]+|"(?:[^"\\\r\n]|\\[^\r\n])+")@(?:[^\s\x00-\x20"(),:;<>@[\\\]]+|\[[^[\]\\\s]+\])$/;

/** The usable addresses of a raw From, To, … value, groups flattened, at most `max`. Never throws. */
export function parseAddresses(raw: string, max: number): MailAddress[] {
  const addresses: MailAddress[] = [];
  const text = withoutSpecialsInWords(decodeRaw(raw.slice(0, MAX_HEADER_LENGTH)));
  for (const entry of addressparser(text, { flatten: true })) {
    const address = normaliseAddress(entry.address ?? '');
    if (address === null) continue;
    addresses.push({ name: displayName(entry.name, address), address });
    if (addresses.length >= max) break;
  }
  return addresses;
}

/** Q words that hold what RFC 2047 §5 (3) forbids there would be torn apart at their commas, colons and blanks. */
function withoutSpecialsInWords(text: string): string {
  if (!text.includes('=?')) return text;
  return text.replace(/(=\?[^?\s]{1,60}\?q\?)([^?]*)(?=\?=)/gi, (_, start: string, payload: string) => {
    const escaped = payload.replace(/[\s"(),:;<>@[\\\]]/g, (character) => {
      return `=${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
    });
    return start + escaped;
  });
}

function displayName(raw: string, address: string): string | null {
  const cleaned = cutText(cleanName(decodeWords(raw)), MAX_NAME_LENGTH).text;
  const name = cleaned.replace(/^["'\s]+|["'\s]+$/g, '');
  return name === '' || name.toLowerCase() === address.toLowerCase() ? null : name;
}

/** The form in which addresses are stored and written to: domain in lower case as A-labels. Null when it is none. */
export function normaliseAddress(text: string): string | null {
  const address = text.trim();
  if (address.length > 320 || !ADDR_SPEC.test(address)) return null;
  const at = address.lastIndexOf('@', address.endsWith(']') ? address.lastIndexOf('[') : undefined);
  const domain = address
    .slice(at + 1)
    .toLowerCase()
    .replace(/\.$/, '');
  const ascii = /^[\x00-\x7f]*$/.test(domain) ? domain : domainToASCII(domain);
  return ascii === '' ? null : `${address.slice(0, at)}@${ascii}`;
}

/** Two addresses are the same person's: the local part counts without case, as every mail service has it today. */
export function sameAddress(one: string, other: string): boolean {
  return addressKey(one) === addressKey(other);
}

/** What to compare and to sign: the normalised address in lower case. */
export function addressKey(address: string): string {
  return (normaliseAddress(address) ?? address.trim()).toLowerCase();
}

/** Whom to take for the author: From, else Reply-To, Sender, Return-Path. Null when nobody can be answered. */
export function senderOf(mail: {
  from: MailAddress[];
  replyTo: MailAddress[];
  sender: MailAddress | null;
  returnPath: string | null;
}): MailAddress | null {
  const returnPath = mail.returnPath ? { name: null, address: mail.returnPath } : null;
  return mail.from[0] ?? mail.replyTo[0] ?? mail.sender ?? returnPath;
}
