import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** A process named beyond doubt: a recycled pid has another start time, another boot another id. */
export interface ProcessMark {
  name: string;
  pid: number;
  /** Clock ticks since boot. */
  startTime: string;
  bootId: string;
}

/** Programs that a stack's servers consist of, as the kernel names them. */
const SERVER_PROGRAMS = new Set([
  'postgres',
  'nats-server',
  'dovecot',
  'anvil',
  'log',
  'config',
  'stats',
  'auth',
  'imap-login',
  'imap',
  'lmtp',
  'indexer',
  'indexer-worker',
  'dict',
  'ipc',
  'old-stats',
  'imap-urlauth',
]);

export function markOf(name: string, pid: number): ProcessMark | undefined {
  const status = statusOf(pid);
  return status && { name, pid, startTime: status.startTime, bootId: bootId() };
}

export function isAlive(mark: ProcessMark): boolean {
  return mark.bootId === bootId() && statusOf(mark.pid)?.startTime === mark.startTime;
}

/** Ends exactly these processes: asks first, then forces. */
export async function endProcesses(marks: ProcessMark[], patienceMs: number): Promise<void> {
  for (const mark of marks) signal(mark, stopSignal(mark.name));
  if (await haveEnded(marks, patienceMs)) return;
  for (const mark of marks) signal(mark, 'SIGKILL');
  if (await haveEnded(marks, 5_000)) return;
  const left = marks.filter(isAlive).map(({ name, pid }) => `${name} (${pid})`);
  throw new Error(`Left over from an earlier start and impossible to end: ${left.join(', ')}`);
}

/**
 * Server processes that outlived the one that started them: they stand in one of the given directories (real paths),
 * where nobody else's servers do.
 */
export function orphansIn(directories: string[]): ProcessMark[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => {
      const program = statusOf(pid)?.program;
      if (!program || !SERVER_PROGRAMS.has(program)) return false;
      const standsIn = workingDirectory(pid);
      return directories.some((directory) => standsIn === directory || standsIn?.startsWith(`${directory}/`));
    })
    .map((pid) => markOf(statusOf(pid)?.program ?? '', pid))
    .filter((mark) => mark !== undefined);
}

/** PostgreSQL takes SIGINT for "end the sessions and stop", SIGTERM for "wait until the clients have gone". */
export function stopSignal(name: string): NodeJS.Signals {
  return name === 'postgres' ? 'SIGINT' : 'SIGTERM';
}

async function haveEnded(marks: ProcessMark[], patienceMs: number): Promise<boolean> {
  const deadline = Date.now() + patienceMs;
  while (marks.some(isAlive)) {
    if (Date.now() > deadline) return false;
    await delay(20);
  }
  return true;
}

function signal(mark: ProcessMark, name: NodeJS.Signals): void {
  if (!isAlive(mark)) return;
  try {
    process.kill(mark.pid, name);
    // A suspended process hears nothing until it goes on.
    process.kill(mark.pid, 'SIGCONT');
  } catch {
    // It ended in between.
  }
}

/** @see proc_pid_stat(5); a zombie counts as ended. */
function statusOf(pid: number): { program: string; startTime: string } | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  const end = stat.lastIndexOf(')');
  const fields = stat.slice(end + 2).split(' ');
  const [state, startTime] = [fields[0], fields[19]];
  if (state === 'Z' || state === 'X' || !startTime) return undefined;
  return { program: stat.slice(stat.indexOf('(') + 1, end), startTime };
}

function workingDirectory(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined;
  }
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
