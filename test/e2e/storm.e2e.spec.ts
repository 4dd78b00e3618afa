/** Machines that answer: loops come to an end by themselves, and no machine moves a ticket. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../../tools/demo/api.js';
import { awaitMail } from '../../tools/demo/mail.js';
import { Attack, lines, ordinaryMail, type Accounted } from '../harness/hostile.js';

let attack: Attack;
beforeAll(async () => {
  attack = await Attack.begin({ notifier: {} }); // with the limits that the service has by itself
});
afterAll(() => attack?.end());

interface Acknowledgement {
  state: string;
  rule: string | null;
  messageId: string;
}

/** What the ledger says of the acknowledgement of a ticket, once it says how it ends. */
function acknowledgementOf({ ticketNumber }: Accounted): Promise<Acknowledgement> {
  return eventually(`the acknowledgement of #${ticketNumber}`, async () => {
    const { rows } = await attack.database.query<Acknowledgement>(
      `select state, suppressed_by as rule, message_id as "messageId" from notifier.delivery
       where ticket_number = $1 and template = 'acknowledgement' and due_at is null`,
      [ticketNumber],
    );
    return rows[0];
  });
}

async function ticketsOf(domain: string): Promise<number> {
  const { rows } = await attack.database.query(
    'select count(*)::int as n from tickets.ticket where reporter_email like $1',
    [`%@${domain}`],
  );
  return rows[0].n;
}

async function mailsTo(domain: string): Promise<number> {
  const { rows } = await attack.database.query(
    `select count(*)::int as n from notifier.delivery where recipient like $1 and state = 'sent'`,
    [`%@${domain}`],
  );
  return rows[0].n;
}

function logOfNotifier(): string {
  const directory = attack.world.logDirectory;
  const names = readdirSync(directory).filter((name) => name.startsWith('notifier'));
  return names.map((name) => readFileSync(join(directory, name), 'utf8')).join('');
}

it('a partner system that answers each of our mails from a new address comes to an end, with an alarm', async () => {
  const { stack } = attack.world;
  const rules: (string | null)[] = [];
  for (let turn = 0; turn < 20; turn++) {
    const address = `robot${turn}@partner.test`;
    const mailbox = await stack.addMailbox(address);
    const [taken] = await attack.receive(
      lines(
        `From: Robot <${address}>`,
        `Reply-To: Robot <${address}>`,
        `Message-ID: <turn${turn}@partner.test>`,
        `Subject: Case ${turn} was opened`,
        '',
        `Thank you for your message number ${turn}.`,
      ),
    );
    const { state, rule } = await acknowledgementOf(taken!);
    rules.push(rule);
    if (state !== 'sent') break;
    // it answers what has reached it, and nothing else
    await awaitMail(stack, mailbox, () => true);
  }
  expect(rules).toEqual([null, null, null, null, null, 'domain-hour']);
  expect(await ticketsOf('partner.test')).toBeLessThanOrEqual(10);
  expect(await mailsTo('partner.test')).toBe(5);
  expect(logOfNotifier()).toMatch(/"automatic mail held back"/);
});

it('another help desk that acknowledges each of our mails, unmarked, gets two of them at most', async () => {
  for (let turn = 0; turn < 6; turn++) {
    const [taken] = await attack.receive(
      lines(
        'From: Help Desk <desk@unmarked.test>',
        `Message-ID: <case${turn}@unmarked.test>`,
        'Subject: We got your request',
        '',
        `Your request has the number ${turn}.`,
      ),
    );
    if ((await acknowledgementOf(taken!)).state !== 'sent') break;
  }
  expect(await mailsTo('unmarked.test')).toBeLessThanOrEqual(2);
  expect(await ticketsOf('unmarked.test')).toBeLessThanOrEqual(3);
});

it('another help desk whose every subject is new, unmarked, gets three of them in an hour', async () => {
  const rules: (string | null)[] = [];
  for (let turn = 0; turn < 10 && rules.at(-1) !== 'recipient-hour'; turn++) {
    const [taken] = await attack.receive(
      lines(
        'From: Help Desk <desk@numbering.test>',
        `Message-ID: <case${turn}@numbering.test>`,
        `Subject: Case CS${90_000 + turn} was opened`,
        '',
        'We got your request.',
      ),
    );
    rules.push((await acknowledgementOf(taken!)).rule);
  }
  expect(rules).toEqual([null, null, null, 'recipient-hour']);
});

