/** Many tickets, one change: each ticket is its own request to the tickets service, with its own answer. */
import {
  isRefused,
  previewUpdate,
  updateTicket,
  type UpdatePreview,
  type UpdateResult,
  type Refused,
} from '#contracts';
import { Bus, BusError } from '#platform';
import { createHash } from 'node:crypto';
import { problemOf } from '../problems/problem-error.js';
import { problemOfError } from '../problems/problem-of-error.js';
import type { ParsedChange } from '../tickets/change.js';
import type { BulkResult, BulkTicket } from './bulk.dto.js';

const CONCURRENCY = 8;

/** A connection that stays silent for longer is closed, and all answers with it; what has not begun by then is not begun. */
const BEGIN_WITHIN_MS = 20_000;

interface BulkRequest extends ParsedChange {
  actorId: string;
  tickets: BulkTicket[];
  dryRun: boolean;
  /** Of the whole request. */
  idempotencyKey: string | undefined;
}

/** @returns one result a ticket, in the order of the request. Faults of the transport are results, too. */
export async function updateAll(bus: Bus, request: BulkRequest): Promise<BulkResult[]> {
  const began = performance.now();
  const results: BulkResult[] = [];
  const queue = request.tickets.entries();
  const work = async (): Promise<void> => {
    for (const [index, ticket] of queue) {
      const late = performance.now() - began > BEGIN_WITHIN_MS;
      results[index] = late ? notBegun(ticket) : await updateOne(bus, request, ticket);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
  return results;
}

async function updateOne(bus: Bus, request: BulkRequest, { id, version }: BulkTicket): Promise<BulkResult> {
  const { actorId, change, unknownFields, dryRun, idempotencyKey } = request;
  const one = { actorId, ticketId: id, change, expectedVersion: version, ...(unknownFields && { unknownFields }) };
  try {
    if (dryRun) {
      return resultOf(id, await bus.call(previewUpdate, one), (preview: UpdatePreview) => ({ preview }));
    }
    const key = idempotencyKey === undefined ? undefined : keyOf(idempotencyKey, id);
    return resultOf(
      id,
      await bus.call(updateTicket, { ...one, idempotencyKey: key }),
      (updated: UpdateResult) => updated,
    );
  } catch (error) {
    if (error instanceof BusError) return faultOf(id, error);
    throw error;
  }
}

/** The same for each repeat of the request, and not longer than a key may be. */
function keyOf(idempotencyKey: string, ticketId: string): string {
  return `bulk ${createHash('sha256').update(`${ticketId} ${idempotencyKey}`).digest('hex')}`;
}

function resultOf<Reply extends object>(
  id: string,
  reply: Reply | Refused,
  shown: (reply: Reply) => Partial<BulkResult>,
): BulkResult {
  if (!isRefused(reply)) return { id, status: 200, ...shown(reply) };
  const { status, code, errors, currentVersion } = problemOf(reply);
  return { id, status, code, errors, ...(currentVersion !== undefined && { currentVersion }) };
}

function faultOf(id: string, error: BusError): BulkResult {
  const { status, code } = problemOfError(error, 'PATCH');
  return { id, status, code, retryable: error.retryable };
}

function notBegun({ id }: BulkTicket): BulkResult {
  return faultOf(id, new BusError(updateTicket.subject, 'nobody_answers', 'there was no time left'));
}
