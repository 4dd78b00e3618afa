import { parseArgs } from 'node:util';
import { startStack, stopOnSignals } from './stack.ts';

/** `node tools/stack/main.ts [--dir <data directory>]`: the servers alone, until Ctrl-C. */
const { values } = parseArgs({ options: { dir: { type: 'string' } } });

const stack = await startStack({
  ...(values.dir ? { dir: values.dir } : {}),
  databaseUrl: process.env['DATABASE_URL'],
  natsUrl: process.env['NATS_URL'],
  log: (line) => console.log(line),
});
stopOnSignals(stack);

console.log(`\nDATABASE_URL=${stack.databaseUrl}\nNATS_URL=${stack.natsUrl}`);
console.log(`IMAP ${stack.imap.host}:${stack.imap.port}, SMTP ${stack.smtp.host}:${stack.smtp.port}`);
for (const { user, password } of stack.mailboxes) console.log(`Mailbox ${user}, password ${password}`);
console.log('\nCtrl-C stops it.');
