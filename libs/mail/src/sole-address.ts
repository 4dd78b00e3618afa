/**
 * A second opinion on From: the one address in it, by a reader of our own that takes nothing but the plain form of
 * RFC 5322 §3.4, `addr-spec` or `[phrase] <addr-spec>`, and shares no code with the one that is kind to what it finds.
 * Hostile fields are made so that two programs read two senders in them; where these two differ, nobody is believed.
 */
import { domainToASCII, domainToUnicode } from 'node:url';

const MAX_LENGTH = 4_000;
const MAX_LOCAL = 64;
const MAX_DOMAIN = 255;

type Token = { kind: 'word' | 'quoted' | 'comma' | 'special'; text: string };

/**
 * @param value a raw field: bytes as characters, unfolded; 8-bit text is UTF-8
 * @returns the address, its domain in lower case and as A-labels; null when there is not exactly one, or it is not plain
 */
export function soleAddress(value: string): string | null {
  if (value.length > MAX_LENGTH) return null;
  const tokens = tokensOf(Buffer.from(value, 'latin1').toString('utf8'));
  if (!tokens) return null;
  const open = tokens.findIndex(({ kind, text }) => kind === 'special' && text === '<');
  if (open < 0) return tokens.length === 1 ? addrSpec(tokens[0]!) : null;
  const [address, close, ...rest] = tokens.slice(open + 1);
  if (!address || close?.text !== '>' || close.kind !== 'special' || rest.length > 0) return null;
  return tokens.slice(0, open).every((token) => isPhrase(token, address.text)) ? addrSpec(address) : null;
}

// an encoded-word may hold blanks and commas against the rules, but nothing that would end or begin an address
const ENCODED_WORD = /=\?[^?\s]{1,60}\?[bq]\?[^?<>@"()\\]{0,998}\?=/iy;
const QUOTED = /"(?:[^"\\]|\\.){0,998}"/y;
const WORD = /[^\s"(),:;<>\\]{1,998}/y;

/** Without comments and blanks. Null when something is left open, or stands where it may not. */
function tokensOf(text: string): Token[] | null {
  const tokens: Token[] = [];
  let at = 0;
  /** Whether the token before ends right here: what is glued together is no plain form. */
  let glued = false;
  const take = (kind: Token['kind'], pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found === undefined) return false;
    tokens.push({ kind, text: found });
    at += found.length;
    return true;
  };
  while (at < text.length) {
    const character = text[at]!;
    if (character === ' ' || character === '\t') {
      at++;
      glued = false;
    } else if (character === '(') {
      const end = endOfComment(text, at);
      if (end < 0 || glued) return null;
      at = end;
      if (at < text.length && !/[\s<]/.test(text[at]!)) return null;
    } else if (character === '<' || character === '>' || character === ',') {
      tokens.push({ kind: character === ',' ? 'comma' : 'special', text: character });
      at++;
      glued = false;
    } else {
      if (glued) return null;
      if (!(character === '"' ? take('quoted', QUOTED) : take('word', ENCODED_WORD) || take('word', WORD))) return null;
      glued = true;
    }
  }
  return tokens;
}

/** Behind the parenthesis that closes the comment; -1 when none does. */
function endOfComment(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '(') depth++;
    else if (text[at] === ')' && --depth === 0) return at + 1;
  }
  return -1;
}

/**
 * In the name nothing but a quoted string may hold an at sign; programs without a name put the address itself there, and
 * others forget the quotes around `Doe, Jane`, which without an at sign is nobody else.
 */
function isPhrase({ kind, text }: Token, address: string): boolean {
  return kind === 'quoted' || kind === 'comma' || (kind === 'word' && (!text.includes('@') || text === address));
}

/** Letters, digits and signs of RFC 5322 and 6531 in a dot-atom; nothing invisible, no blank, no quotes. */
const DOT_ATOM = /^[\p{L}\p{M}\p{N}!#$%&'*+\-/=?^_`{|}~]+(?:\.[\p{L}\p{M}\p{N}!#$%&'*+\-/=?^_`{|}~]+)*$/u;
const DOMAIN = /^[\p{L}\p{M}\p{N}](?:[\p{L}\p{M}\p{N}_-]*)(?:\.[\p{L}\p{M}\p{N}_-]+)*$/u;

function addrSpec({ kind, text }: Token): string | null {
  const [local, domain, ...more] = text.split('@');
  if (kind !== 'word' || local === undefined || domain === undefined || more.length > 0) return null;
  if (local.length > MAX_LOCAL || !DOT_ATOM.test(local) || local.includes('=?')) return null;
  const ascii = domain.length <= MAX_DOMAIN && DOMAIN.test(domain) ? plainDomain(domain.toLowerCase()) : null;
  return ascii === null ? null : `${local}@${ascii}`;
}

/** As A-labels. Null for one that is written in another way than it reads: wide letters, broken punycode. */
function plainDomain(domain: string): string | null {
  const ascii = domainToASCII(domain);
  if (ascii === '') return null;
  return ascii === domain || domainToUnicode(ascii) === domain.normalize('NFC') ? ascii : null;
}
