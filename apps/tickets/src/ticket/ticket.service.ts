/**
 * The commands on tickets. Each is one transaction: lock the row, ask the rules, write row, timeline and outbox.
 * What is valid is decided in #domain; this is the shell around it.
 */
import {
  isRefused,
  refuse,
  ticketCreated,
  ticketMessageAdded,
  ticketUpdated,
  type AddMessage,
  type AuthorView,
  type CreateTicket,
  type MessageResult,
  type PreviewUpdate,
  type Refused,
  type TicketAnswer,
  type UpdatePreview,
  type UpdateResult,
  type UpdateTicket,
} from '#contracts';
import {
  applyMessage,
  applyUpdate,
  createTicket,
  nextTimerAt,
  type Accepted,
  type Channel,
  type Priority,
  type Refused as RuleRefused,
  type Reporter,
} from '#domain';
import { ENV, sqlOf } from '#platform';
import { Inject, Injectable } from '@nestjs/common';
import { LockMode, MikroORM, type EntityManager } from '@mikro-orm/postgresql';
import { v7 as uuidv7 } from 'uuid';
import type { TicketsEnv } from '../env.js';
import { PolicyStore } from '../sla/policy.store.js';
import { readPriorities, type Priorities } from '../directory/priorities.js';
import { maySee } from './access.js';
import { addressed, viewForActor, withMoreRows } from './addressed.js';
import { inIdempotentTransaction } from './idempotency.js';
import { instantOfIso } from './instant.type.js';
import { tellChildren } from './outage.js';
import { employeesOnly, forEmployees, infrastructureOf, reporterOf } from './new-ticket.js';
import { lookup, readSurroundings, type DirectoryPerson, type Surroundings } from './surroundings.js';
import { stateOf, Ticket } from './ticket.entity.js';
import { TicketWriter } from './ticket.writer.js';

const ticketUnknown = () => refuse({ field: 'ticketId', code: 'ticket_unknown', message: 'there is no such ticket' });
const actorUnknown = () => refuse({ field: 'actorId', code: 'actor_unknown', message: 'the account is not active' });

/** A ticket that is locked for a command, brought up to the terms that hold. */
export interface Opened {
  row: Ticket;
  actor: DirectoryPerson;
  surroundings: Surroundings;
  writer: TicketWriter;
}

/** What opening a ticket takes, whoever asks and however it reached us. */
export interface Opening {
  reporter: Reporter;
  channel: Channel;
  organisationId: string | null;
  infrastructureId: string | null;
  /** Null when nobody says one: rules and defaults decide. */
  priority: Priority | null;
  subject: string;
  mailbox: string;
  followUpOf: number | null;
  /** Normal and sorted. */
  tags?: string[];
}

@Injectable()
export class TicketService {
  constructor(
    @Inject(MikroORM) private readonly orm: MikroORM,
    @Inject(ENV) private readonly env: TicketsEnv,
    private readonly policies: PolicyStore,
  ) {}

  async create(request: CreateTicket): Promise<TicketAnswer | Refused> {
    await this.policies.refresh();
    return inIdempotentTransaction(this.orm.em.fork(), request, async (em) => {
      const asked = request.ticket;
      const subjectIds = [request.actorId, asked.reporter?.personId];
      const first = await readSurroundings(em, { people: subjectIds });
      const actor = first.people.get(request.actorId);
      if (!actor?.active) return actorUnknown();
      const refusals = actor.kind === 'customer' ? employeesOnly(asked) : [];
      const reporter = await reporterOf(em, actor, asked, first);
      if (isRefused(reporter)) return refuse(...refusals, ...reporter.refusals);
      const infrastructureId = await infrastructureOf(em, asked, actor, reporter.organisationId);
      if (isRefused(infrastructureId)) return refuse(...refusals, ...infrastructureId.refusals);
      if (refusals.length > 0) return refuse(...refusals);

      const { organisationId } = reporter;
      const surroundings = await readSurroundings(em, {
        people: subjectIds,
        organisations: [organisationId],
        infrastructures: [infrastructureId],
      });
      const writer = await this.open(em, surroundings, {
        reporter: reporter.reporter,
        channel: asked.channel ?? (actor.kind === 'employee' ? 'phone' : 'portal'),
        organisationId,
        infrastructureId,
        priority: asked.priority ?? null,
        subject: asked.subject,
        mailbox: this.env.SUPPORT_ADDRESS,
        followUpOf: null,
      });
      const author = authorOf(actor);
      const { text } = asked;
      writer.entry({ kind: 'message', text, visibleText: text, changes: writer.creation() }, author);
      writer.publish(ticketCreated, { text: asked.text, acknowledge: false }, author, []);
      return { ticket: writer.view() };
    });
  }

