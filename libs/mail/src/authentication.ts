/**
 * What the receiving mail server found out about the sender: Authentication-Results (RFC 8601).
 *
 * Anybody can write such a field into a mail. One counts only when it names the authserv-id of a server that we trust and
 * stands where only our own servers write: above the Received field by which the mail came in from outside. Everything
 * below that field came with the mail. Where no such field is found, nothing counts.
 */
import { isIP } from 'node:net';
import { hasPlainAuthor, type MailFields, type TraceField } from './mail.js';

export type Verdict = 'pass' | 'fail' | 'none';

export interface AuthenticationTrust {
  /** The authserv-id that the mailbox's server writes; null when none is trusted. */
  authservId: string | null;
  /**
   * Where that server writes its results: above its own Received field, or below it. Below is where a sender's own fields
   * begin, so it is only for servers that remove fields that come in under their name (RFC 8601 §5).
   */
  placement: 'above' | 'below';
}

export interface SenderAuthentication {
  dmarc: Verdict;
  /** Whether the envelope's sender may use the sending host, whoever that sender is. */
  spf: Verdict;
  /** Whether a signature is valid, whoever's it is. */
  dkim: Verdict;
  /** What passed stands for the domain in From. */
  aligned: boolean;
  /** pass: the domain in From is responsible for the mail. fail: it denies that. none: nobody knows. */
  verdict: Verdict;
}

export interface MethodResult {
  /** In lower case: `dmarc`, `spf`, `dkim`. */
  method: string;
  /** In lower case: `pass`, `fail`, `softfail`, `temperror`, … */
  result: string;
  /** By `ptype.property`, in lower case; the values as they stand. */
  properties: Map<string, string>;
}

const MAX_FIELD_LENGTH = 20_000;
const MAX_RESULTS = 100;

const NOTHING: SenderAuthentication = { dmarc: 'none', spf: 'none', dkim: 'none', aligned: false, verdict: 'none' };

export function authenticate(
  mail: Pick<MailFields, 'trace' | 'from' | 'warnings'>,
  { authservId, placement }: AuthenticationTrust,
): SenderAuthentication {
  if (authservId === null) return NOTHING;
  const results = trustedResults(mail.trace, authservId, placement);
  const [author] = mail.from;
  // with several authors, or one who can be read in two ways, nobody can say whom a result is about
  const domain = author && hasPlainAuthor(mail) && domainOf(author.address);
  const dmarc = dmarcOf(results, domain || null);
  const spf = results.filter(({ method }) => method === 'spf');
  const dkim = results.filter(({ method }) => method === 'dkim');
  const passed = [
    ...spf.map((one) => ({ one, domain: domainOf(one.properties.get('smtp.mailfrom') ?? '') })),
    ...dkim.map((one) => ({ one, domain: signerOf(one) })),
  ].filter(({ one }) => one.result === 'pass');
  const aligned = Boolean(domain) && (dmarc === 'pass' || passed.some((by) => standsFor(by.domain, domain || '')));
  return {
    dmarc,
    spf: combined(spf),
    dkim: combined(dkim),
    aligned,
    verdict: dmarc === 'fail' ? 'fail' : aligned ? 'pass' : 'none',
  };
}

/** Of each method what the topmost trusted field says. */
function trustedResults(trace: TraceField[], authservId: string, placement: AuthenticationTrust['placement']) {
  const border = trace.findIndex(({ name, value }) => name === 'received' && !isInternalHop(value));
  if (border < 0) return [];
  const next = trace.findIndex(({ name }, index) => index > border && name === 'received');
  const end = placement === 'above' ? border : next < 0 ? trace.length : next;
  const results: MethodResult[] = [];
  for (const { name, value } of trace.slice(0, end)) {
    if (name !== 'authentication-results') continue;
    const field = parseAuthenticationResults(value);
    if (field?.authservId !== authservId.toLowerCase()) continue;
    const known = new Set(results.map(({ method }) => method));
    results.push(...field.results.filter(({ method }) => !known.has(method)));
  }
  return results;
}

function dmarcOf(results: MethodResult[], domain: string | null): Verdict {
  const found = results.filter(({ method }) => method === 'dmarc');
  if (found.some(({ result }) => result === 'fail')) return 'fail';
  const [first, ...more] = found;
  if (!first || domain === null || [first, ...more].some(({ result }) => result !== 'pass')) return 'none';
  const about = first.properties.get('header.from');
  return about === undefined || domainOf(about) === domain ? 'pass' : 'none';
}

