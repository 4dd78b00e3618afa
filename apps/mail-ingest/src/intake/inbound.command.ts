/**
 * `node dist/apps/mail-ingest/src/intake/inbound.command.js ACTION …` — what became of the mails that came in, and what is
 * to become of them; asks the running services. Prints JSON, a line for each mail.
 *
 *     list [--disposition quarantined,waiting] [--mailbox ADDRESS] [--rule RULE] [--sender ADDRESS] [--ticket NUMBER]
 *          [--from INSTANT] [--to INSTANT] [--limit 50] [--after CURSOR]
 *     show ID
 *     raw ID                               the mail's bytes on stdout
 *     release ID… | reprocess ID… | discard ID…
 *     release|reprocess --rule RULE …      all that pass the filter of list, until none is left
 */
import {
  discardInbound,
  getInbound,
  getInboundRaw,
  isRefused,
  listInbound,
  releaseAll,
  releaseInbound,
  reprocessAll,
  reprocessInbound,
  type DispositionFilter,
  type InboundFilter,
  type Refused,
} from '#contracts';
import { Bus, BusError, connectNats, createLogger, openBlob, readEnvOrExit, type ServiceEnv } from '#platform';
import { isUUID } from 'class-validator';
import { userInfo } from 'node:os';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { readCommandEnv } from '../env.js';

const USAGE =
  'usage: inbound.command.js list | show ID | raw ID | release ID…|FILTER | reprocess ID…|FILTER | discard ID…';
const MANY = 100;
const DECISIONS_OF_MANY = { release: releaseAll, reprocess: reprocessAll };
const DECISIONS = { release: releaseInbound, reprocess: reprocessInbound, discard: discardInbound };

const { values, positionals } = parseArgs({
  options: {
    disposition: { type: 'string' },
    mailbox: { type: 'string' },
    rule: { type: 'string' },
    sender: { type: 'string' },
    ticket: { type: 'string' },
    from: { type: 'string' },
    to: { type: 'string' },
    limit: { type: 'string', default: '50' },
    after: { type: 'string' },
  },
  allowPositionals: true,
});
const [action, ...ids] = positionals;
const actor = { personId: null, name: userInfo().username };

const env = readEnvOrExit('inbound', readCommandEnv);
const nats = await connectNats(
  env.NATS_URL,
  'inbound command',
  createLogger('inbound', { ...env, LOG_LEVEL: 'silent' }),
);
const bus = new Bus(nats, env.RPC_TIMEOUT_MS);
try {
  await run();
} catch (error) {
  if (!(error instanceof BusError)) throw error;
  fail(error.message);
} finally {
  await nats.close();
}

async function run(): Promise<void> {
  const wrong = ids.find((id) => !isUUID(id));
  if (wrong !== undefined) return fail(`${wrong} is no id of a mail`);
  const [id] = ids;
  if (action === 'list' && id === undefined) return list();
  if (action === 'show' && id !== undefined) return show(id);
  if (action === 'raw' && id !== undefined) return raw(id, env);
  if (isOneOf(DECISIONS_OF_MANY, action) && id === undefined) return decideFiltered(action);
  if (isOneOf(DECISIONS, action) && id !== undefined) return decide(action);
  process.stderr.write(`${USAGE}\n`);
  process.exitCode = 2;
}

async function list(): Promise<void> {
  const page = await bus.call(listInbound, { ...filter(), after: values.after, limit: Number(values.limit) });
  if (isRefused(page)) return refused(page);
  page.items.forEach(print);
  if (page.next !== null) process.stderr.write(`more: --after ${page.next}\n`);
}

async function show(inboundId: string): Promise<void> {
  const detail = await bus.call(getInbound, { inboundId });
  return isRefused(detail) ? refused(detail) : print(detail);
}

async function raw(inboundId: string, { DATABASE_URL: connectionString }: ServiceEnv): Promise<void> {
  const file = await bus.call(getInboundRaw, { inboundId });
  if (isRefused(file)) return refused(file);
  const pool = new pg.Pool({ connectionString, max: 1, application_name: 'inbound command' });
  try {
    const stream = await openBlob(pool, file.sha256);
    if (!stream) return fail(`the bytes ${file.sha256} are missing`);
    await pipeline(stream, process.stdout, { end: false });
  } finally {
    await pool.end();
  }
}

/** Each by itself: one that is refused holds up no other. */
async function decide(decision: keyof typeof DECISIONS): Promise<void> {
  for (const inboundId of ids) {
    const result = await bus.call(DECISIONS[decision], { actor, inboundId });
    if (isRefused(result)) refused(result);
    else print(result);
  }
}

async function decideFiltered(decision: keyof typeof DECISIONS_OF_MANY): Promise<void> {
  for (let after = values.after; ;) {
    const answer = await bus.call(DECISIONS_OF_MANY[decision], { actor, filter: filter(), after, limit: MANY });
    if (isRefused(answer)) return refused(answer);
    answer.results.forEach(print);
    if (answer.results.some(({ code }) => code !== null)) process.exitCode = 1;
    if (answer.next === null) return;
    after = answer.next;
  }
}

function filter(): InboundFilter {
  const { disposition, mailbox, rule, sender, ticket, from, to } = values;
  return {
    ...(disposition !== undefined && { disposition: disposition.split(',') as DispositionFilter[] }),
    ...(mailbox !== undefined && { mailbox }),
    ...(rule !== undefined && { rule }),
    ...(sender !== undefined && { sender }),
    ...(ticket !== undefined && { ticket: Number(ticket) }),
    ...(from !== undefined && { receivedAfter: from }),
    ...(to !== undefined && { receivedBefore: to }),
  };
}

function isOneOf<T extends object>(decisions: T, name: string | undefined): name is keyof T & string {
  return name !== undefined && Object.hasOwn(decisions, name);
}

function print(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

function refused({ refusals }: Refused): void {
  fail(refusals.map(({ code, message }) => `${message} (${code})`).join('; '));
}

function fail(sentence: string): void {
  process.stderr.write(`${sentence}\n`);
  process.exitCode = 1;
}
