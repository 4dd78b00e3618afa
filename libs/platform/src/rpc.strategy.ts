/**
 * The server's side of core NATS request/reply, as a Nest transport.
 *
 * Nest's own NATS server replies "Internal server error" to everything but an RpcException, drops replies in flight
 * when it closes, and leaves the caller waiting when a reply is too large; see docs/adr. This one validates the
 * request against its contract, runs the handler inside the caller's context, and answers in any case. Closing stops
 * taking requests, finishes those in hand, and only then returns.
 */
import { type Refused, isRefused, type Rpc } from '#contracts';
import { type CustomTransportStrategy, MessagePattern, Server, type MessageHandler } from '@nestjs/microservices';
import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import { lastValueFrom } from 'rxjs';
import type { FaultReason, WireReply } from './bus.js';
import { contextFromHeaders, runInContext } from './context.js';
import type { Logger } from './logging.js';
import { parseMessage } from './validation.js';

const NATS_RPC = Symbol('NATS_RPC');

type Handler<Request, Reply> = (request: Request) => Promise<Reply | Refused>;

/** Binds a controller method to a contract; the method's parameter and result are checked against it by the compiler. */
export function Handles<Request extends object, Reply extends object>(contract: Rpc<Request, Reply>) {
  return <M extends Handler<Request, Reply>>(
    target: object,
    key: string | symbol,
    descriptor: TypedPropertyDescriptor<M>,
  ): void => {
    MessagePattern(contract.subject, NATS_RPC, { contract })(target, key, descriptor);
  };
}

export class RpcStrategy extends Server implements CustomTransportStrategy {
  override readonly transportId = NATS_RPC;
  private readonly subscriptions: Subscription[] = [];
  private readonly inFlight = new Set<Promise<void>>();

  /** @param queue every instance of a service joins the same queue group, so that each request has one handler */
  constructor(
    private readonly connection: NatsConnection,
    private readonly queue: string,
    private readonly log: Logger,
  ) {
    super();
  }

  listen(callback: (error?: unknown) => void): void {
    for (const [subject, handler] of this.messageHandlers) {
      const onMessage = (error: Error | null, message: Msg): void => {
        if (error) return this.log.error({ err: error, subject }, 'subscription failed');
        const job = this.answer(handler, message);
        this.inFlight.add(job);
        void job.finally(() => this.inFlight.delete(job));
      };
      this.subscriptions.push(this.connection.subscribe(subject, { queue: this.queue, callback: onMessage }));
    }
    this.connection.flush().then(() => callback(), callback);
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.subscriptions.map((subscription) => subscription.drain()));
    await Promise.allSettled(this.inFlight);
    await this.connection.flush().catch(() => {}); // a lost connection has nobody left to answer
  }

  on(): never {
    throw new Error('not supported');
  }

  unwrap<T>(): T {
    return this.connection as T;
  }

  private async answer(handler: MessageHandler, message: Msg): Promise<void> {
    const context = contextFromHeaders((name) => message.headers?.get(name) || undefined);
    await runInContext(context, async () => {
      const reply = await this.handle(handler, message).catch((error: unknown) => {
        this.log.error({ err: error, subject: message.subject }, 'handler failed');
        return fault('internal', 'internal error');
      });
      this.respond(message, reply);
    });
  }

  private async handle(handler: MessageHandler, message: Msg): Promise<WireReply> {
    const contract = (handler.extras as { contract: Rpc<object, object> }).contract;
    let json: unknown;
    try {
      json = message.json();
    } catch {
      return fault('invalid_request', 'not JSON');
    }
    const parsed = parseMessage(contract.request, json);
    if ('violations' in parsed) {
      return fault('invalid_request', parsed.violations.map((v) => `${v.field}: ${v.message}`).join('; '));
    }
    const result: unknown = await lastValueFrom(this.transformToObservable(await handler(parsed.value)));
    return isRefused(result) ? { refused: result } : { ok: result };
  }

  private respond(message: Msg, reply: WireReply): void {
    const limit = this.connection.info?.max_payload ?? Infinity;
    let body = JSON.stringify(reply);
    if (Buffer.byteLength(body) > limit) {
      this.log.error({ subject: message.subject, limit }, 'reply too large');
      body = JSON.stringify(fault('too_large', `the reply exceeds ${limit} bytes`));
    }
    try {
      message.respond(body);
    } catch (error) {
      this.log.warn({ err: error, subject: message.subject }, 'could not answer');
    }
  }
}

function fault(reason: FaultReason, message: string): WireReply {
  return { fault: { reason, message } };
}
