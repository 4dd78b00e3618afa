/**
 * `npm run bench:intake` — mails of about 8 KB that already lie in the mailbox become tickets in PostgreSQL: mails per
 * second, CPU per mail over the four services and PostgreSQL, peak memory; then mails that arrive one by one under IDLE:
 * latency from the SMTP server's acceptance to the committed ticket. The floor is measured in the same run on the same
 * mails: imapflow's fetch and mailparser's parse alone, nothing stored; once with mailparser as it comes, once with all
 * its conversions switched off.
 */
import { ImapFlow } from 'imapflow';
import { simpleParser, type SimpleParserOptions } from 'mailparser';
import { createTransport } from 'nodemailer';
import { randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { eventually } from '../demo/api.ts';
import { prepareDirectory } from '../demo/directory.ts';
import { startServices, WITHOUT_MAIL_LIMITS } from '../services/services.ts';
import { startStack } from '../stack/stack.ts';
import { cpuSeconds, memoryMiB, percentile } from './usage.ts';

const MAILS = Number(process.env['BENCH_MAILS'] ?? 3_000);
const SINGLE_MAILS = Number(process.env['BENCH_SINGLE_MAILS'] ?? 30);
const LIMIT_MS = Math.max(600_000, MAILS * 20);
const QUIET_MAILS = 7;
/** Longer than intake stays attentive after a mail. */
const SILENCE_MS = 6_000;
const FLOOR_MAILS = Math.min(MAILS, 1_500);
const SENDERS = 200;
const SYLLABLES = 'ba ce di fo gu ha ki lo mu na pe ri so tu va we xi yo za bro cli dra fle gri kno'.split(' ');
const TARGETS = { mailsPerSecond: 250, shareOfFloor: 0.3, cpuMsPerMail: 7, ingestMiB: 350, idleP50Ms: 350 };

const directory = mkdtempSync(join(tmpdir(), 'helpdesk-bench-'));
const stack = await startStack({ dir: directory, keepData: false });
const support = stack.mailboxes[0]!;
const transport = createTransport({ ...stack.smtp, secure: false, ignoreTLS: true, pool: true, maxConnections: 4 });
const database = new pg.Pool({ connectionString: stack.databaseUrl });
database.on('error', () => {}); // the query in hand fails as well and says why

try {
  await prepareDirectory(stack);
  for (let i = 0; i < SENDERS; i++) await stack.addMailbox(`sender${i}@customer.test`);
  console.log(`sending ${MAILS} mails of about 8 KB into ${support.address}`);
  await sendMany(MAILS);
  const floor = await measureFloor({});
  const bare = await measureFloor({ skipHtmlToText: true, skipTextToHtml: true, skipTextLinks: true });
  console.log(`floor: fetch and parse alone ${floor.toFixed(0)} mails/s, without conversions ${bare.toFixed(0)}`);
  await measureIntake(floor);
} finally {
  transport.close();
  await database.end();
  await stack.stop();
}

function mail(i: number) {
  const text = `The line to site ${i} is down since ten o'clock.\n\n${prose(2_000).replaceAll(/(.{60,70}) /g, '$1\n')}`;
  return {
    from: { name: `Sender ${i % SENDERS} Łukasz`, address: `sender${i % SENDERS}@customer.test` },
    to: support.address,
    subject: `Line ${i} down – Störung`,
    text,
    html: `<p>${text.slice(0, 1_000).replaceAll('\n', '<br>')}</p>`,
    attachments: [{ filename: 'trace.bin', content: randomBytes(2_000) }],
  };
}

/** Words as unevenly spread as in real mail (Zipf's law), of a vocabulary of 20,000. */
function prose(length: number): string {
  let text = '';
  while (text.length < length) text += `${wordOfRank(Math.floor(Math.exp(Math.random() * Math.log(20_000))))} `;
  return text;
}

function wordOfRank(rank: number): string {
  let word = SYLLABLES[rank % SYLLABLES.length]!;
  for (let rest = rank; rest > 0; rest = Math.floor(rest / SYLLABLES.length))
    word += SYLLABLES[rest % SYLLABLES.length]!;
  return word;
}

async function sendMany(count: number): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      while (next < count) await transport.sendMail(mail(next++));
    }),
  );
}

async function measureFloor(options: SimpleParserOptions): Promise<number> {
  const client = new ImapFlow({
    ...stack.imap,
    secure: false,
    auth: { user: support.user, pass: support.password },
    logger: false,
  });
  await client.connect();
  await client.mailboxOpen('INBOX', { readOnly: true });
  const begun = performance.now();
  for await (const message of client.fetch(`1:${FLOOR_MAILS}`, { source: true, uid: true })) {
    await simpleParser(message.source!, options);
  }
  const seconds = (performance.now() - begun) / 1000;
  await client.logout();
  return FLOOR_MAILS / seconds;
}

