/** The notifier between real servers: facts in from JetStream, mails out to a mail server, the ledger in PostgreSQL. */
import { eventSubject, ticketCreated, ticketMessageAdded, ticketUpdated, type CloudEvent } from '#contracts';
import { mailSigner, REPLY_MARKER } from '#mail';
import { connectNats, createLogger, ensureTicketStream } from '#platform';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { randomUUID } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startStack, type Stack } from '../../../tools/stack/stack.js';
import { created, envelope, eva, MAILBOX, messageAdded, updated, zoe } from './events.js';
import { MailServer } from './mail-server.js';
import { startNotifier, type RunningNotifier } from './notifier.js';

let stack: Stack;
let nats: NatsConnection;
let database: pg.Pool;
let mailServer: MailServer;
let variables: Record<string, string>;
let running: RunningNotifier[] = [];

beforeAll(async () => {
  mailServer = await MailServer.create();
  const address = { host: '127.0.0.1', port: mailServer.port };
  stack = await startStack({
    dir: mkdtempSync(join(tmpdir(), 'notifier-test-')),
    imap: { ...address, mailboxes: [] },
    smtp: address,
    keepData: false,
  });
  nats = await connectNats(stack.natsUrl, 'test', createLogger('test', { NODE_ENV: 'test', LOG_LEVEL: 'silent' }));
  await ensureTicketStream(await jetstreamManager(nats));
  database = new pg.Pool({ connectionString: stack.databaseUrl });
  database.on('error', () => {}); // a closing connection may still hear that its server stops
  variables = {
    NODE_ENV: 'test',
    DATABASE_URL: stack.databaseUrl,
    NATS_URL: stack.natsUrl,
    SMTP_URL: mailServer.url,
    MAIL_SIGNING_KEY: stack.secrets.mailSigning,
    MAIL_DOMAIN: 'helpdesk.test',
    MAIL_LOOP_TOKEN: 'loop-token-of-the-test',
    WEBHOOK_SECRET_KEY: stack.secrets.webhooks,
    SUPPORT_NAME: 'Help Desk',
    // one reader here gets more than a loop may
    ACKNOWLEDGEMENTS_PER_HOUR: '0',
    ACKNOWLEDGEMENTS_PER_DAY: '0',
    ACKNOWLEDGEMENTS_PER_DOMAIN_HOUR: '0',
    AUTOMATIC_MAILS_PER_MINUTE: '0',
  };
});

afterAll(async () => {
  await database?.end();
  await nats?.close();
  await stack?.stop();
});

beforeEach(async () => {
  mailServer.received.length = 0;
  mailServer.answer = () => null;
  mailServer.beforeKeeping = async () => {};
  await mailServer.start();
  await start();
});

afterEach(async () => {
  await Promise.all(running.map((one) => one.stop()));
  running = [];
  await mailServer.stop();
});

async function start(): Promise<RunningNotifier> {
  const notifier = await startNotifier(variables);
  running.push(notifier);
  return notifier;
}

let lastNumber = 2_000;
const nextNumber = (): number => (lastNumber += 1);

/** @param messageId the stream's own guard against repeats; a new one lets a repeat through */
async function publish(event: CloudEvent<object>, messageId: string = event.id): Promise<void> {
  await jetstream(nats).publish(eventSubject(event.type, Number(event.subject)), JSON.stringify(event), {
    msgID: messageId,
  });
}

/** All facts published so far have been taken and acknowledged. */
async function consumed(): Promise<void> {
  const manager = await jetstreamManager(nats);
  await eventually('all events consumed', async () => {
    const { num_pending, num_ack_pending } = await manager.consumers.info('TICKETS', 'notifier');
    return num_pending === 0 && num_ack_pending === 0;
  });
}

async function eventually(what: string, condition: () => boolean | Promise<boolean>, limitMs = 20_000): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

interface LedgerRow {
  state: string;
  attempts: number;
  message_id: string;
  smtp_response: string | null;
  error: string | null;
}

