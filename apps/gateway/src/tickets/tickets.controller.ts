import {
  addMessage,
  createTicket,
  getTicket,
  listTickets,
  updateTicket,
  MessageResult,
  NewTicket,
  TicketChange,
  TicketPage,
  UpdateResult,
  type Visibility,
} from '#contracts';
import { Bus } from '#platform';
import { Body, Controller, Get, Headers, HttpCode, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiHeader, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Caller } from '../auth/access-token.js';
import { CurrentCaller } from '../auth/auth.guard.js';
import { ProblemException } from '../problems/problem.js';
import { accepted } from '../problems/refusals.js';
import { parseMessageBody, UuidPipe } from '../problems/validation.js';
import { MessageText, TicketDocument, TicketsQuery } from './tickets.dto.js';

const IDEMPOTENCY = ApiHeader({
  name: 'Idempotency-Key',
  required: false,
  description: 'Repeating a request with the same key gives the first answer again instead of doing it twice.',
});

@ApiTags('tickets')
@ApiBearerAuth()
@Controller('tickets')
export class TicketsController {
  constructor(private readonly bus: Bus) {}

  /** Open a ticket: customers for themselves, employees on behalf of a reporter. */
  @IDEMPOTENCY
  @Post()
  async create(
    @CurrentCaller() caller: Caller,
    @Body() ticket: NewTicket,
    @Headers('idempotency-key') key: string | undefined,
    @Res({ passthrough: true }) response: FastifyReply,
  ): Promise<TicketDocument> {
    const reply = await this.bus.call(createTicket, { actorId: caller.personId, ticket, ...idempotent(key) });
    const answer = accepted(reply);
    void response.header('location', `/tickets/${answer.ticket.id}`);
    return tagged(response, answer);
  }

  /** The tickets that the caller may see, newest first. */
  @Get()
  async list(@CurrentCaller() caller: Caller, @Query() query: TicketsQuery): Promise<TicketPage> {
    return accepted(await this.bus.call(listTickets, { ...query, viewerId: caller.personId }));
  }

  /** One ticket with its facts at this moment. */
  @Get(':id')
  async get(
    @CurrentCaller() caller: Caller,
    @Param('id', UuidPipe) ticketId: string,
    @Res({ passthrough: true }) response: FastifyReply,
  ): Promise<TicketDocument> {
    return tagged(response, accepted(await this.bus.call(getTicket, { viewerId: caller.personId, ticketId })));
  }

  /** Change assignee, status and priority. All violations come back at once, and then nothing was changed. */
  @IDEMPOTENCY
  @ApiHeader({ name: 'If-Match', required: false, description: 'The ETag of the ticket that the change is based on.' })
  @ApiBody({ type: TicketChange })
  @Patch(':id')
  async update(
    @CurrentCaller() caller: Caller,
    @Param('id', UuidPipe) ticketId: string,
    @Body() body: object,
    @Headers('if-match') ifMatch: string | undefined,
    @Headers('idempotency-key') key: string | undefined,
    @Res({ passthrough: true }) response: FastifyReply,
  ): Promise<UpdateResult> {
    const expectedVersion = versionOf(ifMatch);
    const { value: change, unknownFields } = parseMessageBody(TicketChange, body);
    const reply = await this.bus.call(updateTicket, {
      actorId: caller.personId,
      ticketId,
      change,
      unknownFields,
      ...(expectedVersion !== undefined && { expectedVersion }),
      ...idempotent(key),
    });
    return tagged(response, accepted(reply));
  }

  /** Answer in public: the reporter and participants are told by mail. */
  @IDEMPOTENCY
  @HttpCode(201)
  @Post(':id/replies')
  reply(
    @CurrentCaller() caller: Caller,
    @Param('id', UuidPipe) ticketId: string,
    @Body() { text }: MessageText,
    @Headers('idempotency-key') key: string | undefined,
  ): Promise<MessageResult> {
    return this.addMessage(caller, ticketId, 'public', text, key);
  }

  /** Add a note among employees; customers never see it. */
  @IDEMPOTENCY
  @HttpCode(201)
  @Post(':id/notes')
  note(
    @CurrentCaller() caller: Caller,
    @Param('id', UuidPipe) ticketId: string,
    @Body() { text }: MessageText,
    @Headers('idempotency-key') key: string | undefined,
  ): Promise<MessageResult> {
    return this.addMessage(caller, ticketId, 'internal', text, key);
  }

  private async addMessage(
    caller: Caller,
    ticketId: string,
    visibility: Visibility,
    text: string,
    key: string | undefined,
  ): Promise<MessageResult> {
    const request = { actorId: caller.personId, ticketId, visibility, text, ...idempotent(key) };
    return accepted(await this.bus.call(addMessage, request));
  }
}

function tagged<Answer extends TicketDocument>(response: FastifyReply, answer: Answer): Answer {
  void response.header('etag', `"${answer.ticket.version}"`);
  return answer;
}

function idempotent(key: string | undefined): { idempotencyKey?: string } {
  if (key === undefined) return {};
  if (key.length >= 1 && key.length <= 255) return { idempotencyKey: key };
  const error = { field: 'Idempotency-Key', code: 'length_invalid', message: 'must have 1 to 255 characters' };
  throw new ProblemException(400, error.code, [error]);
}

/** @returns undefined when any version will do */
function versionOf(ifMatch: string | undefined): number | undefined {
  if (ifMatch === undefined || ifMatch === '*') return undefined;
  const [, version] = /^(?:W\/)?"(\d{1,9})"$/.exec(ifMatch) ?? [];
  if (version !== undefined) return Number(version);
  const error = { field: 'If-Match', code: 'etag_invalid', message: 'must be an ETag such as "3", or *' };
  throw new ProblemException(400, error.code, [error]);
}
