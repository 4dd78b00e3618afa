/** CPU time and memory of processes and their children, from /proc (Linux). */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

/** The kernel counts CPU time in ticks of 10 ms. */
const TICKS_PER_SECOND = 100;

interface Stat {
  parent: number;
  /** Own and waited-for children's user and system time. */
  cpuSeconds: number;
}

function statOf(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const [user, system, childUser, childSystem] = fields.slice(11, 15) as [number, number, number, number];
    return { parent: fields[1]!, cpuSeconds: (user + system + childUser + childSystem) / TICKS_PER_SECOND };
  } catch {
    return undefined; // it has just ended; its time is in its parent's account
  }
}

/** Seconds of CPU that the processes and everything below them have used so far. */
export function cpuSeconds(pids: number[]): number {
  const stats = new Map<number, Stat>();
  for (const name of readdirSync('/proc')) {
    const stat = /^\d+$/.test(name) ? statOf(Number(name)) : undefined;
    if (stat) stats.set(Number(name), stat);
  }
  const isBelow = (pid: number): boolean => {
    for (let at: number | undefined = pid; at !== undefined && at > 1; at = stats.get(at)?.parent) {
      if (pids.includes(at)) return true;
    }
    return false;
  };
  return [...stats].filter(([pid]) => isBelow(pid)).reduce((sum, [, stat]) => sum + stat.cpuSeconds, 0);
}

/** Resident memory of one process in MiB: now and at its highest. */
export function memoryMiB(pid: number): { now: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const value = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) / 1024;
  return { now: value('VmRSS'), peak: value('VmHWM') };
}

/** The peak is counted anew from now on. */
export function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

/** @param share 0.5 is the median */
export function percentile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}
