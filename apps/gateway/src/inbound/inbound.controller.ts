import {
  DecideAllResult,
  discardInbound,
  getInbound,
  getInboundRaw,
  InboundDetail,
  InboundPage,
  InboundResult,
  listInbound,
  releaseAll,
  releaseInbound,
  reprocessAll,
  reprocessInbound,
  type DecideInbound,
} from '#contracts';
import { Bus } from '#platform';
import { Body, Controller, Get, HttpCode, Param, Post, Query, Res, type StreamableFile } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { BlobStore } from '../attachments/blob.store.js';
import { Caller } from '../auth/auth.dto.js';
import { ActiveEmployeesOnly, CurrentCaller } from '../auth/auth.guard.js';
import { UuidPipe } from '../http/parameters.js';
import { ApiProblems } from '../problems/api-problems.js';
import { accepted } from '../problems/problem-error.js';
import { ValidPipe } from '../problems/validation.js';
import { InboundQuery, InboundSelection } from './inbound.dto.js';

@ApiTags('inbound')
@ApiBearerAuth()
@ActiveEmployeesOnly()
@Controller('inbound')
export class InboundController {
  constructor(
    private readonly bus: Bus,
    private readonly blobs: BlobStore,
  ) {}

  /**
   * List the mails that came in, latest first, with what became of each.
   *
   * @remarks Employees only. Everything that is named must hold. Pages are stable: mails that come meanwhile neither repeat
   * nor vanish.
   */
  @Get()
  @ApiProblems(401, 403, 422, 503, 504)
  async listInbound(@Query(ValidPipe) query: InboundQuery): Promise<InboundPage> {
    return accepted(await this.bus.call(listInbound, query));
  }

  /** View what became of a mail, and what people decided about it. */
  @Get(':id')
  @ApiProblems(400, 401, 403, 404, 503, 504)
  async getInbound(@Param('id', UuidPipe) inboundId: string): Promise<InboundDetail> {
    return accepted(await this.bus.call(getInbound, { inboundId }));
  }

  /** Download a mail, byte for byte; of one that was too large to be taken, its headers. */
  @Get(':id/raw')
  @ApiOkResponse({
    description: 'The mail (RFC 5322), as a file to keep.',
    content: { 'message/rfc822': { schema: { type: 'string', format: 'binary' } } },
  })
  @ApiProblems(400, 401, 403, 404, 503, 504)
  async getInboundRaw(
    @Param('id', UuidPipe) inboundId: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StreamableFile> {
    return this.blobs.download(accepted(await this.bus.call(getInboundRaw, { inboundId })), reply);
  }

  /**
   * Take a quarantined mail as a ticket, or as a part of one, whatever kept it out. A rejected one, too.
   *
   * @remarks Of a mail that cannot be read, the headers are taken. Repeating it does nothing twice.
   */
  @Post(':id/release')
  @HttpCode(200)
  @ApiProblems(400, 401, 403, 404, 409, 422, 503, 504)
  async releaseInbound(
    @CurrentCaller() caller: Caller,
    @Param('id', UuidPipe) inboundId: string,
  ): Promise<InboundResult> {
    return accepted(await this.bus.call(releaseInbound, decision(caller, inboundId)));
  }

  /**
   * Read a mail again and decide again what it is, after a repair of the service.
   *
   * @remarks What became a message keeps its ticket: text, HTML and attachments are rebuilt in place, with a line in the
   * timeline when anything differs. Clocks, status and people stay, and nobody is told again.
   */
  @Post(':id/reprocess')
  @HttpCode(200)
  @ApiProblems(400, 401, 403, 404, 409, 422, 503, 504)
  async reprocessInbound(
    @CurrentCaller() caller: Caller,
    @Param('id', UuidPipe) inboundId: string,
  ): Promise<InboundResult> {
    return accepted(await this.bus.call(reprocessInbound, decision(caller, inboundId)));
  }

  /** Leave a quarantined mail for good: it is rejected by the rule `discarded`, and its bytes are kept. */
  @Post(':id/discard')
  @HttpCode(200)
  @ApiProblems(400, 401, 403, 404, 409, 422, 503, 504)
  async discardInbound(
    @CurrentCaller() caller: Caller,
    @Param('id', UuidPipe) inboundId: string,
  ): Promise<InboundResult> {
    return accepted(await this.bus.call(discardInbound, decision(caller, inboundId)));
  }

  /**
   * Release many mails, oldest first, as many as there is time for: a flood that was none.
   *
   * @remarks Each mail by itself: one that cannot be released is named with its code and holds up no other. Ask again with
   * `next` as `after` until `next` is null.
   */
  @Post('release')
  @HttpCode(200)
  @ApiProblems(400, 401, 403, 413, 415, 422, 503, 504)
  async releaseAll(
    @CurrentCaller() caller: Caller,
    @Body(ValidPipe) request: InboundSelection,
  ): Promise<DecideAllResult> {
    return accepted(await this.bus.call(releaseAll, { actor: actorOf(caller), ...request }));
  }

  /**
   * Reprocess many mails, oldest first, as many as there is time for.
   *
   * @remarks Each mail by itself: one that cannot be reprocessed is named with its code and holds up no other. Ask again with
   * `next` as `after` until `next` is null.
   */
  @Post('reprocess')
  @HttpCode(200)
  @ApiProblems(400, 401, 403, 413, 415, 422, 503, 504)
  async reprocessAll(
    @CurrentCaller() caller: Caller,
    @Body(ValidPipe) request: InboundSelection,
  ): Promise<DecideAllResult> {
    return accepted(await this.bus.call(reprocessAll, { actor: actorOf(caller), ...request }));
  }
}

function decision(caller: Caller, inboundId: string): DecideInbound {
  return { actor: actorOf(caller), inboundId };
}

function actorOf({ id, name }: Caller): DecideInbound['actor'] {
  return { personId: id, name };
}
