import { type SecretBox, SecretUnreadable, type Sql } from '#platform';
import { type MailboxRow, resealSecret } from './mailbox.rows.js';
import { SECRETS, type SecretName } from './mailbox.settings.js';

/** What a sealed text is bound to. */
export function placeOf(name: SecretName | 'accessToken', mailboxId: string): string {
  return `${name} of ${mailboxId}`;
}

/**
 * Seals with the present key what was sealed with one that is to be replaced.
 * @returns the names of those that no key opens
 */
export async function resealSecrets(sql: Sql, box: SecretBox, mailbox: MailboxRow): Promise<SecretName[]> {
  const unreadable: SecretName[] = [];
  for (const name of SECRETS) {
    const before = mailbox[name];
    if (before === null || !box.isOutdated(before)) continue;
    try {
      const after = box.seal(box.open(before, placeOf(name, mailbox.id)), placeOf(name, mailbox.id));
      await resealSecret(sql, mailbox.id, name, { before, after });
    } catch (error) {
      if (!(error instanceof SecretUnreadable)) throw error;
      unreadable.push(name);
    }
  }
  return unreadable;
}
