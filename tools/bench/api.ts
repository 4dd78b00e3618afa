/**
 * `npm run bench:api` — GET a ticket, list tickets and PATCH tickets with 32 connections through gateway, NATS, tickets
 * and PostgreSQL, beside the floor in the same run: the same Fastify door and NATS hop answering a constant. Rounds of
 * floor and view alternate, so that a noisy machine disturbs both; compare the ratio.
 */
import autocannon, { type Request, type Result } from 'autocannon';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Api } from '../demo/api.ts';
import { ACCOUNTS, prepareDirectory } from '../demo/directory.ts';
import { startServices } from '../services/services.ts';
import { freePort } from '../stack/ports.ts';
import { startStack } from '../stack/stack.ts';
import { percentile } from './usage.ts';

const CONNECTIONS = 32;
const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 8);
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 3);
const TICKETS = 500;
const TARGET_VIEW_SHARE = 0.35;
const TARGET_PATCHES = 250;

const directory = mkdtempSync(join(tmpdir(), 'helpdesk-bench-'));
const stack = await startStack({ dir: directory, keepData: false });
const helpers: ChildProcess[] = [];
try {
  await prepareDirectory(stack);
  const services = await startServices({
    stack,
    logDirectory: join(directory, 'log'),
    only: ['tickets', 'gateway'],
    env: {
      gateway: { LOG_LEVEL: 'warn', NODE_ENV: 'production' },
      tickets: { LOG_LEVEL: 'warn', NODE_ENV: 'production' },
    },
  });
  try {
    await measure(services.apiUrl);
  } finally {
    await services.stop();
  }
} finally {
  for (const helper of helpers) helper.kill();
  await stack.stop();
}

async function measure(apiUrl: string): Promise<void> {
  const employee = await Api.logIn(apiUrl, ACCOUNTS.erik.email, stack.accountPassword(ACCOUNTS.erik.email));
  const customer = await Api.logIn(apiUrl, ACCOUNTS.zoe.email, stack.accountPassword(ACCOUNTS.zoe.email));
  const ids: string[] = [];
  while (ids.length < TICKETS) {
    const batch = Array.from({ length: CONNECTIONS }, () =>
      customer.request<{ ticket: { id: string } }>('POST', '/tickets', { subject: 'Bench', text: 'A line is down.' }),
    );
    ids.push(...(await Promise.all(batch)).map(({ ticket }) => ticket.id));
  }
  const answer = { ticket: await employee.ticket(ids[0]!) };
  const floorUrl = await startFloor(['responder', 'door'], answer);
  const socketUrl = await startFloor(['socket', 'socket'], answer);
  const headers = { authorization: `Bearer ${employee.token}` };
  const nextId = cycle(ids);
  const nextPriority = cycle(['low', 'high', 'critical', 'medium']);
  const view = () => load(apiUrl, headers, () => ({ path: `/tickets/${nextId()}` }));
  const list = () => load(apiUrl, headers, () => ({ path: '/tickets?limit=20' }));
  const floor = () => load(floorUrl, {}, () => ({ path: `/tickets/${nextId()}` }));
  const socket = () => load(socketUrl, {}, () => ({ path: `/tickets/${nextId()}` }));
  let priority = nextPriority();
  let patched = 0;
  const patch = () =>
    load(apiUrl, { ...headers, 'content-type': 'application/json' }, () => {
      if (patched++ % ids.length === 0) priority = nextPriority(); // so that hardly any change is a no-op
      return { method: 'PATCH', path: `/tickets/${nextId()}`, body: JSON.stringify({ priority, comment: 'bench' }) };
    });

  await view(); // warm
  await patch();
  const sockets: number[] = [];
  const floors: number[] = [];
  const views: number[] = [];
  const lists: number[] = [];
  const patches: number[] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    for (const [name, run, rates] of [
      ['bare ', socket, sockets],
      ['floor', floor, floors],
      ['view ', view, views],
      ['list ', list, lists],
      ['patch', patch, patches],
    ] as const) {
      const result = await run();
      rates.push(result.requests.average);
      console.log(
        `round ${round}  ${name}  ${result.requests.average.toFixed(0).padStart(5)} req/s   p50 ${result.latency.p50} ms   p99 ${result.latency.p99} ms`,
      );
    }
  }
  const share = percentile(views, 0.5) / percentile(floors, 0.5);
  const patchRate = percentile(patches, 0.5);
  console.log(`
floor  ${percentile(floors, 0.5).toFixed(0)} req/s: the same door and hop, answering a constant (without framework and checks: ${percentile(sockets, 0.5).toFixed(0)})
view   ${percentile(views, 0.5).toFixed(0)} req/s = ${(share * 100).toFixed(0)} % of the floor (target ${TARGET_VIEW_SHARE * 100} %): ${verdict(share >= TARGET_VIEW_SHARE)}
list   ${percentile(lists, 0.5).toFixed(0)} req/s, 20 tickets a page
patch  ${patchRate.toFixed(0)} req/s (target ${TARGET_PATCHES}): ${verdict(patchRate >= TARGET_PATCHES)}`);
}

function verdict(reached: boolean): string {
  return reached ? 'reached' : 'MISSED';
}

function cycle<T>(values: readonly T[]): () => T {
  let next = 0;
  return () => values[next++ % values.length]!;
}

async function load(url: string, headers: Record<string, string>, request: () => Request): Promise<Result> {
  const result = await autocannon({
    url,
    connections: CONNECTIONS,
    duration: SECONDS,
    headers,
    requests: [{ setupRequest: (base) => ({ ...base, ...request(), headers: { ...base.headers, ...headers } }) }],
  });
  const failed = result.non2xx + result.errors + result.timeouts;
  if (failed > 0) throw new Error(`${failed} requests failed at ${url}`);
  return result;
}

/** @returns its base URL */
async function startFloor(files: [responder: string, door: string], answer: object): Promise<string> {
  const port = await freePort();
  const env = { PATH: process.env['PATH'], NATS_URL: stack.natsUrl, FLOOR_ANSWER: JSON.stringify(answer) };
  await Promise.all([startHelper(files[0], env), startHelper(files[1], { ...env, HTTP_PORT: String(port) })]);
  return `http://127.0.0.1:${port}`;
}

async function startHelper(name: string, env: NodeJS.ProcessEnv): Promise<void> {
  const file = fileURLToPath(new URL(`floor/${name}.ts`, import.meta.url));
  const helper = spawn(process.execPath, [file], { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  helpers.push(helper);
  await once(helper, 'message');
}
