/** Mailboxes on a real server as the tests fill them and look at them. */
import { ImapFlow } from 'imapflow';
import type { Mailbox, Stack } from '../../../tools/stack/stack.js';

/** The mailbox as intake is told of it. */
export function urlOf({ imap }: Pick<Stack, 'imap'>, box: Mailbox, settings: { folder?: string; mode?: string } = {}) {
  const { folder = 'INBOX', mode = 'move' } = settings;
  const credentials = `${encodeURIComponent(box.user)}:${encodeURIComponent(box.password)}`;
  return `imap://${credentials}@${imap.host}:${imap.port}/${folder}?mode=${mode}&import=all`;
}

export async function withImap<T>(
  { imap }: Pick<Stack, 'imap'>,
  { user, password }: Mailbox,
  work: (client: ImapFlow) => Promise<T>,
): Promise<T> {
  const client = new ImapFlow({ ...imap, secure: false, auth: { user, pass: password }, logger: false });
  client.on('error', () => {}); // the command in hand fails as well
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.logout().catch(() => {});
  }
}

/** Puts exactly these bytes into a folder, in this order. */
export async function fill(stack: Stack, box: Mailbox, mails: (Buffer | string)[], folder = 'INBOX'): Promise<void> {
  await withImap(stack, box, async (client) => {
    for (const raw of mails) await client.append(folder, Buffer.from(raw));
  });
}

/** The same, each as if the server had received it at that instant. */
export async function fillDated(stack: Stack, box: Mailbox, mails: { raw: string; receivedAt: Date }[]): Promise<void> {
  await withImap(stack, box, async (client) => {
    for (const { raw, receivedAt } of mails) await client.append('INBOX', Buffer.from(raw), [], receivedAt);
  });
}

/** How many mails a folder has; 0 when there is no such folder. */
export async function countIn(stack: Stack, box: Mailbox, folder: string): Promise<number> {
  return withImap(stack, box, async (client) => {
    const status = await client.status(folder, { messages: true }).catch(() => null);
    return (status && status.messages) || 0;
  });
}

export function mail(headers: Record<string, string>, body: string): string {
  return [...Object.entries(headers).map(([name, value]) => `${name}: ${value}`), '', body].join('\r\n');
}

/** Ordinary mails with numbers in their subjects, from `first` on. */
export function ordinaryMails(count: number, first = 1): string[] {
  return Array.from({ length: count }, (_, index) => {
    const number = first + index;
    return mail(
      {
        From: `Mara <mara${number}@customer.test>`,
        Subject: `Mail ${number}`,
        'Message-ID': `<${number}@customer.test>`,
      },
      `Words of mail ${number}`,
    );
  });
}
