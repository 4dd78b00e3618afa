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
  ticketOverdue,
  ticketUpdated,
  ticketWarned,
} from '#contracts';
import {
  creationChanges,
  moveToPolicy,
  nextTimerAt,
  settle,
  type ClockName,
  type FieldChange,
  type Instant,
  type Policy,
  type Settlement,
  type Told,
  type Ticket as TicketState,
} from '#domain';
import { currentContext } from '#platform';
import type { EntityManager } from '@mikro-orm/postgresql';
import { v7 as uuidv7 } from 'uuid';
import { OutboxEvent } from '../outbox/outbox.entity.js';
import { isoInstant } from './instant.type.js';
import { recipientsOfFact, type Fact } from './participants.js';
import { recipientsOf } from './recipients.js';
import type { PolicyStore } from '../sla/policy.store.js';
import { lookup, named, type Surroundings } from './surroundings.js';
import { stateOf, type Ticket } from './ticket.entity.js';
import { ticketView } from './ticket.view.js';
import { TimelineEntry } from './timeline-entry.entity.js';

const SYSTEM: AuthorView = { personId: null, name: 'System', email: null };
const MAX_REFERENCES = 20;

/** The parts of an event that say what happened; the writer adds the rest. */
type Particulars<Data extends TicketEventData> = Omit<Data, 'ticket' | 'actor' | 'recipients' | 'thread'>;

/** What the rules decided: the new state, and what time did to the ticket before. */
interface Decided {
  ticket: TicketState;
  settlements: Settlement[];
}

type EntryFields = Pick<TimelineEntry, 'kind'> & Partial<Omit<TimelineEntry, 'ticket' | 'id'>>;

export class TicketWriter {
  constructor(
    private readonly em: EntityManager,
    readonly row: Ticket,
    private readonly surroundings: Surroundings,
    private readonly policies: PolicyStore,
    private readonly teamAddress: string | undefined,
  ) {}

  /** Why a new ticket has the priority that it begins with, when nobody said one. */
  priorityReason: string | null = null;

  get policy(): Policy {
    return this.policies.of(this.row.policyVersion);
  }

  /** Takes over what the rules decided. Time's own deeds are recorded first, each with its true instant. */
  apply({ ticket, settlements }: Decided, at: Instant = this.surroundings.now): void {
    const before = stateOf(this.row);
    for (const settlement of settlements) this.recordSettlement(before, settlement);
    const policy = this.policies.of(ticket.policyVersion);
    this.em.assign(this.row, { ...ticket, updatedAt: at, nextTimerAt: nextTimerAt(ticket, policy) });
  }

  /** Brings the ticket up to this instant, as far as time alone goes. @returns what time has done */
  settle(until: Instant = this.surroundings.now): Settlement[] {
    const settled = settle(stateOf(this.row), this.policy, until, lookup(this.surroundings.people));
    // a timer that went off for nothing is set anew, or it would go off for ever
    const wentOff = (this.row.nextTimerAt ?? Infinity) <= until;
    // what counting anew has broken is due before the change, but time never goes backwards on the row
    if (wentOff || settled.settlements.length > 0) this.apply(settled, Math.max(until, this.row.updatedAt));
    return settled.settlements;
  }

  /**
   * A live ticket goes over to the current version of its policy, from the instant on since when that holds.
   * @returns the versions that it went over to, one after the other
   */
  bringUpToTerms(): number[] {
    const versions: number[] = [];
    while (this.moveToSuccessor()) versions.push(this.row.policyVersion);
    return versions;
  }

  /** @returns false when the ticket stays where it is */
  private moveToSuccessor(): boolean {
    if (this.isClosed()) return false;
    const successor = this.policies.successorOf(this.row.policyVersion, this.row.updatedAt);
    if (!successor) return false;
    const at = Math.max(successor.effectiveAt, this.row.updatedAt);
    if (at > this.surroundings.now) return false;
    this.settle(at);
    // time had closed it by then, only nobody had noticed
    if (this.isClosed()) return false;
    const people = lookup(this.surroundings.people);
    const moved = moveToPolicy(stateOf(this.row), this.policy, successor.policy, at, people);
    this.apply(moved, at);
    this.entry({ kind: 'change', at, text: MOVED_TEXT, changes: moved.changes }, SYSTEM);
    const then = { ticket: this.view(stateOf(this.row), at), time: at };
    this.publish(ticketUpdated, { changes: moved.changes, fixes: [], comment: MOVED_TEXT }, SYSTEM, [], then);
    return true;
  }

  private isClosed(): boolean {
    return this.row.status === 'closed';
  }

  /**
   * A change of something that no rule of the clocks looks at (tags, links, …), as one entry and one event. The version
   * grows by one; the ticket is settled first.
   */
  recordChange(change: {
    changes: FieldChangeView[];
    author: AuthorView;
    comment?: string | null;
    recipients?: Recipient[];
  }): void {
    const { changes, author, comment = null, recipients = [] } = change;
    this.settle();
    this.row.version += 1;
    this.row.updatedAt = this.surroundings.now;
    this.entry({ kind: 'change', text: comment, changes }, author);
    this.publish(ticketUpdated, { changes, fixes: [], comment }, author, recipients);
  }

