/** A mailbox as one URL, in the manner of RFC 5092: `imaps://user:password@host:993/INBOX?address=…&mode=…`. */

/**
 * What happens to a mail on the server once it is safe with us: move it to the folder Processed, set a flag and leave
 * it where it is, or do not touch it.
 */
export const MODES = ['move', 'flag', 'leave'] as const;
export type Mode = (typeof MODES)[number];

const SETTINGS = ['address', 'mode'];

export interface MailboxSettings {
  /** The support address whose mail arrives here, lower case. */
  address: string;
  host: string;
  port: number;
  /** TLS from the first byte; otherwise STARTTLS when the server offers it. */
  secure: boolean;
  user: string;
  password: string;
  folder: string;
  mode: Mode;
}

export function parseMailboxUrls(urls: string): MailboxSettings[] {
  return split(urls).map((url) => {
    const parsed = parseOne(url);
    if (typeof parsed === 'string') throw new Error(parsed);
    return parsed;
  });
}

/** What is wrong, one sentence each, counting from 1; a URL holds a password and is never repeated. */
export function mailboxUrlErrors(urls: string): string[] {
  const given = split(urls);
  if (given.length === 0) return ['must name at least one mailbox, e.g. imaps://user:password@host/INBOX'];
  const parsed = given.map(parseOne);
  const errors = parsed.flatMap((one, index) => (typeof one === 'string' ? [`mailbox ${index + 1}: ${one}`] : []));
  const addresses = parsed.flatMap((one) => (typeof one === 'string' ? [] : [one.address]));
  const repeated = addresses.filter((address, index) => addresses.indexOf(address) !== index);
  return [...errors, ...repeated.map((address) => `${address} is named twice`)];
}

function split(urls: string): string[] {
  return urls.split(/\s+/).filter((url) => url !== '');
}

function parseOne(text: string): MailboxSettings | string {
  if (!URL.canParse(text)) return 'is not a URL';
  const url = new URL(text);
  if (url.protocol !== 'imap:' && url.protocol !== 'imaps:') return 'must begin with imap:// or imaps://';
  if (url.hostname === '') return 'names no host';
  const decoded = decodeAll([url.username, url.password, url.pathname.slice(1)]);
  if (!decoded) return 'has a broken percent-encoding';
  const [user, password, folder] = decoded as [string, string, string];
  if (user === '' || password === '') return 'needs user and password';
  const address = (url.searchParams.get('address') ?? user).toLowerCase();
  if (!/^[^@\s]+@[^@\s]+$/.test(address)) return 'needs ?address=, because the user is no address';
  const unknown = [...url.searchParams.keys()].find((name) => !SETTINGS.includes(name));
  if (unknown !== undefined) return `does not know "${unknown}", only ${SETTINGS.join(', ')}`;
  const mode = url.searchParams.get('mode') ?? 'move';
  if (!MODES.includes(mode as Mode)) return `mode must be one of ${MODES.join(', ')}`;
  const secure = url.protocol === 'imaps:';
  const port = Number(url.port || (secure ? 993 : 143));
  return { address, host: url.hostname, port, secure, user, password, folder: folder || 'INBOX', mode: mode as Mode };
}

function decodeAll(parts: string[]): string[] | null {
  try {
    return parts.map(decodeURIComponent);
  } catch {
    return null;
  }
}
