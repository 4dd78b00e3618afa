/**
 * A durable JetStream pull consumer as a Nest transport: facts in, one handler per event type.
 *
 * A handler returns what is to become of the message: done → ack; retry → again after a while; discard → dead letter and
 * term. A handler that throws is retried with growing delays and then dead-lettered, so a poison message never blocks
 * the others and never vanishes.
 *
 * A ticket's events are handled one after another, in order, as long as one process consumes: a short retry happens in
 * place while the ticket's later events wait. After a long one (LONGEST_HOLD_MS) they may overtake it; each event's
 * `sequence` tells. Works on nats-server 2.9.
 */
import { CloudEvent, TICKET_STREAM, TICKET_SUBJECTS, type EventContract } from '#contracts';
import { type CustomTransportStrategy, EventPattern, Server, type MessageHandler } from '@nestjs/microservices';
import {
  AckPolicy,
  DeliverPolicy,
  jetstream,
  jetstreamManager,
  type ConsumerMessages,
  type JsMsg,
} from '@nats-io/jetstream';
import { nanos, type NatsConnection } from '@nats-io/transport-node';
import { lastValueFrom } from 'rxjs';
import { runInContext } from './context.js';
import { pause } from './leader.js';
import type { Logger } from './logging.js';
import { ensureTicketStream } from './ticket-stream.js';
import { parseMessage } from './validation.js';

const JETSTREAM = Symbol('JETSTREAM');
const WHOLE_STREAM = Symbol('WHOLE_STREAM');
const EVERY_EVENT = 'every event';

/** What becomes of a message. */
export type Outcome = 'done' | { retryAfterMs: number } | { discard: string };

/** Binds a controller method to an event; it gets the CloudEvent with validated data. */
export function OnEvent<Data extends object>(contract: EventContract<Data>) {
  return <M extends (event: CloudEvent<Data>) => Promise<Outcome>>(
    target: object,
    key: string | symbol,
    descriptor: TypedPropertyDescriptor<M>,
  ): void => {
    (EventPattern(contract.type, JETSTREAM, { contract }) as MethodDecorator)(target, key, descriptor);
  };
}

/** An event as it is on the stream. */
export interface StreamedEvent {
  /** The envelope; its data is not looked into. */
  event: CloudEvent;
  /** The whole of it, as it was published. */
  json: string;
}

/** Binds a controller method to all events, whatever their type, of the consumer that takes the `whole` stream. */
export function OnEveryEvent() {
  return <M extends (event: StreamedEvent) => Promise<Outcome>>(
    target: object,
    key: string | symbol,
    descriptor: TypedPropertyDescriptor<M>,
  ): void => {
    (EventPattern(EVERY_EVENT, WHOLE_STREAM) as MethodDecorator)(target, key, descriptor);
  };
}

export interface JetStreamOptions {
  /** The consumer's name; instances with the same name share the work. */
  durable: string;
  /** For the handler of every event, instead of those of single types. */
  whole?: boolean;
  /** Messages in hand at once, each of another ticket. */
  concurrency?: number;
  maxDeliver?: number;
  ackWaitMs?: number;
}

const RETRY_DELAYS_MS = [500, 2_000, 10_000, 60_000, 300_000];
const MAX_ATTEMPTS = 8;
/** Up to this delay a ticket's later events wait for the one that is retried. */
const LONGEST_HOLD_MS = 10_000;

export class JetStreamStrategy extends Server implements CustomTransportStrategy {
  override readonly transportId: symbol;
  override readonly propagatesEventHandlerErrors = true;
  private messages?: ConsumerMessages;
  private loop?: Promise<void>;
  private readonly stopping = new AbortController();
  private readonly inFlight = new Set<Promise<void>>();
  /** Per ticket, the end of its queue. */
  private readonly tails = new Map<string, Promise<void>>();

  constructor(
    private readonly connection: NatsConnection,
    private readonly options: JetStreamOptions,
    private readonly log: Logger,
  ) {
    super();
    this.transportId = options.whole ? WHOLE_STREAM : JETSTREAM;
  }

  listen(callback: (error?: unknown) => void): void {
    this.loop = this.consumeForEver();
    callback();
  }

