import type { BlobReference } from '#contracts';
import { openBlob } from '#platform';
import { Inject, Injectable } from '@nestjs/common';
import pg from 'pg';
import type { Readable } from 'node:stream';

@Injectable()
export class BlobStore {
  constructor(@Inject(pg.Pool) private readonly pool: pg.Pool) {}

  /** The bytes as a stream. @throws when they are not there, which is a bug or a loss */
  async open({ sha256 }: Pick<BlobReference, 'sha256'>): Promise<Readable> {
    const stream = await openBlob(this.pool, sha256);
    if (!stream) throw new Error(`there is no blob ${sha256}`);
    return stream;
  }
}
