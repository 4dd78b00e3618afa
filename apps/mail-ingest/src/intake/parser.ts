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

/** One thread that takes mails apart one after another; replaced when it dies or takes too long. */
export class Parser {
  private worker: Worker | null = null;

  constructor(
    private readonly settings: WorkerSettings,
    private readonly timeoutMs: number,
    private readonly log: Logger,
  ) {}

  async parse(task: ParseTask): Promise<ParseResult> {
    const worker = (this.worker ??= this.start());
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<ParseResult>((resolve, reject) => {
        const fail = (reason: string) => reject(new Error(reason));
        timer = setTimeout(() => fail(`parsing took longer than ${this.timeoutMs} ms`), this.timeoutMs);
        worker.once('message', (answer: ParseAnswer) => resolve(answer));
        worker.once('error', (error) => fail(`parsing failed: ${error.message}`));
        worker.once('exit', (code) => fail(`the parsing thread ended with ${code}`));
        worker.postMessage(task);
      });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.log.warn({ inboundId: task.id, reason }, 'parsing thread replaced');
      await this.stop();
      return { error: reason, permanent: false };
    } finally {
      clearTimeout(timer);
      worker.removeAllListeners();
      worker.on('error', () => {}); // a dying thread has nobody left to tell
    }
  }

  async stop(): Promise<void> {
    await this.worker?.terminate();
    this.worker = null;
  }

  private start(): Worker {
    return new Worker(new URL('./parse.worker.js', import.meta.url), {
      workerData: this.settings,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
    });
  }
}