  async update(request: UpdateTicket): Promise<UpdateResult | Refused> {
    await this.policies.refresh();
    return inIdempotentTransaction(this.orm.em.fork(), request, async (em) => {
      const opened = await this.lock(em, request.ticketId, request.actorId, request.change);
      if (isRefused(opened)) return opened;
      const { row, actor, writer } = opened;
      // customers are refused by the rules: they may not even see the target
      if (row.mergedInto != null && actor.kind === 'employee') return ticketMerged(row);
      const accepted = this.decide(opened, request);
      if ('refusals' in accepted) {
        return Object.assign(refuse(...accepted.refusals), { currentVersion: row.version });
      }
      const author = authorOf(actor);
      const comment = request.change.comment ?? '';
      if (!accepted.changed) {
        // nobody is told of a change to the present value, but the words that came with it are kept
        this.addNote(em, opened, comment);
        return { ticket: writer.view(), changed: false, fixes: [] };
      }
      writer.apply(accepted);
      const { fixes } = accepted;
      const changes = writer.named(accepted.changes);
      writer.entry({ kind: 'change', text: comment, changes, fixes }, author);
      const recipients = writer.recipients('update', accepted.told, author);
      writer.publish(ticketUpdated, { changes, fixes, comment }, author, recipients);
      return { ticket: writer.view(), changed: true, fixes };
    });
  }

  /** The full result of an update that does not happen: it is carried out and rolled back. */
  async preview(request: PreviewUpdate): Promise<UpdatePreview | Refused> {
    await this.policies.refresh();
    const em = this.orm.em.fork();
    await em.begin();
    try {
      const opened = await this.lock(em, request.ticketId, request.actorId, request.change);
      if (isRefused(opened)) return opened;
      const { row, actor, writer } = opened;
      if (actor.kind !== 'employee') return refuse(forEmployees(''));
      if (row.mergedInto != null) return ticketMerged(row);
      const before = writer.view();
      const nothing = { changed: false, changes: [], fixes: [], before, recipients: [] };
      const accepted = this.decide(opened, request);
      if ('refusals' in accepted) {
        return { ...nothing, accepted: false, refusals: accepted.refusals, after: before };
      }
      if (!accepted.changed) {
        this.addNote(em, opened, request.change.comment ?? '');
        return { ...nothing, accepted: true, refusals: [], after: writer.view() };
      }
      writer.apply(accepted);
      return {
        accepted: true,
        refusals: [],
        changed: true,
        changes: writer.named(accepted.changes),
        fixes: accepted.fixes,
        before,
        after: writer.view(),
        recipients: writer.recipients('update', accepted.told, authorOf(actor)),
      };
    } finally {
      await em.rollback();
    }
  }

  private decide({ row, actor, surroundings, writer }: Opened, request: PreviewUpdate): Accepted | RuleRefused {
    const { resolutionEta, ...named } = request.change;
    const change = {
      ...named,
      ...(resolutionEta !== undefined && { resolutionEta: instantOfIso(resolutionEta) }),
      ...(request.expectedVersion !== undefined && { expectedVersion: request.expectedVersion }),
      ...(request.unknownFields && { unknownFields: request.unknownFields }),
    };
    const { now, people, infrastructures } = surroundings;
    return applyUpdate(stateOf(row), change, writer.policy, {
      now,
      actor,
      people: lookup(people),
      infrastructures: (id) => infrastructures.has(id),
    });
  }

