/** What travels with every call, event and log line: who belongs together. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';

export interface CallContext {
  correlationId: string;
  /** W3C Trace Context, carried along untouched. */
  traceparent?: string;
}

export const CORRELATION_HEADER = 'x-correlation-id';
export const TRACEPARENT_HEADER = 'traceparent';

const storage = new AsyncLocalStorage<CallContext>();

export function currentContext(): CallContext | undefined {
  return storage.getStore();
}

export function runInContext<T>(context: CallContext, work: () => T): T {
  return storage.run(context, work);
}

/** The context that message headers carry; a new correlation id when they carry none. */
export function contextFromHeaders(get: (name: string) => string | undefined): CallContext {
  const traceparent = get(TRACEPARENT_HEADER);
  return { correlationId: get(CORRELATION_HEADER) || randomUUID(), ...(traceparent && { traceparent }) };
}
