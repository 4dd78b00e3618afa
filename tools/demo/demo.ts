/** `npm run demo`: the main job from end to end on real servers, told as a transcript; exit code 0 when all of it worked. */
import { TICKET_SUBJECTS, type CloudEvent, type TicketEventData, type TicketView } from '#contracts';
import { connectNats, createLogger } from '#platform';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startServices } from '../services/services.ts';
import { startStack, stopOnSignals, type Stack } from '../stack/stack.ts';
import { Api, eventually } from './api.ts';
import { ACCOUNTS, prepareDirectory } from './directory.ts';
import { awaitMail, sendMail } from './mail.ts';

const { erik, zoe } = ACCOUNTS;
const begun = performance.now();

function tell(title: string, lines: string[] = []): void {
  const seconds = ((performance.now() - begun) / 1000).toFixed(2).padStart(6);
  console.log(`\n[${seconds} s] ${title}`);
  for (const line of lines) console.log(`           ${line}`);
}

function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(`the demo expected that ${what}`);
}

/** The ten facts that everybody sees of a ticket. */
function facts(ticket: TicketView): string[] {
  return [
    `reporter                 ${ticket.reporter.name} <${ticket.reporter.email}>`,
    `network infrastructure   ${ticket.infrastructure?.name ?? 'unknown'}`,
    `assignee                 ${ticket.assignee?.name ?? 'nobody'}`,
    `status                   ${ticket.status}`,
    `priority                 ${ticket.priority}`,
    `remaining to assign      ${duration(ticket.remainingAssignSeconds)}`,
    `remaining to solve       ${duration(ticket.remainingResolveSeconds)}`,
    `resolution ETA           ${ticket.resolutionEta ?? '-'}`,
    `remaining suspended      ${duration(ticket.remainingSuspendedSeconds)}`,
    `resolution type          ${ticket.resolutionType ?? '-'}`,
  ];
}

function duration(seconds: number | null): string {
  if (seconds === null) return '-';
  const [sign, s] = [seconds < 0 ? '-' : '', Math.abs(seconds)];
  return `${sign}${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min ${s % 60} s`;
}

async function subscribe(stack: Stack): Promise<{ seen: CloudEvent<TicketEventData>[]; close(): Promise<void> }> {
  const log = createLogger('subscriber', { NODE_ENV: 'test', LOG_LEVEL: 'silent' });
  const nats = await connectNats(stack.natsUrl, 'another system', log);
  const seen: CloudEvent<TicketEventData>[] = [];
  nats.subscribe(TICKET_SUBJECTS, { callback: (_error, message) => void seen.push(message.json()) });
  await nats.flush();
  return { seen, close: () => nats.close() };
}

