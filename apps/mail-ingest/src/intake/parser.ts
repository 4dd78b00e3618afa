import type { Logger } from '#platform';
import { Worker } from 'node:worker_threads';
import type { MailIngestEnv } from '../env.js';
import type {
  MailboxTerms,
  ParseResult,
  ParseTask,
  WorkerBatch,
  WorkerMessage,
  WorkerSettings,
} from './parse.worker.js';
import { senderSettingsOf } from './sender-policy.js';

/** Of the thread's heap, the young generation, which otherwise grows to 100 MB and more over small mails. */
const YOUNG_MB = 16;
/** A thread may take this long before it begins the first mail of a batch: start, and read the raw bytes. */
const BEGIN_LIMIT_MS = 30_000;

/** A thread that had nothing to do for so long is ended: a quiet mailbox costs no memory. */
const IDLE_LIMIT_MS = 5 * 60_000;

/** Of the mails just stored, this much is kept so that it need not be read back from the database. */
const REMEMBERED_BYTES = 8 * 1024 * 1024;

interface ParserLimits {
  /** For one mail. */
  timeoutMs: number;
  /** Heap of the thread. Attachments stream, so it bounds headers, texts and HTML of a batch. */
  heapMb: number;
}

/** Nobody could read mails; no mail is to blame. */
export class ParserUnavailable extends Error {}

type Outcome = { results: [string, ParseResult][] } | { died: string; begun: string } | { unavailable: string };

interface Pending {
  /** The mail in hand. */
  begun: string | null;
  resolve: (outcome: Outcome) => void;
}

/** A thread that takes mails apart, a batch at a time; replaced when it dies or takes too long over one mail. */
export class Parser {
  private worker: Worker | null = null;
  private stopped = false;
  private pending: Pending | null = null;
  private timer: NodeJS.Timeout | undefined;
  private idleTimer: NodeJS.Timeout | undefined;
  private readonly remembered = new Map<string, Buffer>();
  private rememberedBytes = 0;

  constructor(
    private readonly settings: WorkerSettings,
    private readonly mailboxes: () => MailboxTerms[],
    private readonly limits: ParserLimits,
    private readonly log: Logger,
  ) {}

  private start(): Worker {
    const worker = new Worker(new URL('./parse.worker.js', import.meta.url), {
      workerData: this.settings,
      resourceLimits: { maxOldGenerationSizeMb: this.limits.heapMb, maxYoungGenerationSizeMb: YOUNG_MB },
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
   * @throws ParserUnavailable when the database is away, the thread does not start, or the parser was stopped
   */
  async parse(tasks: ParseTask[]): Promise<Map<string, ParseResult>> {
    const failed = new Map<string, ParseResult>();
    for (;;) {
      const left = tasks.filter((task) => !failed.has(task.id));
      const outcome: Outcome = left.length === 0 ? { results: [] } : await this.run(left);
      if ('results' in outcome) return new Map([...failed, ...outcome.results]);
      if ('unavailable' in outcome) throw new ParserUnavailable(outcome.unavailable);
      failed.set(outcome.begun, { error: outcome.died, permanent: false });
    }
  }

  /** @param raw the bytes of mails that will be parsed soon, by their sha256 */
  remember(raw: Map<string, Buffer>): void {
    for (const [sha256, bytes] of raw) {
      if (this.rememberedBytes + bytes.length > REMEMBERED_BYTES || this.remembered.has(sha256)) continue;
      this.remembered.set(sha256, bytes);
      this.rememberedBytes += bytes.length;
    }
  }

  private recall(sha256: string): Buffer | undefined {
    const bytes = this.remembered.get(sha256);
    this.remembered.delete(sha256);
    this.rememberedBytes -= bytes?.length ?? 0;
    return bytes;
  }

  /** A batch in hand is given up. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.idleTimer);
    const worker = this.worker;
    this.worker = null;
    this.settle({ unavailable: 'stopped' });
    await worker?.terminate();
  }

  private run(tasks: ParseTask[]): Promise<Outcome> {
    if (this.stopped) return Promise.resolve({ unavailable: 'stopped' });
    clearTimeout(this.idleTimer);
    const worker = this.worker ?? this.start();
    return new Promise((resolve) => {
      this.pending = { begun: null, resolve };
      this.watch(worker);
      const batch: WorkerBatch = {
        mailboxes: this.mailboxes(),
        tasks: tasks.map((task) => ({ ...task, raw: this.recall(task.rawSha256) })),
      };
      worker.postMessage(batch);
    });
  }

  private onMessage(worker: Worker, message: WorkerMessage): void {
    if ('begun' in message) {
      if (this.pending) this.pending.begun = message.begun;
      this.watch(worker);
    } else {
      this.settle(message);
    }
  }

  /** Each mail has the whole time limit to itself. */
  private watch(worker: Worker): void {
    clearTimeout(this.timer);
    const limit = this.pending?.begun === null ? BEGIN_LIMIT_MS : this.limits.timeoutMs;
    this.timer = setTimeout(() => this.replace(worker, `parsing took longer than ${limit} ms`), limit);
  }

  private settle(outcome: Outcome): void {
    clearTimeout(this.timer);
    clearTimeout(this.idleTimer); // a thread that dies at rest was settled before
    const pending = this.pending;
    this.pending = null;
    if (!this.stopped) this.idleTimer = setTimeout(() => this.rest(), IDLE_LIMIT_MS).unref();
    pending?.resolve(outcome);
  }

  private rest(): void {
    const worker = this.worker;
    this.worker = null;
    void worker?.terminate();
  }

  private replace(worker: Worker, reason: string): void {
    if (worker !== this.worker) return; // stopped on purpose, or replaced already
    this.worker = null;
    void worker.terminate();
    const begun = this.pending?.begun ?? null;
    this.log.warn({ inboundId: begun, reason }, 'parsing thread replaced');
    this.settle(begun === null ? { unavailable: reason } : { died: reason, begun });
  }
}

/** @param mailboxes all that are read at present */
export function parserOf(env: MailIngestEnv, mailboxes: () => MailboxTerms[], log: Logger): Parser {
  const own = { loopToken: env.MAIL_LOOP_TOKEN, signingKey: env.MAIL_SIGNING_KEY };
  const settings = { databaseUrl: env.DATABASE_URL, limits: limitsOf(env), own, senders: senderSettingsOf(env) };
  const limits = { timeoutMs: env.MAIL_PARSE_TIMEOUT_MS, heapMb: env.MAIL_PARSE_HEAP_MB };
  return new Parser(settings, mailboxes, limits, log);
}

function limitsOf(env: MailIngestEnv): WorkerSettings['limits'] {
  return {
    rawBytes: env.MAIL_MAX_BYTES,
    headerBytes: env.MAIL_MAX_HEADER_BYTES,
    parts: env.MAIL_MAX_PARTS,
    depth: env.MAIL_MAX_DEPTH,
    addresses: env.MAIL_MAX_RECIPIENTS,
    attachments: env.MAIL_MAX_ATTACHMENTS,
  };
}
