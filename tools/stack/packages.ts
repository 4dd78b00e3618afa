import { execFile } from 'node:child_process';
import { accessSync, constants, openSync, closeSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Where distributions put servers that an ordinary user's PATH leaves out. */
const SYSTEM_DIRECTORIES = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/local/bin', '/usr/bin'];
const DOVECOT_LIBRARIES = ['/usr/lib/dovecot', '/usr/libexec/dovecot', '/usr/local/libexec/dovecot'];

const APT_INSTALL = `
set -e
export DEBIAN_FRONTEND=noninteractive
if [ ! -e /usr/sbin/policy-rc.d ]; then
  printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d
  chmod 755 /usr/sbin/policy-rc.d
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
apt-get -o DPkg::Lock::Timeout=120 update
apt-get -o DPkg::Lock::Timeout=120 install -y --no-install-recommends "$@"
`;

export interface Programs {
  natsServer: string;
  dovecot: string;
}

/**
 * Finds the servers that npm does not carry and, on Debian or Ubuntu and when this user may, installs what is missing.
 * @param wanted which of them this stack needs
 * @param logFile where apt's output goes
 * @throws Error with one sentence that names what to install
 */
export async function findPrograms(
  wanted: { nats: boolean; dovecot: boolean },
  logFile: string,
  log: (line: string) => void,
): Promise<Programs> {
  const missing = missingPackages(wanted);
  if (missing.length > 0) await install(missing, logFile, log);
  const stillMissing = missingPackages(wanted);
  if (stillMissing.length > 0) throw new Error(`${howToInstall(stillMissing)} (see ${logFile})`);
  const programs = { natsServer: find('nats-server') ?? '', dovecot: find('dovecot') ?? '' };
  if (wanted.dovecot) await checkDovecotVersion(programs.dovecot);
  return programs;
}

function missingPackages(wanted: { nats: boolean; dovecot: boolean }): string[] {
  const missing: string[] = [];
  if (wanted.nats && !find('nats-server')) missing.push('nats-server');
  if (wanted.dovecot && (!find('dovecot') || !findDovecotService('imap'))) missing.push('dovecot-imapd');
  if (wanted.dovecot && !findDovecotService('lmtp')) missing.push('dovecot-lmtpd');
  return missing;
}

function find(program: string): string | undefined {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter).filter(Boolean), ...SYSTEM_DIRECTORIES];
  return directories.map((directory) => join(directory, program)).find(isExecutable);
}

function findDovecotService(service: string): string | undefined {
  return DOVECOT_LIBRARIES.map((directory) => join(directory, service)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function install(packages: string[], logFile: string, log: (line: string) => void): Promise<void> {
  const shell = await privilegedShell();
  if (!find('apt-get') || !shell) throw new Error(howToInstall(packages));
  log(`Installing ${packages.join(', ')} with apt-get (output in ${logFile})`);
  const [command, ...args] = [...shell, '-c', APT_INSTALL, 'install', ...packages] as [string, ...string[]];
  const output = openSync(logFile, 'a');
  try {
    await new Promise<void>((resolve, reject) => {
      const child = spawn(command, args, { stdio: ['ignore', output, output] });
      child.once('error', reject);
      // A failure shows by what is still missing, and is reported then.
      child.once('exit', () => resolve());
    });
  } finally {
    closeSync(output);
  }
}

/** The words that start a shell as root, or undefined when this user may not become root without being asked. */
async function privilegedShell(): Promise<string[] | undefined> {
  if (process.getuid?.() === 0) return ['/bin/sh'];
  const sudo = find('sudo');
  if (!sudo) return undefined;
  return run(sudo, ['-n', 'true']).then(
    () => [sudo, '-n', '/bin/sh'],
    () => undefined,
  );
}

function howToInstall(packages: string[]): string {
  return (
    `The stack needs ${packages.join(', ')}: install with "apt-get install ${packages.join(' ')}" ` +
    `(or the like of your system), or use "docker compose up"`
  );
}

async function checkDovecotVersion(dovecot: string): Promise<void> {
  const { stdout } = await run(dovecot, ['--version']);
  if (!stdout.startsWith('2.3.')) {
    throw new Error(`The stack needs Dovecot 2.3 and ${dovecot} is ${stdout.trim()}: use "docker compose up"`);
  }
}
