/** What a batch of mails needs to know of senders and tickets, read in a few statements for all of them together. */
import type { FieldChangeView, IncomingMail } from '#contracts';
import type { Reporter } from '#domain';
import { sqlOf } from '#platform';
import { LockMode, type EntityManager } from '@mikro-orm/postgresql';
import { v7 as uuidv7 } from 'uuid';
import { readPriorities, type Priorities } from '../directory/priorities.js';
import { maySee } from './access.js';
import {
  claimsOf,
  identityOf,
  isReporter,
  requestIn,
  sameMatter,
  type Candidate,
  type Request,
  type Rights,
} from './mail-thread.js';
import { storeParticipant } from './participant.service.js';
import { changeOf, newParticipant, type Participant } from './participants.js';
import { RecentWords } from './recent-words.js';
import { readSurroundings, type DirectoryPerson, type Surroundings } from './surroundings.js';
import { Ticket } from './ticket.entity.js';

/** Of the tickets whose mails share one id, so many are looked at, the oldest. */
const MAX_SAME_ID = 5;

/** A ticket was merged between finding and locking it: the batch begins anew and finds the target, too. */
export class MergedMeanwhile extends Error {}

export class Batch {
  private constructor(
    private readonly em: EntityManager,
    readonly surroundings: Surroundings,
    private readonly peopleByEmail: Map<string, DirectoryPerson>,
    /** By organisation, for those that have exactly one. */
    private readonly onlyInfrastructure: Map<string, string>,
    readonly priorities: Priorities,
    private readonly ticketsByNumber: Map<number, Ticket>,
    private readonly ticketsByMessageId: Map<string, Ticket[]>,
    private readonly ticketsByRoot: Map<string, Ticket[]>,
    /** Organisations of authors whom the directory does not know, by mail domain. */
    private readonly organisationsByDomain: Map<string, string>,
    /** What was said on these tickets lately. */
    private readonly recentWords: RecentWords,
  ) {}

  static async load(em: EntityManager, mails: IncomingMail[]): Promise<Batch> {
    await registerSenders(em, mails);
    const tickets = await lockTickets(em, mails);
    const authors = mails.flatMap((mail) => forwardedFrom(mail) ?? []);
    const emails = [...new Set([...mails.flatMap((mail) => identityOf(mail) ?? []), ...authors])];
    const byDomain = await organisationsOf(em, authors);
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
        ...byDomain.values(),
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
      tickets.byRoot,
      byDomain,
      await RecentWords.load(em, surroundings.now, {
        tickets: rows.map(({ id }) => id),
        people: senders.map(({ id }) => id),
      }),
    );
  }

  /** Whether the author has said the same here so often that it must be a machine; `first` when this time shows it. */
  repeats(mail: IncomingMail, row: Ticket, author: DirectoryPerson): 'first' | 'again' | null {
    return this.recentWords.repeats(row.id, author.id, mail);
  }

  policyVersions(): number[] {
    return [...this.ticketsByNumber.values()].map((row) => row.policyVersion);
  }

  /** Undefined when nobody can be taken for the sender. */
  senderOf(mail: IncomingMail): DirectoryPerson | undefined {
    return this.peopleByEmail.get(identityOf(mail) ?? '');
  }

  /** Whose request it is that an employee passes on, as far as the directory knows. */
  authorOf({ from: { name, email } }: Request): { reporter: Reporter; organisationId: string | null } {
    const address = email.toLowerCase();
    const known = this.peopleByEmail.get(address);
    if (known) {
      const reporter = { personId: known.id, name: known.name, email: known.email };
      return { reporter, organisationId: known.organisationId };
    }
    const organisationId = this.organisationsByDomain.get(domainOf(address)) ?? null;
    return { reporter: { personId: null, name: name || address, email: address }, organisationId };
  }

  /**
   * The tickets that the mail names, best first: by a signature, by ids of mails that are stored, by the beginning of its
   * conversation, by the subject.
   */
  candidates(mail: IncomingMail): Candidate[] {
    const claims = claimsOf(mail).flatMap(({ ticketNumber, carrier, direct }) => {
      return this.found([this.ticketsByNumber.get(ticketNumber)], carrier, direct);
    });
    const stored = mail.referencedIds.flatMap((id, index) => {
      return this.found(this.ticketsByMessageId.get(id), 'stored-id', index < (mail.repliedTo ?? Infinity));
    });
    const begun = this.found(this.ticketsByRoot.get(conversationOf(mail)), 'thread-root', false);
    // what is passed on may be known already: then the ticket is linked
    const passedOn = requestIn(mail, this.senderOf(mail))?.messageIds ?? [];
    const known = passedOn.flatMap((id) => this.found(this.ticketsByMessageId.get(id), 'forwarded-id', true));
    const isTag = ({ rule }: Candidate) => rule === 'subject-tag';
    return [
      ...claims.filter((one) => !isTag(one)),
      ...stored,
      ...begun.filter((one) => sameMatter(mail, one)),
      ...claims.filter(isTag),
      ...known,
    ];
  }

  private found(rows: (Ticket | undefined)[] = [], carrier: Candidate['carrier'], direct: boolean): Candidate[] {
    const rule = direct || carrier === 'thread-root' ? carrier : `${carrier}:references`;
    return rows.flatMap((named) => (named ? [{ named, row: this.targetOf(named), carrier, rule, direct }] : []));
  }

  private targetOf(row: Ticket): Ticket {
    if (row.mergedInto == null) return row;
    const next = this.ticketsByNumber.get(row.mergedInto);
    if (!next) throw new MergedMeanwhile();
    return this.targetOf(next);
  }

  /** Later mails of the batch may answer this one, or its author repeat it. */
  remember(mail: IncomingMail, row: Ticket, author?: DirectoryPerson): void {
    if (author) this.recentWords.remember(row.id, author.id, mail);
    addTo(this.ticketsByMessageId, mail.messageId, row);
    if (mail.threadRoot) addTo(this.ticketsByRoot, conversationOf(mail), row);
  }

  /** Whether a person may write on a ticket: its reporter, its participants, people of its organisation, employees. */
  readonly rights: Rights = {
    follows: ({ id }, row) => this.participantsOf(row).some(({ personId }) => personId === id),
    maySee: (sender, row) => maySee(sender, row, []),
  };

  /** A colleague of the reporter who joins in is kept informed from now on. @returns what that changed */
  async join(sender: DirectoryPerson, row: Ticket): Promise<FieldChangeView[]> {
    const isColleague = sender.kind === 'customer' && maySee(sender, row, []) && !isReporter(sender, row);
    if (!isColleague || this.rights.follows(sender, row)) return [];
    return this.follow(sender, row);
  }

  /** Makes somebody a follower. @returns what that changed */
  async follow(person: DirectoryPerson, row: Ticket): Promise<FieldChangeView[]> {
    await this.em.flush(); // the ticket may be of this very batch
    const joined = newParticipant({ personId: person.id, ...person });
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

function forwardedFrom({ forwarded }: IncomingMail): string | null {
  return forwarded?.from?.email?.toLowerCase() ?? null;
}

function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1);
}

