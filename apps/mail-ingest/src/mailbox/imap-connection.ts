/** How a connection to a mailbox's server is made, and what it means when none comes about. */
import type { MailboxErrorKind, MailboxProblem } from '#contracts';
import { addressesOf, HostForbidden, SecretUnreadable, type HostPolicy, type SecretBox } from '#platform';
import { ImapFlow } from 'imapflow';
import { isIP } from 'node:net';
import { rootCertificates } from 'node:tls';
import type { AccessTokens } from './access-tokens.js';
import type { MailboxRow } from './mailbox.rows.js';
import { placeOf } from './secrets.js';
import { EndpointFailed, GrantRefused } from './token-endpoint.js';

const MAX_DETAIL = 200;

export interface ConnectionOptions {
  box: SecretBox;
  tokens: AccessTokens;
  policy: HostPolicy;
  /** Longest literal that the server may send, in bytes. */
  maxLiteralSize: number;
  /** How often it was tried: a host with several addresses is tried at each of them. */
  attempt?: number;
}

export interface Connection {
  client: ImapFlow;
  /** The address that the host's name stands for. */
  address: string;
}

/**
 * Connects and logs in. With XOAUTH2 a token that the server does not accept is replaced once.
 * @param signal gives up
 * @throws Error that `problemOf` understands
 */
export async function connect(
  mailbox: MailboxRow,
  options: ConnectionOptions,
  signal: AbortSignal,
): Promise<Connection> {
  const { box, tokens } = options;
  if (mailbox.authentication === 'password') {
    const pass = box.open(mailbox.password ?? '', placeOf('password', mailbox.id));
    return connectWith(mailbox, options, { pass }, signal);
  }
  const accessToken = await tokens.get(mailbox);
  try {
    return await connectWith(mailbox, options, { accessToken }, signal);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return connectWith(mailbox, options, { accessToken: await tokens.get(mailbox, accessToken) }, signal);
  }
}

async function connectWith(
  { host, port, tls, certificateAuthority, user }: MailboxRow,
  { policy, maxLiteralSize, attempt = 0 }: ConnectionOptions,
  credentials: { pass: string } | { accessToken: string },
  signal: AbortSignal,
): Promise<Connection> {
  const addresses = await addressesOf(host, policy);
  const address = addresses[attempt % addresses.length]!;
  const client = new ImapFlow({
    host: address, // what was looked at, whatever the name stands for by now
    ...(isIP(host) === 0 && { servername: host }),
    port,
    secure: tls === 'implicit',
    ...(tls !== 'implicit' && tls !== 'starttls_if_offered' && { doSTARTTLS: tls === 'starttls' }),
    tls: {
      rejectUnauthorized: true,
      ...(certificateAuthority !== null && { ca: [...rootCertificates, certificateAuthority] }), // not instead
    },
    auth: { user, ...credentials },
    logger: false,
    disableAutoIdle: true,
    maxIdleTime: 9 * 60_000,
    connectionTimeout: 15_000,
    greetingTimeout: 15_000,
    socketTimeout: 5 * 60_000,
    maxLiteralSize,
  });
  client.on('error', () => {}); // an unheard one ends the process; the command in hand fails as well
  const giveUp = () => client.close();
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    signal.throwIfAborted();
    await client.connect();
    return { client, address };
  } catch (error) {
    client.close();
    throw error;
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

/** What imapflow and Node put into their errors. */
interface ConnectionError extends Error {
  code?: string;
  authenticationFailed?: boolean;
  serverResponseCode?: string;
  tlsFailed?: boolean;
}

/** Answers to a login that say nothing about the credentials (RFC 5530). */
const PASSING_ANSWERS = ['UNAVAILABLE', 'INUSE', 'LIMIT', 'SERVERBUG'];

/** The server does not take these credentials. */
function isRefusal(error: unknown): boolean {
  const { authenticationFailed, serverResponseCode = '' } = error as ConnectionError;
  return authenticationFailed === true && !PASSING_ANSWERS.includes(serverResponseCode.toUpperCase());
}

const OF_CODE: Readonly<Record<string, [MailboxErrorKind, field: string, code: string, message: string]>> = {
  ENOTFOUND: ['network', 'host', 'host_unknown', 'there is no such host'],
  EAI_AGAIN: ['network', 'host', 'host_unknown', 'the name of the host cannot be looked up now'],
  ECONNREFUSED: ['network', 'port', 'server_unreachable', 'nobody listens there'],
  EHOSTUNREACH: ['network', 'host', 'server_unreachable', 'the host cannot be reached'],
  ENETUNREACH: ['network', 'host', 'server_unreachable', 'the host cannot be reached'],
  ETIMEDOUT: ['network', 'host', 'server_unreachable', 'the host does not answer'],
  CONNECT_TIMEOUT: ['network', 'host', 'server_unreachable', 'the host does not answer'],
  GREETING_TIMEOUT: ['tls', 'tls', 'no_greeting', 'the server does not greet: is it TLS that it expects?'],
  UPGRADE_TIMEOUT: ['tls', 'tls', 'tls_failed', 'the server does not go on with STARTTLS'],
  ERR_SSL_WRONG_VERSION_NUMBER: ['tls', 'tls', 'tls_not_spoken', 'the server does not speak TLS on this port'],
  ERR_SSL_PACKET_LENGTH_TOO_LONG: ['tls', 'tls', 'tls_not_spoken', 'the server does not speak TLS on this port'],
  ERR_TLS_CERT_ALTNAME_INVALID: ['tls', 'host', 'certificate_of_another', 'the certificate is for another host'],
  CERT_HAS_EXPIRED: ['tls', 'tls', 'certificate_expired', "the server's certificate has expired"],
  STARTTLS_INJECTION: ['tls', 'tls', 'tls_failed', 'somebody may have tampered with STARTTLS'],
};

const UNTRUSTED = /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_|ERR_SSL_.*CERT)/;

