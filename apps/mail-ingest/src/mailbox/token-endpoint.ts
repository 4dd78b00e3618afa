/** Asks an OAuth 2.0 token endpoint for an access token (RFC 6749 §4.4 and §6). */
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import { addressesOf, type HostPolicy } from '#platform';
import { hostOf } from './mailbox.settings.js';

const LIMIT_MS = 15_000;
const MAX_ANSWER_BYTES = 64 * 1024;
/** What RFC 6749 recommends to say is left out by some: an hour is what most give. */
const USUAL_SECONDS = 3_600;
const LONGEST_SECONDS = 86_400;

export interface TokenGrant {
  tokenEndpoint: string;
  clientId: string;
  clientSecret: string | null;
  /** Without one, the client asks in its own name. */
  refreshToken: string | null;
  scope: string | null;
}

export interface Tokens {
  accessToken: string;
  /** Milliseconds that it is good for. */
  lifeMs: number;
  /** Takes the place of the one that was used; null: that one stays good. */
  refreshToken: string | null;
}

/** The endpoint says no, and will say so again: somebody has to authorise anew. */
export class GrantRefused extends Error {}

/** The endpoint could not be asked, or its answer is no use; that may pass. */
export class EndpointFailed extends Error {}

/**
 * @throws GrantRefused or EndpointFailed; their messages hold nothing that the endpoint was told or has said, except the
 * error code of RFC 6749 §5.2
 */
export async function requestTokens(grant: TokenGrant, policy: HostPolicy): Promise<Tokens> {
  const form = new URLSearchParams({ client_id: grant.clientId });
  if (grant.clientSecret !== null) form.set('client_secret', grant.clientSecret);
  if (grant.scope !== null) form.set('scope', grant.scope);
  if (grant.refreshToken === null) form.set('grant_type', 'client_credentials');
  else form.set('grant_type', 'refresh_token');
  if (grant.refreshToken !== null) form.set('refresh_token', grant.refreshToken);
  const { status, body } = await post(new URL(grant.tokenEndpoint), form.toString(), policy);
  const answer = jsonOf(body);
  if (status === 200) return tokensOf(answer);
  const code = typeof answer['error'] === 'string' && /^[a-z_]{1,40}$/.test(answer['error']) ? answer['error'] : null;
  const sentence = `the token endpoint answers ${status}${code === null ? '' : ` ${code}`}`;
  if ((status === 400 || status === 401 || status === 403) && code !== 'temporarily_unavailable') {
    throw new GrantRefused(sentence);
  }
  throw new EndpointFailed(sentence);
}

function tokensOf(answer: Record<string, unknown>): Tokens {
  const { access_token: accessToken, expires_in: expiresIn, refresh_token: refreshToken } = answer;
  if (!isToken(accessToken)) throw new EndpointFailed('the token endpoint gives no access token');
  const seconds = Number(expiresIn ?? USUAL_SECONDS);
  const life = Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, LONGEST_SECONDS) : USUAL_SECONDS;
  return { accessToken, lifeMs: life * 1000, refreshToken: isToken(refreshToken) ? refreshToken : null };
}

/** RFC 6749, appendix A.12 and A.17. */
function isToken(value: unknown): value is string {
  return typeof value === 'string' && /^[\x20-\x7e]{1,16384}$/.test(value);
}

function jsonOf(body: string): Record<string, unknown> {
  try {
    const json: unknown = JSON.parse(body);
    return typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** A redirection is an answer like any other: secrets follow nobody elsewhere. */
async function post(url: URL, form: string, policy: HostPolicy): Promise<{ status: number; body: string }> {
  const addresses = await addressesOf(hostOf(url), policy);
  const options = {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': Buffer.byteLength(form),
      accept: 'application/json',
    },
    signal: AbortSignal.timeout(LIMIT_MS),
    lookup: lookupAmong(addresses),
    agent: false,
  };
  return new Promise((resolve, reject) => {
    const fail = (error: Error & { code?: string }) => {
      const reason =
        error.name === 'TimeoutError' ? 'does not answer in time' : `is not reached: ${error.code ?? error.name}`;
      reject(new EndpointFailed(`the token endpoint ${reason}`));
    };
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, options, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('error', fail);
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > MAX_ANSWER_BYTES) request.destroy(new EndpointFailed('the token endpoint says too much'));
        else chunks.push(chunk);
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    });
    request.on('error', fail);
    request.end(form);
  });
}

/** Connects to what was looked at, whatever the name stands for by now. */
function lookupAmong(addresses: string[]): LookupFunction {
  const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  return (_host, { all }, done) => (all ? done(null, found) : done(null, found[0]!.address, found[0]!.family));
}