  /** @param locked rows that have to be locked before the ticket's own, once that is known */
  async addMessage(request: AddMessage, locked: string[] = []): Promise<MessageResult | Refused> {
    await this.policies.refresh();
    return inIdempotentTransaction<MessageResult>(this.orm.em.fork(), request, async (em) => {
      const reached = await addressed(em, this, request, locked);
      if (isRefused(reached)) return reached;
      const { opened, named, childIds } = reached;
      const { actor, row, surroundings, writer } = opened;
      if (request.text.trim() === '') {
        return refuse({ field: 'text', code: 'text_required', message: 'a message needs words' });
      }
      if (request.visibility === 'internal') {
        if (actor.kind !== 'employee') return refuse(forEmployees('visibility'));
        const entryId = this.addNote(em, opened, request.text);
        return { ticket: writer.view(), entryId, effect: 'comment_added', fixes: [] };
      }
      const text = request.text;
      const author = authorOf(actor);
      const { now, people } = surroundings;
      const accepted = applyMessage(
        stateOf(row),
        { author: actor.kind, authorId: actor.id, automatic: false, visibility: 'public' },
        writer.policy,
        { now, people: lookup(people) },
      );
      if (accepted.effect === 'follow_up') {
        const followUp = await this.openFollowUp(em, named.row, actor, named.surroundings);
        const changes = followUp.creation();
        const entry = followUp.entry({ kind: 'message', text, visibleText: text, changes }, author);
        followUp.publish(ticketCreated, { text, acknowledge: false }, author, []);
        return { ticket: followUp.view(), entryId: entry.id, effect: 'follow_up_ticket_created', fixes: [] };
      }
      writer.apply(accepted);
      const { fixes, effect } = accepted;
      const changes = writer.named(accepted.changes);
      const entry = writer.entry({ kind: 'message', text, visibleText: text, changes, fixes }, author);
      const recipients = writer.recipients('message', accepted.told, author);
      writer.publish(ticketMessageAdded, { entryId: entry.id, visibility: 'public', text, effect }, author, recipients);
      await tellChildren(em, { tickets: this, policies: this.policies }, opened, childIds, text);
      const children = childIds.length > 0 ? { children: childIds.length } : {};
      return { ticket: viewForActor(reached), entryId: entry.id, effect, fixes, ...children };
    }).catch(withMoreRows((more) => this.addMessage(request, more)));
  }

  /** Makes the row of a new ticket. The caller writes its first message and its event. */
  async open(
    em: EntityManager,
    surroundings: Surroundings,
    opening: Opening,
    known: { number?: number; priorities?: Priorities } = {},
  ): Promise<TicketWriter> {
    const { now } = surroundings;
    const { priority, reason } = await decidePriority(em, opening, known.priorities);
    const policy = this.policies.currentFor(opening.organisationId);
    const state = createTicket(
      {
        id: uuidv7(),
        number: known.number ?? (await nextNumbers(em, 1))[0]!,
        channel: opening.channel,
        reporter: opening.reporter,
        infrastructureId: opening.infrastructureId,
        priority,
      },
      policy,
      now,
    );
    const row = em.create(Ticket, {
      ...state,
      subject: opening.subject,
      tags: opening.tags ?? [],
      organisationId: opening.organisationId,
      updatedAt: now,
      nextTimerAt: nextTimerAt(state, policy),
      followUpOf: opening.followUpOf,
      mailbox: opening.mailbox,
      mailReferences: [],
      eventSequence: 0,
    });
    em.persist(row);
    const writer = this.writer(em, row, surroundings);
    writer.priorityReason = reason;
    return writer;
  }

  writer(em: EntityManager, row: Ticket, surroundings: Surroundings): TicketWriter {
    return new TicketWriter(em, row, surroundings, this.policies, this.env.TEAM_ADDRESS);
  }

