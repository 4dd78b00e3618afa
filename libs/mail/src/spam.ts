/** Whether the server that received a mail takes it for spam, and whose mail is never or always taken. */
import { addressKey } from './addresses.js';
import type { MailFields } from './mail.js';

/** Names of the fields that spam filters write. Who forges one calls only their own mail spam. */
export const SPAM_FIELDS = [
  'x-spam-flag',
  'x-spam-status',
  'x-ses-spam-verdict',
  'x-ms-exchange-organization-scl',
  'x-rspamd-action',
];

/** From this spam confidence level on Exchange moves a mail into the junk folder. */
const MIN_SCL = 5;

/** The field that says so; null when none does. */
export function spamSign({ trace }: Pick<MailFields, 'trace'>): string | null {
  return trace.find(({ name, value }) => saysSpam(name, value.trim().slice(0, 100)))?.name ?? null;
}

function saysSpam(name: string, value: string): boolean {
  switch (name) {
    case 'x-spam-flag':
    case 'x-spam-status':
      return /^(?:yes|true)\b/i.test(value);
    case 'x-ses-spam-verdict':
      return /^fail\b/i.test(value);
    case 'x-ms-exchange-organization-scl':
      return /^\d{1,2}$/.test(value) && Number(value) >= MIN_SCL;
    case 'x-rspamd-action':
      return /^(?:reject|add header|rewrite subject|quarantine|discard)\b/i.test(value);
    default:
      return false;
  }
}

/** @param list addresses, and domains that stand for themselves and what is below them */
export function isListed(address: string, list: string[]): boolean {
  const key = addressKey(address);
  const domain = key.slice(key.lastIndexOf('@') + 1);
  return list.some((entry) => {
    const listed = entry.toLowerCase().replace(/^@/, '');
    if (listed.includes('@')) return addressKey(listed) === key;
    return domain === listed || domain.endsWith(`.${listed}`);
  });
}
