/** What comes back of our own mails, through a real mail server: linked to the very mail, told in the house, once. */
import { Attack, lines } from '../harness/hostile.js';
import { eventually } from '../../tools/demo/api.js';
import { ACCOUNTS } from '../../tools/demo/directory.js';
import { awaitMail } from '../../tools/demo/mail.js';

const READER = 'ines@customer.test';
let attack: Attack;
let ticketId: string;
let ticketNumber: number;
let messageId: string;

beforeAll(async () => {
  attack = await Attack.begin();
  await attack.world.stack.addMailbox(READER);
  const [taken] = await attack.receive(
    lines(`From: Ines <${READER}>`, 'Message-ID: <ines@customer.test>', 'Subject: Printer', '', 'It does not print.'),
  );
  ticketId = taken!.ticketId!;
  ticketNumber = taken!.ticketNumber!;
  const me = await attack.employee.me();
  await attack.employee.update(ticketId, { assignee: me.id, comment: 'Mine.' });
  await attack.employee.reply(ticketId, 'We will look into it.');
  messageId = await eventually('the answer sent', async () => {
    const { rows } = await attack.database.query<{ message_id: string }>(
      `select message_id from notifier.delivery
       where ticket_number = $1 and recipient = $2 and template = 'message' and state = 'sent'`,
      [ticketNumber, READER],
    );
    return rows[0]?.message_id;
  });
});
afterAll(() => attack?.end());

function bounce(name: string, about: string, ...fields: string[]): string {
  return lines(
    'Return-Path: <>',
    'From: Mail Delivery System <MAILER-DAEMON@mx.customer.test>',
    `To: support@${attack.world.stack.domain}`,
    `Message-ID: <${name}@mx.customer.test>`,
    'Subject: Undelivered Mail Returned to Sender',
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type=delivery-status; boundary=b',
    '',
    '--b',
    '',
    'Your mail could not be delivered.',
    '--b',
    'Content-Type: message/delivery-status',
    '',
    'Reporting-MTA: dns; mx.customer.test',
    '',
    ...fields,
    '--b',
    'Content-Type: text/rfc822-headers',
    '',
    `Message-ID: <${about}>`,
    'Subject: Re: Printer',
    '',
    '--b--',
    '',
  );
}

const FAILED = [
  `Final-Recipient: rfc822; ${READER}`,
  'Action: failed',
  'Status: 5.1.1',
  'Diagnostic-Code: smtp; 550 5.1.1 No such user here',
];

async function state() {
  const { rows } = await attack.database.query(
    `select (select jsonb_build_object('status', status, 'assign', assign_state, 'resolve', resolve_state,
         'consumed', resolve_consumed_seconds, 'until', suspension_until) from tickets.ticket where id = $1) as ticket,
       (select count(*)::int from tickets.ticket) as tickets, (select count(*)::int from tickets.person) as people,
       (select count(*)::int from tickets.timeline_entry where ticket_id = $1) as entries`,
    [ticketId],
  );
  return rows[0];
}

async function delivery() {
  const { rows } = await attack.database.query(
    `select state, bounce_action, bounce_status, bounce_kind from notifier.delivery where message_id = $1`,
    [messageId],
  );
  return rows[0];
}

it('a forged report without a signed id changes nothing', async () => {
  const before = await state();
  const forged = messageId.replace(/[a-z2-7]{4}@/, 'aaaa@');
  const [result] = await attack.receive(bounce('forged', forged, ...FAILED));
  expect(result).toMatchObject({ disposition: 'rejected', ticketId: null });
  expect(await state()).toEqual(before);
  expect(await delivery()).toMatchObject({ bounce_action: null });
});

it('a delay is noted, and nobody is told', async () => {
  const before = await state();
  const fields = [`Final-Recipient: rfc822; ${READER}`, 'Action: delayed', 'Status: 4.4.1'];
  const [result] = await attack.receive(bounce('delayed', messageId, ...fields));
  expect(result).toMatchObject({ disposition: 'bounce_linked', ticketNumber });
  expect(await state()).toEqual({ ...before, entries: before.entries + 1 });
  await eventually('the ledger', async () => ((await delivery()).bounce_action === 'delayed' ? true : undefined));
  const { rows } = await attack.database.query(`select 1 from notifier.delivery where template = 'bounce'`);
  expect(rows).toEqual([]);
});

it('a failure is noted on the ticket and on the delivery, and the assignee is told; once, however often it comes', async () => {
  const before = await state();
  const raw = bounce('failed', messageId, ...FAILED);
  const [first, second] = await attack.receive(raw, raw);
  expect(first).toMatchObject({ disposition: 'bounce_linked', ticketNumber });
  expect(second).toMatchObject({ disposition: 'duplicate' });
  expect(await state()).toEqual({ ...before, entries: before.entries + 1 });
  const note = (await attack.employee.timeline(ticketId)).items.at(-1)!;
  expect(note).toMatchObject({ kind: 'note', author: { name: 'Mail system' } });
  expect(note.text).toContain(`Delivery to ${READER} failed: 5.1.1 userunknown.`);
  await eventually('the ledger', async () => ((await delivery()).bounce_action === 'failed' ? true : undefined));
  expect(await delivery()).toEqual({
    state: 'sent',
    bounce_action: 'failed',
    bounce_status: '5.1.1',
    bounce_kind: 'userunknown',
  });
  const { stack } = attack.world;
  const mailbox = await stack.addMailbox(ACCOUNTS.erik.email);
  const told = await awaitMail(stack, mailbox, ({ text }) => text?.includes('could not be delivered') ?? false);
  expect(told.text).toContain(READER);
  const { rows } = await attack.database.query(`select recipient from notifier.delivery where template = 'bounce'`);
  expect(rows).toEqual([{ recipient: ACCOUNTS.erik.email }]);
});

it('the customer stays who they are, and reads nothing of it', async () => {
  const ticket = await attack.employee.ticket(ticketId);
  expect(ticket.reporter).toMatchObject({ name: 'Ines', email: READER });
  const { rows } = await attack.database.query(`select 1 from tickets.person where email ilike '%daemon%'`);
  expect(rows).toEqual([]);
});
