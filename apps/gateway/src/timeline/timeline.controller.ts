import { addMessage, getTimeline, MessageResult, TimelinePage, type AddMessage } from '#contracts';
import { Bus } from '#platform';
import { Body, Controller, Get, Param, Post, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Caller } from '../auth/auth.dto.js';
import { CurrentCaller, EmployeesOnly } from '../auth/auth.guard.js';
import { ApiIdempotencyKey } from '../http/api-headers.js';
import { etagOf, IdempotencyKey, UuidPipe } from '../http/parameters.js';
import { ApiProblems } from '../problems/api-problems.js';
import { accepted } from '../problems/problem-error.js';
import { ValidPipe } from '../problems/validation.js';
import { PageQuery } from '../tickets/tickets.dto.js';
import { NewMessage, NewReply } from './timeline.dto.js';

@ApiTags('timeline')
@ApiBearerAuth()
@Controller('tickets/:id')
export class TimelineController {
  constructor(private readonly bus: Bus) {}

  /** What happened on a ticket, oldest first: messages, internal notes (employees only) and changes. */
  @Get('timeline')
  @ApiProblems(400, 401, 404, 422, 503, 504)
  async getTimeline(
    @CurrentCaller() caller: Caller,
    @Param('id', UuidPipe) ticketId: string,
    @Query(ValidPipe) { limit, after }: PageQuery,
  ): Promise<TimelinePage> {
    return accepted(await this.bus.call(getTimeline, { viewerId: caller.id, ticketId, limit, after }));
  }

  /**
   * Write a public message: an employee's is mailed to those concerned, a customer's may resume or reopen the ticket.
   *
   * @remarks An employee's message on a parent outage also reaches the reporters of its open children, in the threads of
   * their own tickets, unless `toChildren` is false. What is said on a merged ticket is said on its target.
   */
  @Post('replies')
  @ApiIdempotencyKey()
  @ApiProblems(400, 401, 403, 404, 413, 415, 422, 503, 504)
  async addReply(
    @CurrentCaller() caller: Caller,
    @Param('id', UuidPipe) ticketId: string,
    @Body(ValidPipe) message: NewReply,
    @IdempotencyKey() idempotencyKey: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<MessageResult> {
    const result = await this.add({ actorId: caller.id, ticketId, visibility: 'public', ...message, idempotencyKey });
    reply.header('etag', etagOf(result.ticket));
    return result;
  }

  /** Write an internal note: employees see it, nobody is mailed. */
  @Post('notes')
  @EmployeesOnly()
  @ApiIdempotencyKey()
  @ApiProblems(400, 401, 403, 404, 413, 415, 422, 503, 504)
  async addNote(
    @CurrentCaller() caller: Caller,
    @Param('id', UuidPipe) ticketId: string,
    @Body(ValidPipe) message: NewMessage,
    @IdempotencyKey() idempotencyKey: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<MessageResult> {
    const result = await this.add({ actorId: caller.id, ticketId, visibility: 'internal', ...message, idempotencyKey });
    reply.header('etag', etagOf(result.ticket));
    return result;
  }

  private async add(request: AddMessage): Promise<MessageResult> {
    return accepted(await this.bus.call(addMessage, request));
  }
}
