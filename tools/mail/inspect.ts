/**
 * `npm run -s mail:inspect -- FILE…|DIR` — how the help desk reads mails, without a database: one JSON line per
 * file on the standard output, in the order of their names. It looks at a mail as intake does: same limits, same rules,
 * in a thread of its own that is replaced when a mail kills it or takes too long.
 *
 * Ends with 1 when a path does not exist; a mail that cannot be read is a line with `error`.
 */
import { once } from 'node:events';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Inspection } from './inspection.ts';

const HEAP_MB = 256;
const TIMEOUT_MS = 30_000;
const THREAD = fileURLToPath(new URL('./inspect.worker.ts', import.meta.url));

function filesIn(path: string): string[] {
  const status = statSync(path, { throwIfNoEntry: false });
  if (!status) {
    console.error(`${path}: there is no such file or directory`);
    process.exitCode = 1;
    return [];
  }
  if (!status.isDirectory()) return [path];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

async function inspectAll(files: string[]): Promise<void> {
  let thread = new ReadingThread();
  for (const file of files) {
    let line: string;
    try {
      line = await thread.inspect(file);
    } catch (error) {
      line = JSON.stringify({ file, error: (error as Error).message } satisfies Inspection);
      await thread.end();
      thread = new ReadingThread();
    }
    if (!process.stdout.write(`${line}\n`)) await once(process.stdout, 'drain');
  }
  await thread.end();
}

class ReadingThread {
  private readonly worker = new Worker(THREAD, { resourceLimits: { maxOldGenerationSizeMb: HEAP_MB } });
  private pending: PromiseWithResolvers<string> | null = null;

  constructor() {
    this.worker.on('message', (line: string) => this.pending?.resolve(line));
    this.worker.on('error', (error) => this.pending?.reject(error));
    this.worker.on('exit', (code) => this.pending?.reject(new Error(`the reading thread ended with ${code}`)));
  }

  /** @throws Error when the mail costs too much time or memory; the thread is of no use then */
  inspect(file: string): Promise<string> {
    const pending = (this.pending = Promise.withResolvers<string>());
    const timer = setTimeout(() => pending.reject(new Error(`reading took longer than ${TIMEOUT_MS} ms`)), TIMEOUT_MS);
    this.worker.postMessage(file);
    return pending.promise.finally(() => clearTimeout(timer));
  }

  async end(): Promise<void> {
    await this.worker.terminate();
  }
}

const paths = process.argv.slice(2);
if (paths.length === 0) {
  console.error('usage: npm run -s mail:inspect -- FILE…|DIR');
  process.exitCode = 2;
} else {
  await inspectAll(paths.flatMap(filesIn));
}
