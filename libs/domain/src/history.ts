/**
 * A ticket's history is enough to make the ticket: each entry says what was changed, the policies say what follows for
 * the clocks, and what time alone did follows from both.
 *
 * The first entry is the creation: its changes start from nothing. An entry with no changes is something that was said.
 */
import { createTicket } from './create.js';
import type { FieldChange } from './outcome.js';
import type { Policy } from './policy.js';
import { settle } from './settle.js';
import { assign, changePriority, close, reopen, resumeWork, suspend, unassign, workingStatus } from './steps.js';
import type { Instant, Priority, ResolutionType, Status, Suspension, SuspensionCause, Ticket } from './ticket.js';
import { underTerms } from './terms.js';

export interface HistoryEntry {
  at: Instant;
  /** Who did it; null for time alone and for people whom the directory does not know. */
  byPersonId: string | null;
  /** How people know them; the rules do not ask. */
  byName?: string;
  /** The comment of a change; null for what was said. */
  comment: string | null;
  /** Fields that are not among a ticket's are left alone. */
  changes: readonly { field: string; before: string | null; after: string | null }[];
  /** What was repaired with it: a repair comes after everything that was asked for. */
  fixes?: readonly string[];
  /** Time alone did it: it is not replayed, it happens again. */
  settled: boolean;
}

/** What a history does not say, because it never changes. */
export type Identity = Pick<Ticket, 'id' | 'number' | 'channel' | 'reporter'>;

/** Finds the policy of a version. */
export type Policies = (version: number) => Policy;

/** The creation as changes from nothing. */
export function creationChanges(ticket: Ticket): FieldChange[] {
  const { assigneeId, status, priority, infrastructureId, policyVersion } = ticket;
  const facts: [FieldChange['field'], string | null][] = [
    ['status', status],
    ['priority', priority],
    ['assignee', assigneeId],
    ['infrastructure', infrastructureId],
    ['policyVersion', String(policyVersion)],
  ];
  return facts.flatMap(([field, after]) => (after === null ? [] : [{ field, before: null, after }]));
}

/** A state in a ticket's life: right after an entry, with what time did before it. */
export interface Replayed {
  entry: HistoryEntry;
  /** Settled up to the entry, before it. */
  before: Ticket;
  after: Ticket;
}

/**
 * Makes the ticket from its history, entry by entry, and settles it up to `until`.
 * @param entries in the order in which they were written
 * @throws when the first entry is no creation: such a history is broken
 */
export function replay(
  identity: Identity,
  entries: readonly HistoryEntry[],
  policies: Policies,
  until: Instant,
): { ticket: Ticket; steps: Replayed[] } {
  const [creation, ...rest] = entries;
  if (!creation) throw new Error('a history begins with a creation');
  let ticket = created(identity, creation, policies);
  const steps: Replayed[] = [{ entry: creation, before: ticket, after: ticket }];
  for (const entry of rest) {
    if (entry.settled) continue;
    const before = settle(ticket, policies(ticket.policyVersion), entry.at, nobody).ticket;
    ticket = { ...applied(before, entry, policies), version: before.version + 1 };
    steps.push({ entry, before, after: ticket });
  }
  return { ticket: settle(ticket, policies(ticket.policyVersion), until, nobody).ticket, steps };
}

const nobody = () => undefined;

function created(identity: Identity, entry: HistoryEntry, policies: Policies): Ticket {
  const to = valuesOf(entry);
  const priority = to('priority') as Priority | undefined;
  const version = Number(to('policyVersion'));
  if (!priority || !version) throw new Error('a history begins with a creation');
  const facts = {
    id: identity.id,
    number: identity.number,
    channel: identity.channel,
    reporter: identity.reporter,
    infrastructureId: to('infrastructure') ?? null,
    priority,
    assigneeId: to('assignee') ?? null,
  };
  return createTicket(facts, policies(version), entry.at);
}

/** The same steps in the same order as when it was decided. */
function applied(before: Ticket, entry: HistoryEntry, policies: Policies): Ticket {
  const { at } = entry;
  const to = valuesOf(entry);
  const policy = policies(before.policyVersion);
  let ticket = before;

  const assignee = to('assignee');
  const repaired = entry.fixes?.includes('assignee_set_to_actor') ?? false;
  if (assignee === null) ticket = unassign(ticket, at);
  else if (assignee && !repaired) ticket = assign(ticket, assignee, policy, at);

  const status = to('status') as Status | undefined;
  const resolutionType = to('resolutionType') as ResolutionType | null | undefined;
  if (status === 'closed' && resolutionType) ticket = close(ticket, resolutionType, policy, at);
  else if (ticket.status === 'closed' && isWorking(status)) ticket = reopen(ticket, status, at);
  else if (ticket.status === 'closed' && status === 'suspended') ticket = reopen(ticket, workingStatus(ticket), at);
  else if (ticket.status === 'closed' && resolutionType) ticket = { ...ticket, resolutionType };

  const priority = to('priority') as Priority | undefined;
  if (priority) ticket = changePriority(ticket, priority, policy, at);

  const suspension = suspensionAfter(ticket.suspension, to);
  if (ticket.status !== 'closed' && suspension) ticket = suspend(ticket, suspension, policy, at);
  else if (ticket.suspension && isWorking(status)) ticket = resumeWork(ticket, status, at);
  if (isWorking(status)) ticket = { ...ticket, status };
  if (assignee && repaired) ticket = assign(ticket, assignee, policy, at);

  const infrastructure = to('infrastructure');
  if (infrastructure !== undefined) ticket = { ...ticket, infrastructureId: infrastructure };
  const eta = to('resolutionEta');
  if (eta !== undefined) ticket = { ...ticket, estimate: estimate(eta, entry) };
  const version = to('policyVersion');
  return version ? underTerms(ticket, policy, policies(Number(version)), at) : ticket;
}

type Values = (field: FieldChange['field']) => string | null | undefined;

/** What each field was changed to; undefined when it was not. */
function valuesOf({ changes }: HistoryEntry): Values {
  return (field) => changes.find((change) => change.field === field)?.after;
}

function isWorking(status: Status | undefined): status is 'open' | 'in_progress' {
  return status === 'open' || status === 'in_progress';
}

/** The suspension that an entry leaves; null when it leaves none or does not touch it. */
function suspensionAfter(present: Suspension | null, to: Values): Suspension | null {
  const cause = to('suspensionCause') as SuspensionCause | null | undefined;
  const until = to('suspendedUntil');
  const closeAs = to('closeResolutionType') as ResolutionType | null | undefined;
  if (cause === undefined && until === undefined && closeAs === undefined) return null;
  const next = {
    cause: cause === undefined ? present?.cause : cause,
    until: until === undefined ? present?.until : until && instant(until),
    closeResolutionType: closeAs === undefined ? (present?.closeResolutionType ?? null) : closeAs,
  };
  return next.cause && next.until ? { ...next, cause: next.cause, until: next.until } : null;
}

function estimate(eta: string | null, { comment, byPersonId }: HistoryEntry): Ticket['estimate'] {
  return eta === null ? null : { at: instant(eta), reason: comment ?? '', byPersonId: byPersonId ?? '' };
}

function instant(iso: string): Instant {
  return Math.floor(Date.parse(iso) / 1000);
}
