import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { Logger } from './logging.js';

/** One connection a process, for requests, replies and streams. Waits for a server that is not there yet, for ever. */
export async function connectNats(url: string, name: string, log: Logger): Promise<NatsConnection> {
  const { username, password, token, servers } = splitCredentials(url);
  const connection = await connect({
    servers,
    name,
    // answers come to inboxes that only this user may read, see deploy/nats
    ...(username && { inboxPrefix: `_INBOX.${username}` }),
    ...(token ? { token } : username ? { user: username, pass: password } : {}),
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    waitOnFirstConnect: true,
    ignoreClusterUpdates: true,
    noAsyncTraces: true, // two stack traces a request, made in case it fails, cost a tenth of its CPU
  });
  void logStatus(connection, log);
  return connection;
}

async function logStatus(connection: NatsConnection, log: Logger): Promise<void> {
  for await (const status of connection.status()) {
    if (status.type === 'disconnect') log.warn('NATS connection lost');
    if (status.type === 'reconnect') log.info('NATS connection is back');
    if (status.type === 'error') log.error({ err: status.error }, 'NATS error');
  }
}

function splitCredentials(url: string) {
  const parsed = new URL(url);
  const username = decodeURIComponent(parsed.username);
  const password = decodeURIComponent(parsed.password);
  parsed.username = parsed.password = '';
  const token = username && !password ? username : undefined;
  return { username, password, token, servers: parsed.toString().replace(/\/$/, '') };
}
