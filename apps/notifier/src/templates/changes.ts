/**
 * What an update changed, told in two ways: to customers in plain words about their ticket, to employees field by field.
 * Neither ever says the comment: who may read it is decided elsewhere.
 */
import type { FieldChangeView, TicketUpdated, TicketView } from '#contracts';
import type { FieldChange, Priority, ResolutionType, Status, SuspensionCause } from '#domain';
import {
  PRIORITY_WORDS,
  readableInstant,
  RESOLUTION_FOR_CUSTOMERS,
  RESOLUTION_WORDS,
  STATUS_WORDS,
  SUSPENSION_WORDS,
} from './words.js';

type Field = FieldChange['field'];
type Changes = Partial<Record<Field, FieldChangeView>>;

/** One sentence for each thing that a customer can make use of; empty when there is none. */
export function changesForCustomer({ changes, ticket }: TicketUpdated): string[] {
  const changed = byField(changes);
  return [
    statusSentence(changed, ticket),
    changed.assignee && assigneeSentence(ticket),
    changed.priority && `Its priority is now ${words(PRIORITY_WORDS, changed.priority.after)}.`,
    changed.infrastructure && infrastructureSentence(ticket),
    changed.resolutionEta && etaSentence(ticket),
  ].filter((sentence) => sentence !== undefined);
}

function statusSentence(changed: Changes, ticket: TicketView): string | undefined {
  const { status } = changed;
  if (ticket.status === 'suspended') {
    const concerned = status ?? changed.suspensionCause ?? changed.suspendedUntil ?? changed.closeResolutionType;
    return concerned && suspensionSentence(changed, ticket);
  }
  if (ticket.status === 'closed') {
    if (!status && !changed.resolutionType) return undefined;
    const reason = ticket.resolutionType ? `: ${RESOLUTION_FOR_CUSTOMERS[ticket.resolutionType]}` : '';
    return status ? `It is closed${reason}.` : `The reason for closing it was corrected${reason}.`;
  }
  if (!status) return undefined;
  if (status.before === 'closed') return 'It is open again.';
  if (status.before === 'suspended') return 'It is no longer on hold.';
  return ticket.status === 'in_progress' ? 'Work on it has started.' : 'It is waiting for somebody to go on with it.';
}

function suspensionSentence(changed: Changes, ticket: TicketView): string {
  const until = ticket.suspendedUntil ? readableInstant(ticket.suspendedUntil) : 'a later date';
  switch (ticket.suspensionCause) {
    case 'pending_customer':
      return `It is waiting for your answer. Please reply to this mail; otherwise we look at it again on ${until}.`;
    case 'pending_third_party':
      return `It is on hold: we are waiting for a third party, and look at it again on ${until} at the latest.`;
    case 'pending_change':
      return `It is on hold until a planned change is made; we look at it again on ${until} at the latest.`;
    case 'pending_closed': {
      const type = changed.closeResolutionType?.after as ResolutionType | null | undefined;
      const reason = type ? ` (${RESOLUTION_FOR_CUSTOMERS[type] ?? type})` : '';
      return `We think that it is settled${reason}. It will be closed on ${until} unless you reply to this mail.`;
    }
    case null:
      return `It is on hold until ${until}.`;
  }
}

function assigneeSentence(ticket: TicketView): string {
  return ticket.assignee
    ? `${ticket.assignee.name} now takes care of it.`
    : 'Nobody is in charge of it at the moment; somebody else will take it over.';
}

function infrastructureSentence({ infrastructure }: TicketView): string {
  return infrastructure ? `It is now filed under ${infrastructure.name}.` : 'We are looking for what it concerns.';
}

function etaSentence({ resolutionEta }: TicketView): string {
  return resolutionEta
    ? `We now expect to have it settled by ${readableInstant(resolutionEta)}.`
    : 'We cannot say at the moment when it will be settled.';
}

/** One line for each changed field: `Status: open → in progress`. */
export function changesForEmployee({ changes }: TicketUpdated): string[] {
  return changes.map(({ field, before, after, beforeName, afterName }) => {
    // an id would say nothing to a reader
    const shown = (value: string | null, name?: string) =>
      value === null ? valueWords(field, null) : (name ?? UNNAMED[field] ?? valueWords(field, value));
    return `${FIELD_WORDS[field as Field] ?? field}: ${shown(before, beforeName)} → ${shown(after, afterName)}`;
  });
}

const FIELD_WORDS: Record<Field | 'mergedInto', string> = {
  assignee: 'Assignee',
  status: 'Status',
  priority: 'Priority',
  suspensionCause: 'Suspended because',
  suspendedUntil: 'Suspended until',
  closeResolutionType: 'To be closed as',
  resolutionType: 'Resolution',
  infrastructure: 'Infrastructure',
  resolutionEta: 'Forecast',
  policyVersion: 'Version of the policy',
  mergedInto: 'Merged into',
};

/** For ids whose name is not known. */
const UNNAMED: Partial<Record<string, string>> = { assignee: 'somebody else', infrastructure: 'another one' };

function valueWords(field: string, value: string | null): string {
  if (value === null) return field === 'assignee' ? 'nobody' : 'none';
  switch (field as Field) {
    case 'status':
      return words(STATUS_WORDS, value);
    case 'priority':
      return words(PRIORITY_WORDS, value);
    case 'suspensionCause':
      return words(SUSPENSION_WORDS, value);
    case 'closeResolutionType':
    case 'resolutionType':
      return words(RESOLUTION_WORDS, value);
    case 'suspendedUntil':
    case 'resolutionEta':
      return readableInstant(value);
    default:
      return value;
  }
}

function byField(changes: FieldChangeView[]): Changes {
  return Object.fromEntries(changes.map((change) => [change.field, change]));
}

/** A newer sender may know a code that this one does not: it is shown as it is. */
function words<Code extends Status | Priority | SuspensionCause | ResolutionType>(
  table: Record<Code, string>,
  code: string | null,
): string {
  return table[code as Code] ?? code ?? 'none';
}
