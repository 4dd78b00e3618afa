/**
 * What is said to whom, as pure functions: an event in, the letters out.
 *
 * - A letter goes to one person for one event. An address in several roles gets one letter: as a customer if it is in
 *   any of them (what is meant for employees must not reach it by a second role), else in its first role.
 * - Customers read public messages and what changed, in plain words. They never read a comment, an internal note, or
 *   the name of anybody but who answers them or takes care of their ticket.
 * - The support address itself is never written to: that would be a ticket about a ticket.
 */
import type {
  Recipient,
  TicketBounced,
  TicketBreached,
  TicketCreated,
  TicketEventData,
  TicketMessageAdded,
  TicketOverdue,
  TicketUpdated,
  TicketView,
  TicketWarned,
} from '#contracts';
import { cleanName } from '#mail';
import { changesForCustomer, changesForEmployee } from './changes.js';
import { asHtml, asText, type Block, type Letter } from './layout.js';
import { FIX_WORDS, PRIORITY_WORDS, readableInstant, STATUS_WORDS } from './words.js';

type Template = 'acknowledgement' | 'opened' | 'message' | 'change' | 'warning' | 'breach' | 'overdue' | 'bounce';

export interface Notification {
  recipient: Recipient;
  template: Template;
  /** The ticket's subject line, not yet tagged. */
  subject: string;
  /** It answers somebody: `Re:`. */
  isAnswer: boolean;
  /** RFC 3834; null for words that a person wrote to the reader. */
  automatic: 'auto-replied' | 'auto-generated' | null;
  text: string;
  html: string;
}

/** A customer hears of their new ticket by the acknowledgement only, and only where one may be sent. */
export function createdNotifications(data: TicketCreated): Notification[] {
  const { ticket } = data;
  const { email, name } = ticket.reporter;
  const reporter: Recipient[] =
    data.acknowledge && email !== null ? [{ role: 'reporter', kind: 'customer', name, email }] : [];
  const employees = data.recipients.filter((recipient) => recipient.kind === 'employee');
  return readers([...reporter, ...employees], data).map((recipient) =>
    recipient.kind === 'customer'
      ? notification(data, recipient, 'acknowledgement', 'auto-replied', acknowledgement(data, recipient))
      : notification(data, recipient, 'opened', 'auto-generated', opened(data)),
  );
}

export function messageNotifications(data: TicketMessageAdded): Notification[] {
  if (data.visibility !== 'public') return [];
  return readers(data.recipients, data).map((recipient) =>
    recipient.kind === 'customer'
      ? notification(data, recipient, 'message', null, answer(data))
      : notification(data, recipient, 'message', 'auto-generated', messageForEmployee(data)),
  );
}

export function changeNotifications(data: TicketUpdated): Notification[] {
  const forCustomers = changesForCustomer(data);
  return readers(data.recipients, data).flatMap((recipient) => {
    if (recipient.kind === 'employee') {
      return [notification(data, recipient, 'change', 'auto-generated', changeForEmployee(data))];
    }
    if (forCustomers.length === 0) return [];
    const letter = changeForCustomer(data, recipient, forCustomers);
    return [notification(data, recipient, 'change', 'auto-generated', letter)];
  });
}

export function warningNotifications(data: TicketWarned): Notification[] {
  return inTheHouse(data, 'warning', warning(data));
}

export function breachNotifications(data: TicketBreached): Notification[] {
  return inTheHouse(data, 'breach', breach(data));
}

export function overdueNotifications(data: TicketOverdue): Notification[] {
  return inTheHouse(data, 'overdue', overdue(data));
}

export function bounceNotifications(data: TicketBounced): Notification[] {
  return inTheHouse(data, 'bounce', bounced(data));
}

/** Promises that may break or are broken are talked about in the house. */
function inTheHouse(data: TicketEventData, template: Template, letter: Letter): Notification[] {
  const employees = data.recipients.filter((recipient) => recipient.kind === 'employee');
  return readers(employees, data).map((recipient) => notification(data, recipient, template, 'auto-generated', letter));
}