async function ledger(number: number): Promise<LedgerRow[]> {
  const { rows } = await database.query<LedgerRow>(
    'select * from notifier.delivery where ticket_number = $1 order by sequence, recipient',
    [number],
  );
  return rows;
}

const states = async (number: number) => (await ledger(number)).map((row) => row.state);

const allSent = (number: number, count: number) =>
  eventually(`${count} mails sent on #${number}`, async () => {
    const found = await states(number);
    return found.length === count && found.every((state) => state === 'sent');
  });

describe('an acknowledgement', () => {
  it('leaves with everything that makes it an automatic answer in the thread of the mail it answers', async () => {
    const number = nextNumber();
    const thread = { mailbox: MAILBOX, references: ['before@customer.test', 'first@customer.test'] };
    await publish(
      envelope(ticketCreated, created({ thread, ticket: { number, subject: `Fwd: [#${number}] Störung` } })),
    );
    await allSent(number, 1);

    const [{ envelope: smtp, mail, header }] = mailServer.received as [(typeof mailServer.received)[0]];
    expect(smtp).toEqual({ from: '', to: zoe.email });
    expect(mail.from?.value).toEqual([{ name: 'Help Desk', address: MAILBOX }]);
    expect(mail.subject).toBe(`[#${number}] Störung`);
    expect(header('in-reply-to')).toBe('<first@customer.test>');
    expect(header('references')).toBe('<before@customer.test> <first@customer.test>');
    expect(header('message-id')).toBe(`<${(await ledger(number))[0]!.message_id}>`);
    const signer = mailSigner(stack.secrets.mailSigning);
    expect(signer.verifyMessageId(mail.messageId!)?.ticketNumber).toBe(number);
    expect(signer.verifyReplyAddress(mail.replyTo!.value[0]!.address!, zoe.email)?.ticketNumber).toBe(number);
    expect(header('x-helpdesk-loop')).toBe('loop-token-of-the-test');
    expect(header('auto-submitted')).toBe('auto-replied');
    expect(header('precedence')).toBe('bulk');
    expect(header('x-auto-response-suppress')).toBe('All');
    expect(mail.text?.startsWith(REPLY_MARKER)).toBe(true);
    expect(mail.text).toContain(`ticket #${number}`);
    expect(mail.html).toContain(`ticket #${number}`);
  });

  it('leaves within moments', async () => {
    const number = nextNumber();
    await publish(envelope(ticketCreated, created({ ticket: { number } })));
    await allSent(number, 1);
    const { rows } = await database.query(
      'select extract(epoch from sent_at - created_at) * 1000 as ms from notifier.delivery where ticket_number = $1',
      [number],
    );
    expect(Number(rows[0].ms)).toBeLessThan(500);
  });
});

describe("a person's answer", () => {
  it('looks like one, and hangs on what the reader had from us before', async () => {
    const number = nextNumber();
    await publish(envelope(ticketCreated, created({ ticket: { number } }), { sequence: 1 }));
    await publish(envelope(ticketMessageAdded, messageAdded({ ticket: { number } }), { sequence: 2 }));
    await allSent(number, 2);

    const [acknowledgement, answer] = mailServer.received;
    expect(answer!.envelope.from).toBe(MAILBOX);
    expect(answer!.mail.subject).toBe(`Re: [#${number}] Line down`);
    expect(answer!.header('auto-submitted')).toBeUndefined();
    expect(answer!.header('precedence')).toBeUndefined();
    expect(answer!.header('in-reply-to')).toBe('<first@customer.test>');
    expect(answer!.header('references')).toBe(`<first@customer.test> ${acknowledgement!.header('message-id')}`);
    expect(answer!.mail.text).toContain('It works again.');
  });
});