function combined(results: MethodResult[]): Verdict {
  if (results.some(({ result }) => result === 'pass')) return 'pass';
  return results.some(({ result }) => result === 'fail') ? 'fail' : 'none';
}

function signerOf({ properties }: MethodResult): string {
  return domainOf(properties.get('header.d') ?? properties.get('header.i') ?? '');
}

/** The same domain or one above it. A subdomain may be somebody else's, and nothing here knows where it is. */
function standsFor(domain: string, author: string): boolean {
  return domain.includes('.') && (author === domain || author.endsWith(`.${domain}`));
}

function domainOf(address: string): string {
  return address
    .slice(address.lastIndexOf('@') + 1)
    .replace(/[<>\s]|\.$/g, '')
    .toLowerCase();
}

/**
 * The mail moved between our own servers, or within one: no `from`, or nothing but private addresses, or LMTP. What the
 * sending host calls itself proves nothing, its address does.
 */
export function isInternalHop(received: string): boolean {
  const value = received.slice(0, MAX_FIELD_LENGTH);
  if (/^\s*(?:by\s|\()/i.test(value)) return true;
  const addresses = value
    .split(/[\s[\]();,<>]+/)
    .map((word) => word.replace(/^IPv6:/i, ''))
    .filter((word) => isIP(word) > 0);
  if (addresses.length > 0) return addresses.every(isPrivate);
  return /\swith\s+LMTPS?A?\b/i.test(value);
}

function isPrivate(address: string): boolean {
  const v4 = address.replace(/^::ffff:/i, '');
  if (isIP(v4) === 4) return /^(?:127\.|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.)/.test(v4);
  return /^(?:::1$|f[cd]|fe[89ab])/i.test(address);
}

/**
 * One field's value (RFC 8601 §2.2). Null when it is none, or of a version that nobody knows.
 *
 * @returns `authservId` in lower case
 */
export function parseAuthenticationResults(raw: string): { authservId: string; results: MethodResult[] } | null {
  const [head, ...statements] = segmentsOf(raw.slice(0, MAX_FIELD_LENGTH));
  const [authservId, version, ...more] = head ?? [];
  if (authservId === undefined || authservId === '=' || more.length > 0) return null;
  if (version !== undefined && version !== '1') return null;
  return {
    authservId: authservId.toLowerCase(),
    results: statements.slice(0, MAX_RESULTS).flatMap((words) => resultOf(words) ?? []),
  };
}

/** `method[/version]=result`, then `property=value` again and again. */
function resultOf(words: string[]): MethodResult | null {
  const [method, equals, result] = words;
  if (method === undefined || equals !== '=' || result === undefined || result === '=') return null;
  const properties = new Map<string, string>();
  for (let index = 3; index + 2 < words.length; index++) {
    const [name, sign, value] = words.slice(index, index + 3);
    if (sign !== '=' || name === '=' || properties.has(name!.toLowerCase())) continue;
    properties.set(name!.toLowerCase(), value!);
    index += 2;
  }
  return { method: method.toLowerCase().replace(/\/.*$/, ''), result: result.toLowerCase(), properties };
}

/** The statements between semicolons as words, `=` being one of them; comments are left out, quotes taken off. */
function segmentsOf(text: string): string[][] {
  const segments: string[][] = [[]];
  let word: string | null = null;
  const endWord = () => {
    if (word !== null) segments.at(-1)!.push(word);
    word = null;
  };
  for (let index = 0; index < text.length; index++) {
    const character = text[index]!;
    if (character === '(') {
      endWord();
      index = endOfComment(text, index);
    } else if (character === '"') {
      const end = endOfQuote(text, index);
      word = (word ?? '') + text.slice(index + 1, end).replace(/\\(.)/g, '$1');
      index = end;
    } else if (character === ';') {
      endWord();
      segments.push([]);
    } else if (character === '=') {
      endWord();
      segments.at(-1)!.push('=');
    } else if (/\s/.test(character)) {
      endWord();
    } else {
      word = (word ?? '') + character;
    }
  }
  endWord();
  return segments;
}

/** Of the closing parenthesis, or the end of the text. */
function endOfComment(text: string, start: number): number {
  let depth = 0;
  for (let index = start; index < text.length; index++) {
    if (text[index] === '\\') index++;
    else if (text[index] === '(') depth++;
    else if (text[index] === ')' && --depth === 0) return index;
  }
  return text.length;
}

/** Of the closing quote, or the end of the text. */
function endOfQuote(text: string, start: number): number {
  for (let index = start + 1; index < text.length; index++) {
    if (text[index] === '\\') index++;
    else if (text[index] === '"') return index;
  }
  return text.length;
}
