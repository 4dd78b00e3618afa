/** Ticket events as the tickets service publishes them, with what a test does not care about filled in. */
import {
  CloudEvent,
  TicketBreached,
  TicketCreated,
  TicketMessageAdded,
  TicketOverdue,
  TicketUpdated,
  TicketWarned,
  type EventContract,
  type Recipient,
  type TicketEventData,
  type TicketView,
} from '#contracts';
import { randomUUID } from 'node:crypto';

export const MAILBOX = 'support@helpdesk.test';
export const EVA = { id: '0199d6a0-0000-7000-8000-000000000001', name: 'Eva Berg' };
const ZOE_ID = '0199d6a0-0000-7000-8000-000000000002';

export const zoe: Recipient = { role: 'reporter', kind: 'customer', name: 'Zoë Müller', email: 'zoe@customer.test' };
export const participant: Recipient = {
  role: 'participant',
  kind: 'customer',
  name: 'Paul',
  email: 'paul@customer.test',
};
export const eva: Recipient = { role: 'assignee', kind: 'employee', name: EVA.name, email: 'eva@helpdesk.test' };
export const team: Recipient = { role: 'lead', kind: 'employee', name: 'Support team', email: 'team@helpdesk.test' };

export function ticketView(facts: Partial<TicketView> = {}): TicketView {
  return {
    id: '0199d6a0-0000-7000-8000-000000001042',
    number: 1042,
    version: 1,
    subject: 'Line down',
    tags: [],
    channel: 'email',
    reporter: { personId: ZOE_ID, name: zoe.name, email: zoe.email },
    organisation: { id: '0199d6a0-0000-7000-8000-000000000003', name: 'Customer Ltd' },
    infrastructure: null,
    assignee: null,
    status: 'open',
    priority: 'medium',
    remainingAssignSeconds: 14_400,
    remainingResolveSeconds: 86_400,
    assignDueAt: '2026-03-02T13:00:00Z',
    resolveDueAt: '2026-03-03T09:00:00Z',
    resolutionEta: '2026-03-03T09:00:00Z',
    resolutionEtaSource: 'computed',
    overdue: false,
    remainingSuspendedSeconds: null,
    suspensionCause: null,
    suspendedUntil: null,
    resolutionType: null,
    assignOutcome: null,
    resolveOutcome: null,
    assignEverBreached: false,
    resolveEverBreached: false,
    resolveGainSeconds: 0,
    followUpOf: null,
    mergedInto: null,
    createdAt: '2026-03-02T09:00:00Z',
    updatedAt: '2026-03-02T09:00:00Z',
    closedAt: null,
    ...facts,
  };
}

type Facts<Data extends TicketEventData> = Partial<Omit<Data, 'ticket'>> & { ticket?: Partial<TicketView> };

function common(facts: Facts<TicketEventData>): TicketEventData {
  return {
    actor: { personId: EVA.id, name: EVA.name, email: eva.email },
    recipients: [],
    thread: { mailbox: MAILBOX, references: ['first@customer.test'] },
    ...facts,
    ticket: ticketView(facts.ticket),
  };
}

export function created(facts: Facts<TicketCreated> = {}): TicketCreated {
  const actor = { personId: ZOE_ID, name: zoe.name, email: zoe.email };
  return { text: 'The line is down.', acknowledge: true, ...facts, ...common({ actor, ...facts }) };
}

export function messageAdded(facts: Facts<TicketMessageAdded> = {}): TicketMessageAdded {
  const words = {
    entryId: randomUUID(),
    visibility: 'public',
    text: 'It works again.',
    effect: 'comment_added',
  } as const;
  return { ...words, ...facts, ...common({ recipients: [zoe], ...facts }) };
}

export function updated(facts: Facts<TicketUpdated> = {}): TicketUpdated {
  const changes = [{ field: 'priority', before: 'medium', after: 'high' }];
  return { changes, fixes: [], comment: 'The boss asked.', ...facts, ...common({ recipients: [zoe, eva], ...facts }) };
}

const SYSTEM = { personId: null, name: 'System', email: null };

export function warned(facts: Facts<TicketWarned> = {}): TicketWarned {
  const share = { clock: 'assign', percent: 80, at: '2026-03-02T12:12:00Z' } as const;
  return { ...share, ...facts, ...common({ actor: SYSTEM, recipients: [eva], ...facts }) };
}

export function overdue(facts: Facts<TicketOverdue> = {}): TicketOverdue {
  const rung = { clock: 'assign', overdueSeconds: 16_200, at: '2026-03-02T17:30:00Z' } as const;
  return { ...rung, ...facts, ...common({ actor: SYSTEM, recipients: [team], ...facts }) };
}

export function breached(facts: Facts<TicketBreached> = {}): TicketBreached {
  const promise = { clock: 'assign', at: '2026-03-02T13:00:00Z' } as const;
  return { ...promise, ...facts, ...common({ actor: SYSTEM, recipients: [team], ...facts }) };
}

/** The envelope around it, with the type that belongs to the data. */
export function envelope<Data extends TicketEventData>(
  contract: EventContract<Data>,
  data: Data,
  { id = randomUUID(), sequence = 1 } = {},
): CloudEvent<Data> {
  return {
    specversion: '1.0',
    id,
    source: '/helpdesk/tickets',
    type: contract.type,
    subject: String(data.ticket.number),
    time: '2026-03-02T09:00:00Z',
    datacontenttype: 'application/json',
    sequence,
    data,
  };
}
