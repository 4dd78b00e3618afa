/**
 * What every accepted change writes, whoever made it: the ticket's row, one line of its timeline for each fact, and
 * one event for each fact in the outbox; all in the caller's transaction.
 */
import {
  eventSubject,
  type AuthorView,
  type CloudEvent,
  type EventContract,
  type FieldChangeView,
  type Recipient,
  type TicketEventData,
  type TicketView,
  ticketBreached,
  ticketUpdated,
} from '#contracts';
import {
  nextTimerAt,
  settle,
  type Accepted,
  type FieldChange,
  type Instant,
  type Policy,
  type Settlement,
  type Ticket as TicketState,
} from '#domain';
import { currentContext } from '#platform';
import type { EntityManager } from '@mikro-orm/postgresql';
import { v7 as uuidv7 } from 'uuid';
import { OutboxEvent } from '../outbox/outbox.entity.js';
import { isoInstant } from './instant.type.js';
import { recipientsOf } from './recipients.js';
import { lookup, type Surroundings } from './surroundings.js';
import { stateOf, type Ticket } from './ticket.entity.js';
import { ticketView } from './ticket.view.js';
import { TimelineEntry } from './timeline-entry.entity.js';

const SYSTEM: AuthorView = { personId: null, name: 'System', email: null };
const MAX_REFERENCES = 20;

/** The parts of an event that say what happened; the writer adds the rest. */
type Particulars<Data extends TicketEventData> = Omit<Data, 'ticket' | 'actor' | 'recipients' | 'thread'>;

export class TicketWriter {
  constructor(
    private readonly em: EntityManager,
    readonly row: Ticket,
    private readonly surroundings: Surroundings,
    private readonly policy: Policy,
    private readonly teamAddress: string | undefined,
  ) {}

  /** Takes over what the rules decided. Time's own deeds are recorded first, each with its true instant. */
  apply(accepted: Accepted): void {
    const before = stateOf(this.row);
    for (const settlement of accepted.settlements) this.recordSettlement(before, settlement);
    this.em.assign(this.row, {
      ...accepted.ticket,
      updatedAt: this.surroundings.now,
      nextTimerAt: nextTimerAt(accepted.ticket, this.policy),
    });
  }

  entry(fields: Pick<TimelineEntry, 'kind'> & Partial<Omit<TimelineEntry, 'ticket' | 'id'>>, author: AuthorView) {
    const entry = this.em.create(TimelineEntry, {
      id: uuidv7(),
      ticket: this.row,
      at: this.surroundings.now,
      authorPersonId: author.personId,
      authorName: author.name,
      authorEmail: author.email,
      changes: [],
      fixes: [],
      automatic: false,
      ...fields,
    });
    this.em.persist(entry);
    return entry;
  }

  /** Appends an event about the ticket as it is now. */
  publish<Data extends TicketEventData>(
    contract: EventContract<Data>,
    particulars: Particulars<Data>,
    actor: AuthorView,
    recipients: Recipient[],
    at: { ticket: TicketView; time: Instant } = { ticket: this.view(), time: this.surroundings.now },
  ): void {
    this.row.eventSequence += 1;
    const correlationid = currentContext()?.correlationId;
    const payload: CloudEvent = {
      specversion: '1.0',
      id: uuidv7(),
      source: '/helpdesk/tickets',
      type: contract.type,
      subject: String(this.row.number),
      time: isoInstant(at.time),
      datacontenttype: 'application/json',
      sequence: this.row.eventSequence,
      ...(correlationid && { correlationid }),
      data: {
        ticket: at.ticket,
        actor,
        recipients,
        thread: { mailbox: this.row.mailbox, references: this.row.mailReferences },
        ...particulars,
      },
    };
    const subject = eventSubject(contract.type, this.row.number);
    this.em.persist(this.em.create(OutboxEvent, { eventId: payload.id, subject, payload }));
  }

  view(state: TicketState = stateOf(this.row), now: Instant = this.surroundings.now): TicketView {
    const { people, organisation, infrastructure } = this.surroundings;
    const assignee = people.get(state.assigneeId ?? '');
    return ticketView(
      {
        ...state,
        subject: this.row.subject,
        updatedAt: this.row.updatedAt,
        followUpOf: this.row.followUpOf ?? null,
        organisation,
        infrastructure,
        assignee: assignee ? { id: assignee.id, name: assignee.name } : null,
      },
      this.policy,
      now,
    );
  }

  /** Keeps the ids of the ticket's mails for the References of its answers: the first and the latest ones. */
  rememberMail(messageId: string): void {
    const ids = [...this.row.mailReferences.filter((id) => id !== messageId), messageId];
    this.row.mailReferences = ids.length > MAX_REFERENCES ? [ids[0]!, ...ids.slice(1 - MAX_REFERENCES)] : ids;
  }

  /** Changes as people read them: an assignee has a name beside the id. */
  named(changes: FieldChange[]): FieldChangeView[] {
    const nameOf = (id: string | null) => this.surroundings.people.get(id ?? '')?.name;
    return changes.map((change) => {
      if (change.field !== 'assignee') return change;
      const [beforeName, afterName] = [nameOf(change.before), nameOf(change.after)];
      return { ...change, ...(beforeName && { beforeName }), ...(afterName && { afterName }) };
    });
  }

  private recordSettlement(before: TicketState, { type, at, told, ...settlement }: Settlement): void {
    const changes = this.named(settlement.changes);
    const { people } = this.surroundings;
    const recipients = recipientsOf(told, before.reporter, people, this.teamAddress);
    const then = { ticket: this.view(settle(before, this.policy, at, lookup(people)).ticket, at), time: at };
    this.entry({ kind: 'change', at, text: SETTLEMENT_TEXT[type], changes }, SYSTEM);
    if (type === 'suspension_expired') {
      this.publish(ticketUpdated, { changes, fixes: [], comment: SETTLEMENT_TEXT[type] }, SYSTEM, recipients, then);
    } else {
      const clock = type === 'assign_breached' ? 'assign' : 'resolve';
      this.publish(ticketBreached, { clock, at: isoInstant(at) }, SYSTEM, recipients, then);
    }
  }
}

const SETTLEMENT_TEXT: Record<Settlement['type'], string> = {
  suspension_expired: 'The suspension ran out.',
  assign_breached: 'The time to assign ran out.',
  resolve_breached: 'The time to resolve ran out.',
};
