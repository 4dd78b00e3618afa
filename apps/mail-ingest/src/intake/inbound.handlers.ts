import {
  DecideAll,
  DecideInbound,
  discardInbound,
  GetInbound,
  getInbound,
  getInboundRaw,
  ListInbound,
  listInbound,
  refuse,
  releaseInbound,
  releaseAll,
  reprocessAll,
  reprocessInbound,
  type BlobReference,
  type InboundDetail,
  type InboundPage,
  type Refused,
} from '#contracts';
import { Handles } from '#platform';
import { Controller, Inject } from '@nestjs/common';
import { isUUID } from 'class-validator';
import pg from 'pg';
import { Decisions, inboundUnknown } from './decisions.js';
import { readInbound, readInboundDetail, selectInbound } from './inbound.rows.js';

/** What other services may ask about inbound mail, and decide about it. */
@Controller()
export class InboundHandlers {
  constructor(
    @Inject(pg.Pool) private readonly pool: pg.Pool,
    private readonly decisions: Decisions,
  ) {}

  @Handles(listInbound)
  async list({ after, limit, ...filter }: ListInbound): Promise<InboundPage | Refused> {
    if (after !== undefined && !isUUID(after)) return cursorInvalid();
    const rows = await selectInbound(this.pool, filter, { order: 'latest', after, limit: limit + 1 });
    const items = rows.slice(0, limit);
    return { items, next: items.length < rows.length ? items.at(-1)!.id : null };
  }

  @Handles(getInbound)
  async get({ inboundId }: GetInbound): Promise<InboundDetail | Refused> {
    return (await readInboundDetail(this.pool, inboundId)) ?? inboundUnknown();
  }

  @Handles(getInboundRaw)
  async raw({ inboundId }: GetInbound): Promise<BlobReference | Refused> {
    const row = await readInbound(this.pool, inboundId);
    if (!row) return inboundUnknown();
    return { sha256: row.rawSha256, name: `${row.id}.eml`, type: 'message/rfc822', size: row.size };
  }

  @Handles(releaseInbound)
  async release(request: DecideInbound) {
    return this.decisions.release(request);
  }

  @Handles(reprocessInbound)
  async reprocess(request: DecideInbound) {
    return this.decisions.reprocess(request);
  }

  @Handles(discardInbound)
  async discard(request: DecideInbound) {
    return this.decisions.discard(request);
  }

  @Handles(releaseAll)
  async releaseAll(request: DecideAll) {
    if (request.after !== undefined && !isUUID(request.after)) return cursorInvalid();
    return this.decisions.releaseAll(request);
  }

  @Handles(reprocessAll)
  async reprocessAll(request: DecideAll) {
    if (request.after !== undefined && !isUUID(request.after)) return cursorInvalid();
    return this.decisions.reprocessAll(request);
  }
}

function cursorInvalid(): Refused {
  return refuse({ field: 'after', code: 'cursor_invalid', message: 'not a cursor of this list' });
}