describe('what is sent to whom', () => {
  it('an internal note reaches nobody', async () => {
    const number = nextNumber();
    const note = messageAdded({ visibility: 'internal', text: null, recipients: [zoe, eva], ticket: { number } });
    await publish(envelope(ticketMessageAdded, note));
    await consumed();
    expect(await ledger(number)).toEqual([]);
  });

  it('a change reaches customer and employee, and the comment only the latter', async () => {
    const number = nextNumber();
    await publish(envelope(ticketUpdated, updated({ ticket: { number } })));
    await allSent(number, 2);
    const [[forCustomer], [forEmployee]] = [mailServer.to(zoe.email), mailServer.to(eva.email)];
    expect(forCustomer!.mail.text).not.toContain('The boss asked.');
    expect(forEmployee!.mail.text).toContain('The boss asked.');
    expect(forEmployee!.header('auto-submitted')).toBe('auto-generated');
  });
});

describe('exactly one mail', () => {
  it('for an event that was published twice', async () => {
    const number = nextNumber();
    const event = envelope(ticketCreated, created({ ticket: { number } }));
    await publish(event);
    await publish(event, randomUUID());
    await consumed();
    await allSent(number, 1);
    expect(mailServer.received).toHaveLength(1);
  });

  it('for each of many events with two instances at work', async () => {
    await start();
    const numbers = Array.from({ length: 100 }, nextNumber);
    await Promise.all(numbers.map((number) => publish(envelope(ticketCreated, created({ ticket: { number } })))));
    await consumed();
    for (const number of numbers) await allSent(number, 1);
    expect(new Set(mailServer.received.map((one) => one.mail.messageId)).size).toBe(100);
    expect(mailServer.received).toHaveLength(100);
  });
});

describe('a mail server that', () => {
  it('is down gets the mail once it is up again, and readiness names it meanwhile', async () => {
    await mailServer.stop();
    const number = nextNumber();
    await publish(envelope(ticketCreated, created({ ticket: { number } })));
    await eventually('a failed attempt', async () => (await ledger(number))[0]?.error != null);
    expect(await states(number)).toEqual(['pending']);
    expect((await running[0]!.readiness.failing()).map((one) => one.name)).toEqual(['smtp']);

    await mailServer.start();
    await allSent(number, 1);
    expect(mailServer.received).toHaveLength(1);
    expect(await running[0]!.readiness.failing()).toEqual([]);
  });

  it('refuses for good is not asked again, and its answer is kept', async () => {
    mailServer.answer = () => '550 5.1.1 no such user';
    const number = nextNumber();
    await publish(envelope(ticketCreated, created({ ticket: { number } })));
    await eventually('a refusal', async () => (await states(number))[0] === 'failed');
    const [row] = await ledger(number);
    expect(row).toMatchObject({ attempts: 1, smtp_response: '550 5.1.1 no such user' });
    expect(mailServer.received).toEqual([]);
  });

  it('says what PostgreSQL cannot keep holds up no other result', async () => {
    await mailServer.stop();
    const rude = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', (line) =>
        socket.write(String(line).startsWith('RCPT') ? '550 5.1.1 no\0body\r\n' : '250 ok\r\n'),
      );
      socket.write('220 hello\r\n');
    });
    await new Promise<void>((resolve) => rude.listen(mailServer.port, '127.0.0.1', resolve));
    const number = nextNumber();
    await publish(envelope(ticketCreated, created({ ticket: { number } })));
    await eventually('a refusal', async () => (await states(number))[0] === 'failed');
    expect((await ledger(number))[0]!.smtp_response).toBe('550 5.1.1 nobody');
    const ended = new Promise((resolve) => rude.close(resolve));
    await Promise.all(running.map((one) => one.stop()));
    running = [];
    await ended;
    await mailServer.start();
  });

  it('is not asked about an address that is none; the ledger says why', async () => {
    const number = nextNumber();
    const reporter = { personId: null, name: 'Zoe', email: 'zoe at customer' };
    await publish(envelope(ticketCreated, created({ ticket: { number, reporter } })));
    await eventually('a refusal', async () => (await states(number))[0] === 'failed');
    expect((await ledger(number))[0]!.error).toContain('not a mail address');
  });

  it('puts us off is asked again', async () => {
    const answers: (string | null)[] = ['451 4.7.1 try again later', null];
    mailServer.answer = () => answers.shift() ?? null;
    const number = nextNumber();
    await publish(envelope(ticketCreated, created({ ticket: { number } })));
    await allSent(number, 1);
    expect((await ledger(number))[0]).toMatchObject({ attempts: 2 });
    expect(mailServer.received).toHaveLength(1);
  });
});

