import type { PersonKind } from '#domain';
import { jwtVerify, SignJWT } from 'jose';
import { createHash } from 'node:crypto';

/** Who asks, as their token says. Whether the account is still active is decided by the service that answers. */
export interface Caller {
  personId: string;
  kind: PersonKind;
}

const ISSUER = 'helpdesk';
const MAX_CACHED = 10_000;

/**
 * Signs and checks access tokens (JWT, HS256). A token that was checked once is remembered until it expires, under its
 * hash, so that a busy client pays for the signature only once.
 */
export class AccessTokens {
  private readonly key: Uint8Array;
  private readonly known = new Map<string, { caller: Caller; expiresAtMs: number }>();

  constructor(
    secret: string,
    readonly ttlSeconds: number,
  ) {
    this.key = new TextEncoder().encode(secret);
  }

  sign({ personId, kind }: Caller): Promise<string> {
    return new SignJWT({ kind })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer(ISSUER)
      .setSubject(personId)
      .setIssuedAt()
      .setExpirationTime(`${this.ttlSeconds}s`)
      .sign(this.key);
  }

  /** @returns null when the token is not ours, was changed, or has expired */
  async verify(token: string, nowMs = Date.now()): Promise<Caller | null> {
    const hash = createHash('sha256').update(token).digest('base64');
    const known = this.known.get(hash);
    if (known) {
      if (known.expiresAtMs > nowMs) return known.caller;
      this.known.delete(hash);
      return null;
    }
    const verified = await jwtVerify(token, this.key, {
      issuer: ISSUER,
      algorithms: ['HS256'],
      currentDate: new Date(nowMs),
    }).catch(() => null);
    if (!verified?.payload.sub || !verified.payload.exp) return null;
    const kind = verified.payload['kind'];
    if (kind !== 'employee' && kind !== 'customer') return null;
    const caller: Caller = { personId: verified.payload.sub, kind };
    this.remember(hash, caller, verified.payload.exp * 1000);
    return caller;
  }

  private remember(hash: string, caller: Caller, expiresAtMs: number): void {
    const oldest = this.known.keys().next();
    if (this.known.size >= MAX_CACHED && !oldest.done) this.known.delete(oldest.value);
    this.known.set(hash, { caller, expiresAtMs });
  }
}
