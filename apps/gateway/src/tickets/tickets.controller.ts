import {
  createTicket,
  getTicket,
  listTickets,
  previewUpdate,
  updateTicket,
  NewTicket,
  TicketAnswer,
  TicketChange,
  TicketPage,
  UpdatePreview,
  UpdateResult,
} from '#contracts';
import { Bus } from '#platform';
import { Body, Controller, Get, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiExtraModels, ApiOkResponse, ApiTags, refs } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Caller } from '../auth/auth.dto.js';
import { CurrentCaller } from '../auth/auth.guard.js';
import { ApiIdempotencyKey, ApiIfMatch } from '../http/api-headers.js';
import { etagOf, ExpectedVersion, IdempotencyKey, UuidPipe } from '../http/parameters.js';
import { ApiProblems } from '../problems/api-problems.js';
import { accepted } from '../problems/problem-error.js';
import { ValidPipe } from '../problems/validation.js';
import { parseChange } from './change.js';
import { TicketQuery, UpdateQuery } from './tickets.dto.js';

@ApiTags('tickets')
@ApiBearerAuth()
@Controller('tickets')
export class TicketsController {
  constructor(private readonly bus: Bus) {}

  /** Open a ticket: employees for somebody else, customers for themselves. */
  @Post()
  @ApiIdempotencyKey()
  @ApiProblems(400, 401, 403, 413, 415, 422, 503, 504)
  async createTicket(
    @CurrentCaller() caller: Caller,
    @Body(ValidPipe) ticket: NewTicket,
    @IdempotencyKey() idempotencyKey: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TicketAnswer> {
    const answer = accepted(await this.bus.call(createTicket, { actorId: caller.id, ticket, idempotencyKey }));
    reply.headers({ location: `/tickets/${answer.ticket.id}`, etag: etagOf(answer.ticket) });
    return answer;
  }

  /**
   * List or search tickets, newest first. Customers see those of their organisation, their own, and those
   * that are shared with them.
   *
   * @remarks Everything that is named must hold. Pages are stable: tickets that come or change meanwhile neither repeat nor
   * vanish.
   */
  @Get()
  @ApiProblems(401, 403, 422, 503, 504)
  async listTickets(@CurrentCaller() caller: Caller, @Query(ValidPipe) query: TicketQuery): Promise<TicketPage> {
    return accepted(await this.bus.call(listTickets, { viewerId: caller.id, ...query }));
  }

  /** View a ticket with its facts at this instant. The ETag is its version. */
  @Get(':id')
  @ApiProblems(400, 401, 404, 503, 504)
  async getTicket(
    @CurrentCaller() caller: Caller,
    @Param('id', UuidPipe) ticketId: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TicketAnswer> {
    const answer = accepted(await this.bus.call(getTicket, { viewerId: caller.id, ticketId }));
    reply.header('etag', etagOf(answer.ticket));
    return answer;
  }

  /**
   * Change assignee, status or priority, with a comment.
   *
   * @remarks Employees only. Only the fields that are named change; what follows from them is repaired and reported in
   * `fixes`. All broken rules are named at once. With `dryRun=true` nothing is changed and nobody is told: the answer is
   * what would happen, also when the update would be refused.
   */
  @Patch(':id')
  @ApiBody({ type: TicketChange })
  @ApiExtraModels(UpdateResult, UpdatePreview)
  @ApiOkResponse({ schema: { oneOf: refs(UpdateResult, UpdatePreview) } })
  @ApiIfMatch()
  @ApiIdempotencyKey()
  @ApiProblems(400, 401, 403, 404, 409, 413, 415, 422, 503, 504)
  async updateTicket(
    @CurrentCaller() caller: Caller,
    @Param('id', UuidPipe) ticketId: string,
    @Body() body: unknown,
    @Query(ValidPipe) { dryRun }: UpdateQuery,
    @ExpectedVersion() expectedVersion: number | undefined,
    @IdempotencyKey() idempotencyKey: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<UpdateResult | UpdatePreview> {
    const request = { actorId: caller.id, ticketId, expectedVersion, ...parseChange(body) };
    if (dryRun) return accepted(await this.bus.call(previewUpdate, request));
    const result = accepted(await this.bus.call(updateTicket, { ...request, idempotencyKey }));
    reply.header('etag', etagOf(result.ticket));
    return result;
  }
}
