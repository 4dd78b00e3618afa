/**
 * A mailbox's settings as they are kept, and the rules that they obey. Pure.
 *
 * Sealed texts (password, client secret, refresh token) are opened where a connection is made and nowhere else.
 */
import type {
  FieldError,
  MailboxAuthentication,
  MailboxChange,
  MailboxImport,
  MailboxMode,
  SpamPolicy,
  TlsMode,
} from '#contracts';
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { type HostPolicy, isLoopback, mayConnect } from '#platform';

export interface MailboxSettings {
  /** The support address whose mail arrives here, lower case. */
  address: string;
  aliases: string[];
  host: string;
  port: number;
  tls: TlsMode;
  certificateAuthority: string | null;
  authentication: MailboxAuthentication;
  user: string;
  /** Sealed. */
  password: string | null;
  tokenEndpoint: string | null;
  clientId: string | null;
  /** Sealed. */
  clientSecret: string | null;
  /** Sealed. */
  refreshToken: string | null;
  scope: string | null;
  mode: MailboxMode;
  inboxFolder: string;
  processedFolder: string;
  failedFolder: string;
  oversizeFolder: string;
  defaultOrganisationId: string | null;
  spamPolicy: SpamPolicy;
  trustedAuthservId: string | null;
  importExisting: MailboxImport;
  /** ISO 8601. */
  importSince: string | null;
  paused: boolean;
}

/** The texts that are sealed, by the column that is part of their place. */
export const SECRETS = ['password', 'clientSecret', 'refreshToken'] as const;
export type SecretName = (typeof SECRETS)[number];

export type Seal = (name: SecretName, text: string) => string;

export function portOf(tls: TlsMode): number {
  return tls === 'implicit' ? 993 : 143;
}

/** A mailbox of which only the address and the host are said. */
export function newSettings(address: string, host: string, { tls = 'implicit', mode = 'move' }: MailboxChange) {
  const settings: MailboxSettings = {
    address: address.toLowerCase(),
    aliases: [],
    host,
    port: portOf(tls),
    tls,
    certificateAuthority: null,
    authentication: 'password',
    user: address,
    password: null,
    tokenEndpoint: null,
    clientId: null,
    clientSecret: null,
    refreshToken: null,
    scope: null,
    mode,
    inboxFolder: 'INBOX',
    processedFolder: 'Processed',
    failedFolder: 'Failed',
    oversizeFolder: 'Oversize',
    defaultOrganisationId: null,
    spamPolicy: 'take',
    trustedAuthservId: null,
    // a mailbox that stays as it is has all its old mail in it
    importExisting: mode === 'move' ? 'all' : 'none',
    importSince: null,
    paused: false,
  };
  return settings;
}

/** The settings after a change; what it does not name stays. */
export function changed(settings: MailboxSettings, change: MailboxChange, seal: Seal): MailboxSettings {
  const { oauth2 = {}, folders = {} } = change;
  const aliases = (change.aliases ?? settings.aliases).map((alias) => alias.toLowerCase());
  const sealed = (name: SecretName, text: string | null | undefined) =>
    text == null ? settings[name] : seal(name, text);
  return {
    address: settings.address,
    aliases: [...new Set(aliases)].filter((alias) => alias !== settings.address),
    host: change.host ?? settings.host,
    port: change.port ?? portAfter(settings, change),
    tls: change.tls ?? settings.tls,
    certificateAuthority: orKept(change.certificateAuthority, settings.certificateAuthority),
    authentication: change.authentication ?? settings.authentication,
    user: change.user ?? settings.user,
    password: sealed('password', change.password),
    tokenEndpoint: oauth2.tokenEndpoint ?? settings.tokenEndpoint,
    clientId: oauth2.clientId ?? settings.clientId,
    clientSecret: sealed('clientSecret', oauth2.clientSecret),
    refreshToken: sealed('refreshToken', oauth2.refreshToken),
    scope: orKept(oauth2.scope, settings.scope),
    mode: change.mode ?? settings.mode,
    inboxFolder: folders.inbox ?? settings.inboxFolder,
    processedFolder: folders.processed ?? settings.processedFolder,
    failedFolder: folders.failed ?? settings.failedFolder,
    oversizeFolder: folders.oversize ?? settings.oversizeFolder,
    defaultOrganisationId: orKept(change.defaultOrganisationId, settings.defaultOrganisationId),
    spamPolicy: change.spamPolicy ?? settings.spamPolicy,
    trustedAuthservId: orKept(change.trustedAuthservId, settings.trustedAuthservId),
    importExisting: change.importExisting ?? settings.importExisting,
    importSince: orKept(change.importSince, settings.importSince),
    paused: change.paused ?? settings.paused,
  };
}

