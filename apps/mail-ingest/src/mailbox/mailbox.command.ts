/**
 * `node dist/apps/mail-ingest/src/mailbox/mailbox.command.js ACTION …` — the mailboxes that are read; asks the running
 * services. Prints JSON, a line for each mailbox. MAILBOX is an id or an address.
 *
 *     list
 *     add FILE                 a JSON file as POST /mailboxes takes it; `-` reads stdin, so that no password is in a file
 *     test MAILBOX             ends with 1 when it does not work
 *     pause MAILBOX… | resume MAILBOX…
 */
import {
  createMailbox,
  isRefused,
  listMailboxes,
  NewMailbox,
  testMailbox,
  updateMailbox,
  type MailboxView,
  type Refused,
} from '#contracts';
import { Bus, BusError, connectNats, createLogger, parseMessage, readEnvOrExit } from '#platform';
import { isUUID } from 'class-validator';
import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { text } from 'node:stream/consumers';
import { readCommandEnv } from '../env.js';

const USAGE = 'usage: mailbox.command.js list | add FILE | test MAILBOX | pause MAILBOX… | resume MAILBOX…';
/** A server that does not answer is given up after twenty seconds, a token endpoint after fifteen. */
const TEST_LIMIT_MS = 40_000;

const [action, ...names] = process.argv.slice(2);
const actor = { personId: null, name: userInfo().username };

const env = readEnvOrExit('mailbox', readCommandEnv);
const log = createLogger('mailbox', { ...env, LOG_LEVEL: 'silent' });
const nats = await connectNats(env.NATS_URL, 'mailbox command', log);
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
  const [name] = names;
  if (action === 'list' && name === undefined) return list();
  if (action === 'add' && name !== undefined && names.length === 1) return add(name);
  if (action === 'test' && name !== undefined && names.length === 1) return test(name);
  if ((action === 'pause' || action === 'resume') && name !== undefined) return setPaused(action === 'pause');
  process.stderr.write(`${USAGE}\n`);
  process.exitCode = 2;
}

async function list(): Promise<void> {
  const { items } = await bus.expect(listMailboxes, {});
  items.forEach(print);
}

async function add(file: string): Promise<void> {
  const json = jsonOf(await (file === '-' ? text(process.stdin) : readFile(file, 'utf8')));
  const parsed = parseMessage(NewMailbox, json);
  if ('violations' in parsed) return parsed.violations.forEach(({ field, message }) => fail(`${field}: ${message}`));
  const mailbox = await bus.call(createMailbox, { actor, mailbox: parsed.value });
  if (isRefused(mailbox)) refused(mailbox);
  else print(mailbox);
}

async function test(name: string): Promise<void> {
  const mailbox = await find(name);
  if (!mailbox) return;
  const result = await bus.call(testMailbox, { mailboxId: mailbox.id }, { timeoutMs: TEST_LIMIT_MS });
  if (isRefused(result)) return refused(result);
  print(result);
  if (result.problem) fail(`${result.problem.field}: ${result.problem.message} (${result.problem.code})`);
}

async function setPaused(paused: boolean): Promise<void> {
  for (const name of names) {
    const mailbox = await find(name);
    if (!mailbox) continue;
    const changed = await bus.call(updateMailbox, { actor, mailboxId: mailbox.id, change: { paused } });
    if (isRefused(changed)) refused(changed);
    else print(changed);
  }
}

async function find(name: string): Promise<MailboxView | undefined> {
  const { items } = await bus.expect(listMailboxes, isUUID(name) ? {} : { address: name });
  const found = items.find(({ id, address }) => id === name.toLowerCase() || address === name.toLowerCase());
  if (!found) fail(`there is no mailbox ${name}`);
  return found;
}

/** The error of a parser would repeat what it has read. */
function jsonOf(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}

function print(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

function refused({ refusals }: Refused): void {
  for (const { field, code, message } of refusals) fail(`${field}: ${message} (${code})`);
}

function fail(sentence: string): void {
  process.stderr.write(`${sentence}\n`);
  process.exitCode = 1;
}
