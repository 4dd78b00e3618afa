/**
 * The caller's side of core NATS request/reply.
 *
 * On the wire a reply is one of `{"ok": …}`, `{"refused": {refusals: […]}}` or `{"fault": {…}}`. A refusal is a value
 * that the caller handles; a fault (nobody answers, timeout, bug) is thrown as BusError and says whether to try again.
 */
import { isRefused, Refused, type Rpc } from '#contracts';
import {
  headers as natsHeaders,
  NoRespondersError,
  RequestError,
  TimeoutError,
  type NatsConnection,
} from '@nats-io/transport-node';
import { plainToInstance } from 'class-transformer';
import { CORRELATION_HEADER, currentContext, TRACEPARENT_HEADER } from './context.js';
import { parseMessage } from './validation.js';

export type FaultReason =
  'nobody_answers' | 'timeout' | 'disconnected' | 'invalid_request' | 'invalid_reply' | 'too_large' | 'internal';

export interface WireFault {
  reason: FaultReason;
  message: string;
}

export type WireReply = { ok: unknown } | { refused: Refused } | { fault: WireFault };

/** A call that got no proper answer. After `timeout` or `disconnected` the callee may or may not have done the work. */
export class BusError extends Error {
  constructor(
    readonly subject: string,
    readonly reason: FaultReason,
    message: string,
  ) {
    super(`${subject}: ${message}`);
  }

  get retryable(): boolean {
    return this.reason === 'nobody_answers' || this.reason === 'timeout' || this.reason === 'disconnected';
  }
}

export class Bus {
  constructor(
    private readonly connection: NatsConnection,
    private readonly timeoutMs: number,
  ) {}

  /**
   * Sends a request and waits for its validated reply.
   * @returns the reply, or a Refused value
   * @throws BusError
   */
  async call<Request extends object, Reply extends object>(
    contract: Rpc<Request, Reply>,
    request: Request,
    options: { timeoutMs?: number } = {},
  ): Promise<Reply | Refused> {
    const wire = await this.request(contract.subject, JSON.stringify(request), options.timeoutMs ?? this.timeoutMs);
    if ('refused' in wire) return plainToInstance(Refused, wire.refused);
    if ('fault' in wire) throw new BusError(contract.subject, wire.fault.reason, wire.fault.message);
    const parsed = parseMessage(contract.reply, wire.ok);
    if ('violations' in parsed) {
      const list = parsed.violations.map((v) => `${v.field}: ${v.message}`).join('; ');
      throw new BusError(contract.subject, 'invalid_reply', `the reply breaks its contract: ${list}`);
    }
    return parsed.value;
  }

  /** The same, where a refusal would be a bug of ours. */
  async expect<Request extends object, Reply extends object>(
    contract: Rpc<Request, Reply>,
    request: Request,
    options?: { timeoutMs?: number },
  ): Promise<Reply> {
    const reply = await this.call(contract, request, options);
    if (isRefused(reply)) {
      throw new BusError(contract.subject, 'internal', `unexpected refusal: ${JSON.stringify(reply.refusals)}`);
    }
    return reply;
  }

  private async request(subject: string, body: string, timeout: number): Promise<WireReply> {
    const limit = this.connection.info?.max_payload;
    if (limit !== undefined && Buffer.byteLength(body) > limit) {
      throw new BusError(subject, 'too_large', `the request exceeds ${limit} bytes`);
    }
    const context = currentContext();
    const headers = natsHeaders();
    if (context) headers.set(CORRELATION_HEADER, context.correlationId);
    if (context?.traceparent) headers.set(TRACEPARENT_HEADER, context.traceparent);
    try {
      const message = await this.connection.request(subject, body, { timeout, headers });
      return message.json<WireReply>();
    } catch (error) {
      throw asBusError(subject, error);
    }
  }
}

function asBusError(subject: string, error: unknown): BusError {
  const cause = error instanceof RequestError ? (error.cause ?? error) : error;
  if (cause instanceof NoRespondersError || (error instanceof RequestError && error.isNoResponders())) {
    return new BusError(subject, 'nobody_answers', 'nobody answers');
  }
  if (cause instanceof TimeoutError) return new BusError(subject, 'timeout', 'no answer in time');
  return new BusError(subject, 'disconnected', error instanceof Error ? error.message : String(error));
}
