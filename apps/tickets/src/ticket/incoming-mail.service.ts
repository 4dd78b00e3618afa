/**
 * Mails become tickets or parts of tickets, a batch in one transaction.
 *
 * Which ticket? The one that a verified signature names; else the one whose mail this one answers (stored ids); else a
 * new one. Finding a ticket is not the right to write on it: only its reporter, its participants, people of its
 * organisation and employees may. Anybody else's mail opens a ticket of its own that names the other as a possible
 * predecessor, and nobody on the other ticket hears of it.
 *
 * A mail that was taken before (same inboundId) gives the same answer again and changes nothing.
 */
import {
  ticketCreated,
  ticketMessageAdded,
  type AcceptedMail,
  type AcceptMail,
  type AcceptMailResult,
  type AuthorView,
  type FieldChangeView,
  type IncomingMail,
} from '#contracts';
import { applyMessage } from '#domain';
import { isUniqueViolation, sqlOf } from '#platform';
import { Inject, Injectable } from '@nestjs/common';
import { LockMode, MikroORM, type EntityManager } from '@mikro-orm/postgresql';
import { v7 as uuidv7 } from 'uuid';
import { readPriorities, type Priorities } from '../directory/priorities.js';
import { PolicyStore } from '../sla/policy.store.js';
import { maySee } from './access.js';
import { storeParticipant } from './participant.service.js';
import { changeOf, newParticipant, type Participant } from './participants.js';
import { lookup, readSurroundings, type DirectoryPerson, type Surroundings } from './surroundings.js';
import { stateOf, Ticket } from './ticket.entity.js';
import { nextNumbers, TicketService } from './ticket.service.js';
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
    const sender = batch.personByEmail(mail.from.email);
    const found = batch.find(mail);
    if (found && sender && batch.mayAppend(sender, found.row, found.named)) {
      const appended = await this.append(em, batch, mail, sender, found.row);
      if (appended) return answer(mail, 'appended', found.row, found.rule);
    }
    const row = await this.openTicket(em, batch, mail, sender, number, found?.named.number ?? null);
    return answer(mail, 'ticket_created', row, found ? `follow-up:${found.rule}` : 'new');
  }

  /** @returns false when the ticket was closed too long ago to go on with it */
  private async append(
    em: EntityManager,
    batch: Batch,
    mail: IncomingMail,
    sender: DirectoryPerson,
    row: Ticket,
  ): Promise<boolean> {
    const surroundings = batch.surroundingsOf(row);
    const { now, people } = surroundings;
    const writer = this.tickets.writer(em, row, surroundings);
    writer.bringUpToTerms();
    // a From line proves nothing: an employee's mail is kept among employees until the sender is verified
    const visibility = sender.kind === 'employee' ? 'internal' : 'public';
    const accepted = applyMessage(
      stateOf(row),
      { author: sender.kind, authorId: sender.id, automatic: mail.automatic, visibility },
      writer.policy,
      { now, people: lookup(people) },
    );
    if (accepted.effect === 'follow_up') return false;
    const joined = await batch.join(sender, row);
    writer.apply(accepted);
    const author: AuthorView = { personId: sender.id, name: mail.from.name || sender.name, email: sender.email };
    const kind = visibility === 'public' ? 'message' : 'note';
    const changes = [...writer.named(accepted.changes), ...joined];
    const entry = this.writeMail(em, writer, mail, author, kind, changes, accepted.fixes);
    const words = mail.automatic ? 'automatic_message' : 'message';
    writer.rememberMail(mail.messageId);
    writer.publish(
      ticketMessageAdded,
      {
        entryId: entry.id,
        visibility,
        text: visibility === 'public' ? mail.visibleText.slice(0, MAX_EVENT_TEXT) : null,
        effect: accepted.effect,
      },
      author,
      writer.recipients(visibility === 'public' ? words : 'note', accepted.told, author),
    );
    batch.remember(mail, row);
    return true;
  }

  private async openTicket(
    em: EntityManager,
    batch: Batch,
    mail: IncomingMail,
    sender: DirectoryPerson | undefined,
    number: number,
    followUpOf: number | null,
  ): Promise<Ticket> {
    const organisationId = sender?.organisationId ?? batch.knownOrganisation(mail.defaultOrganisationId);
    const reporter = {
      personId: sender?.id ?? null,
      name: mail.from.name || sender?.name || 'Unknown sender',
      email: mail.from.email,
    };
    const infrastructureId = batch.onlyInfrastructureOf(organisationId);
    const { surroundings } = batch;
    const writer = await this.tickets.open(
      em,
      surroundings,
      {
        reporter,
        channel: 'email',
        organisationId,
        infrastructureId,
        priority: null,
        subject: mail.subject,
        mailbox: mail.mailbox,
        followUpOf,
      },
      { number, priorities: batch.priorities },
    );
    const author: AuthorView = { personId: reporter.personId, name: reporter.name, email: reporter.email };
    // a first mail is shown whole: what it quotes or forwards is the request
    this.writeMail(em, writer, { ...mail, visibleText: mail.text }, author, 'message', writer.creation(), []);
    writer.rememberMail(mail.messageId);
    batch.remember(mail, writer.row);
    const acknowledge = mail.mayAutoReply && !mail.automatic && mail.from.email !== null;
    writer.publish(ticketCreated, { text: mail.text.slice(0, MAX_EVENT_TEXT), acknowledge }, author, []);
    return writer.row;
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

function answer(mail: IncomingMail, result: AcceptedMail['result'], row: Ticket, rule: string): AcceptedMail {
  return { inboundId: mail.inboundId, result, ticketId: row.id, ticketNumber: row.number, rule };
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
  return new Map(rows.map((row) => [row.inboundId, { ...row, rule: 'accepted-before' }]));
}

/** A ticket was merged between finding and locking it: the batch begins anew and finds the target, too. */
class MergedMeanwhile extends Error {}

/** What a batch needs to know of senders and tickets, read in a few statements for all its mails together. */
class Batch {
  private constructor(
    private readonly em: EntityManager,
    readonly surroundings: Surroundings,
    private readonly peopleByEmail: Map<string, DirectoryPerson>,
    /** By organisation, for those that have exactly one. */
    private readonly onlyInfrastructure: Map<string, string>,
    readonly priorities: Priorities,
    private readonly ticketsByNumber: Map<number, Ticket>,
    private readonly ticketsByMessageId: Map<string, Ticket>,
  ) {}

  static async load(em: EntityManager, mails: IncomingMail[]): Promise<Batch> {
    await registerSenders(em, mails);
    const tickets = await lockTickets(em, mails);
    const emails = [...new Set(mails.flatMap((mail) => (mail.from.email ? [mail.from.email.toLowerCase()] : [])))];
    const { rows: senders } = await sqlOf(em).query<{ id: string; organisation_id: string | null }>(
      'select id, organisation_id from tickets.person where email = any($1)',
      [emails],
    );
    const rows = [...tickets.byNumber.values()];
    const surroundings = await readSurroundings(em, {
      people: [
        ...senders.map((sender) => sender.id),
        ...rows.flatMap((row) => [row.assigneeId, row.reporter.personId]),
      ],
      organisations: [
        ...senders.map((sender) => sender.organisation_id),
        ...rows.map((row) => row.organisationId),
        ...mails.map((mail) => mail.defaultOrganisationId ?? null),
      ],
      infrastructures: rows.map((row) => row.infrastructureId),
      tickets: rows.map((row) => row.id),
    });
    const infrastructures = await infrastructuresOf(em, [...surroundings.organisations.keys()]);
    for (const { id, name } of infrastructures) surroundings.infrastructures.set(id, name);
    return new Batch(
      em,
      surroundings,
      new Map([...surroundings.people.values()].map((person) => [person.email, person])),
      new Map(infrastructures.filter(({ only }) => only).map(({ id, organisation_id }) => [organisation_id, id])),
      await readPriorities(em, {
        organisations: [...surroundings.organisations.keys()],
        infrastructures: infrastructures.filter(({ only }) => only).map(({ id }) => id),
      }),
      tickets.byNumber,
      tickets.byMessageId,
    );
  }

  policyVersions(): number[] {
    return [...this.ticketsByNumber.values()].map((row) => row.policyVersion);
  }

  personByEmail(email: string | null): DirectoryPerson | undefined {
    return email === null ? undefined : this.peopleByEmail.get(email.toLowerCase());
  }

  /** @returns the ticket that the mail names, and `row`, what that is merged into if it is */
  find(mail: IncomingMail): { named: Ticket; row: Ticket; rule: string } | undefined {
    const signed = this.ticketsByNumber.get(mail.signedTicketNumber ?? -1);
    if (signed) return { named: signed, row: this.targetOf(signed), rule: 'signed' };
    const stored = mail.referencedIds.map((id) => this.ticketsByMessageId.get(id)).find((row) => row !== undefined);
    return stored && { named: stored, row: this.targetOf(stored), rule: 'stored-id' };
  }

  private targetOf(row: Ticket): Ticket {
    if (row.mergedInto == null) return row;
    const next = this.ticketsByNumber.get(row.mergedInto);
    if (!next) throw new MergedMeanwhile();
    return this.targetOf(next);
  }

  /** Later mails of the batch may answer this one. */
  remember(mail: IncomingMail, row: Ticket): void {
    this.ticketsByMessageId.set(mail.messageId, row);
  }

  /** Who may write on a ticket may write on what it is merged into. */
  mayAppend(sender: DirectoryPerson, row: Ticket, named: Ticket): boolean {
    return sender.active && [row, named].some((one) => this.mayWrite(sender, one));
  }

  private mayWrite(sender: DirectoryPerson, row: Ticket): boolean {
    return isReporter(sender, row) || this.follows(sender, row) || maySee(sender, row, []);
  }

  private follows({ id }: DirectoryPerson, row: Ticket): boolean {
    return this.participantsOf(row).some(({ personId }) => personId === id);
  }

  /** A colleague of the reporter who joins in is kept informed from now on. @returns what that changed */
  async join(sender: DirectoryPerson, row: Ticket): Promise<FieldChangeView[]> {
    const isColleague = sender.kind === 'customer' && maySee(sender, row, []) && !isReporter(sender, row);
    if (!isColleague || this.follows(sender, row)) return [];
    await this.em.flush(); // the ticket may be of this very batch
    const { id: personId, ...person } = sender;
    const joined = newParticipant({ personId, ...person });
    await storeParticipant(this.em, row.id, joined);
    this.surroundings.participants.set(row.id, [...this.participantsOf(row), joined]);
    return [changeOf(null, joined)];
  }

  private participantsOf(row: Ticket): readonly Participant[] {
    return this.surroundings.participants.get(row.id) ?? [];
  }

  /** A setting of another service may name one that is not there. */
  knownOrganisation(organisationId: string | null | undefined): string | null {
    return organisationId != null && this.surroundings.organisations.has(organisationId) ? organisationId : null;
  }

  onlyInfrastructureOf(organisationId: string | null): string | null {
    return this.onlyInfrastructure.get(organisationId ?? '') ?? null;
  }

  surroundingsOf(row: Ticket): Surroundings {
    return { ...this.surroundings, now: Math.max(this.surroundings.now, row.updatedAt) };
  }
}

/** A reporter whom the directory did not know is known by the address. */
function isReporter({ id, email }: DirectoryPerson, { reporter }: Ticket): boolean {
  return id === reporter.personId || email === reporter.email?.toLowerCase();
}

/** The infrastructures of these organisations; `only` marks one that is its organisation's only one. */
async function infrastructuresOf(em: EntityManager, organisationIds: string[]) {
  const { rows } = await sqlOf(em).query<{ id: string; name: string; organisation_id: string; only: boolean }>(
    `select id, name, organisation_id, count(*) over (partition by organisation_id) = 1 as only
     from tickets.infrastructure where organisation_id = any($1::uuid[])`,
    [organisationIds],
  );
  return rows;
}

/** Makes customers of senders whom the directory does not know; their mail domain tells the organisation. */
async function registerSenders(em: EntityManager, mails: IncomingMail[]): Promise<void> {
  const senders = new Map(
    mails.flatMap(({ from }) => (from.email ? [[from.email.toLowerCase(), from.name || from.email] as const] : [])),
  );
  if (senders.size === 0) return;
  const emails = [...senders.keys()].sort(); // one order for all writers, so that two batches cannot deadlock
  await sqlOf(em).query(
    `insert into tickets.person (id, kind, name, email, organisation_id)
     select g.id, 'customer', g.name, g.email,
       (select o.id from tickets.organisation o
        where o.email_domains @> array[substring(g.email from '[^@]*$')] order by o.id limit 1)
     from unnest($1::uuid[], $2::text[], $3::text[]) as g(id, name, email)
     where not exists (select 1 from tickets.person p where p.email = g.email)
     order by g.email
     on conflict (email) do nothing`,
    [emails.map(() => uuidv7()), emails.map((email) => senders.get(email)), emails],
  );
}

async function lockTickets(em: EntityManager, mails: IncomingMail[]) {
  const numbers = mails.flatMap((mail) => mail.signedTicketNumber ?? []);
  const messageIds = mails.flatMap((mail) => mail.referencedIds);
  if (numbers.length === 0 && messageIds.length === 0) {
    return { byNumber: new Map<number, Ticket>(), byMessageId: new Map<string, Ticket>() };
  }
  const { rows: found } = await sqlOf(em).query<{ ticket_id: string; message_id: string | null }>(
    `with recursive found as (
       select id as ticket_id, null as message_id from tickets.ticket where number = any($1::int[])
       union select ticket_id, message_id from tickets.timeline_entry where message_id = any($2::text[])
     ), chain as (
       select t.id, t.merged_into from found join tickets.ticket t on t.id = ticket_id
       union select t.id, t.merged_into from chain join tickets.ticket t on t.number = chain.merged_into
     )
     select * from found union select id, null from chain`,
    [numbers, messageIds],
  );
  const rows = await em.find(
    Ticket,
    { id: { $in: found.map((one) => one.ticket_id) } },
    { lockMode: LockMode.PESSIMISTIC_WRITE, orderBy: { id: 'asc' } },
  );
  const byId = new Map(rows.map((row) => [row.id, row]));
  const byMessageId = new Map(
    found.flatMap((one) => (one.message_id === null ? [] : [[one.message_id, byId.get(one.ticket_id)!] as const])),
  );
  return { byNumber: new Map(rows.map((row) => [row.number, row])), byMessageId };
}
