import { linkTickets, listLinks, unlinkTickets, LinkPage, LinkResult, NewLink, TicketAnswer } from '#contracts';
import { Bus } from '#platform';
import { Body, Controller, Delete, Get, Param, Post, Query, Res } from '@nestjs/common';
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

@ApiTags('relations')
@ApiBearerAuth()
@Controller('tickets/:id/links')
export class LinksController {
  constructor(private readonly bus: Bus) {}

  /** List how a ticket is linked to others, in both directions. Customers see links to tickets that they may see. */
  @Get()
  @ApiProblems(400, 401, 404, 422, 503, 504)
  async listLinks(
    @CurrentCaller() caller: Caller,
    @Param('id', UuidPipe) ticketId: string,
    @Query(ValidPipe) { limit, after }: PageQuery,
  ): Promise<LinkPage> {
    return accepted(await this.bus.call(listLinks, { viewerId: caller.id, ticketId, limit, after }));
  }

  /**
   * Link a ticket to another one: as related, as its duplicate, or as a child of a parent outage.
   *
   * @remarks A ticket has one parent at most, and neither parents nor duplicates go round in a circle. What an employee
   * replies on a parent reaches the reporters of all its open children. Linking again changes nothing.
   */
  @Post()
  @EmployeesOnly()
  @ApiIdempotencyKey()
  @ApiProblems(400, 401, 403, 404, 413, 415, 422, 503, 504)
  async linkTickets(
    @CurrentCaller() caller: Caller,
    @Param('id', UuidPipe) ticketId: string,
    @Body(ValidPipe) link: NewLink,
    @IdempotencyKey() idempotencyKey: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<LinkResult> {
    const request = { actorId: caller.id, ticketId, link, idempotencyKey };
    const result = accepted(await this.bus.call(linkTickets, request));
    reply.header('etag', etagOf(result.ticket));
    return result;
  }

  /** Take a link away, from either end. */
  @Delete(':linkId')
  @EmployeesOnly()
  @ApiIdempotencyKey()
  @ApiProblems(400, 401, 403, 404, 422, 503, 504)
  async unlinkTickets(
    @CurrentCaller() caller: Caller,
    @Param('id', UuidPipe) ticketId: string,
    @Param('linkId', UuidPipe) linkId: string,
    @IdempotencyKey() idempotencyKey: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TicketAnswer> {
    const request = { actorId: caller.id, ticketId, linkId, idempotencyKey };
    const answer = accepted(await this.bus.call(unlinkTickets, request));
    reply.header('etag', etagOf(answer.ticket));
    return answer;
  }
}