  /** An internal note: it changes no state and its words stay in the house. */
  addNote(em: EntityManager, { row, actor, surroundings, writer }: Opened, text: string): string {
    const message = { author: 'employee', authorId: actor.id, automatic: false, visibility: 'internal' } as const;
    const { now, people } = surroundings;
    const accepted = applyMessage(stateOf(row), message, writer.policy, { now, people: lookup(people) });
    if (accepted.effect === 'follow_up') throw new Error('an internal note never opens a ticket');
    writer.apply(accepted);
    const author = authorOf(actor);
    const entry = writer.entry({ kind: 'note', text, visibleText: text }, author);
    writer.publish(
      ticketMessageAdded,
      { entryId: entry.id, visibility: 'internal', text: null, effect: 'comment_added' },
      author,
      [],
    );
    return entry.id;
  }

  /** Somebody of another organisation, with whom the ticket was shared, gets one of their own organisation. */
  private async openFollowUp(em: EntityManager, row: Ticket, actor: DirectoryPerson, surroundings: Surroundings) {
    const isGuest = !maySee(actor, row, []);
    const known = isGuest
      ? await readSurroundings(em, { people: [actor.id], organisations: [actor.organisationId] })
      : surroundings;
    return this.open(em, known, {
      reporter: { personId: actor.id, name: actor.name, email: actor.email },
      channel: 'portal',
      organisationId: (isGuest ? actor.organisationId : row.organisationId) ?? null,
      infrastructureId: isGuest ? null : (row.infrastructureId ?? null),
      priority: null,
      subject: row.subject,
      mailbox: row.mailbox,
      followUpOf: row.number,
    });
  }

  /** Locks the ticket and reads what the rules need; a ticket that the actor may not see does not exist for them. */
  async lock(
    em: EntityManager,
    ticketId: string,
    actorId: string,
    named: { assignee?: string | null; infrastructure?: string | null } = {},
    mayOpen = maySee,
  ): Promise<Opened | Refused> {
    const row = await em.findOne(Ticket, { id: ticketId }, { lockMode: LockMode.PESSIMISTIC_WRITE });
    await this.policies.learn(row ? [row.policyVersion] : []);
    const surroundings = await readSurroundings(em, {
      people: [actorId, named.assignee, row?.assigneeId, row?.reporter.personId],
      organisations: [row?.organisationId],
      infrastructures: [named.infrastructure, row?.infrastructureId],
      tickets: [row?.id],
    });
    const actor = surroundings.people.get(actorId);
    if (!actor?.active) return actorUnknown();
    if (!row || !mayOpen(actor, row, surroundings.participants.get(row.id) ?? [])) return ticketUnknown();
    // time goes on while a row is waited for, but never backwards on the row
    surroundings.now = Math.max(surroundings.now, row.updatedAt);
    const writer = this.writer(em, row, surroundings);
    writer.bringUpToTerms();
    return { row, actor, surroundings, writer };
  }
}

async function decidePriority(
  em: EntityManager,
  opening: Opening,
  priorities?: Priorities,
): Promise<{ priority: Priority; reason: string | null }> {
  const { priority, organisationId, infrastructureId } = opening;
  if (priority !== null) return { priority, reason: null };
  const ids = { organisations: [organisationId], infrastructures: [infrastructureId] };
  return (priorities ?? (await readPriorities(em, ids))).decide(opening);
}

export function authorOf(person: DirectoryPerson): AuthorView {
  return { personId: person.id, name: person.name, email: person.email };
}

/** Draws ticket numbers. A number whose transaction fails is never used: numbers may have gaps. */
export async function nextNumbers(em: EntityManager, count: number): Promise<number[]> {
  const { rows } = await sqlOf(em).query<{ number: number }>(
    `select nextval('tickets.ticket_number')::integer as number from generate_series(1, $1)`,
    [count],
  );
  return rows.map((row) => row.number);
}

/** Its state belongs to the merge: undoing that gives it back. */
function ticketMerged({ mergedInto }: Ticket): Refused {
  const message = `the ticket is merged into #${mergedInto}: change that one, or undo the merge`;
  return refuse({ field: 'ticketId', code: 'ticket_merged', message });
}