  /** A fresh nats-server may have lost the stream and the consumer: make them again and go on. */
  private async consumeForEver(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      try {
        await this.consume();
      } catch (error) {
        if (this.stopping.signal.aborted) return;
        this.log.warn({ err: error }, 'event consumer interrupted');
        await pause(1_000, this.stopping.signal);
      }
    }
  }

  private async consume(): Promise<void> {
    const { durable, concurrency = 16, ackWaitMs = 30_000 } = this.options;
    const manager = await jetstreamManager(this.connection);
    await ensureTicketStream(manager);
    await manager.consumers.add(TICKET_STREAM, {
      durable_name: durable,
      ack_policy: AckPolicy.Explicit,
      deliver_policy: DeliverPolicy.All,
      filter_subject: TICKET_SUBJECTS,
      ack_wait: nanos(ackWaitMs),
      max_deliver: -1, // counted here, so that a poison message is dead-lettered instead of silently dropped
      max_ack_pending: concurrency * 8,
    });
    const consumer = await jetstream(this.connection).consumers.get(TICKET_STREAM, durable);
    this.messages = await consumer.consume({ max_messages: concurrency * 4, abort_on_missing_resource: true });
    if (this.stopping.signal.aborted) this.messages.stop();
    for await (const message of this.messages) {
      this.enqueue(message);
      while (this.inFlight.size >= concurrency) await Promise.race(this.inFlight);
    }
  }

  private enqueue(message: JsMsg): void {
    const ticket = message.subject.slice(message.subject.lastIndexOf('.') + 1);
    const job = (this.tails.get(ticket) ?? Promise.resolve()).then(() => this.handle(message));
    this.tails.set(ticket, job);
    this.inFlight.add(job);
    void job.finally(() => {
      this.inFlight.delete(job);
      if (this.tails.get(ticket) === job) this.tails.delete(ticket);
    });
  }

  private async handle(message: JsMsg): Promise<void> {
    const keepAlive = setInterval(() => message.working(), (this.options.ackWaitMs ?? 30_000) / 3);
    try {
      for (let attempt = message.info.deliveryCount; ; attempt++) {
        const outcome = await this.attempt(message, attempt);
        const again = typeof outcome === 'object' && 'retryAfterMs' in outcome && outcome.retryAfterMs;
        if (again === false || again > LONGEST_HOLD_MS || this.stopping.signal.aborted) {
          return await this.settle(message, outcome);
        }
        await pause(again, this.stopping.signal);
      }
    } catch (error) {
      this.log.error({ err: error, subject: message.subject, sequence: message.seq }, 'event not settled');
      message.nak(5_000); // the dead letter itself could not be written
    } finally {
      clearInterval(keepAlive);
    }
  }

  private async attempt(message: JsMsg, attempt: number): Promise<Outcome> {
    try {
      return await this.dispatch(message);
    } catch (error) {
      this.log.error({ err: error, subject: message.subject, sequence: message.seq, attempt }, 'event handler failed');
      if (attempt >= (this.options.maxDeliver ?? MAX_ATTEMPTS)) return { discard: String(error) };
      return { retryAfterMs: RETRY_DELAYS_MS[attempt - 1] ?? RETRY_DELAYS_MS.at(-1)! };
    }
  }

  private async dispatch(message: JsMsg): Promise<Outcome> {
    const handler = this.handlerFor(message.subject);
    if (!handler) return 'done'; // a fact that this service does not care about
    const parsed = parseMessage(CloudEvent, safeJson(message));
    if ('violations' in parsed) return { discard: JSON.stringify(parsed.violations) };
    const event = parsed.value;
    const contract = (handler.extras as { contract?: EventContract<object> }).contract;
    let argument: CloudEvent | StreamedEvent = event;
    if (contract) {
      const data = parseMessage(contract.data, event.data);
      if ('violations' in data) return { discard: JSON.stringify(data.violations) };
      event.data = data.value;
    } else {
      argument = { event, json: message.string() };
    }
    return runInContext({ correlationId: event.correlationid ?? event.id }, async () =>
      lastValueFrom(this.transformToObservable(await handler(argument)) as never),
    );
  }

  private handlerFor(subject: string): MessageHandler | undefined {
    if (this.options.whole) return this.messageHandlers.get(EVERY_EVENT);
    return this.messageHandlers.get(subject.slice(0, subject.lastIndexOf('.')));
  }

  private async settle(message: JsMsg, outcome: Outcome): Promise<void> {
    if (outcome === 'done') return message.ack();
    if ('retryAfterMs' in outcome) return message.nak(outcome.retryAfterMs);
    this.log.error({ subject: message.subject, sequence: message.seq, reason: outcome.discard }, 'event dead-lettered');
    await jetstream(this.connection).publish(`dead-letter.${this.options.durable}.${message.subject}`, message.data, {
      msgID: `${this.options.durable}-${message.seq}`,
    });
    message.term(); // without a reason: nats-server before 2.11 would redeliver
  }

  async close(): Promise<void> {
    this.stopping.abort();
    this.messages?.stop();
    await this.loop;
    await Promise.allSettled(this.inFlight);
    await this.connection.flush().catch(() => {});
  }

  on(): never {
    throw new Error('not supported');
  }

  unwrap<T>(): T {
    return this.connection as T;
  }
}

function safeJson(message: JsMsg): unknown {
  try {
    return message.json();
  } catch {
    return undefined;
  }
}
