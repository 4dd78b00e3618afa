import type { HostPolicy } from '#platform';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { EndpointFailed, endpointProblem, post, resolvedProblem } from './endpoint.js';

const STRICT: HostPolicy = { allowPrivate: false };
const PRIVATE: HostPolicy = { allowPrivate: true };

describe('an endpoint', () => {
  it.each([
    'https://example.net/hook',
    'https://example.net:443/hook?key=1',
    'HTTPS://EXAMPLE.NET',
    'https://198.41.0.4/',
    'https://[2001:500:2::c]/',
    'https://müller.example/',
  ])('may be %s', (url) => {
    expect(endpointProblem(url, STRICT)).toBeNull();
  });

  it.each([
    // not a URL that we speak
    ['', 'url_invalid'],
    ['example.net/hook', 'url_invalid'],
    ['//example.net/hook', 'url_invalid'],
    ['https://', 'url_invalid'],
    ['file:///etc/passwd', 'url_invalid'],
    ['gopher://127.0.0.1:6379/_FLUSHALL', 'url_invalid'],
    ['ftp://example.net/', 'url_invalid'],
    ['javascript:alert(1)', 'url_invalid'],
    ['data:text/plain,1', 'url_invalid'],
    ['https://exa mple.net/', 'url_invalid'],
    // meant to look like another one
    ['https://example.net@127.0.0.1/', 'url_invalid'],
    ['https://user:password@example.net/', 'url_invalid'],
    ['https://127.0.0.1#example.net/', 'url_invalid'],
    ['https://example.net/#fragment', 'url_invalid'],
    ['https:\\\\127.0.0.1\\', 'host_forbidden'],
    // in the clear, or at another service
    ['http://example.net/', 'https_needed'],
    ['https://example.net:8443/', 'port_forbidden'],
    ['https://example.net:22/', 'port_forbidden'],
    // this machine, however it is written
    ['https://127.0.0.1/', 'host_forbidden'],
    ['https://127.1/', 'host_forbidden'],
    ['https://127.255.255.254/', 'host_forbidden'],
    ['https://0x7f000001/', 'host_forbidden'],
    ['https://0x7f.0.0.1/', 'host_forbidden'],
    ['https://0177.0.0.1/', 'host_forbidden'],
    ['https://2130706433/', 'host_forbidden'],
    ['https://017700000001/', 'host_forbidden'],
    ['https://127.0.0.1./', 'host_forbidden'],
    ['https://%31%32%37.0.0.1/', 'host_forbidden'],
    ['https://①②⑦.0.0.1/', 'host_forbidden'],
    ['https://127。0。0。1/', 'host_forbidden'],
    ['https://0/', 'host_forbidden'],
    ['https://0.0.0.0/', 'host_forbidden'],
    ['https://[::1]/', 'host_forbidden'],
    ['https://[0:0:0:0:0:0:0:1]/', 'host_forbidden'],
    ['https://[::]/', 'host_forbidden'],
    ['https://[::127.0.0.1]/', 'host_forbidden'],
    ['https://[::ffff:127.0.0.1]/', 'host_forbidden'],
    ['https://[::ffff:7f00:1]/', 'host_forbidden'],
    ['https://[64:ff9b::127.0.0.1]/', 'host_forbidden'],
    ['https://[64:ff9b:1::7f00:1]/', 'host_forbidden'],
    ['https://[2002:7f00:1::]/', 'host_forbidden'],
    ['https://[2001:0:53aa:64c:0:fbff:80ff:fffe]/', 'host_forbidden'],
    // the house
    ['https://10.0.0.1/', 'host_forbidden'],
    ['https://172.16.0.1/', 'host_forbidden'],
    ['https://192.168.1.1/', 'host_forbidden'],
    ['https://3232235777/', 'host_forbidden'],
    ['https://100.64.0.1/', 'host_forbidden'],
    ['https://198.18.0.1/', 'host_forbidden'],
    ['https://[fc00::1]/', 'host_forbidden'],
    ['https://[fd12:3456::1]/', 'host_forbidden'],
    ['https://[fec0::1]/', 'host_forbidden'],
    // where clouds tell credentials
    ['https://169.254.169.254/latest/meta-data/', 'host_forbidden'],
    ['https://2852039166/', 'host_forbidden'],
    ['https://0xa9fea9fe/', 'host_forbidden'],
    ['https://[::ffff:a9fe:a9fe]/', 'host_forbidden'],
    ['https://[fd00:ec2::254]/', 'host_forbidden'],
    ['https://[fe80::1]/', 'host_forbidden'],
    ['https://100.100.100.200/', 'host_forbidden'],
    ['https://168.63.129.16/', 'host_forbidden'],
    // nobody in particular
    ['https://224.0.0.1/', 'host_forbidden'],
    ['https://255.255.255.255/', 'host_forbidden'],
    ['https://240.0.0.1/', 'host_forbidden'],
    ['https://[ff02::1]/', 'host_forbidden'],
  ])('may not be %s', (url, code) => {
    expect(endpointProblem(url, STRICT)?.code).toBe(code);
  });

  it('may be in the house where that is allowed, but never where clouds tell credentials', () => {
    const allowed = ['http://127.0.0.1:3000/', 'https://10.0.0.1:8443/', 'http://[fd12::1]/', 'http://erp.internal/'];
    expect(allowed.map((url) => endpointProblem(url, PRIVATE))).toEqual([null, null, null, null]);
    const never = [
      'http://169.254.169.254/',
      'https://[::ffff:169.254.169.254]/',
      'http://0.0.0.0/',
      'http://[fe80::1]/',
    ];
    expect(never.map((url) => endpointProblem(url, PRIVATE)?.code)).toEqual(never.map(() => 'host_forbidden'));
  });

  it('is refused by what its name stands for', async () => {
    expect((await resolvedProblem('https://localhost/', STRICT))?.code).toBe('host_forbidden');
    expect(await resolvedProblem('https://nobody.invalid/', STRICT)).toBeNull();
  });
});