function readers(recipients: Recipient[], { thread }: TicketEventData): Recipient[] {
  const customersFirst = [...recipients].sort((a, b) => Number(a.kind !== 'customer') - Number(b.kind !== 'customer'));
  const byAddress = new Map<string, Recipient>();
  for (const recipient of customersFirst) {
    const email = recipient.email.trim().toLowerCase();
    if (!byAddress.has(email) && !isOurs(email, thread.mailbox.toLowerCase())) {
      byAddress.set(email, { ...recipient, email });
    }
  }
  return [...byAddress.values()];
}

/** The mailbox's own address, with or without a reply tag. */
function isOurs(email: string, mailbox: string): boolean {
  const [local, domain] = splitAddress(email);
  const [ourLocal, ourDomain] = splitAddress(mailbox);
  return domain === ourDomain && (local === ourLocal || local.startsWith(`${ourLocal}+`));
}

function splitAddress(address: string): [local: string, domain: string] {
  const at = address.lastIndexOf('@');
  return [address.slice(0, at), address.slice(at + 1)];
}

function notification(
  data: TicketEventData,
  recipient: Recipient,
  template: Template,
  automatic: Notification['automatic'],
  letter: Letter,
): Notification {
  const isAnswer = template === 'message';
  const { subject } = data.ticket;
  return { recipient, template, subject, isAnswer, automatic, text: asText(letter), html: asHtml(letter) };
}

// ------------------------------------------------------------------------------------------------------ to customers

function acknowledgement({ ticket, headersOnly }: TicketCreated, recipient: Recipient): Letter {
  const { assignDueAt, resolutionEta } = ticket;
  return {
    blocks: [
      greeting(recipient),
      { paragraph: `Thank you for your message. We have received it and opened ${named(ticket)}.` },
      ...(assignDueAt
        ? [{ paragraph: `Somebody will take care of it by ${readableInstant(assignDueAt)} at the latest.` }]
        : []),
      ...(resolutionEta ? [{ paragraph: `We expect to have it settled by ${readableInstant(resolutionEta)}.` }] : []),
      {
        paragraph: headersOnly
          ? 'Your mail was too large, or could not be read: we have no more of it than its subject. Please tell us again what it is about, in a reply to this mail without large attachments.'
          : 'If there is anything to add, simply reply to this mail.',
      },
    ],
    footer: [`Ticket #${ticket.number}. This mail was sent automatically, because you wrote to us.`],
  };
}

function answer({ ticket, actor, text }: TicketMessageAdded): Letter {
  return {
    blocks: [{ paragraph: orNoText(text) }],
    footer: [actor.name, `About ${named(ticket)}. Reply to this mail to answer.`],
  };
}

function changeForCustomer({ ticket, changes }: TicketUpdated, recipient: Recipient, sentences: string[]): Letter {
  const isSaid = changes.some(({ field }) => field === 'resolutionEta');
  const eta = isSaid || ticket.status === 'closed' || ticket.status === 'suspended' ? null : ticket.resolutionEta;
  return {
    blocks: [
      greeting(recipient),
      { paragraph: `There is news about ${named(ticket)}:` },
      { list: sentences },
      ...(eta ? [{ paragraph: `We expect to have it settled by ${readableInstant(eta)}.` }] : []),
      {
        paragraph:
          ticket.status === 'closed'
            ? 'If this does not settle it for you, simply reply to this mail.'
            : 'If there is anything to add, simply reply to this mail.',
      },
    ],
    footer: [`Ticket #${ticket.number}. This mail was sent automatically.`],
  };
}

function greeting({ name }: Recipient): Block {
  const isName = name.trim() !== '' && !name.includes('@');
  return { paragraph: isName ? `Hello ${cleanName(name)},` : 'Hello,' };
}

// ------------------------------------------------------------------------------------------------------ to employees

const EMPLOYEE_FOOTER = 'A reply to this mail is kept as an internal note. Answer the customer in the help desk.';

function opened({ ticket, actor, text }: TicketCreated): Letter {
  return forEmployees(ticket, [
    { paragraph: `${actor.name} opened ${named(ticket)}:` },
    { message: orNoText(text) },
    facts(ticket),
  ]);
}

function messageForEmployee({ ticket, actor, text, effect }: TicketMessageAdded): Letter {
  const consequence = {
    comment_added: undefined,
    resumed: 'The ticket was suspended; work on it goes on now.',
    reopened: 'The ticket was closed; it is open again now.',
    assigned: `The ticket is now assigned to ${ticket.assignee?.name ?? 'somebody'}.`,
  }[effect];
  return forEmployees(ticket, [
    { paragraph: `${actor.name} wrote on ${named(ticket)}:` },
    { message: orNoText(text) },
    ...(consequence ? [{ paragraph: consequence }] : []),
    facts(ticket),
  ]);
}