/**
 * What an error of a connection means: its kind, the setting that has to do with it, a stable code, and a sentence that
 * holds no credentials, whatever the server has said.
 */
export function problemOf(error: unknown, { authentication }: Pick<MailboxRow, 'authentication'>): MailboxProblem {
  const of = (kind: MailboxErrorKind, field: string, code: string, message: string) => ({ kind, field, code, message });
  if (error instanceof Trouble) return error.problem;
  if (error instanceof HostForbidden) return of('settings', 'host', 'host_forbidden', error.message);
  if (error instanceof SecretUnreadable) {
    const field = authentication === 'password' ? 'password' : 'oauth2.refreshToken';
    return of('settings', field, 'secret_unreadable', `the ${field} ${error.message}`);
  }
  if (error instanceof GrantRefused) {
    return of('authorisation', 'oauth2.refreshToken', 'grant_refused', `${error.message}: authorise anew`);
  }
  if (error instanceof EndpointFailed) {
    return of('network', 'oauth2.tokenEndpoint', 'endpoint_failed', error.message);
  }
  const { code = '', message, tlsFailed, serverResponseCode } = error as ConnectionError;
  if (isRefusal(error)) return refusalOf(authentication, serverResponseCode);
  if (serverResponseCode !== undefined) {
    return of('server', 'user', 'server_unavailable', `the server lets nobody in now (${wordOf(serverResponseCode)})`);
  }
  if (Object.hasOwn(OF_CODE, code)) return of(...OF_CODE[code]!);
  if (UNTRUSTED.test(code)) {
    return of(
      'tls',
      'certificateAuthority',
      'certificate_untrusted',
      "nobody known vouches for the server's certificate",
    );
  }
  if (/does not support STARTTLS/i.test(message)) {
    return of('tls', 'tls', 'starttls_not_offered', 'the server does not offer STARTTLS');
  }
  if (/authentication mechanism/i.test(message)) {
    return of('credentials', 'authentication', 'mechanism_not_offered', `the server does not offer ${authentication}`);
  }
  if (tlsFailed || code.startsWith('ERR_SSL')) return of('tls', 'tls', 'tls_failed', `TLS fails (${wordOf(code)})`);
  return of('network', 'host', 'connection_lost', detailOf(code, message));
}

function refusalOf(authentication: MailboxRow['authentication'], answer: string | undefined): MailboxProblem {
  const said = answer === undefined ? '' : ` (${wordOf(answer)})`;
  if (authentication === 'xoauth2') {
    const message = `the IMAP server refuses user or access token${said}: authorise anew`;
    return { kind: 'authorisation', field: 'oauth2', code: 'token_refused', message };
  }
  const message = `the IMAP server refuses user or password${said}`;
  return { kind: 'credentials', field: 'password', code: 'credentials_refused', message };
}

/** A problem that we found ourselves. */
export class Trouble extends Error {
  constructor(readonly problem: MailboxProblem) {
    super(problem.message);
  }
}

export function folderMissing(name: string): Trouble {
  const message = `there is no folder ${JSON.stringify(name.slice(0, MAX_DETAIL))} that can be opened`;
  return new Trouble({ kind: 'folder', field: 'folders.inbox', code: 'folder_unknown', message });
}

/** Response codes are atoms; anything else is not repeated. */
function wordOf(code: string): string {
  return /^[A-Z][A-Z0-9_-]{0,40}$/i.test(code) ? code : 'no reason';
}

/** Our own libraries' words about a connection that was lost; a server's words are not among them. */
function detailOf(code: string, message: string): string {
  if (code !== '') return `the connection was lost (${wordOf(code)})`;
  return message === '' ? 'the connection was lost' : message.slice(0, MAX_DETAIL);
}
