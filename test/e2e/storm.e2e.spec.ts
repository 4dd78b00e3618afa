/**
 * Machines that answer machines, through a real mail server and the running services with the limits that they ship
 * with: every exchange ends by itself, and nothing that a machine says moves a ticket.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Attack, lines, ordinaryMail, type Accounted } from '../harness/hostile.js';
import { eventually } from '../../tools/demo/api.js';
import { ACCOUNTS } from '../../tools/demo/directory.js';
import { awaitMail } from '../../tools/demo/mail.js';

/** Who has not fallen silent after so many mails never will. */
const ENOUGH = 20;

let attack: Attack;
let support: string;
let sent = 0;

beforeAll(async () => {
  attack = await Attack.begin({ notifier: {} });
  support = attack.world.stack.mailboxes[0]!.address;
});
afterAll(() => attack?.end());

interface Delivery {
  state: string;
  suppressed_by: string | null;
  mail: { subject: string };
}

function mail(from: string, subject: string, ...headers: string[]): string {
  sent += 1;
  const id = `<${sent}.storm@machine.example>`;
  return lines(`From: ${from}`, `To: ${support}`, `Message-ID: ${id}`, `Subject: ${subject}`, ...headers, '', 'Words.');
}

/** What we told an address, in the order of its tickets. */
async function told(like: string): Promise<Delivery[]> {
  const { rows } = await attack.database.query<Delivery>(
    'select state, suppressed_by, mail from notifier.delivery where recipient like $1 order by ticket_number, sequence',
    [like],
  );
  return rows;
}

/** The delivery that a ticket's first mail led to, once it is over. */
async function acknowledgementOf({ ticketNumber }: Accounted): Promise<Delivery> {
  return eventually('the acknowledgement', async () => {
    const { rows } = await attack.database.query<Delivery>(
      'select state, suppressed_by, mail from notifier.delivery where ticket_number = $1 and due_at is null',
      [ticketNumber],
    );
    return rows[0];
  });
}

/** Another system, which answers whatever it gets with a mail of its own, until it gets no more. @returns its mails */
async function partnerAnswers(write: (turn: number) => { from: string; raw: string }): Promise<number> {
  for (let turn = 1; turn <= ENOUGH; turn++) {
    const { from, raw } = write(turn);
    const mailbox = await attack.world.stack.addMailbox(from);
    const [taken] = await attack.receive(raw);
    if (taken!.disposition !== 'ticket_created') return turn;
    const { state, mail: ours } = await acknowledgementOf(taken!);
    if (state !== 'sent') return turn;
    await awaitMail(attack.world.stack, mailbox, ({ subject }) => subject === ours.subject);
  }
  throw new Error(`no end after ${ENOUGH} mails`);
}

/** How many mails the notifier says that a rule held back. */
async function counted(rule: string): Promise<number> {
  const [notifier] = attack.world.services.of('notifier');
  const metrics = await (await fetch(`${notifier!.opsUrl}/metrics`)).text();
  const line = metrics.split('\n').find((one) => one.startsWith(`notifier_suppressed_total{rule="${rule}"`));
  return Number(line?.split(' ').at(-1) ?? 0);
}

function alarms(): { rule: string; key: string }[] {
  return readFileSync(join(attack.world.logDirectory, 'notifier-1.log'), 'utf8')
    .split('\n')
    .filter((line) => line.includes('automatic mail held back'))
    .map((line) => JSON.parse(line))
    .filter(({ level }) => level === 50);
}

describe('a system that answers each mail of ours', () => {
  it('with a new one from ever new addresses of its domain falls silent; an alarm is raised', async () => {
    const tickets = await partnerAnswers((turn) => {
      const from = `ticket-${turn}@partner.test`;
      return { from, raw: mail(from, `Your request ${turn * 7_919}`) };
    });
    expect(tickets).toBeLessThanOrEqual(10);
    const mails = await told('%@partner.test');
    expect(mails.filter(({ state }) => state === 'sent')).toHaveLength(5);
    expect(mails.at(-1)).toMatchObject({ state: 'suppressed', suppressed_by: 'domain-hour' });
    expect(await counted('domain-hour')).toBe(1);
    expect(alarms()).toContainEqual(expect.objectContaining({ rule: 'domain-hour', key: 'partner.test' }));
    const [stranger] = await attack.receive(ordinaryMail());
    expect((await acknowledgementOf(stranger!)).suppressed_by).toBeNull();
  });

  it('as a help desk of its own, unmarked, gets two mails: for what began it and for its confirmation', async () => {
    const from = 'support@desk.test';
    const mails = await partnerAnswers((turn) => {
      const subject = turn === 1 ? 'Line down' : `We got your request [#${500 + turn}]`;
      return { from, raw: mail(from, subject) };
    });
    expect(mails).toBe(3);
    expect((await told(from)).map(({ state, suppressed_by }) => suppressed_by ?? state)).toEqual([
      'sent',
      'sent',
      'repeated-subject',
    ]);
  });

  it('as one that puts its own number into words gets three in an hour', async () => {
    const from = 'support@otherdesk.test';
    const mails = await partnerAnswers((turn) => ({ from, raw: mail(from, `Case CS${90_000 + turn} was opened`) }));
    expect(mails).toBe(4);
    expect((await told(from)).at(-1)!.suppressed_by).toBe('recipient-hour');
  });

  it('and marks it as automatic, is not answered at all', async () => {
    const from = 'support@marking.test';
    await attack.world.stack.addMailbox(from);
    const [first] = await attack.receive(mail(from, 'Line down'));
    const { mail: ours } = await acknowledgementOf(first!);
    const [taken] = await attack.receive(mail(from, `Re: ${ours.subject} [#99]`, 'Auto-Submitted: auto-replied'));
    expect(taken!.disposition).toMatch(/appended|ticket_created/);
    const [again, behind] = await attack.receive(
      mail(from, 'We got your request [#99]', 'Auto-Submitted: auto-replied'),
      ordinaryMail(),
    );
    expect(again!.disposition).toBe('ticket_created');
    await acknowledgementOf(behind!);
    expect(await told(from)).toHaveLength(1);
  });
});

