import {
  mergeTicket,
  splitTicket,
  unmergeTicket,
  MergeResult,
  MergeUndoing,
  NewMerge,
  NewSplit,
  SplitResult,
} from '#contracts';
import { Bus } from '#platform';
import { Body, Controller, Delete, HttpCode, Param, Post, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Caller } from '../auth/auth.dto.js';
import { CurrentCaller, EmployeesOnly } from '../auth/auth.guard.js';
import { ApiIdempotencyKey } from '../http/api-headers.js';
import { etagOf, IdempotencyKey, UuidPipe } from '../http/parameters.js';
import { ApiProblems } from '../problems/api-problems.js';
import { accepted } from '../problems/problem-error.js';
import { ValidPipe } from '../problems/validation.js';

@ApiTags('relations')
@ApiBearerAuth()
@EmployeesOnly()
@Controller('tickets/:id')
export class MergesController {
  constructor(private readonly bus: Bus) {}

  /**
   * Merge a ticket into another one, with a comment.
   *
   * @remarks The ticket is closed as a duplicate; nothing is moved. The other ticket's timeline shows both, as far as the
   * reader may see both, and what is said on the merged ticket from then on, by mail or here, is said on the other one.
   * The reporter follows the other one. A ticket that is merged itself is no target.
   */
  @Post('merge')
  @HttpCode(200)
  @ApiIdempotencyKey()
  @ApiProblems(400, 401, 403, 404, 409, 413, 415, 422, 503, 504)
  async mergeTicket(
    @CurrentCaller() caller: Caller,
    @Param('id', UuidPipe) ticketId: string,
    @Body(ValidPipe) merge: NewMerge,
    @IdempotencyKey() idempotencyKey: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<MergeResult> {
    const request = { actorId: caller.id, ticketId, merge, idempotencyKey };
    const result = accepted(await this.bus.call(mergeTicket, request));
    reply.header('etag', etagOf(result.ticket));
    return result;
  }

  /**
   * Undo a merge, with a comment: the ticket is again what it was before.
   *
   * @remarks If it was not closed before, it is reopened: its clocks and a suspension go on with what was left of them.
   * What was said on the other ticket in the meantime stays there.
   */
  @Delete('merge')
  @ApiIdempotencyKey()
  @ApiProblems(400, 401, 403, 404, 409, 413, 415, 422, 503, 504)
  async unmergeTicket(
    @CurrentCaller() caller: Caller,
    @Param('id', UuidPipe) ticketId: string,
    @Body(ValidPipe) { comment }: MergeUndoing,
    @IdempotencyKey() idempotencyKey: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<MergeResult> {
    const request = { actorId: caller.id, ticketId, comment, idempotencyKey };
    const result = accepted(await this.bus.call(unmergeTicket, request));
    reply.header('etag', etagOf(result.ticket));
    return result;
  }

  /**
   * Make a ticket of its own from one message or note of the timeline, with a comment.
   *
   * @remarks The new ticket begins with the entry's words and attachments, has the customer who wrote them as its
   * reporter (else the original's) and clocks of its own from now on. The entry stays where it is; mails that answer it go
   * on finding the original ticket.
   */
  @Post('split')
  @ApiIdempotencyKey()
  @ApiProblems(400, 401, 403, 404, 413, 415, 422, 503, 504)
  async splitTicket(
    @CurrentCaller() caller: Caller,
    @Param('id', UuidPipe) ticketId: string,
    @Body(ValidPipe) split: NewSplit,
    @IdempotencyKey() idempotencyKey: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SplitResult> {
    const request = { actorId: caller.id, ticketId, split, idempotencyKey };
    const result = accepted(await this.bus.call(splitTicket, request));
    reply.headers({ location: `/tickets/${result.ticket.id}`, etag: etagOf(result.ticket) });
    return result;
  }
}
