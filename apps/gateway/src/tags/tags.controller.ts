import { listTags, setTags, TagList, TagsResult } from '#contracts';
import { Bus } from '#platform';
import { Body, Controller, Get, Param, Put, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Caller } from '../auth/auth.dto.js';
import { CurrentCaller, EmployeesOnly } from '../auth/auth.guard.js';
import { ApiIfMatch } from '../http/api-headers.js';
import { etagOf, ExpectedVersion, UuidPipe } from '../http/parameters.js';
import { ApiProblems } from '../problems/api-problems.js';
import { accepted } from '../problems/problem-error.js';
import { ValidPipe } from '../problems/validation.js';
import { Tags } from './tags.dto.js';

@ApiTags('tags')
@ApiBearerAuth()
@EmployeesOnly()
@Controller()
export class TagsController {
  constructor(private readonly bus: Bus) {}

  /** List the 200 tags that most live tickets have, those first: enough to complete what somebody types. */
  @Get('tags')
  @ApiProblems(401, 403, 503, 504)
  async listTags(@CurrentCaller() caller: Caller): Promise<TagList> {
    return accepted(await this.bus.call(listTags, { viewerId: caller.id }));
  }

  /** Say which tags a ticket has, all of them. Customers never see them. The same list again changes nothing. */
  @Put('tickets/:id/tags')
  @ApiIfMatch()
  @ApiProblems(400, 401, 403, 404, 409, 413, 415, 422, 503, 504)
  async setTags(
    @CurrentCaller() caller: Caller,
    @Param('id', UuidPipe) ticketId: string,
    @Body(ValidPipe) { tags }: Tags,
    @ExpectedVersion() expectedVersion: number | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TagsResult> {
    const result = accepted(await this.bus.call(setTags, { actorId: caller.id, ticketId, expectedVersion, tags }));
    reply.header('etag', etagOf(result.ticket));
    return result;
  }
}
