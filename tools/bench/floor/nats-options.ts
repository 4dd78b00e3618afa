import type { NodeConnectionOptions } from '@nats-io/transport-node';

/** NATS_URL's credentials, which the client does not take from the URL by itself. */
export function natsOptions(): NodeConnectionOptions {
  const url = new URL(process.env['NATS_URL']!);
  return { servers: url.host, user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) };
}
