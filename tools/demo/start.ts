/** `npm start`: the stack and the four services, until Ctrl-C. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startServices } from '../services/services.ts';
import { startStack, stopOnSignals } from '../stack/stack.ts';
import { ACCOUNTS, prepareDirectory } from './directory.ts';

const directory = fileURLToPath(new URL('../../.stack', import.meta.url));
const stack = await startStack({
  dir: directory,
  databaseUrl: process.env['DATABASE_URL'],
  natsUrl: process.env['NATS_URL'],
  log: (line) => console.log(line),
});
let stopServices = async (): Promise<void> => undefined;
stopOnSignals(stack, () => stopServices());

try {
  await prepareDirectory(stack);
  const services = await startServices({ stack, logDirectory: join(directory, 'log'), gatewayPort: 3000 });
  stopServices = () => services.stop();
  console.log(`
REST API        ${services.apiUrl}   (documentation at ${services.apiUrl}/docs)
Operations      ${services.instances.map((one) => `${one.name} ${one.opsUrl}`).join('\n                ')}
Support mail    ${stack.mailboxes.map((mailbox) => mailbox.address).join(', ')}
SMTP            ${stack.smtp.host}:${stack.smtp.port}   (mail to the support addresses becomes a ticket)
IMAP            ${stack.imap.host}:${stack.imap.port}

Accounts (also mailboxes, with the mailbox password):`);
  for (const { kind, name, email } of Object.values(ACCOUNTS)) {
    const mailbox = await stack.addMailbox(email);
    console.log(
      `  ${email.padEnd(22)} ${kind} ${name}; password ${stack.accountPassword(email)}; mailbox ${mailbox.password}`,
    );
  }
  console.log(`
Send a mail:
  curl --url smtp://${stack.smtp.host}:${stack.smtp.port} --mail-from ${ACCOUNTS.zoe.email} --mail-rcpt ${stack.mailboxes[0]!.address} \\
    --upload-file - <<'MAIL'
  From: Zoe <${ACCOUNTS.zoe.email}>
  To: ${stack.mailboxes[0]!.address}
  Subject: The line to Bern is down

  Since ten o'clock.
  MAIL

Ctrl-C stops everything.`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  await stopServices();
  await stack.stop();
  process.exitCode = 1;
}
