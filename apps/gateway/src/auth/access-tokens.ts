/** Access tokens: JWTs (RFC 7519) signed with HS256; `sub` is the person's id, `kind` and `name` go with it. */
import { ENV } from '#platform';
import { Inject, Injectable } from '@nestjs/common';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { jwtVerify, SignJWT } from 'jose';
import type { GatewayEnv } from '../env.js';
import { Caller } from './auth.dto.js';
import { TokenCache } from './token-cache.js';

const ISSUER = 'helpdesk';
const AUDIENCE = 'helpdesk-api';

@Injectable()
export class AccessTokens {
  private readonly key: Uint8Array;
  private readonly ttlSeconds: number;
  private readonly cache = new TokenCache();

  constructor(@Inject(ENV) env: Pick<GatewayEnv, 'AUTH_SECRET' | 'ACCESS_TOKEN_TTL_SECONDS'>) {
    this.key = new TextEncoder().encode(env.AUTH_SECRET);
    this.ttlSeconds = env.ACCESS_TOKEN_TTL_SECONDS;
  }

  async issue({ id, kind, name }: Caller): Promise<{ accessToken: string; expiresInSeconds: number }> {
    const accessToken = await new SignJWT({ kind, name })
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .setSubject(id)
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE)
      .setIssuedAt()
      .setExpirationTime(`${this.ttlSeconds}s`)
      .sign(this.key);
    return { accessToken, expiresInSeconds: this.ttlSeconds };
  }

  /** The person of a token that was checked before; undefined when it has to be checked. */
  remembered(token: string): Caller | undefined {
    return this.cache.get(token);
  }

  /** @returns the token's person, or null when the token is not (or no longer) good */
  async verify(token: string): Promise<Caller | null> {
    const claims = await jwtVerify(token, this.key, {
      algorithms: ['HS256'],
      issuer: ISSUER,
      audience: AUDIENCE,
      requiredClaims: ['sub', 'exp'],
    }).then(
      ({ payload }) => payload,
      () => null,
    );
    if (!claims) return null;
    const caller = plainToInstance(Caller, { id: claims.sub, kind: claims['kind'], name: claims['name'] });
    if (validateSync(caller).length > 0) return null;
    this.cache.add(token, caller, claims.exp! * 1000);
    return caller;
  }
}
