import type { Logger } from '#platform';
import { Worker } from 'node:worker_threads';
import type { ParseResult, ParseTask, WorkerMessage, WorkerSettings } from './parse.worker.js';

/** Heap of the parsing thread: attachments stream, so this bounds headers, texts and HTML of a batch. */
const HEAP_MB = 256;

interface Pending {
  /** The mail in hand. */
  begun: string | null;
  /** Null when the thread died on the mail in hand. */
  resolve: (results: [string, ParseResult][] | null) => void;
  /** Why it died. */
  reason: string;
}

/** A thread that takes mails apart, a batch at a time; replaced when it dies or takes too long over one mail. */
export class Parser {
  private worker: Worker | null = null;
  private pending: Pending | null = null;
  private timer: NodeJS.Timeout | undefined;

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
    worker.on('message', (message: WorkerMessage) => this.onMessage(worker, message));
    worker.on('error', (error) => this.replace(worker, `parsing failed: ${error.message}`));
    worker.on('exit', (code) => this.replace(worker, `the parsing thread ended with ${code}`));
    this.worker = worker;
    return worker;
  }

  /**
   * Takes the mails apart. One that kills the thread fails alone: the others are parsed again by the next thread.
   * One batch at a time.
   */
  async parse(tasks: ParseTask[]): Promise<Map<string, ParseResult>> {
    const failed = new Map<string, ParseResult>();
    for (;;) {
      const left = tasks.filter((task) => !failed.has(task.id));
      const pending: Pending = { begun: null, resolve: () => {}, reason: '' };
      const results = left.length === 0 ? [] : await this.run(left, pending);
      if (results) return new Map([...failed, ...results]);
      failed.set(pending.begun ?? left[0]!.id, { error: pending.reason, permanent: false });
    }
  }

  async stop(): Promise<void> {
    const worker = this.worker;
    this.worker = null;
    clearTimeout(this.timer);
    await worker?.terminate();
  }

  private run(tasks: ParseTask[], pending: Pending): Promise<[string, ParseResult][] | null> {
    const worker = this.worker ?? this.start();
    return new Promise((resolve) => {
      this.pending = Object.assign(pending, { resolve });
      this.watch(worker);
      worker.postMessage(tasks);
    });
  }

  private onMessage(worker: Worker, message: WorkerMessage): void {
    if ('begun' in message) {
      if (this.pending) this.pending.begun = message.begun;
      this.watch(worker);
    } else {
      this.settle(message.results);
    }
  }

  /** Each mail has the whole time limit to itself. */
  private watch(worker: Worker): void {
    clearTimeout(this.timer);
    const reason = `parsing took longer than ${this.timeoutMs} ms`;
    this.timer = setTimeout(() => this.replace(worker, reason), this.timeoutMs);
  }

  private settle(results: [string, ParseResult][] | null): void {
    clearTimeout(this.timer);
    const pending = this.pending;
    this.pending = null;
    pending?.resolve(results);
  }

  private replace(worker: Worker, reason: string): void {
    if (worker !== this.worker) return; // stopped on purpose, or replaced already
    this.worker = null;
    void worker.terminate();
    this.log.warn({ inboundId: this.pending?.begun, reason }, 'parsing thread replaced');
    if (this.pending) this.pending.reason = reason;
    this.settle(null);
  }
}
