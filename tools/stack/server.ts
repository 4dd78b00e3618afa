import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { ServerUser } from './home.ts';
import { stopSignal } from './processes.ts';

/** One server process: started in a process group of its own, its output kept in a file, ended with the launcher. */
export interface Server {
  /** Undefined while it does not run. */
  readonly pid: number | undefined;
  /** Starts it on the same port and data as before and waits until it answers. */
  start(): Promise<void>;
  /** Ends it in good order; a server that does not end within 15 s is killed. */
  stop(): Promise<void>;
  /** Kills it (SIGKILL), as a crash would. */
  kill(): Promise<void>;
}

export interface ServerPlan {
  name: string;
  command: string;
  args: string[];
  /** Variables besides PATH and the locale. */
  env?: Record<string, string>;
  directory: string;
  user: ServerUser;
  logFile: string;
  /** Called before every start, for what a crash may have left. */
  prepare?(): Promise<void>;
  /** Whether it answers; called until it does. */
  isReady(): Promise<boolean>;
  /** Called with the process as soon as there is one. */
  onSpawn(pid: number): void;
  log(line: string): void;
}

/** The port that was free a moment ago has gone to somebody else: choose another one. */
export class PortTaken extends Error {}

const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 15_000;

export function server(plan: ServerPlan): Server {
  let child: ChildProcess | undefined;
  let ended: Promise<void> = Promise.resolve();
  let isWanted = false;

  const endAbruptly = () => {
    // Nothing can be awaited in a process that exits; PostgreSQL still gets to close its shared memory.
    if (child) signalGroup(child, plan.name === 'postgres' ? 'SIGQUIT' : 'SIGKILL');
  };

  async function start(): Promise<void> {
    if (child) throw new Error(`${plan.name} is running already`);
    await plan.prepare?.();
    const output = openSync(plan.logFile, 'a', 0o600);
    const logStart = fstatSync(output).size;
    const [command, ...args] = [...tiedToLauncher(plan.name), plan.command, ...plan.args] as [string, ...string[]];
    const started = spawn(command, args, {
      cwd: plan.directory,
      uid: plan.user.uid,
      gid: plan.user.gid,
      env: { PATH: process.env['PATH'], LC_ALL: 'C', ...plan.env },
      stdio: ['ignore', output, output],
      detached: true,
    });
    closeSync(output);
    child = started;
    let failure: string | undefined;
    ended = new Promise((resolve) => {
      const end = (how: string) => {
        failure = how;
        child = undefined;
        process.off('exit', endAbruptly);
        resolve();
      };
      started.once('error', (error) => end(error.message));
      started.once('exit', (code, signal) => {
        end(signal ?? `exit code ${code}`);
        signalGroup(started, 'SIGKILL');
        if (isWanted) plan.log(`${plan.name} has ended unexpectedly (${failure}): see ${plan.logFile}`);
      });
    });
    process.once('exit', endAbruptly);
    if (started.pid !== undefined) plan.onSpawn(started.pid);

    const deadline = Date.now() + START_LIMIT_MS;
    while (!failure && !(await plan.isReady())) {
      if (Date.now() > deadline) {
        await stop();
        throw new Error(`${plan.name} has not answered within ${START_LIMIT_MS / 1000} s: see ${plan.logFile}`);
      }
      await delay(20);
    }
    if (failure) {
      const said = readFileSync(plan.logFile).subarray(logStart).toString('utf8');
      if (/address already in use/i.test(said)) throw new PortTaken(`${plan.name}: its port is taken`);
      const lastLines = said.trim().split('\n').slice(-5).join('\n');
      throw new Error(`${plan.name} did not start (${failure}): see ${plan.logFile}\n${lastLines}`);
    }
    isWanted = true;
  }

  async function stop(): Promise<void> {
    isWanted = false;
    const stopping = child;
    if (!stopping) return;
    stopping.kill(stopSignal(plan.name));
    const timer = setTimeout(() => signalGroup(stopping, 'SIGKILL'), STOP_LIMIT_MS);
    await ended;
    clearTimeout(timer);
  }

  async function kill(): Promise<void> {
    isWanted = false;
    child?.kill('SIGKILL');
    await ended;
  }

  return {
    get pid() {
      return child?.pid;
    },
    start,
    stop,
    kill,
  };
}

/**
 * The words that make the kernel stop the server when the launcher dies, before the command. Where there is no such
 * program, a crashed launcher's servers stay until the next start.
 */
function tiedToLauncher(name: string): string[] {
  const words = ['/usr/bin/setpriv', '--pdeathsig', stopSignal(name).replace('SIG', ''), '--'] as const;
  return spawnSync(words[0], [...words.slice(1), 'true']).status === 0 ? [...words] : [];
}

/** Starts a server on ports that `plan` chooses, again on others when somebody was faster. */
export async function startOnFreePort<T extends { server: Server }>(plan: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const planned = await plan();
    try {
      await planned.server.start();
      return planned;
    } catch (error) {
      if (!(error instanceof PortTaken) || attempt === 5) throw error;
    }
  }
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group is empty.
  }
}
