import type { BlobReference } from '#contracts';
import { openBlob } from '#platform';
import { Inject, Injectable, StreamableFile } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import pg from 'pg';
import { downloadHeaders } from './download.js';

@Injectable()
export class BlobStore {
  constructor(@Inject(pg.Pool) private readonly pool: pg.Pool) {}

  /** Hands the bytes out as a file to keep. @throws when they are not there, which is a bug or a loss */
  async download(file: BlobReference, reply: FastifyReply): Promise<StreamableFile> {
    const stream = await openBlob(this.pool, file.sha256);
    if (!stream) throw new Error(`there is no blob ${file.sha256}`);
    reply.headers(downloadHeaders(file));
    return new StreamableFile(stream);
  }
}