describe('the order', () => {
  it('of the mails to one reader on one ticket holds while the first one is put off; others go ahead', async () => {
    let open = false;
    mailServer.answer = (recipient) => (recipient === zoe.email && !open ? '451 4.7.1 greylisted' : null);
    const number = nextNumber();
    const say = (text: string, sequence: number) =>
      publish(
        envelope(ticketMessageAdded, messageAdded({ text, recipients: [zoe, eva], ticket: { number } }), { sequence }),
      );
    await say('first', 1);
    await eventually('a first attempt', async () => (await ledger(number)).some((row) => row.error !== null));
    await say('second', 2);
    await say('third', 3);
    await eventually('the other reader has all', () => mailServer.to(eva.email).length === 3);
    expect(mailServer.to(zoe.email)).toEqual([]);

    open = true;
    await allSent(number, 6);
    for (const reader of [zoe.email, eva.email]) {
      const words = mailServer.to(reader).map((one) => /first|second|third/.exec(one.mail.text ?? '')?.[0]);
      expect(words).toEqual(['first', 'second', 'third']);
    }
  });
});

describe('a sender that dies', () => {
  it('in the middle of a dialogue is replaced when its lease is over, with the same Message-ID', async () => {
    const number = nextNumber();
    await publish(envelope(ticketCreated, created({ ticket: { number } })));
    await allSent(number, 1);
    const [before] = await ledger(number);
    // what a sender leaves behind that was killed between the server's 250 and its own commit
    await database.query(
      `update notifier.delivery set state = 'sending', sent_at = null, due_at = now() - interval '1 second'
       where ticket_number = $1`,
      [number],
    );
    await allSent(number, 1);
    const [after] = await ledger(number);
    expect(after).toMatchObject({ message_id: before!.message_id, attempts: 2 });
    expect(after!.error).toContain('a sender ended in the middle of attempt 1');
    expect(mailServer.received.map((one) => one.mail.messageId)).toEqual([
      `<${before!.message_id}>`,
      `<${before!.message_id}>`,
    ]);
  });

  it('keeps what it has taken as long as its lease runs', async () => {
    const number = nextNumber();
    await publish(envelope(ticketCreated, created({ ticket: { number } })));
    await allSent(number, 1);
    await database.query(
      `update notifier.delivery set state = 'sending', sent_at = null, due_at = now() + interval '1 hour'
       where ticket_number = $1`,
      [number],
    );
    const other = nextNumber();
    await publish(envelope(ticketCreated, created({ ticket: { number: other } })));
    await allSent(other, 1);
    expect(await states(number)).toEqual(['sending']);
    expect(mailServer.received).toHaveLength(2);
  });
});

describe('stopping', () => {
  it('finishes the dialogue in hand and leaves the rest for the next start', async () => {
    let inDialogue = (): void => {};
    const begun = new Promise<void>((resolve) => (inDialogue = resolve));
    let goOn = (): void => {};
    const mayGoOn = new Promise<void>((resolve) => (goOn = resolve));
    mailServer.beforeKeeping = async () => {
      inDialogue();
      await mayGoOn;
    };
    const number = nextNumber();
    await publish(envelope(ticketMessageAdded, messageAdded({ ticket: { number } }), { sequence: 1 }));
    await publish(envelope(ticketMessageAdded, messageAdded({ ticket: { number } }), { sequence: 2 }));
    await begun;
    await consumed();
    const stopped = Promise.all(running.splice(0).map((one) => one.stop()));
    goOn();
    await stopped;
    expect(await states(number)).toEqual(['sent', 'pending']);

    await start();
    await allSent(number, 2);
    expect(mailServer.received).toHaveLength(2);
  });
});