async function play(stack: Stack, apiUrl: string): Promise<void> {
  const support = stack.mailboxes[0]!.address;
  const zoesMailbox = await stack.addMailbox(zoe.email);
  const subscriber = await subscribe(stack);
  const employee = await Api.logIn(apiUrl, erik.email, stack.accountPassword(erik.email));
  const { id: erikId } = await employee.me();

  const subject = 'Käse-Leitung nach Zürich gestört – bitte prüfen';
  const sentAt = performance.now();
  await sendMail(stack, {
    from: { name: zoe.name, address: zoe.email },
    to: support,
    subject,
    text: 'Grüezi,\n\nseit 10 Uhr ist die Leitung nach Zürich tot. Messwerte im Anhang.\n\nZoë Müller',
    html: '<p>Grüezi,</p><p>seit 10 Uhr ist die Leitung nach <b>Zürich</b> tot. Messwerte im Anhang.</p><p>Zoë Müller</p>',
    attachments: [{ filename: 'Messwerte Zürich.csv', content: 'Zeit;dBm\n10:00;-41.7\n' }],
  });
  tell(`mail sent: ${zoe.name} → ${support}`, [`"${subject}", text and HTML, one attachment`]);

  const ticket = await eventually('the ticket', async () =>
    (await employee.tickets('?limit=20')).items.find((one) => one.subject === subject),
  );
  tell(`ticket #${ticket.number}, ${Math.round(performance.now() - sentAt)} ms after the mail was sent`, facts(ticket));
  const [first] = (await employee.timeline(ticket.id)).items;
  check(first?.attachments[0]?.name === 'Messwerte Zürich.csv', 'the attachment kept its name');

  const acknowledged = await awaitMail(
    stack,
    zoesMailbox,
    (mail) => mail.subject?.includes(`#${ticket.number}`) ?? false,
  );
  tell('acknowledged by mail', [
    `${acknowledged.subject}`,
    acknowledged.headerLines.find((header) => header.key === 'auto-submitted')?.line ?? 'without Auto-Submitted',
  ]);

  const assigned = await employee.update(ticket.id, {
    assignee: erikId,
    priority: 'critical',
    comment: 'Core link: mine.',
  });
  tell('assigned and escalated', facts(assigned.ticket));

  const suspended = await employee.update(ticket.id, {
    status: 'suspended',
    suspensionCause: 'pending_third_party',
    suspendedSeconds: 7200,
    comment: 'The fibre supplier is on site.',
  });
  tell('suspended for two hours: both clocks stand still', facts(suspended.ticket));

  await employee.update(ticket.id, { status: 'in_progress', comment: 'The supplier has finished.' });
  const answerText = 'Guten Tag Frau Müller,\n\ndie Faser ist gespleisst. Ist die Leitung wieder da?\n\nErik';
  await employee.reply(ticket.id, answerText);
  tell('answered');
  const answer = await awaitMail(stack, zoesMailbox, (mail) => mail.text?.includes('gespleisst') ?? false);
  tell("the answer in the customer's mailbox", [
    `From:        ${answer.from?.text}`,
    `Subject:     ${answer.subject}`,
    `Message-ID:  ${answer.messageId}`,
    `In-Reply-To: ${answer.inReplyTo}`,
    `References:  ${[answer.references ?? []].flat().join(' ')}`,
    `Reply-To:    ${answer.replyTo?.text}`,
  ]);

  await sendMail(stack, {
    from: { name: zoe.name, address: zoe.email },
    to: answer.replyTo!.text,
    subject: `Re: ${answer.subject}`,
    inReplyTo: answer.messageId!,
    references: [...[answer.references ?? []].flat(), answer.messageId!],
    text: `Ja, alles läuft wieder. Merci vilmal!\n\n> ${answerText.replaceAll('\n', '\n> ')}`,
  });
  const reply = await eventually('the reply on the ticket', async () =>
    (await employee.timeline(ticket.id)).items.find((entry) => entry.text?.includes('Merci')),
  );
  tell(`the customer's reply on the same ticket #${ticket.number}`, [`"${reply.visibleText?.trim()}" (quote folded)`]);

  const closed = await employee.update(ticket.id, {
    status: 'closed',
    resolutionType: 'fixed',
    comment: 'Confirmed by phone.',
  });
  tell('closed', facts(closed.ticket));
  check(closed.ticket.resolutionType === 'fixed', 'the ticket is closed as fixed');

  const events = await eventually('the events of the ticket', async () => {
    const own = subscriber.seen.filter((event) => event.subject === String(ticket.number));
    return own.some((event) => event.data.ticket.status === 'closed') ? own : undefined;
  });
  tell(
    'what another system saw on NATS',
    events.map((event) => `${event.sequence}  ${event.time}  ${event.type}  ${event.data.ticket.status}`),
  );
  await subscriber.close();
}

const directory = mkdtempSync(join(tmpdir(), 'helpdesk-demo-'));
const stack = await startStack({
  dir: directory,
  keepData: false,
  databaseUrl: process.env['DATABASE_URL'],
  natsUrl: process.env['NATS_URL'],
  log: (line) => tell(line),
});
let stopServices = async (): Promise<void> => undefined;
stopOnSignals(stack, () => stopServices());
try {
  await prepareDirectory(stack);
  const services = await startServices({ stack, logDirectory: join(directory, 'log') });
  stopServices = () => services.stop();
  tell(
    'four services are ready',
    services.instances.map((one) => `${one.name} (process ${one.pid})`),
  );
  await play(stack, services.apiUrl);
  await services.stop();
  await stack.stop();
  tell('done: everything worked, everything is stopped');
} catch (error) {
  console.error(error);
  await stopServices();
  await stack.stop();
  process.exitCode = 1;
}
