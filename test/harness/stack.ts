/** Real servers for a spec file: started before its tests in a directory of their own, gone after them. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  startServices,
  WITHOUT_MAIL_LIMITS,
  type Services,
  type ServicesOptions,
} from '../../tools/services/services.ts';
import { startStack, type Stack, type StackOptions } from '../../tools/stack/stack.ts';
import { prepareDirectory } from '../../tools/demo/directory.ts';

export interface World {
  stack: Stack;
  services: Services;
  /** What each instance logs, a file each. */
  logDirectory: string;
}

/** Starts a stack, fills the directory with the demo's people, and starts the services asked for. */
export async function startWorld({
  natsAccounts = false,
  ...options
}: Omit<Partial<ServicesOptions>, 'stack'> & Pick<StackOptions, 'natsAccounts'> = {}): Promise<World> {
  const directory = mkdtempSync(join(tmpdir(), 'helpdesk-test-'));
  const stack = await startStack({ dir: directory, keepData: process.env['KEEP_TEST_DATA'] === '1', natsAccounts });
  try {
    await prepareDirectory(stack);
    // the few people of a test get more mail in a minute than anybody else in a day
    const env = {
      'mail-ingest': { IMAP_SCAN_INTERVAL_SECONDS: '5' },
      notifier: WITHOUT_MAIL_LIMITS,
      ...options.env,
    };
    const logDirectory = join(directory, 'log');
    const services = await startServices({ ...options, env, stack, logDirectory });
    return { stack, services, logDirectory };
  } catch (error) {
    await stack.stop();
    throw error;
  }
}

export async function stopWorld(world: World | undefined): Promise<void> {
  await world?.services.stop();
  await world?.stack.stop();
}
