/** The way of a mail as its Received fields tell it (RFC 5321 §4.4). Who forges some only calls their own mail a loop. */
import { isInternalHop } from './authentication.js';
import type { MailFields } from './mail.js';

/**
 * How often the mail came to this host from somewhere else. One delivery leaves several fields of the same host, for a
 * virus scanner or LMTP: those count once.
 */
export function arrivalsAt({ trace }: Pick<MailFields, 'trace'>, host: string): number {
  const wanted = host.toLowerCase();
  return trace.filter(({ name, value }) => name === 'received' && !isInternalHop(value) && receiverOf(value) === wanted)
    .length;
}

const MAX_FIELD_LENGTH = 20_000;

/** The name after `by`, in lower case. */
function receiverOf(received: string): string | null {
  const found = /\sby\s+([^\s;()]+)/i.exec(received.slice(0, MAX_FIELD_LENGTH));
  return found ? found[1]!.toLowerCase().replace(/\.$/, '') : null;
}
