import type { MailboxView } from '#contracts';
import type { MailboxRow } from './mailbox.rows.js';

/** A mailbox as people see it: without anything that opens it. */
export function viewOf(row: MailboxRow, waiting: number): MailboxView {
  const { id, address, aliases, origin, host, port, tls, certificateAuthority, authentication, user, mode } = row;
  const { defaultOrganisationId, spamPolicy, trustedAuthservId, importExisting, importSince, paused } = row;
  const { inboxFolder: inbox, processedFolder: processed, failedFolder: failed, oversizeFolder: oversize } = row;
  const hasOAuth2 = row.tokenEndpoint !== null && row.clientId !== null;
  return {
    id,
    address,
    aliases,
    origin,
    host,
    port,
    tls,
    certificateAuthority,
    authentication,
    user,
    hasPassword: row.password !== null,
    oauth2: hasOAuth2
      ? {
          tokenEndpoint: row.tokenEndpoint!,
          clientId: row.clientId!,
          scope: row.scope,
          hasClientSecret: row.clientSecret !== null,
          hasRefreshToken: row.refreshToken !== null,
        }
      : null,
    mode,
    folders: { inbox, processed, failed, oversize },
    defaultOrganisationId,
    spamPolicy,
    trustedAuthservId,
    importExisting,
    importSince,
    paused,
    health: {
      state: paused ? 'paused' : row.state,
      since: row.stateSince,
      lastSuccessAt: row.lastScanAt,
      waiting,
      unfetched: row.unfetched,
      lastErrorKind: row.lastErrorKind,
      lastError: row.lastError,
      lastErrorAt: row.lastErrorAt,
      silentSince: row.silentSince,
    },
  };
}
