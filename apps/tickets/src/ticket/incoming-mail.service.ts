/**
 * Mails become tickets or parts of tickets, a batch in one transaction.
 *
 * Which ticket? `mail-batch.ts` finds those that the mail names and `mail-thread.ts` says who may write there: the first
 * that is named and may be written on takes it. Where there is none, the mail opens a ticket of its own that names the
 * first as what it may follow up, and nobody on that one hears of it.
 *
 * Employees have their powers by mail only when the receiving server vouches for them: then their words are an answer in
 * the support's name. Otherwise they are kept among employees.
 *
 * What is `appendOnly` opens no ticket and is rejected instead, which leaves no trace here.
 * Who says the same again and again is taken for a machine: `recent-words.ts`.
 *
 * A mail that was taken before (same inboundId) gives the same answer again and changes nothing.
 */
import {
  ticketBounced,
  ticketCreated,
  ticketMessageAdded,
  type AcceptedMail,
  type AcceptMail,
  type AcceptMailResult,
  type AuthorView,
  type Bounce,
  type BouncedRecipient,
  type IncomingMail,
} from '#contracts';
import { applyMessage, type MessageEffect } from '#domain';
import { baseSubject, cutText, withoutSubjectTag } from '#mail';
import { isUniqueViolation, LOGGER, type Logger, sqlOf } from '#platform';
import { Inject, Injectable } from '@nestjs/common';
import { MikroORM, type EntityManager } from '@mikro-orm/postgresql';
import { v7 as uuidv7 } from 'uuid';
import { PolicyStore } from '../sla/policy.store.js';
import { Batch, lockConversations, MergedMeanwhile } from './mail-batch.js';
import { isReporter, mayAppend, ownWords, requestIn, requestWords, type Request } from './mail-thread.js';
import { TIMES } from './recent-words.js';
import { lookup, type DirectoryPerson, type Surroundings } from './surroundings.js';
import { stateOf, Ticket } from './ticket.entity.js';
import { nextNumbers, TicketService, type Opening } from './ticket.service.js';
import type { TicketWriter } from './ticket.writer.js';
import { Attachment } from './timeline-entry.entity.js';

/** Longer texts are cut in events; the whole message stays in the timeline. */
const MAX_EVENT_TEXT = 100_000;