/** By mail domain. */
async function organisationsOf(em: EntityManager, addresses: string[]): Promise<Map<string, string>> {
  if (addresses.length === 0) return new Map();
  const { rows } = await sqlOf(em).query<{ domain: string; id: string }>(
    `select domain, (select id from tickets.organisation where email_domains @> array[domain] order by id limit 1) as id
     from (select distinct unnest($1::text[]) as domain) domains`,
    [addresses.map(domainOf)],
  );
  return new Map(rows.filter(({ id }) => id !== null).map(({ domain, id }) => [domain, id]));
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
    mails.flatMap((mail) => {
      const email = identityOf(mail);
      return email === null ? [] : [[email, mail.from.name || email] as const];
    }),
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
  const numbers = mails.flatMap((mail) => claimsOf(mail).map(({ ticketNumber }) => ticketNumber));
  const messageIds = mails.flatMap((mail) => [...mail.referencedIds, ...(mail.forwarded?.messageIds ?? [])]);
  const { rows: found } = await sqlOf(em).query<{ ticket_id: string; message_id: string | null; root: string | null }>(
    `with recursive found as (
       select id as ticket_id, null as message_id, null as root from tickets.ticket where number = any($1::int[])
       union select e.ticket_id, given.id, null from (select distinct unnest($2::text[]) as id) given cross join lateral (
         select ticket_id from tickets.timeline_entry where message_id = given.id order by position limit $4) e
       union select e.ticket_id, null, given.id from (select distinct unnest($3::text[]) as id) given cross join lateral (
         select ticket_id from tickets.timeline_entry where thread_root = given.id order by position limit $4) e
     ), chain as (
       select t.id, t.merged_into from found join tickets.ticket t on t.id = ticket_id
       union select t.id, t.merged_into from chain join tickets.ticket t on t.number = chain.merged_into
     )
     select * from found union select id, null, null from chain`,
    [numbers, messageIds, mails.map(rootOf), MAX_SAME_ID],
  );
  const byMessageId = new Map<string, Ticket[]>();
  const byRoot = new Map<string, Ticket[]>();
  if (found.length === 0) return { byNumber: new Map<number, Ticket>(), byMessageId, byRoot };
  const rows = await em.find(
    Ticket,
    { id: { $in: [...new Set(found.map((one) => one.ticket_id))] } },
    { lockMode: LockMode.PESSIMISTIC_WRITE, orderBy: { id: 'asc' } },
  );
  const byId = new Map(rows.map((row) => [row.id, row]));
  // the oldest first: whoever uses an id a second time comes behind
  const inOrder = found.toSorted((a, b) => (a.ticket_id < b.ticket_id ? -1 : 1));
  for (const { ticket_id, message_id, root } of inOrder) {
    const row = byId.get(ticket_id)!;
    if (message_id !== null) addTo(byMessageId, message_id, row);
    if (root !== null) addTo(byRoot, conversationKey(row.mailbox, root), row);
  }
  return { byNumber: new Map(rows.map((row) => [row.number, row])), byMessageId, byRoot };
}

/**
 * Two mails of one conversation that nobody has a ticket for are taken one after the other, whoever takes them: the
 * second finds the ticket of the first.
 */
export async function lockConversations(em: EntityManager, mails: IncomingMail[]): Promise<void> {
  await sqlOf(em).query(
    `select pg_advisory_xact_lock(key) from (
       select distinct hashtextextended(one, 0) as key from unnest($1::text[]) as one order by key) as keys`,
    [mails.map(conversationOf)],
  );
}

/** The id with which the mail's conversation began: its own when it is the first. */
function rootOf({ threadRoot, messageId }: IncomingMail): string {
  return threadRoot ?? messageId;
}

function conversationOf(mail: IncomingMail): string {
  return conversationKey(mail.mailbox, rootOf(mail));
}

function conversationKey(mailbox: string, root: string): string {
  return `${mailbox.toLowerCase()} ${root}`;
}

function addTo(tickets: Map<string, Ticket[]>, key: string, row: Ticket): void {
  const known = tickets.get(key) ?? [];
  if (!known.includes(row)) tickets.set(key, [...known, row]);
}
