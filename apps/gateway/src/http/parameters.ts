/** Path parameters and headers as values that the controllers can use. All of them are refused with 400. */
import { createParamDecorator, Injectable, type ArgumentMetadata, type PipeTransform } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import { isUUID } from 'class-validator';
import type { FastifyRequest } from 'fastify';
import { ProblemError } from '../problems/problem-error.js';

/** A UUID in the path, in its lower-case form. */
@Injectable()
export class UuidPipe implements PipeTransform<string, string> {
  transform(value: string, { data: name = '' }: ArgumentMetadata): string {
    if (isUUID(value)) return value.toLowerCase();
    throw badParameter(name, 'uuid_invalid', 'must be a UUID');
  }
}

/** The Idempotency-Key header: 1 to 255 printable characters. */
export const IdempotencyKey = createParamDecorator((_: unknown, context: ExecutionContext) =>
  idempotencyKeyOf(context.switchToHttp().getRequest<FastifyRequest>().headers['idempotency-key']),
);

/** The version that If-Match asks for; undefined when there is none or for `*`. */
export const ExpectedVersion = createParamDecorator((_: unknown, context: ExecutionContext) =>
  versionOf(context.switchToHttp().getRequest<FastifyRequest>().headers['if-match']),
);

export function idempotencyKeyOf(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  if (typeof header === 'string' && /^[\x20-\x7e]{1,255}$/.test(header)) return header;
  throw badParameter('Idempotency-Key', 'idempotency_key_invalid', 'must be 1 to 255 printable ASCII characters');
}

export function versionOf(header: string | undefined): number | undefined {
  if (header === undefined || header.trim() === '*') return undefined;
  const match = /^\s*"(\d{1,9})"\s*$/.exec(header);
  if (match) return Number(match[1]);
  throw badParameter('If-Match', 'if_match_invalid', 'must be the ETag of the ticket, e.g. "3", or *');
}

/** The ticket's version as an entity tag (RFC 9110, 8.8.3). */
export function etagOf({ version }: { version: number }): string {
  return `"${version}"`;
}

function badParameter(field: string, code: string, message: string): ProblemError {
  return new ProblemError({ status: 400, code, detail: `${field} ${message}`, errors: [{ field, code, message }] });
}
