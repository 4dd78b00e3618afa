/** Mail as the world sends it: each gets a disposition and a ticket or a quarantine row, and intake goes on. */
import pg from 'pg';
import { sendRaw } from '../harness/raw-mail.js';
import { startWorld, stopWorld, type World } from '../harness/stack.js';
import { Api, eventually } from '../../tools/demo/api.js';
import { ACCOUNTS } from '../../tools/demo/directory.js';

let world: World;
let database: pg.Pool;
let employee: Api;
const sender = 'mara@customer.test';

beforeAll(async () => {
  world = await startWorld();
  database = new pg.Pool({ connectionString: world.stack.databaseUrl });
  database.on('error', () => {}); // a closing connection may still hear that its server stops
  await world.stack.addMailbox(sender);
  const { email } = ACCOUNTS.erik;
  employee = await Api.logIn(world.services.apiUrl, email, world.stack.accountPassword(email));
});

afterAll(async () => {
  await database?.end();
  await stopWorld(world);
});

interface Disposition {
  id: string;
  disposition: string;
  rule: string | null;
  ticket_id: string | null;
  error: string | null;
}

/** Sends the bytes and waits for what became of them. */
async function receive(raw: Buffer | string, from = sender): Promise<Disposition> {
  const { rows: known } = await database.query('select id from mail.inbound_message');
  const ids = known.map((row) => row.id);
  await sendRaw(world.stack, from, world.stack.mailboxes[0]!.address, raw);
  return eventually(
    'a disposition',
    async () => {
      const { rows } = await database.query<Disposition>(
        `select id, disposition, rule, ticket_id, error from mail.inbound_message where disposition is not null and id <> all($1)`,
        [ids],
      );
      return rows[0];
    },
    60_000,
  );
}

const lines = (...text: string[]) => text.join('\r\n');

it('takes a mail without Message-ID', async () => {
  const result = await receive(lines(`From: Mara <${sender}>`, 'Subject: no id', '', 'Hello'));
  expect(result).toMatchObject({ disposition: 'ticket_created', ticket_id: expect.any(String) });
});

it('takes a mail without From, for an unknown sender or the one of the envelope', async () => {
  const result = await receive(lines('Subject: nobody', 'Message-ID: <nobody@x.test>', '', 'Hello'));
  expect(result.disposition).toBe('ticket_created');
  const ticket = await employee.ticket(result.ticket_id!);
  expect([null, sender]).toContain(ticket.reporter.email);
});

it('takes a mail with an empty body', async () => {
  const result = await receive(lines(`From: ${sender}`, 'Subject: empty', 'Message-ID: <empty@x.test>', '', ''));
  expect(result.disposition).toBe('ticket_created');
  expect((await employee.timeline(result.ticket_id!)).items).toHaveLength(1);
});

it('takes a mail with an attachment of 20 MB and gives it back byte for byte', async () => {
  const size = 20 << 20;
  const content = Buffer.alloc(size, 'helpdesk!');
  const base64 = content.toString('base64').replaceAll(/(.{76})/g, '$1\r\n');
  const head = lines(
    `From: ${sender}`,
    'Subject: big',
    'Message-ID: <big@x.test>',
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    'Content-Type: text/plain',
    '',
    'See attachment.',
    '--b',
    'Content-Type: application/octet-stream; name=big.bin',
    'Content-Transfer-Encoding: base64',
    'Content-Disposition: attachment; filename=big.bin',
    '',
    '',
  );
  const result = await receive(`${head}${base64}\r\n--b--\r\n`);
  expect(result).toMatchObject({ disposition: 'ticket_created' });
  const [entry] = (await employee.timeline(result.ticket_id!)).items;
  const [attachment] = entry!.attachments;
  expect(attachment).toMatchObject({ name: 'big.bin', size });
  const response = await fetch(`${world.services.apiUrl}/tickets/${result.ticket_id}/attachments/${attachment!.id}`, {
    headers: { authorization: `Bearer ${employee.token}` },
  });
  expect(Buffer.from(await response.arrayBuffer()).equals(content)).toBe(true);
}, 120_000);

it.each([
  ['an unknown charset', 'x-no-such-charset', Buffer.from('plain words \xe4\xf6\xfc', 'latin1')],
  ['bytes that are not what they say', 'utf-8', Buffer.from('plain words \xff\xfe\xe4', 'latin1')],
])('takes a mail with %s and keeps it readable', async (_title, charset, body) => {
  const head = lines(
    `From: ${sender}`,
    'Subject: broken',
    'MIME-Version: 1.0',
    `Content-Type: text/plain; charset=${charset}`,
    'Content-Transfer-Encoding: 8bit',
    '',
    '',
  );
  const result = await receive(Buffer.concat([Buffer.from(head), body]));
  expect(result.disposition).toBe('ticket_created');
  expect((await employee.timeline(result.ticket_id!)).items[0]!.text).toContain('plain words');
});

it('keeps the answer to an invitation that belongs to no ticket, and takes it when a person wants it', async () => {
  const raw = lines(
    `From: ${sender}`,
    'Subject: Accepted: Maintenance',
    'Message-ID: <accepted@x.test>',
    'MIME-Version: 1.0',
    'Content-Type: text/calendar; method=REPLY; charset=utf-8',
    '',
    'BEGIN:VCALENDAR',
    'METHOD:REPLY',
    'BEGIN:VEVENT',
    'UID:maintenance@helpdesk.test',
    `ATTENDEE;PARTSTAT=ACCEPTED:mailto:${sender}`,
    'END:VEVENT',
    'END:VCALENDAR',
    '',
  );
  const kept = await receive(raw);
  expect(kept).toMatchObject({ disposition: 'rejected', rule: 'calendar:reply', ticket_id: null });
  const response = await fetch(`${world.services.apiUrl}/inbound/${kept.id}/release`, {
    method: 'POST',
    headers: { authorization: `Bearer ${employee.token}` },
  });
  expect(await response.json()).toMatchObject({ inbound: { disposition: 'ticket_created', rule: 'released:new' } });
  const invitation = await receive(raw.replaceAll('REPLY', 'REQUEST').replace('accepted@', 'invited@'));
  expect(invitation).toMatchObject({ disposition: 'ticket_created' });
});

it('takes garbage, and the services are still the ones that were started', async () => {
  const pids = world.services.instances.map((one) => one.pid);
  const result = await receive(Buffer.from(Array.from({ length: 4_000 }, (_, i) => (i * 7919) % 256)));
  expect(['ticket_created', 'quarantined']).toContain(result.disposition);
  expect(world.services.instances.map((one) => one.pid)).toEqual(pids);
  await Promise.all(world.services.instances.map((one) => one.ready()));
});
