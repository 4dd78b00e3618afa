/** Names of attachments: a stranger's wish, made safe for screens, file systems and headers. */
import { cleanName } from './charset.js';

const MAX_BYTES = 200;

const EXTENSIONS: Record<string, string> = {
  'application/pdf': 'pdf',
  'application/zip': 'zip',
  'application/json': 'json',
  'application/xml': 'xml',
  'audio/mpeg': 'mp3',
  'image/jpeg': 'jpg',
  'image/svg+xml': 'svg',
  'message/rfc822': 'eml',
  'message/global': 'eml',
  'text/html': 'html',
  'text/csv': 'csv',
};

const NAMES: Record<string, string> = {
  'text/calendar': 'invite.ics',
  'message/delivery-status': 'delivery-status.txt',
  'message/global-delivery-status': 'delivery-status.txt',
  'message/disposition-notification': 'receipt.txt',
  'message/feedback-report': 'feedback-report.txt',
  'text/rfc822-headers': 'headers.txt',
  'application/pgp-signature': 'signature.asc',
  'application/pgp-encrypted': 'version.asc',
  'application/pkcs7-signature': 'smime.p7s',
  'application/x-pkcs7-signature': 'smime.p7s',
  'application/pkcs7-mime': 'smime.p7m',
  'application/x-pkcs7-mime': 'smime.p7m',
  'application/ms-tnef': 'winmail.dat',
  'message/external-body': 'external-body.txt',
  'message/partial': 'partial.eml',
};

/** @param title what a nameless part is about: the subject of an enclosed mail */
export function attachmentName(given: string | null, type: string, title: string | null): string {
  const name = safe(given ?? '');
  if (name !== '') return cutName(name);
  const extension = EXTENSIONS[type] ?? /^(?:image|audio|video)\/([a-z0-9]{2,5})$/.exec(type)?.[1] ?? null;
  const titled = safe(title ?? '');
  if (titled !== '' && extension) return cutName(`${titled}.${extension}`);
  if (NAMES[type]) return NAMES[type];
  if (extension) return `${type.startsWith('message/') ? 'message' : type.split('/')[0]}.${extension}`;
  return type.startsWith('text/') ? 'text.txt' : 'attachment.bin';
}

/** What Windows takes for a device. */
const DEVICE = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i;

/** No path, no device, no reserved, control or invisible characters, no leading or trailing dots and blanks; NFC. */
function safe(name: string): string {
  return cleanName(name.replace(/\p{Cf}/gu, ''))
    .normalize('NFC')
    .replace(/[/\\:*?"<>|]/g, '_')
    .slice(0, 1000)
    .replace(/^[._\s]+(?=[^._\s])|^[._\s]+$/, '')
    .replace(/[.\s]{1,1000}$/, '')
    .replace(DEVICE, '_$&');
}

/** At most 200 bytes of UTF-8, the extension kept. */
function cutName(name: string): string {
  if (Buffer.byteLength(name) <= MAX_BYTES) return name;
  const extension = /\.[A-Za-z0-9]{1,10}$/.exec(name)?.[0] ?? '';
  const room = MAX_BYTES - extension.length;
  let stem = '';
  let bytes = 0;
  for (const character of name.slice(0, name.length - extension.length)) {
    bytes += Buffer.byteLength(character);
    if (bytes > room) break;
    stem += character;
  }
  return stem.trimEnd() + extension;
}

/** Gives every name once: a second `a.txt` becomes `a (2).txt`. Case does not tell names apart. */
export function numberDuplicates(names: string[]): string[] {
  const used = new Set<string>();
  const counts = new Map<string, number>();
  return names.map((name) => {
    const key = name.toLowerCase();
    let candidate = name;
    while (used.has(candidate.toLowerCase())) {
      const count = (counts.get(key) ?? 1) + 1;
      counts.set(key, count);
      candidate = name.replace(/(\.[^.]{1,10})?$/, (extension) => ` (${count})${extension}`);
    }
    used.add(candidate.toLowerCase());
    return candidate;
  });
}
