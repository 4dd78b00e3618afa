/** A mailbox as one URL, in the manner of RFC 5092: `imaps://user:password@host:993/INBOX?address=…&mode=…`. */
import { MAILBOX_MODES, type MailboxMode, type TlsMode } from '#contracts';
import { hostOf, portOf } from './mailbox.settings.js';

const SETTINGS = ['address', 'mode', 'import'];
const IMPORTS = ['all', 'none'] as const;

export interface MailboxUrl {
  /** The support address whose mail arrives here, lower case. */
  address: string;
  host: string;
  port: number;
  /** `imaps:` is TLS from the first byte, `imap:` STARTTLS when the server offers it. */
  tls: TlsMode;
  user: string;
  password: string;
  folder: string;
  mode: MailboxMode;
  /** Undefined when the URL does not say. */
  importExisting: (typeof IMPORTS)[number] | undefined;
}

export function parseMailboxUrls(urls: string): MailboxUrl[] {
  return split(urls).map((url) => {
    const parsed = parseOne(url);
    if (typeof parsed === 'string') throw new Error(parsed);
    return parsed;
  });
}

/** What is wrong, one sentence each, counting from 1; a URL holds a password and is never repeated. */
export function mailboxUrlErrors(urls: string): string[] {
  const parsed = split(urls).map(parseOne);
  const errors = parsed.flatMap((one, index) => (typeof one === 'string' ? [`mailbox ${index + 1}: ${one}`] : []));
  const addresses = parsed.flatMap((one) => (typeof one === 'string' ? [] : [one.address]));
  const repeated = addresses.filter((address, index) => addresses.indexOf(address) !== index);
  return [...errors, ...repeated.map((address) => `${address} is named twice`)];
}

function split(urls: string): string[] {
  return urls.split(/\s+/).filter((url) => url !== '');
}

function parseOne(text: string): MailboxUrl | string {
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
  const mode = choice(url, 'mode', MAILBOX_MODES) ?? 'move';
  if (mode === 'unknown') return `mode must be one of ${MAILBOX_MODES.join(', ')}`;
  const importExisting = choice(url, 'import', IMPORTS);
  if (importExisting === 'unknown') return `import must be one of ${IMPORTS.join(', ')}`;
  const tls = url.protocol === 'imaps:' ? 'implicit' : 'starttls_if_offered';
  const port = Number(url.port || portOf(tls));
  return { address, host: hostOf(url), port, tls, user, password, folder: folder || 'INBOX', mode, importExisting };
}

function choice<T extends string>(url: URL, name: string, values: readonly T[]): T | 'unknown' | undefined {
  const given = url.searchParams.get(name);
  return given === null ? undefined : (values.find((value) => value === given) ?? 'unknown');
}

function decodeAll(parts: string[]): string[] | null {
  try {
    return parts.map(decodeURIComponent);
  } catch {
    return null;
  }
}
