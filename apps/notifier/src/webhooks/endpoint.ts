/**
 * Requests to addresses that people have typed in. Whatever they typed, a request goes to the open Internet only, unless
 * a setting allows private networks: the host is looked up once, each of its addresses is checked, and the connection is
 * made to these very addresses, so that a name which means something else a moment later leads nowhere else. Redirects
 * are not followed, and what is answered is neither kept nor shown but for its status.
 */
import { addressesOf, HostForbidden, mayConnect, type HostPolicy, type Resolve } from '#platform';
import { request as requestHttp, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';

export const TIMEOUT_MS = 15_000;
const MAX_ANSWER_BYTES = 65_536;

export interface EndpointProblem {
  code: 'url_invalid' | 'https_needed' | 'port_forbidden' | 'host_forbidden';
  message: string;
}

export interface Answer {
  status: number;
  /** The seconds of Retry-After, if it names seconds. */
  retryAfter: number | null;
}

export interface RequestOptions {
  headers: Record<string, string>;
  body: string;
  policy: HostPolicy;
  signal: AbortSignal;
  /** How names become addresses, when not by the machine's resolver. */
  resolve?: Resolve;
}

/** No answer: the reason, in words that may be shown. */
export class EndpointFailed extends Error {}

/** What is wrong with an endpoint as far as its URL tells; null when nothing is. */
export function endpointProblem(text: string, policy: HostPolicy): EndpointProblem | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:') {
    return { code: 'url_invalid', message: 'must be a URL that begins with https://' };
  }
  if (url.username !== '' || url.password !== '' || url.hash !== '') {
    return { code: 'url_invalid', message: 'must have no user, password or fragment' };
  }
  const host = hostOf(url);
  if (isIP(host) !== 0 && !mayConnect(host, policy)) {
    return { code: 'host_forbidden', message: new HostForbidden(host).message };
  }
  if (policy.allowPrivate) return null;
  if (url.protocol !== 'https:') return { code: 'https_needed', message: 'must begin with https://' };
  if (url.port !== '') return { code: 'port_forbidden', message: 'must have no port but 443' };
  return null;
}

/** The same, with the addresses that its host stands for at the moment; a host that is not known may be known later. */
export async function resolvedProblem(text: string, policy: HostPolicy): Promise<EndpointProblem | null> {
  const problem = endpointProblem(text, policy);
  if (problem) return problem;
  try {
    await addressesOf(hostOf(new URL(text)), policy);
  } catch (error) {
    if (error instanceof HostForbidden) return { code: 'host_forbidden', message: error.message };
  }
  return null;
}

/**
 * Posts once and waits for the answer, whatever it is.
 * @throws EndpointFailed
 */
export async function post(text: string, options: RequestOptions): Promise<Answer> {
  const problem = endpointProblem(text, options.policy);
  if (problem) throw new EndpointFailed(problem.message);
  const url = new URL(text);
  try {
    const looking = addressesOf(hostOf(url), options.policy, options.resolve);
    const addresses = await unlessAborted(looking, options.signal);
    return await send(url, addresses, options);
  } catch (error) {
    if (options.signal.aborted) throw new EndpointFailed('no answer in time');
    if (error instanceof HostForbidden) throw new EndpointFailed(error.message);
    const { code, message } = error as NodeJS.ErrnoException;
    throw new EndpointFailed(`no connection: ${code ?? message}`);
  }
}

function send(url: URL, addresses: string[], { headers, body, signal }: RequestOptions): Promise<Answer> {
  const request = url.protocol === 'https:' ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const outgoing = request(url, {
      method: 'POST',
      headers: { ...headers, 'content-length': Buffer.byteLength(body) },
      agent: false, // a connection of its own, to an address that was checked just now
      lookup: lookupOf(addresses),
      signal,
    });
    let answered: Answer | undefined; // what comes after the status does not count
    outgoing.on('error', (error) => (answered ? resolve(answered) : reject(error)));
    outgoing.once('response', (answer) => {
      const it = { status: answer.statusCode!, retryAfter: retryAfterOf(answer) };
      answered = it;
      answer.once('close', () => resolve(it));
      answer.on('error', () => {});
      let bytes = 0;
      answer.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > MAX_ANSWER_BYTES) answer.destroy();
      });
    });
    outgoing.end(body);
  });
}

/** For a connection: these addresses, whatever the name. */
function lookupOf(addresses: string[]): LookupFunction {
  const found = addresses.map((address) => ({ address, family: isIP(address) }));
  return (_host, { all }, callback) => {
    if (all) callback(null, found);
    else callback(null, found[0]!.address, found[0]!.family);
  };
}

/** The host without the brackets of IPv6. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}

function retryAfterOf(answer: IncomingMessage): number | null {
  const value = answer.headers['retry-after'] ?? '';
  return /^\d{1,9}$/.test(value) ? Number(value) : null;
}

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(new Error('aborted'));
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
