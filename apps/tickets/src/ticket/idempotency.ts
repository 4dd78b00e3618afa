import { refuse, type Refused } from '#contracts';
import { isUniqueViolation, sqlOf } from '#platform';
import type { EntityManager } from '@mikro-orm/postgresql';
import { createHash } from 'node:crypto';

interface KeyedRequest {
  actorId: string;
  idempotencyKey?: string | undefined;
}

/**
 * Runs a command in one transaction. With an Idempotency-Key the first accepted reply is kept beside the change and
 * given again to every repeat; a refused command leaves no trace, so it may be tried again with the same key.
 */
export async function inIdempotentTransaction<Reply extends object>(
  em: EntityManager,
  request: KeyedRequest,
  command: (em: EntityManager) => Promise<Reply | Refused>,
): Promise<Reply | Refused> {
  const { actorId, idempotencyKey: key } = request;
  if (key === undefined) return em.transactional(command, { clear: true });
  const requestHash = createHash('sha256').update(JSON.stringify(request)).digest();
  const run = () =>
    em.transactional(
      async (tx) => {
        const known = await knownReply<Reply>(tx, actorId, key, requestHash);
        if (known) return known;
        const reply = await command(tx);
        // what this one waited for may have been the same request: then that one's reply is the answer
        if ('refusals' in reply) return (await knownReply<Reply>(tx, actorId, key, requestHash)) ?? reply;
        await keepReply(tx, actorId, key, requestHash, reply);
        return reply;
      },
      { clear: true },
    );
  // a repeat that ran at the same time has committed first: its reply is there now
  return run().catch((error: unknown) => {
    if (isUniqueViolation(error)) return run();
    throw error;
  });
}

async function knownReply<Reply>(em: EntityManager, actorId: string, key: string, requestHash: Buffer) {
  const { rows } = await sqlOf(em).query<{ request_hash: Buffer; reply: Reply }>(
    'select request_hash, reply from tickets.idempotency_key where actor_id = $1 and key = $2',
    [actorId, key],
  );
  const known = rows[0];
  if (!known) return undefined;
  if (known.request_hash.equals(requestHash)) return known.reply;
  const message = 'this Idempotency-Key was used for another request';
  return refuse({ field: 'Idempotency-Key', code: 'idempotency_key_reused', message });
}

async function keepReply(em: EntityManager, actorId: string, key: string, requestHash: Buffer, reply: object) {
  await em.flush();
  await sqlOf(em).query(
    'insert into tickets.idempotency_key (actor_id, key, request_hash, reply) values ($1, $2, $3, $4)',
    [actorId, key, requestHash, JSON.stringify(reply)],
  );
}