  /** What a new ticket was created with: the changes of its first entry. */
  creation(): FieldChangeView[] {
    const { tags } = this.row;
    const tagged = tags.length > 0 ? [{ field: 'tags', before: null, after: tags.join(', ') }] : [];
    const changes = [...this.named(creationChanges(stateOf(this.row))), ...tagged];
    const reason = this.priorityReason;
    return reason === null ? changes : [...changes, { field: 'priorityReason', before: null, after: reason }];
  }

  entry(fields: EntryFields, author: AuthorView): TimelineEntry {
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
      settled: false,
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
    const { people, organisations, infrastructures } = this.surroundings;
    const assignee = people.get(state.assigneeId ?? '');
    return ticketView(
      {
        ...state,
        subject: this.row.subject,
        tags: this.row.tags,
        updatedAt: this.row.updatedAt,
        followUpOf: this.row.followUpOf ?? null,
        mergedInto: this.row.mergedInto ?? null,
        organisation: named(organisations, this.row.organisationId),
        infrastructure: named(infrastructures, state.infrastructureId),
        assignee: assignee ? { id: assignee.id, name: assignee.name } : null,
      },
      this.policies.of(state.policyVersion),
      now,
    );
  }

  /** Whom a fact is told: those whom the rules name, and the ticket's participants. */
  recipients(fact: Fact, told: Told[], author: AuthorView): Recipient[] {
    const { people, participants } = this.surroundings;
    const byRules = recipientsOf(told, stateOf(this.row).reporter, people, this.teamAddress);
    return recipientsOfFact(fact, byRules, participants.get(this.row.id) ?? [], author.email);
  }

  /** Keeps the ids of the ticket's mails for the References of its answers: the first and the latest ones. */
  rememberMail(messageId: string): void {
    const ids = [...this.row.mailReferences.filter((id) => id !== messageId), messageId];
    this.row.mailReferences = ids.length > MAX_REFERENCES ? [ids[0]!, ...ids.slice(1 - MAX_REFERENCES)] : ids;
  }

  /** Changes as people read them: people and infrastructures have a name beside the id. */
  named(changes: FieldChange[]): FieldChangeView[] {
    const { people, infrastructures } = this.surroundings;
    const nameOf: Partial<Record<FieldChange['field'], (id: string) => string | undefined>> = {
      assignee: (id) => people.get(id)?.name,
      infrastructure: (id) => infrastructures.get(id),
    };
    return changes.map((change) => {
      const name = (id: string | null) => (id === null ? undefined : nameOf[change.field]?.(id));
      const [beforeName, afterName] = [name(change.before), name(change.after)];
      return { ...change, ...(beforeName && { beforeName }), ...(afterName && { afterName }) };
    });
  }

  private recordSettlement(
    before: TicketState,
    { type, at, told, percent, overdueSeconds, ...rest }: Settlement,
  ): void {
    const changes = this.named(rest.changes);
    const { people } = this.surroundings;
    const recipients = this.recipients(type === 'suspension_expired' ? 'update' : 'promise', told, SYSTEM);
    const then = { ticket: this.view(settle(before, this.policy, at, lookup(people)).ticket, at), time: at };
    const text = settlementText(type, percent);
    this.entry({ kind: 'change', at, text, changes, settled: true }, SYSTEM);
    if (type === 'suspension_expired') {
      return this.publish(ticketUpdated, { changes, fixes: [], comment: text }, SYSTEM, recipients, then);
    }
    const clock: ClockName = type.startsWith('assign') ? 'assign' : 'resolve';
    const facts = { clock, at: isoInstant(at) };
    if (percent !== undefined) return this.publish(ticketWarned, { ...facts, percent }, SYSTEM, recipients, then);
    if (overdueSeconds === undefined) return this.publish(ticketBreached, facts, SYSTEM, recipients, then);
    this.publish(ticketOverdue, { ...facts, overdueSeconds }, SYSTEM, recipients, then);
  }
}

const MOVED_TEXT = 'The service-level policy has a new version.';

function settlementText(type: Settlement['type'], percent = 0): string {
  switch (type) {
    case 'suspension_expired':
      return 'The suspension ran out.';
    case 'assign_warned':
      return `${percent} % of the time to assign is used up.`;
    case 'resolve_warned':
      return `${percent} % of the time to resolve is used up.`;
    case 'assign_breached':
      return 'The time to assign ran out.';
    case 'resolve_breached':
      return 'The time to resolve ran out.';
    case 'assign_overdue':
      return 'Still nobody is assigned.';
    case 'resolve_overdue':
      return 'It is still not resolved.';
  }
}
