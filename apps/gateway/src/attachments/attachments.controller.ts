import { getAttachment, getRawMail } from '#contracts';
import { Bus } from '#platform';
import { Controller, Get, Param, Res, type StreamableFile } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Caller } from '../auth/auth.dto.js';
import { CurrentCaller, EmployeesOnly } from '../auth/auth.guard.js';
import { UuidPipe } from '../http/parameters.js';
import { ApiProblems } from '../problems/api-problems.js';
import { accepted } from '../problems/problem-error.js';
import { BlobStore } from './blob.store.js';

const BYTES = { schema: { type: 'string', format: 'binary' } } as const;

@ApiTags('attachments')
@ApiBearerAuth()
@Controller('tickets/:id')
export class AttachmentsController {
  constructor(
    private readonly bus: Bus,
    private readonly blobs: BlobStore,
  ) {}

  /** Download an attachment of a message. */
  @Get('attachments/:attachmentId')
  @ApiOkResponse({ description: 'The bytes, as a file to keep.', content: { 'application/octet-stream': BYTES } })
  @ApiProblems(400, 401, 404, 503, 504)
  async getAttachment(
    @CurrentCaller() caller: Caller,
    @Param('id', UuidPipe) ticketId: string,
    @Param('attachmentId', UuidPipe) attachmentId: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StreamableFile> {
    const request = { viewerId: caller.id, ticketId, attachmentId };
    return this.blobs.download(accepted(await this.bus.call(getAttachment, request)), reply);
  }

  /** Download the mail that a message came by, byte for byte. */
  @Get('timeline/:entryId/raw')
  @EmployeesOnly()
  @ApiOkResponse({ description: 'The whole mail (RFC 5322).', content: { 'message/rfc822': BYTES } })
  @ApiProblems(400, 401, 403, 404, 503, 504)
  async getRawMail(
    @CurrentCaller() caller: Caller,
    @Param('id', UuidPipe) ticketId: string,
    @Param('entryId', UuidPipe) entryId: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StreamableFile> {
    const request = { viewerId: caller.id, ticketId, entryId };
    return this.blobs.download(accepted(await this.bus.call(getRawMail, request)), reply);
  }
}
