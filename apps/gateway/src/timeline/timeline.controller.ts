import { getAttachment, getRawMail, getTimeline, TimelinePage, type BlobReference } from '#contracts';
import { Bus, openBlob, type Sql } from '#platform';
import { Controller, Get, Inject, Param, Query, Res, StreamableFile } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Caller } from '../auth/access-token.js';
import { CurrentCaller } from '../auth/auth.guard.js';
import { accepted } from '../problems/refusals.js';
import { UuidPipe } from '../problems/validation.js';
import { PageQuery } from '../tickets/tickets.dto.js';
import { attachmentDisposition, servedType } from './content-disposition.js';

export const BLOB_DATABASE = Symbol('BLOB_DATABASE');

const BYTES = ApiOkResponse({ schema: { type: 'string', format: 'binary' } });

@ApiTags('timeline')
@ApiBearerAuth()
@Controller('tickets/:id')
export class TimelineController {
  constructor(
    private readonly bus: Bus,
    @Inject(BLOB_DATABASE) private readonly blobs: Sql,
  ) {}

  /** Messages, notes and changes, oldest first. Customers see no notes and no comments of changes. */
  @Get('timeline')
  async timeline(
    @CurrentCaller() caller: Caller,
    @Param('id', UuidPipe) ticketId: string,
    @Query() query: PageQuery,
  ): Promise<TimelinePage> {
    return accepted(await this.bus.call(getTimeline, { ...query, viewerId: caller.personId, ticketId }));
  }

  /** The bytes of an attachment, always as a download. */
  @BYTES
  @ApiProduces('application/octet-stream')
  @Get('attachments/:attachmentId')
  async attachment(
    @CurrentCaller() caller: Caller,
    @Param('id', UuidPipe) ticketId: string,
    @Param('attachmentId', UuidPipe) attachmentId: string,
    @Res({ passthrough: true }) response: FastifyReply,
  ): Promise<StreamableFile> {
    const request = { viewerId: caller.personId, ticketId, attachmentId };
    return this.download(response, accepted(await this.bus.call(getAttachment, request)));
  }

  /** The mail as it was received, byte for byte; employees only. */
  @BYTES
  @ApiProduces('message/rfc822')
  @Get('timeline/:entryId/raw')
  async rawMail(
    @CurrentCaller() caller: Caller,
    @Param('id', UuidPipe) ticketId: string,
    @Param('entryId', UuidPipe) entryId: string,
    @Res({ passthrough: true }) response: FastifyReply,
  ): Promise<StreamableFile> {
    const request = { viewerId: caller.personId, ticketId, entryId };
    return this.download(response, accepted(await this.bus.call(getRawMail, request)));
  }

  private async download(response: FastifyReply, { sha256, name, type, size }: BlobReference): Promise<StreamableFile> {
    const bytes = await openBlob(this.blobs, sha256);
    if (!bytes) throw new Error(`blob ${sha256} is missing`);
    void response.headers({
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; sandbox",
      'cache-control': 'private, no-store',
    });
    return new StreamableFile(bytes, {
      type: servedType(type),
      disposition: attachmentDisposition(name),
      length: size,
    });
  }
}
