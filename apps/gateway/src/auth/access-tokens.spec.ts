import { SignJWT, type JWTPayload } from 'jose';
import { AccessTokens } from './access-tokens.js';
import { bearerToken } from './auth.guard.js';
import { TokenCache } from './token-cache.js';

const SECRET = 'a secret of the tests, long enough';
const zoe = { id: '0197f0a0-0000-7000-8000-000000000001', kind: 'customer', name: 'Zoë Müller' } as const;
const tokens = (secret = SECRET) => new AccessTokens({ AUTH_SECRET: secret, ACCESS_TOKEN_TTL_SECONDS: 60 });

/** A token as ours, but for some claims; an undefined claim is left out. */
function forged(claims: JWTPayload, secret = SECRET): Promise<string> {
  const exp = Math.floor(Date.now() / 1000) + 60;
  const good = { kind: 'employee', name: 'E', sub: zoe.id, iss: 'helpdesk', aud: 'helpdesk-api', exp };
  return new SignJWT({ ...good, ...claims })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(new TextEncoder().encode(secret));
}

it('knows the person of a token that it issued, and remembers them', async () => {
  const ours = tokens();
  const { accessToken, expiresInSeconds } = await ours.issue(zoe);
  expect(expiresInSeconds).toBe(60);
  expect(ours.remembered(accessToken)).toBeUndefined();
  expect(await ours.verify(accessToken)).toEqual(zoe);
  expect(ours.remembered(accessToken)).toEqual(zoe);
});

it('takes the good twin of the forged tokens', async () => {
  expect(await tokens().verify(await forged({}))).toMatchObject({ kind: 'employee' });
});

it.each([
  ['of another key', () => forged({}, 'another secret of the tests, long enough')],
  ['that has expired', () => forged({ exp: 1 })],
  ['that never expires', () => forged({ exp: undefined })],
  ['of another issuer', () => forged({ iss: 'somebody' })],
  ['for another audience', () => forged({ aud: 'somebody' })],
  ['of nobody', () => forged({ sub: undefined })],
  ['of somebody without a proper id', () => forged({ sub: 'root' })],
  ['of a kind of person that there is not', () => forged({ kind: 'admin' })],
  ['without a signature', async () => `${btoa('{"alg":"none"}')}.${(await forged({})).split('.')[1]}.`],
])('refuses a token %s', async (_title, forge) => {
  expect(await tokens().verify(await forge())).toBeNull();
});

describe('the cache', () => {
  it('forgets a token when it expires', () => {
    let now = 1_000;
    const cache = new TokenCache(10, () => now);
    cache.add('token', zoe, 2_000);
    expect(cache.get('token')).toBe(zoe);
    now = 2_000;
    expect(cache.get('token')).toBeUndefined();
  });

  it('forgets the least recently used first', () => {
    const cache = new TokenCache(2, () => 0);
    cache.add('first', zoe, 1);
    cache.add('second', zoe, 1);
    cache.get('first');
    cache.add('third', zoe, 1);
    expect(['first', 'second', 'third'].map((token) => cache.get(token) !== undefined)).toEqual([true, false, true]);
  });
});

it.each([
  ['Bearer a.b-c_d', 'a.b-c_d'],
  ['bearer   abc=', 'abc='],
  ['Basic abc', undefined],
  ['Bearer', undefined],
  ['Bearer a b', undefined],
  ['', undefined],
  [undefined, undefined],
])('reads %j', (header, token) => {
  expect(bearerToken(header)).toBe(token);
});
