import { createHash } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import type { Home } from './home.ts';
import { endProcesses, markOf, orphansIn, type ProcessMark } from './processes.ts';

/** What a running stack has written down in `stack.json`, so that the next start can clean up after a crash. */
interface Entries {
  launcher: number;
  servers: ProcessMark[];
  /** Directories outside the home, removed with the stack. */
  directories: string[];
  /** How to reach the stack, for other tools. */
  addresses: Record<string, unknown>;
}

/** How long a leftover server gets to end by itself. */
const PATIENCE_MS = 8_000;

/**
 * The register of one data directory. Having it open is the right to run a stack there: the lock is an abstract socket,
 * which the kernel releases when the launcher ends, however it ends.
 */
export class Register {
  private readonly file: string;
  private readonly lock: Server;
  private readonly entries: Entries = { launcher: process.pid, servers: [], directories: [], addresses: {} };

  private constructor(file: string, lock: Server) {
    this.file = file;
    this.lock = lock;
  }

  /**
   * Takes the data directory and ends what a crashed stack left behind in it.
   * @throws Error when another launcher runs a stack there
   */
  static async open(home: Home, log: (line: string) => void): Promise<Register> {
    const file = join(home.directory, 'stack.json');
    const lock = await takeLock(home.directory);
    if (!lock) {
      const holder = read(file)?.launcher;
      const by = holder === undefined ? '' : ` (process ${holder})`;
      throw new Error(
        `A stack is already running in ${home.directory}${by}: stop it first or choose another directory`,
      );
    }
    const register = new Register(file, lock);
    try {
      await cleanUp(read(file), home, log);
      register.write();
    } catch (error) {
      lock.close();
      throw error;
    }
    return register;
  }

  addServer(name: string, pid: number): void {
    const mark = markOf(name, pid);
    if (!mark) return;
    this.entries.servers = [...this.entries.servers.filter((server) => server.name !== name), mark];
    this.write();
  }

  addDirectory(path: string): void {
    this.entries.directories.push(path);
    this.write();
  }

  setAddresses(addresses: Record<string, unknown>): void {
    this.entries.addresses = addresses;
    this.write();
  }

  async close(): Promise<void> {
    for (const directory of this.entries.directories) rmSync(directory, { recursive: true, force: true });
    rmSync(this.file, { force: true });
    await new Promise((resolve) => this.lock.close(resolve));
  }

  private write(): void {
    writeFileSync(`${this.file}.new`, `${JSON.stringify(this.entries, undefined, 2)}\n`, { mode: 0o600 });
    renameSync(`${this.file}.new`, this.file);
  }
}

async function cleanUp(left: Entries | undefined, home: Home, log: (line: string) => void): Promise<void> {
  const directories = [home.data, ...(left?.directories ?? [])];
  if (left) {
    log(`Cleaning up after process ${left.launcher}, which did not stop its stack`);
    await endProcesses(left.servers, PATIENCE_MS);
  }
  await endProcesses(orphansIn(directories), PATIENCE_MS);
  for (const directory of left?.directories ?? []) rmSync(directory, { recursive: true, force: true });
}

function takeLock(directory: string): Promise<Server | undefined> {
  const name = createHash('sha256').update(directory).digest('hex');
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    );
    server.listen(`\0helpdesk-stack-${name}`, () => resolve(server.unref()));
  });
}

function read(file: string): Entries | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Entries;
  } catch {
    return undefined;
  }
}
