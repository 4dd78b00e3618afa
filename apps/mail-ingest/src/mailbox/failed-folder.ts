/**
 * Quarantined mails are moved on from the folder for processed ones to that for failed ones, so that whoever looks into the mailbox finds them.
 * They are found by their Message-ID: those that have none of their own stay where they are.
 */
import { failedMails, rememberFiled } from '../intake/inbox.js';
import type { Sql } from '#platform';
import type { ImapFlow } from 'imapflow';

/** Of one look through the mailbox. */
const MANY = 100;

/**
 * Leaves another folder open than before when it did anything.
 * @param folders their paths, made when they are missing; null when the server does not let us
 * @returns whether it did
 */
export async function fileFailed(
  client: ImapFlow,
  sql: Sql,
  mailboxId: string,
  folders: { from: () => Promise<string | null>; to: () => Promise<string | null> },
): Promise<boolean> {
  const failed = await failedMails(sql, mailboxId, MANY);
  if (failed.length === 0) return false;
  const [processed, target] = [await folders.from(), await folders.to()];
  if (processed === null || target === null) return false;
  await client.mailboxOpen(processed);
  for (const { messageId } of failed) {
    const uids = (await client.search({ header: { 'message-id': `<${messageId}>` } }, { uid: true })) || [];
    if (uids.length > 0) await client.messageMove(uids.join(','), target, { uid: true });
  }
  await rememberFiled(
    sql,
    failed.map(({ id }) => id),
  );
  return true;
}