describe('a request', () => {
  let servers: Server[] = [];
  let port: number;
  let received: { at: string; request: IncomingMessage; body: string }[] = [];
  let answer: (request: IncomingMessage, response: ServerResponse) => void;

  beforeEach(async () => {
    received = [];
    answer = (_request, response) => response.writeHead(204).end();
    const first = await listen('127.0.0.1', 0);
    port = (first.address() as AddressInfo).port;
    servers = [first, await listen('127.0.0.2', port)];
  });

  afterEach(async () => {
    for (const server of servers) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  function listen(host: string, onPort: number): Promise<Server> {
    const server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        received.push({ at: request.socket.localAddress!, request, body });
        answer(request, response);
      });
    });
    return new Promise((resolve) => server.listen(onPort, host, () => resolve(server)));
  }

  const send = (url: string, resolve?: (host: string) => Promise<string[]>, limitMs = 10_000) => {
    const common = { headers: { 'x-test': 'yes' }, body: 'größer', policy: PRIVATE };
    const signal = AbortSignal.timeout(limitMs);
    return post(url, { ...common, signal, ...(resolve && { resolve }) });
  };

  it('is a POST with its headers and its body in UTF-8', async () => {
    expect(await send(`http://127.0.0.1:${port}/hook?a=b`)).toEqual({ status: 204, retryAfter: null });
    const [{ request, body }] = received as [(typeof received)[0]];
    expect([request.method, request.url, body]).toEqual(['POST', '/hook?a=b', 'größer']);
    expect(request.headers).toMatchObject({ 'x-test': 'yes', 'content-length': '8', host: `127.0.0.1:${port}` });
  });

  it('goes to the address that was checked, whatever the name means a moment later', async () => {
    const answers = [['127.0.0.2'], ['127.0.0.1'], ['169.254.169.254']];
    const asked: string[] = [];
    const rebinding = async (host: string) => (asked.push(host), answers[asked.length - 1]!);
    await send(`http://rebinding.test:${port}/1`, rebinding);
    expect(asked).toEqual(['rebinding.test']);
    expect(received.map(({ at, request }) => [at, request.url, request.headers.host])).toEqual([
      ['127.0.0.2', '/1', `rebinding.test:${port}`],
    ]);

    await send(`http://rebinding.test:${port}/2`, rebinding); // no connection is kept for a name
    await expect(send(`http://rebinding.test:${port}/3`, rebinding)).rejects.toThrow('169.254.169.254');
    expect(asked).toHaveLength(3);
    expect(received.map(({ at, request }) => [at, request.url])).toEqual([
      ['127.0.0.2', '/1'],
      ['127.0.0.1', '/2'],
    ]);
  });

  it('goes nowhere when one of several addresses is not allowed', async () => {
    const both = async () => ['127.0.0.1', '169.254.169.254'];
    await expect(send(`http://both.test:${port}/`, both)).rejects.toThrow(EndpointFailed);
    const strict = { headers: {}, body: '', policy: STRICT, signal: AbortSignal.timeout(5_000) };
    await expect(post('https://inside.test/', { ...strict, resolve: async () => ['127.0.0.1'] })).rejects.toThrow(
      'connections to 127.0.0.1 are not allowed',
    );
    expect(received).toEqual([]);
  });

  it('does not follow redirects', async () => {
    answer = (_request, response) => response.writeHead(307, { location: `http://127.0.0.2:${port}/` }).end();
    expect((await send(`http://127.0.0.1:${port}/`)).status).toBe(307);
    expect(received).toHaveLength(1);
  });

  it('says when it is asked to wait', async () => {
    answer = (_request, response) => response.writeHead(429, { 'retry-after': '120' }).end();
    expect(await send(`http://127.0.0.1:${port}/`)).toEqual({ status: 429, retryAfter: 120 });
  });

  it('reads only the beginning of an endless answer', async () => {
    let isOver = false;
    let written = 0;
    answer = (_request, response) => {
      response.writeHead(200);
      response.once('close', () => (isOver = true));
      const more = (): void => {
        if (isOver) return;
        written += 16_384;
        if (response.write('x'.repeat(16_384))) setImmediate(more);
        else response.once('drain', more);
      };
      more();
    };
    expect((await send(`http://127.0.0.1:${port}/`)).status).toBe(200);
    expect(written).toBeLessThan(64 * 1024 * 1024);
  });

  it('counts an answer whose body never ends, at the time limit', async () => {
    answer = (_request, response) => response.writeHead(200).write('x');
    expect((await send(`http://127.0.0.1:${port}/`, undefined, 300)).status).toBe(200);
  });

  it('fails in time when there is no answer, and when there is no address', async () => {
    answer = () => {};
    await expect(send(`http://127.0.0.1:${port}/`, undefined, 200)).rejects.toThrow('no answer in time');
    const never = () => new Promise<string[]>(() => {});
    await expect(send(`http://slow.test:${port}/`, never, 200)).rejects.toThrow('no answer in time');
  });

  it('fails with a reason when nobody listens, or it is hung up', async () => {
    answer = (request) => request.socket.destroy();
    await expect(send(`http://127.0.0.1:${port}/`)).rejects.toThrow('no connection: ECONNRESET');
    await expect(send(`http://127.0.0.3:${port}/`)).rejects.toThrow('no connection: ECONNREFUSED');
    await expect(send(`https://127.0.0.1:${port}/`)).rejects.toThrow(EndpointFailed);
  });
});
