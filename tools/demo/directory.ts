/** The people of the demo: two employees, two customers of two organisations, and what they run. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Stack } from '../stack/stack.ts';

export interface Account {
  kind: 'employee' | 'customer';
  name: string;
  email: string;
  organisation?: string;
}

export const ACCOUNTS = {
  erik: { kind: 'employee', name: 'Erik Sørensen', email: 'erik@helpdesk.test' },
  eva: { kind: 'employee', name: 'Eva Nováková', email: 'eva@helpdesk.test' },
  zoe: { kind: 'customer', name: 'Zoë Müller', email: 'zoe@customer.test', organisation: 'Käserei Müller AG' },
  otto: { kind: 'customer', name: 'Otto Weiß', email: 'otto@other.test', organisation: 'Weiß Logistik' },
} as const satisfies Record<string, Account>;

const IMPORT = fileURLToPath(new URL('../../dist/apps/tickets/src/directory/import.command.js', import.meta.url));

/** Fills the directory of an empty or older database, and gives everybody a mailbox. */
export async function prepareDirectory(stack: Stack, databaseUrl = stack.databaseUrl): Promise<void> {
  const people: Account[] = Object.values(ACCOUNTS);
  for (const { email } of people) await stack.addMailbox(email);
  await stack.addMailbox(`team@${stack.domain}`);
  const directory = {
    organisations: [
      { name: 'Käserei Müller AG', emailDomains: ['customer.test'] },
      { name: 'Weiß Logistik', emailDomains: ['other.test'] },
    ],
    infrastructures: [
      { name: 'zrh-core-1', organisation: 'Käserei Müller AG' },
      { name: 'ham-edge-3', organisation: 'Weiß Logistik' },
    ],
    people: people.map((person) => ({ ...person, password: stack.accountPassword(person.email) })),
  };
  const folder = await mkdtemp(join(tmpdir(), 'helpdesk-directory-'));
  try {
    const file = join(folder, 'directory.json');
    await writeFile(file, JSON.stringify(directory), { mode: 0o600 });
    const env = {
      PATH: process.env['PATH'],
      DATABASE_URL: databaseUrl,
      NATS_URL: stack.natsUrl,
      SUPPORT_ADDRESS: stack.mailboxes[0]!.address,
    };
    await promisify(execFile)(process.execPath, [IMPORT, file], { env });
  } finally {
    await rm(folder, { recursive: true });
  }
}