describe('what a machine says about a ticket', () => {
  const reporter = ACCOUNTS.zoe.email;

  /** As its columns have it: status, suspension, promises and both clocks. */
  async function course(ticketId: string): Promise<object> {
    const { rows } = await attack.database.query(
      `select jsonb_object_agg(key, value) as course
       from tickets.ticket, jsonb_each(to_jsonb(ticket))
       where id = $1 and key ~ '^(status|closed_at|priority|assign|resol|suspen|remaining|reporter|follow)'`,
      [ticketId],
    );
    return rows[0].course;
  }

  const STATES: Record<string, Record<string, unknown> | null> = {
    open: null,
    'in progress': { status: 'in_progress' },
    'waiting for the customer': {
      status: 'suspended',
      suspensionCause: 'pending_customer',
      suspendedSeconds: 7_200,
    },
    'about to be closed': {
      status: 'suspended',
      suspensionCause: 'pending_closed',
      suspendedSeconds: 7_200,
      closeResolutionType: 'fixed',
    },
    closed: { status: 'closed', resolutionType: 'fixed' },
  };

  const MACHINES: Record<string, (answer: { ourId: string; subject: string }) => string> = {
    'an automatic reply': (to) => reply(to, 'Auto-Submitted: auto-replied'),
    'an absence that only its subject tells': ({ ourId }) =>
      mail(reporter, 'Automatic reply: Line down', `In-Reply-To: <${ourId}>`),
    'an absence by an old header': (to) => reply(to, 'X-Autoreply: yes'),
    'a mailing list': (to) => reply(to, 'List-Id: <all.customer.test>', 'Precedence: list'),
    'bulk mail': (to) => reply(to, 'Precedence: bulk'),
    'a bounce': ({ ourId }) => bounce(ourId),
  };

  function reply({ ourId, subject }: { ourId: string; subject: string }, ...headers: string[]): string {
    return mail(reporter, `Re: ${subject}`, `In-Reply-To: <${ourId}>`, ...headers);
  }

  function bounce(about: string): string {
    sent += 1;
    return lines(
      'Return-Path: <>',
      'From: Mail Delivery System <MAILER-DAEMON@mx.customer.test>',
      `To: ${support}`,
      `Message-ID: <${sent}.bounce@mx.customer.test>`,
      'Subject: Undelivered Mail Returned to Sender',
      'MIME-Version: 1.0',
      'Content-Type: multipart/report; report-type=delivery-status; boundary=b',
      '',
      '--b',
      '',
      'Mailbox full.',
      '--b',
      'Content-Type: message/delivery-status',
      '',
      'Reporting-MTA: dns; mx.customer.test',
      '',
      `Final-Recipient: rfc822; ${reporter}`,
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

  it.each(Object.entries(STATES))('that is %s, moves neither its state nor its clocks', async (name, state) => {
    await attack.world.stack.addMailbox(reporter);
    const [opened] = await attack.receive(mail(reporter, `Line down, ${name}`));
    const ticketId = opened!.ticketId!;
    const { id: assignee } = await attack.employee.me();
    const ours = await eventually('a mail of ours', async () => {
      const { rows } = await attack.database.query<{ ourId: string; subject: string }>(
        `select message_id as "ourId", mail ->> 'subject' as subject from notifier.delivery where ticket_number = $1`,
        [opened!.ticketNumber],
      );
      return rows[0];
    });
    if (state) {
      await attack.employee.update(ticketId, { assignee, status: 'in_progress', comment: 'Mine.' });
      await attack.employee.update(ticketId, { ...state, comment: 'As the test wants it.' });
    }
    const before = await course(ticketId);
    expect(Object.keys(before)).toEqual(
      expect.arrayContaining(['status', 'assign_consumed_seconds', 'resolve_running_since', 'suspension_until']),
    );
    const entries = (await attack.employee.timeline(ticketId)).items.length;

    const machines = Object.entries(MACHINES);
    for (const [machine, write] of machines) {
      const [taken] = await attack.receive(write(ours));
      expect([machine, taken!.ticketId]).toEqual([machine, ticketId]);
      expect([machine, await course(ticketId)]).toEqual([machine, before]);
    }
    expect((await attack.employee.timeline(ticketId)).items).toHaveLength(entries + machines.length);
  });
});
