import { ApiHeader } from '@nestjs/swagger';

export const ApiIdempotencyKey = () =>
  ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description: 'Repeating a request with the same key gives the first answer again, and does nothing twice.',
    schema: { type: 'string', minLength: 1, maxLength: 255 },
  });

export const ApiIfMatch = () =>
  ApiHeader({
    name: 'If-Match',
    required: false,
    description: 'The ETag that the change is based on: refused with 409 `version_conflict` when there is a newer one.',
    schema: { type: 'string', example: '"3"' },
  });