async function measureIntake(floor: number): Promise<void> {
  const production = { LOG_LEVEL: 'warn', NODE_ENV: 'production' };
  // few senders send all mails: they are counted, but not held; and so it is with the answers
  const limits = { MAIL_FLOOD_PER_SENDER: '1000000', MAIL_FLOOD_PER_DOMAIN: '1000000' };
  const services = await startServices({
    stack,
    logDirectory: join(directory, 'log'),
    only: ['tickets', 'notifier', 'gateway'],
    env: {
      tickets: production,
      notifier: { ...production, ...WITHOUT_MAIL_LIMITS },
      gateway: production,
      'mail-ingest': production,
    },
  });
  const pids = () => [...services.instances.map((one) => one.pid), stack.processes.postgres!];
  try {
    const parts = () =>
      new Map([
        ...services.instances.map((one) => [one.service, one.pid] as const),
        ['postgres', stack.processes.postgres!] as const,
      ]);
    const partsBefore = new Map([...parts()].map(([name, pid]) => [name, cpuSeconds([pid])]));
    const cpuBefore = cpuSeconds(pids());
    const begun = performance.now();
    const ingest = await startServices({
      stack,
      logDirectory: join(directory, 'log'),
      only: ['mail-ingest'],
      env: { 'mail-ingest': { ...production, ...limits } },
    });
    services.instances.push(...ingest.instances);
    await eventually('all tickets', allTickets, LIMIT_MS);
    const seconds = (performance.now() - begun) / 1000;
    const ticketsAt = cpuSeconds(pids());
    await eventually('all acknowledgements', notified, LIMIT_MS);
    const cpuPerMail = ((cpuSeconds(pids()) - cpuBefore) * 1000) / MAILS;
    const rate = MAILS / seconds;
    const ingestMemory = memoryMiB(ingest.instances[0]!.pid).peak;
    console.log(`
backlog   ${MAILS} mails in ${seconds.toFixed(1)} s, service start included: ${rate.toFixed(0)} mails/s (target ${TARGETS.mailsPerSecond}): ${verdict(rate >= TARGETS.mailsPerSecond)}
          ${((rate / floor) * 100).toFixed(0)} % of the floor (target ${TARGETS.shareOfFloor * 100}): ${verdict(rate / floor >= TARGETS.shareOfFloor)}
CPU       ${cpuPerMail.toFixed(1)} ms per mail over services and PostgreSQL, until the last acknowledgement was sent (target ${TARGETS.cpuMsPerMail}): ${verdict(cpuPerMail <= TARGETS.cpuMsPerMail)}
          ${(((ticketsAt - cpuBefore) * 1000) / MAILS).toFixed(1)} ms of them until the last ticket was committed
          ${[...parts()].map(([name, pid]) => `${name} ${(((cpuSeconds([pid]) - (partsBefore.get(name) ?? 0)) * 1000) / MAILS).toFixed(1)}`).join(', ')}
memory    ${services.instances.map((one) => `${one.service} ${memoryMiB(one.pid).peak.toFixed(0)}`).join(', ')} MiB at most
          mail-ingest (target ${TARGETS.ingestMiB}): ${verdict(ingestMemory <= TARGETS.ingestMiB)}`);
    await measureSingles();
  } finally {
    await services.stop();
  }
}

async function ticketCount(): Promise<number> {
  const { rows } = await database.query('select count(*)::int as count from tickets.ticket');
  return rows[0].count;
}

/** Counts only when the highest number says that it may be: counting costs PostgreSQL time that is not the services'. */
async function allTickets(): Promise<true | undefined> {
  const { rows } = await database.query('select coalesce(max(number), 0) as highest from tickets.ticket');
  return rows[0].highest >= MAILS && (await ticketCount()) >= MAILS ? true : undefined;
}

/** Asked rarely: the questions cost PostgreSQL time that would be counted as the services'. */
async function notified(): Promise<true | undefined> {
  const { rows } = await database.query(
    `select not exists (select from tickets.outbox where published_at is null)
        and (select count(*) from notifier.delivery where due_at is null) >= $1 as done`,
    [MAILS],
  );
  if (rows[0].done) return true;
  await new Promise((resolve) => setTimeout(resolve, 200));
  return undefined;
}

/** Mails one by one: into a lively mailbox, and after a silence in which intake does nothing but IDLE. */
async function measureSingles(): Promise<void> {
  const lively: number[] = [];
  const quiet: number[] = [];
  for (let i = 0; i < SINGLE_MAILS; i++) lively.push(await measureOne(MAILS + i));
  for (let i = 0; i < QUIET_MAILS; i++) {
    await new Promise((resolve) => setTimeout(resolve, SILENCE_MS));
    quiet.push(await measureOne(MAILS + SINGLE_MAILS + i));
  }
  const dovecot = await measureNotification();
  const p50 = percentile(lively, 0.5);
  console.log(
    `one by one  accepted → committed ticket: p50 ${p50.toFixed(0)} ms, p95 ${percentile(lively, 0.95).toFixed(0)} ms (target p50 ${TARGETS.idleP50Ms}): ${verdict(p50 <= TARGETS.idleP50Ms)}
            after ${SILENCE_MS / 1000} s of silence: p50 ${percentile(quiet, 0.5).toFixed(0)} ms, of which Dovecot takes ${dovecot.toFixed(0)} ms to tell an idling client`,
  );
}

async function measureOne(i: number): Promise<number> {
  const before = await ticketCount();
  await transport.sendMail(mail(i));
  const begun = performance.now();
  while ((await ticketCount()) === before) {
    if (performance.now() - begun > 60_000) throw new Error('a single mail did not arrive within a minute');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return performance.now() - begun;
}

/** How long the server alone takes from accepting a mail to telling a client that does nothing but IDLE. */
async function measureNotification(): Promise<number> {
  const mailbox = await stack.addMailbox('idle@customer.test');
  const client = new ImapFlow({
    ...stack.imap,
    secure: false,
    auth: { user: mailbox.user, pass: mailbox.password },
    logger: false,
    disableAutoIdle: true,
  });
  await client.connect();
  await client.mailboxOpen('INBOX');
  const idling = client.idle();
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const told = new Promise<number>((resolve) => client.once('exists', () => resolve(performance.now())));
  await transport.sendMail({ ...mail(0), to: mailbox.address });
  const accepted = performance.now();
  const latency = (await told) - accepted;
  await client.logout();
  await idling;
  return latency;
}

function verdict(reached: boolean): string {
  return reached ? 'reached' : 'MISSED';
}
