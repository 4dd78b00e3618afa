/** Puts exactly these bytes into a mailbox over SMTP; nothing is repaired on the way. */
import SMTPConnection from 'nodemailer/lib/smtp-connection/index.js';
import type { Stack } from '../../tools/stack/stack.ts';

export async function sendRaw(
  stack: Pick<Stack, 'smtp'>,
  from: string,
  to: string,
  raw: Buffer | string,
): Promise<void> {
  const connection = new SMTPConnection({ ...stack.smtp, secure: false, ignoreTLS: true });
  await new Promise<void>((resolve, reject) => {
    connection.once('error', reject);
    connection.connect((error) => (error ? reject(error) : resolve()));
  });
  try {
    await new Promise<void>((resolve, reject) => {
      connection.send({ from, to }, raw, (error) => (error ? reject(error) : resolve()));
    });
  } finally {
    connection.quit();
  }
}
