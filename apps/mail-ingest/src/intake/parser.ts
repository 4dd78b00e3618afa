import type { ParsedMail } from '#mail';
import type { Logger } from '#platform';
import { Worker } from 'node:worker_threads';
import type { ParseAnswer, ParseTask, WorkerSettings } from './parse.worker.js';

/** Heap of the parsing thread: attachments stream, so this bounds headers, texts and HTML of one mail. */
const HEAP_MB = 256;

export type ParseResult =
  | { mail: ParsedMail; contentSha256: string }
  /** `permanent`: this mail will never be read. Otherwise it may be tried again. */
  | { error: string; permanent: boolean };

interface Pending {
  task: ParseTask;
  resolve: (result: ParseResult) => void;
}

/** One thread that takes mails apart one after another; replaced when it dies or takes too long. */
export class Parser {
  private worker: Worker | null = null;
  private pending: Pending | null = null;

  constructor(
    private readonly settings: WorkerSettings,
    private readonly timeoutMs: number,
    private readonly log: Logger,
  ) {}

  /** Starts the thread ahead of the first mail. */
  start(): Worker {
    const worker = new Worker(new URL('./parse.worker.js', import.meta.url), {
      workerData: this.settings,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
    });
    worker.on('message', (answer: ParseAnswer) => this.settle(answer));
    worker.on('error', (error) => this.replace(worker, `parsing failed: ${error.message}`));
    worker.on('exit', (code) => this.replace(worker, `the parsing thread ended with ${code}`));
    this.worker = worker;
    return worker;
  }

  /** One at a time: the caller waits for the answer before it asks again. */
  async parse(task: ParseTask): Promise<ParseResult> {
    const worker = this.worker ?? this.start();
    const tooLong = `parsing took longer than ${this.timeoutMs} ms`;
    const timer = setTimeout(() => this.replace(worker, tooLong), this.timeoutMs);
    try {
      return await new Promise<ParseResult>((resolve) => {
        this.pending = { task, resolve };
        worker.postMessage(task);
      });
    } finally {
      clearTimeout(timer);
    }
  }

  async stop(): Promise<void> {
    const worker = this.worker;
    this.worker = null;
    await worker?.terminate();
  }

  private settle(result: ParseResult): void {
    const pending = this.pending;
    this.pending = null;
    pending?.resolve(result);
  }

  private replace(worker: Worker, reason: string): void {
    if (worker !== this.worker) return; // stopped on purpose, or replaced already
    this.worker = null;
    void worker.terminate();
    this.log.warn({ inboundId: this.pending?.task.id, reason }, 'parsing thread replaced');
    this.settle({ error: reason, permanent: false });
  }
}