it('another help desk that marks its acknowledgements, as ours does, is answered once', async () => {
  const { stack } = attack.world;
  const mailbox = await stack.addMailbox('desk@marked.test');
  const [ours] = await attack.receive(
    lines('From: Desk <desk@marked.test>', 'Message-ID: <first@marked.test>', 'Subject: Line down', '', 'It is down.'),
  );
  const { messageId } = await acknowledgementOf(ours!);
  const heard = await awaitMail(stack, mailbox, (mail) => mail.messageId === `<${messageId}>`);
  const [theirs] = await attack.receive(
    lines(
      'From: Desk <desk@marked.test>',
      'Return-Path: <>',
      'Message-ID: <second@marked.test>',
      `Subject: [Case 99] ${heard.subject}`,
      'Auto-Submitted: auto-replied',
      'Precedence: bulk',
      'X-Auto-Response-Suppress: All',
      '',
      'We got your mail.',
    ),
  );
  expect(theirs!.disposition).toBe('ticket_created');
  // whatever would be said about it has been said when a later mail is acknowledged
  const [later] = await attack.receive(ordinaryMail());
  await acknowledgementOf(later!);
  expect(await mailsTo('marked.test')).toBe(1);
});

describe('a machine', () => {
  const STATES = {
    open: {},
    'in progress': { status: 'in_progress' },
    suspended: { status: 'suspended', suspensionCause: 'pending_customer', suspendedSeconds: 7_200 },
    'about to close': {
      status: 'suspended',
      suspensionCause: 'pending_closed',
      suspendedSeconds: 7_200,
      closeResolutionType: 'fixed',
    },
    closed: { status: 'closed', resolutionType: 'fixed' },
  } as const;
  const MACHINES = {
    'that replies': ['Auto-Submitted: auto-replied'],
    'that is away, by its subject': ['Subject: Abwesenheitsnotiz: Line'],
    'that is a list': ['List-Id: <noc.list.test>', 'Precedence: list'],
    'that has the null path': ['Return-Path: <>', 'X-Autoreply: yes'],
  };

  it.each(Object.keys(STATES) as (keyof typeof STATES)[])('moves nothing on a ticket that is %s', async (state) => {
    const { employee } = attack;
    const address = `ada@${state.replaceAll(' ', '-')}.test`;
    await attack.world.stack.addMailbox(address);
    const [opened] = await attack.receive(
      lines(`From: Ada <${address}>`, `Message-ID: <first@${address}>`, 'Subject: Line', '', 'The line is down.'),
    );
    const ticketId = opened!.ticketId!;
    const { messageId } = await acknowledgementOf(opened!);
    const me = await employee.me();
    if (state !== 'open') {
      await employee.update(ticketId, { assignee: me.id, ...STATES[state], comment: 'On with it.' });
    }
    const before = await fixedParts(ticketId);
    const mails = Object.entries(MACHINES).map(([name, headers], index) =>
      lines(
        `From: Ada <${address}>`,
        `Message-ID: <machine${index}@${address}>`,
        `In-Reply-To: <${messageId}>`,
        ...(headers.some((header) => header.startsWith('Subject:')) ? [] : ['Subject: Re: Line']),
        ...headers,
        '',
        `I am a machine ${name}.`,
      ),
    );
    const taken = await attack.receive(...mails);
    for (const one of taken) expect(one).toMatchObject({ disposition: 'appended', ticketId });
    expect(await fixedParts(ticketId)).toEqual(before);
    const [linked] = await attack.receive(bounce(address, messageId));
    expect(linked).toMatchObject({ disposition: 'bounce_linked', ticketId });
    expect(await fixedParts(ticketId)).toEqual(before);
  });

  function bounce(recipient: string, about: string): string {
    return lines(
      'Return-Path: <>',
      'From: Mail Delivery System <MAILER-DAEMON@mx.test>',
      `Message-ID: <bounce@${recipient}>`,
      'Subject: Undelivered Mail Returned to Sender',
      'MIME-Version: 1.0',
      'Content-Type: multipart/report; report-type=delivery-status; boundary=b',
      '',
      '--b',
      '',
      'The mailbox is full.',
      '--b',
      'Content-Type: message/delivery-status',
      '',
      'Reporting-MTA: dns; mx.test',
      '',
      `Final-Recipient: rfc822; ${recipient}`,
      'Action: failed',
      'Status: 5.2.2',
      '--b',
      'Content-Type: text/rfc822-headers',
      '',
      `Message-ID: <${about}>`,
      '',
      '--b--',
      '',
    );
  }

  /** All of the ticket's row but what says that something was added to it. */
  async function fixedParts(ticketId: string): Promise<Record<string, unknown>> {
    const { rows } = await attack.database.query<{ row: Record<string, unknown> }>(
      'select to_jsonb(t) as row from tickets.ticket t where id = $1',
      [ticketId],
    );
    const grown = new Set(['version', 'updated_at', 'event_sequence', 'mail_references']);
    return Object.fromEntries(Object.entries(rows[0]!.row).filter(([name]) => !grown.has(name)));
  }
});