@Injectable()
export class IncomingMailService {
  constructor(
    @Inject(MikroORM) private readonly orm: MikroORM,
    private readonly tickets: TicketService,
    private readonly policies: PolicyStore,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  async accept({ mails }: AcceptMail): Promise<AcceptMailResult> {
    await this.policies.refresh();
    const run = () => this.orm.em.fork().transactional((em) => this.acceptAll(em, mails), { clear: true });
    // a repeat that ran at the same time has committed first: its results are there now
    const accepted = await run().catch((error: unknown) => {
      if (isUniqueViolation(error) || error instanceof MergedMeanwhile) return run();
      throw error;
    });
    return { accepted };
  }

  private async acceptAll(em: EntityManager, mails: IncomingMail[]): Promise<AcceptedMail[]> {
    await lockConversations(em, mails);
    const done = await acceptedBefore(em, mails);
    const fresh = mails.filter((mail) => !done.has(mail.inboundId));
    if (fresh.length > 0) {
      const batch = await Batch.load(em, fresh);
      await this.policies.learn(batch.policyVersions());
      const numbers = await nextNumbers(em, fresh.length);
      for (const [index, mail] of fresh.entries()) {
        done.set(mail.inboundId, await this.acceptOne(em, batch, mail, numbers[index]!));
      }
    }
    return mails.map((mail) => done.get(mail.inboundId)!);
  }

  private async acceptOne(em: EntityManager, batch: Batch, mail: IncomingMail, number: number): Promise<AcceptedMail> {
    const candidates = batch.candidates(mail);
    if (mail.bounce && candidates[0]) return this.noteBounce(em, batch, mail, mail.bounce, candidates[0].row);
    const sender = batch.senderOf(mail);
    const open = sender && candidates.find((candidate) => mayAppend(mail, sender, candidate, batch.rights));
    if (open && (await this.append(em, batch, mail, sender, open.row))) {
      return answer(mail, 'appended', open.row, open.rule);
    }
    if (mail.appendOnly) return rejected(mail, mail.appendOnly);
    const related = open ?? candidates[0];
    const request = requestIn(mail, sender);
    const followUpOf = related?.named.number ?? null;
    const row =
      request && sender
        ? await this.openForwarded(em, batch, mail, { sender, request }, { number, followUpOf })
        : await this.openTicket(em, batch, mail, sender, { number, followUpOf });
    const fresh = request ? 'forwarded' : 'new';
    return answer(mail, 'ticket_created', row, related ? `follow-up:${related.rule}` : fresh);
  }

  /** What became of a mail of ours, for employees to read. It changes neither a state nor a clock. */
  private async noteBounce(
    em: EntityManager,
    batch: Batch,
    mail: IncomingMail,
    { messageId, results }: Bounce,
    row: Ticket,
  ): Promise<AcceptedMail> {
    const surroundings = batch.surroundingsOf(row);
    const writer = this.tickets.writer(em, row, surroundings);
    writer.bringUpToTerms();
    const text = bounceSentences(results);
    const note = { ...mail, text, visibleText: text, html: null, attachments: [], automatic: true };
    applyNote(writer, surroundings);
    const entry = this.writeMail(em, writer, note, MAIL_SYSTEM, 'note', [], []);
    const told = row.assigneeId ? [{ role: 'assignee' as const, personId: row.assigneeId }] : [];
    const recipients = isFailure(results) ? writer.recipients('promise', told, MAIL_SYSTEM) : [];
    writer.publish(ticketBounced, { entryId: entry.id, messageId, results }, MAIL_SYSTEM, recipients);
    return answer(mail, 'bounce_linked', row, 'message-id');
  }

  /** @returns false when the ticket was closed too long ago to go on with it */
  private async append(
    em: EntityManager,
    batch: Batch,
    received: IncomingMail,
    sender: DirectoryPerson,
    row: Ticket,
  ): Promise<boolean> {
    const repeats = received.automatic ? null : batch.repeats(received, row, sender);
    const mail = repeats ? { ...received, automatic: true } : received;
    const surroundings = batch.surroundingsOf(row);
    const { now, people } = surroundings;
    const writer = this.tickets.writer(em, row, surroundings);
    writer.bringUpToTerms();
    // who reported the ticket writes as its customer, whoever they are
    const role = isReporter(sender, row) ? 'customer' : sender.kind;
    const isAnswer = mail.senderVerification === 'verified' && !mail.automatic && !mail.forwarded;
    const visibility = role === 'customer' || isAnswer ? 'public' : 'internal';
    const accepted = applyMessage(
      stateOf(row),
      { author: role, authorId: sender.id, automatic: mail.automatic, visibility },
      writer.policy,
      { now, people: lookup(people) },
    );
    if (accepted.effect === 'follow_up') return false;
    const joined = await batch.join(sender, row);
    writer.apply(accepted);
    const name = (sender.kind === 'customer' && mail.from.name) || sender.name;
    const author: AuthorView = { personId: sender.id, name, email: sender.email };
    const kind = visibility === 'public' ? 'message' : 'note';
    const changes = [...writer.named(accepted.changes), ...joined];
    const said = role === 'employee' && kind === 'message' ? ownWords(mail) : mail;
    const entry = this.writeMail(em, writer, said, author, kind, changes, accepted.fixes);
    const words = mail.automatic ? 'automatic_message' : 'message';
    writer.rememberMail(mail.messageId);
    writer.publish(
      ticketMessageAdded,
      {
        entryId: entry.id,
        visibility,
        text: visibility === 'public' ? cutText(mail.visibleText, MAX_EVENT_TEXT).text : null,
        effect: accepted.effect,
      },
      author,
      writer.recipients(visibility === 'public' ? words : 'note', accepted.told, author),
    );
    if (repeats === 'first') this.noteRepetition(writer, surroundings, author);
    batch.remember(mail, row, sender);
    return true;
  }

  /** Says once why nothing comes of these mails any more. */
  private noteRepetition(writer: TicketWriter, surroundings: Surroundings, { name, email }: AuthorView): void {
    const ticket = writer.row.number;
    this.log.warn({ ticket, sender: email, times: TIMES }, 'the same words again and again: taken for a machine');
    const effect = applyNote(writer, surroundings);
    const text =
      `${name} sent the same words ${TIMES} times within an hour. They are taken for a machine’s: while they go on, ` +
      `they change nothing here and nobody is told of them.`;
    const entry = writer.entry({ kind: 'note', text, visibleText: text, automatic: true }, MAIL_SYSTEM);
    const said = { entryId: entry.id, visibility: 'internal', text: null, effect } as const;
    writer.publish(ticketMessageAdded, said, MAIL_SYSTEM, []);
  }

  private async openTicket(
    em: EntityManager,
    batch: Batch,
    mail: IncomingMail,
    sender: DirectoryPerson | undefined,
    place: Place,
  ): Promise<Ticket> {
    const reporter = {
      personId: sender?.id ?? null,
      name: mail.from.name || sender?.name || mail.from.email || 'Unknown sender',
      email: mail.from.email,
    };
    const organisationId = sender?.organisationId ?? batch.knownOrganisation(mail.defaultOrganisationId);
    const writer = await this.open(em, batch, mail, { reporter, organisationId, subject: mail.subject }, place);
    const author: AuthorView = { personId: reporter.personId, name: reporter.name, email: reporter.email };
    // a first mail is shown whole: what it quotes or forwards is the request
    const said = { ...mail, visibleText: mail.text };
    this.writeMail(em, writer, said, author, 'message', writer.creation(), []);
    writer.rememberMail(mail.messageId);
    batch.remember(said, writer.row, sender);
    const acknowledge = mail.mayAutoReply && !mail.automatic && mail.from.email !== null;
    const { headersOnly = false } = mail;
    const { text } = cutText(mail.text, MAX_EVENT_TEXT);
    writer.publish(ticketCreated, { text, acknowledge, headersOnly }, author, []);
    return writer.row;
  }

  /** The request of somebody else: theirs is the ticket, the forwarder follows it and says the rest among employees. */
  private async openForwarded(
    em: EntityManager,
    batch: Batch,
    mail: IncomingMail,
    { sender, request }: { sender: DirectoryPerson; request: Request },
    place: Place,
  ): Promise<Ticket> {
    const { reporter, ...known } = batch.authorOf(request);
    const organisationId = known.organisationId ?? batch.knownOrganisation(mail.defaultOrganisationId);
    const subject = baseSubject(request.subject ?? mail.subject) || mail.subject;
    const writer = await this.open(em, batch, mail, { reporter, organisationId, subject }, place);
    const { row } = writer;
    const joined = await batch.follow(sender, row);
    const author: AuthorView = { personId: reporter.personId, name: reporter.name, email: reporter.email };
    const changes = [...writer.creation(), ...joined];
    const said = requestWords(mail, request);
    this.writeMail(em, writer, said, author, 'message', changes, []);
    writer.rememberMail(request.messageIds[0] ?? mail.messageId);
    batch.remember(mail, row);
    const { text } = cutText(said.text, MAX_EVENT_TEXT);
    writer.publish(ticketCreated, { text, acknowledge: false }, author, []);
    if (request.comment !== '') {
      await em.flush(); // the request stands before what is said about it
      this.tickets.addNote(
        em,
        { row, writer, actor: sender, surroundings: batch.surroundingsOf(row) },
        request.comment,
      );
    }
    return row;
  }

  private open(
    em: EntityManager,
    batch: Batch,
    mail: IncomingMail,
    opening: Pick<Opening, 'reporter' | 'organisationId' | 'subject'>,
    { number, followUpOf }: Place,
  ): Promise<TicketWriter> {
    const { subject, organisationId } = opening;
    return this.tickets.open(
      em,
      batch.surroundings,
      {
        ...opening,
        channel: 'email',
        infrastructureId: batch.onlyInfrastructureOf(organisationId),
        priority: null,
        subject: followUpOf === null ? subject : withoutSubjectTag(subject, followUpOf),
        mailbox: mail.mailbox,
        followUpOf,
        tags: warningTags(mail),
      },
      { number, priorities: batch.priorities },
    );
  }

  private writeMail(
    em: EntityManager,
    writer: TicketWriter,
    mail: IncomingMail,
    author: AuthorView,
    kind: 'message' | 'note',
    changes: Parameters<TicketWriter['entry']>[0]['changes'] & object,
    fixes: Parameters<TicketWriter['entry']>[0]['fixes'] & object,
  ) {
    const entry = writer.entry(
      {
        kind,
        text: mail.text,
        visibleText: mail.visibleText,
        html: mail.html,
        changes,
        fixes,
        automatic: mail.automatic,
        messageId: mail.messageId,
        inboundId: mail.inboundId,
        rawSha256: Buffer.from(mail.rawSha256, 'hex'),
        rawSize: mail.rawSize,
        senderVerification: mail.senderVerification ?? 'unverified',
        replyTo: mail.replyTo ?? null,
        threadRoot: mail.threadRoot ?? null,
      },
      author,
    );
    for (const [position, { sha256, ...attachment }] of mail.attachments.entries()) {
      const id = uuidv7();
      em.persist(em.create(Attachment, { id, entry, position, sha256: Buffer.from(sha256, 'hex'), ...attachment }));
    }
    return entry;
  }
}

const MAIL_SYSTEM: AuthorView = { personId: null, name: 'Mail system', email: null };

/** A note of our own: it changes neither a state nor a clock. @returns what it did besides being said */
function applyNote(writer: TicketWriter, { now, people }: Surroundings): MessageEffect {
  const accepted = applyMessage(
    stateOf(writer.row),
    { author: 'employee', authorId: null, automatic: true, visibility: 'internal' },
    writer.policy,
    { now, people: lookup(people) },
  );
  if (accepted.effect === 'follow_up') throw new Error('an internal note never opens a ticket');
  writer.apply(accepted);
  return accepted.effect;
}

function isFailure(results: BouncedRecipient[]): boolean {
  return results.length === 0 || results.some(({ action }) => action === 'failed');
}

function bounceSentences(results: BouncedRecipient[]): string {
  if (results.length === 0) return 'A mail about this ticket came back; the report does not say for whom or why.';
  return results
    .map(({ recipient, action, status, kind, diagnostic }) => {
      const why = [status, kind === 'undefined' ? null : kind].filter(Boolean).join(' ');
      return `Delivery to ${recipient ?? 'somebody'} ${ACTION_WORDS[action]}${why && `: ${why}`}.${diagnostic ? ` “${diagnostic}”` : ''}`;
    })
    .join('\n');
}

const ACTION_WORDS: Record<BouncedRecipient['action'], string> = {
  failed: 'failed',
  delayed: 'is delayed',
  delivered: 'was reported as done',
  relayed: 'was handed to a server that does not report',
  expanded: 'went to several addresses',
};

/** A new ticket's number, and the one that it may follow up. */
interface Place {
  number: number;
  followUpOf: number | null;
}

function answer(mail: IncomingMail, result: AcceptedMail['result'], row: Ticket, rule: string): AcceptedMail {
  return { inboundId: mail.inboundId, result, ticketId: row.id, ticketNumber: row.number, rule };
}

function rejected({ inboundId }: IncomingMail, rule: string): AcceptedMail {
  return { inboundId, result: 'rejected', ticketId: null, ticketNumber: null, rule };
}

/** What employees see of a mail before they open its ticket. */
function warningTags(mail: IncomingMail): string[] {
  return [
    ...(mail.senderVerification === 'failed' ? ['dmarc-fail'] : []), // in the order in which tags are kept
    ...(mail.spam ? ['spam'] : []),
  ];
}

async function acceptedBefore(em: EntityManager, mails: IncomingMail[]): Promise<Map<string, AcceptedMail>> {
  const { rows } = await sqlOf(em).query<Omit<AcceptedMail, 'rule'>>(
    `select e.inbound_id as "inboundId", t.id as "ticketId", t.number as "ticketNumber",
       case when e.position = (select min(position) from tickets.timeline_entry f where f.ticket_id = t.id)
         then 'ticket_created' else 'appended' end as result
     from tickets.timeline_entry e join tickets.ticket t on t.id = e.ticket_id
     where e.inbound_id = any($1::uuid[])`,
    [mails.map((mail) => mail.inboundId)],
  );
  const reports = new Set(mails.flatMap(({ inboundId, bounce }) => (bounce ? [inboundId] : [])));
  return new Map(
    rows.map((row) => {
      const result = row.result === 'appended' && reports.has(row.inboundId) ? 'bounce_linked' : row.result;
      return [row.inboundId, { ...row, result, rule: 'accepted-before' }];
    }),
  );
}