function changeForEmployee(data: TicketUpdated): Letter {
  const { ticket, actor, fixes, comment } = data;
  return forEmployees(ticket, [
    { paragraph: `${actor.name} changed ${named(ticket)}:` },
    { list: changesForEmployee(data) },
    ...(fixes.length > 0
      ? [{ paragraph: 'What followed from it:' }, { list: fixes.map((fix) => FIX_WORDS[fix]) }]
      : []),
    ...(comment ? [{ paragraph: 'Comment:' }, { message: comment }] : []),
    facts(ticket),
  ]);
}

const PROMISED = { assign: 'assigned', resolve: 'resolved' };

function warning({ ticket, clock, percent }: TicketWarned): Letter {
  const due = clock === 'assign' ? ticket.assignDueAt : ticket.resolveDueAt;
  const by = due ? ` It is to be ${PROMISED[clock]} by ${readableInstant(due)}.` : '';
  return forEmployees(ticket, [
    { paragraph: `${percent} % of the time to ${clock} ${named(ticket)} is used up.${by}` },
    facts(ticket),
  ]);
}

function breach({ ticket, clock, at }: TicketBreached): Letter {
  return forEmployees(ticket, [
    { paragraph: `A promise is broken: ${named(ticket)} was to be ${PROMISED[clock]} by ${readableInstant(at)}.` },
    facts(ticket),
  ]);
}

function overdue({ ticket, clock, overdueSeconds }: TicketOverdue): Letter {
  const late = `${duration(overdueSeconds)} after it was due`;
  return forEmployees(ticket, [
    { paragraph: `A promise is still broken: ${named(ticket)} is not ${PROMISED[clock]}, ${late}.` },
    facts(ticket),
  ]);
}

function bounced({ ticket, results }: TicketBounced): Letter {
  const failed = results.filter(({ action }) => action === 'failed');
  const reasons = failed.map(({ recipient, status, diagnostic }) =>
    [recipient ?? 'somebody', status, diagnostic].filter(Boolean).join(': '),
  );
  return forEmployees(ticket, [
    { paragraph: `A mail about ${named(ticket)} could not be delivered. Its reader does not know what it said.` },
    ...(reasons.length > 0 ? [{ list: reasons }] : []),
    facts(ticket),
  ]);
}

/** Business time, e.g. `4 h 30 min`. */
function duration(seconds: number): string {
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  return [hours > 0 && `${hours} h`, minutes > 0 && `${minutes} min`].filter(Boolean).join(' ') || `${seconds} s`;
}

function forEmployees(ticket: TicketView, blocks: Block[]): Letter {
  return { blocks, footer: [`Ticket #${ticket.number}. ${EMPLOYEE_FOOTER}`] };
}

function facts(ticket: TicketView): Block {
  const { reporter, organisation, infrastructure, assignee, assignDueAt, resolveDueAt, suspendedUntil } = ticket;
  const address = reporter.email && reporter.email !== reporter.name ? ` <${reporter.email}>` : '';
  const all: [string, string | null | undefined | false][] = [
    ['Reporter', `${reporter.name}${address}`],
    ['Organisation', organisation?.name],
    ['Infrastructure', infrastructure?.name],
    ['Status', STATUS_WORDS[ticket.status]],
    ['Priority', PRIORITY_WORDS[ticket.priority]],
    ['Assignee', assignee?.name ?? 'nobody'],
    ['To be assigned by', assignDueAt && readableInstant(assignDueAt)],
    ['To be resolved by', resolveDueAt && readableInstant(resolveDueAt)],
    ['Suspended until', suspendedUntil && readableInstant(suspendedUntil)],
  ];
  return { facts: all.filter((fact): fact is [string, string] => Boolean(fact[1])) };
}

function named(ticket: TicketView): string {
  return `ticket #${ticket.number}, “${cleanName(ticket.subject) || 'no subject'}”`;
}

function orNoText(text: string | null): string {
  return text?.trim() ? text.trim() : '(no text)';
}