/** A port that is only the usual one goes with the kind of TLS. */
function portAfter(settings: MailboxSettings, { tls = settings.tls }: MailboxChange): number {
  return settings.port === portOf(settings.tls) ? portOf(tls) : settings.port;
}

function orKept<T>(value: T | null | undefined, kept: T | null): T | null {
  return value === undefined ? kept : value;
}

/** Whether its mails are others now: the server numbers another folder. */
export function isElsewhere(before: MailboxSettings, after: MailboxSettings): boolean {
  const place = ({ host, user, inboxFolder }: MailboxSettings) => [host.toLowerCase(), user, inboxFolder].join(' ');
  return place(before) !== place(after);
}

/** What IMAP_MAILBOXES decides about; anything else of such a mailbox may be changed. */
export function fieldsOfEnvironment(change: MailboxChange): string[] {
  const fields = [
    'host',
    'port',
    'tls',
    'authentication',
    'user',
    'password',
    'oauth2',
    'mode',
    'importExisting',
  ] as const;
  const named: string[] = fields.filter((field) => change[field] !== undefined);
  return change.folders?.inbox === undefined ? named : [...named, 'folders.inbox'];
}

/** Every rule that the settings break, by field. */
export function brokenRules(settings: MailboxSettings, policy: HostPolicy): FieldError[] {
  const { host, tls, importExisting, importSince, certificateAuthority } = settings;
  const rules: [broken: boolean, field: string, code: string, message: string][] = [
    [isForbidden(host, policy), 'host', 'host_forbidden', `connections to ${host} are not allowed`],
    [
      (tls === 'none' || tls === 'starttls_if_offered') && !isLoopback(host),
      'tls',
      'tls_required',
      `${tls} is for servers on the same machine only: use implicit or starttls`,
    ],
    [
      certificateAuthority !== null && !isCertificate(certificateAuthority),
      'certificateAuthority',
      'certificate_invalid',
      'must be a certificate in PEM',
    ],
    [
      importExisting === 'since' && importSince === null,
      'importSince',
      'required',
      'is required when mail is imported since an instant',
    ],
  ];
  const broken = rules.flatMap(([is, field, code, message]) => (is ? [{ field, code, message }] : []));
  return [...broken, ...brokenFolders(settings), ...brokenAuthentication(settings, policy)];
}

function brokenFolders(settings: MailboxSettings): FieldError[] {
  const { inboxFolder, processedFolder, failedFolder, oversizeFolder } = settings;
  const others = { processed: processedFolder, failed: failedFolder, oversize: oversizeFolder };
  return Object.entries(others).flatMap(([name, folder]) =>
    folder.toLowerCase() === inboxFolder.toLowerCase()
      ? [{ field: `folders.${name}`, code: 'folder_is_inbox', message: 'must be another folder than the inbox' }]
      : [],
  );
}

function brokenAuthentication(settings: MailboxSettings, policy: HostPolicy): FieldError[] {
  const { authentication, password, tokenEndpoint, clientId, clientSecret, refreshToken } = settings;
  const required = (field: string) => ({ field, code: 'required', message: `is required with ${authentication}` });
  if (authentication === 'password') return password === null ? [required('password')] : [];
  return [
    ...(tokenEndpoint === null ? [required('oauth2.tokenEndpoint')] : brokenEndpoint(tokenEndpoint, policy)),
    ...(clientId === null ? [required('oauth2.clientId')] : []),
    ...(clientSecret === null && refreshToken === null ? [required('oauth2.refreshToken')] : []),
  ];
}

function brokenEndpoint(text: string, policy: HostPolicy): FieldError[] {
  const field = 'oauth2.tokenEndpoint';
  const url = URL.canParse(text) ? new URL(text) : null;
  const host = url ? hostOf(url) : '';
  const secure = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(host));
  if (!url || !secure || url.username !== '' || url.password !== '' || url.hash !== '') {
    return [{ field, code: 'url_invalid', message: 'must be an https URL without user, password and fragment' }];
  }
  if (!isForbidden(host, policy)) return [];
  return [{ field, code: 'host_forbidden', message: `connections to ${host} are not allowed` }];
}

export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}

/** What names stand for is seen when a connection is made. */
function isForbidden(host: string, policy: HostPolicy): boolean {
  return isIP(host) !== 0 && !mayConnect(host, policy);
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== undefined;
  } catch {
    return false;
  }
}
