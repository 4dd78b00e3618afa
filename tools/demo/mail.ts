/** A mail user: sends by SMTP and waits for what arrives in an IMAP mailbox. */
import { ImapFlow } from 'imapflow';
import { simpleParser, type ParsedMail } from 'mailparser';
import { createTransport, type SendMailOptions } from 'nodemailer';
import type { Mailbox, Stack } from '../stack/stack.ts';

const POLL_MS = 100;

/** @returns the Message-ID that the mail was sent with */
export async function sendMail(stack: Pick<Stack, 'smtp'>, mail: SendMailOptions): Promise<string> {
  const transport = createTransport({ ...stack.smtp, secure: false, ignoreTLS: true });
  try {
    const sent = await transport.sendMail(mail);
    return sent.messageId;
  } finally {
    transport.close();
  }
}

/** Waits until the mailbox holds a mail that fits. @throws when none arrives in time */
export async function awaitMail(
  stack: Pick<Stack, 'imap'>,
  mailbox: Mailbox,
  fits: (mail: ParsedMail) => boolean,
  limitMs = 30_000,
): Promise<ParsedMail> {
  const client = new ImapFlow({
    ...stack.imap,
    secure: false,
    auth: { user: mailbox.user, pass: mailbox.password },
    logger: false,
  });
  client.on('error', () => {}); // the command in hand fails as well and says why
  await client.connect();
  try {
    await client.mailboxOpen('INBOX');
    const deadline = Date.now() + limitMs;
    while (Date.now() < deadline) {
      for (const uid of (await client.search({ all: true }, { uid: true })) || []) {
        const message = await client.fetchOne(String(uid), { source: true }, { uid: true });
        const mail = message && message.source ? await simpleParser(message.source) : undefined;
        if (mail && fits(mail)) return mail;
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      await client.noop();
    }
    throw new Error(`no such mail arrived at ${mailbox.address} within ${limitMs / 1000} s`);
  } finally {
    await client.logout();
  }
}
