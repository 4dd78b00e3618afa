/**
 * Who follows a ticket besides those whom its rules name, and whom a fact is told with them.
 *
 * - follower: is told of public messages, and of every update that the reporter is told of.
 * - collaborator (employees only): is told of every update that is no promise's.
 * - muted: is told of no message and no update, in whatever role. Promises that may break or are broken are told to the
 *   assignee all the same: somebody has to keep them.
 */
import type { FieldChangeView, FieldError, ParticipantChange, ParticipantRole, Recipient } from '#contracts';
import type { PersonKind } from '#domain';
import { distinct } from './recipients.js';

export interface Participant {
  personId: string;
  kind: PersonKind;
  name: string;
  email: string;
  active: boolean;
  role: ParticipantRole;
  muted: boolean;
  /** Hears of the ticket by mail and may answer, but may not see it: the reporter of a ticket that is merged into it. */
  toldOnly: boolean;
}

type Person = Pick<Participant, 'personId' | 'kind' | 'name' | 'email' | 'active'>;

/**
 * Who may make whom what: employees anybody who is active, customers themselves as followers.
 * @param person undefined when the directory does not know the id
 */
export function refusalsOf(
  actor: { id: string; kind: PersonKind },
  personId: string,
  person: Person | undefined,
  { role }: ParticipantChange,
): FieldError[] {
  // before anything else: a customer who asks for others learns nothing of them
  if (!mayManage(actor, personId)) return [onlyOneself()];
  if (!person) {
    const message = 'nobody with this id is registered';
    return [{ field: 'personId', code: 'person_not_registered', message }];
  }
  const refusals: FieldError[] = [];
  if (!person.active) {
    refusals.push({ field: 'personId', code: 'person_inactive', message: 'this person is not active any more' });
  }
  if (role === 'collaborator' && person.kind === 'customer') {
    refusals.push({ field: 'role', code: 'role_not_for_customers', message: 'only employees can be collaborators' });
  }
  return refusals;
}

export function mayManage(actor: { id: string; kind: PersonKind }, personId: string): boolean {
  return actor.kind === 'employee' || actor.id === personId;
}

export function onlyOneself(): FieldError {
  return { field: 'personId', code: 'employees_only', message: 'customers add and remove themselves only' };
}

/** What is not named stays as it is; somebody new follows, and is told. */
export function afterChange(present: Participant | undefined, person: Person, change: ParticipantChange): Participant {
  const { role, muted, ...before } = present ?? newParticipant(person);
  return { ...before, role: change.role ?? role, muted: change.muted ?? muted };
}

export function newParticipant({ personId, kind, name, email, active }: Person): Participant {
  return { personId, kind, name, email, active, role: 'follower', muted: false, toldOnly: false };
}

/** As history and events show it. */
export function changeOf(before: Participant | null, after: Participant | null): FieldChangeView {
  return {
    field: 'participants',
    before: before?.personId ?? null,
    after: after?.personId ?? null,
    ...(before && { beforeName: described(before) }),
    ...(after && { afterName: described(after) }),
  };
}

/** E.g. `Eva Nováková (collaborator, muted)`. */
function described({ name, role, muted }: Participant): string {
  return `${name} (${muted ? `${role}, muted` : role})`;
}

/**
 * What is to be told: `message` public words of a person; `note` words among employees; `automatic_message` a machine's;
 * `update` a change of the ticket, also by time; `promise` a warning, a breach or a step of the ladder.
 */
export type Fact = 'message' | 'note' | 'automatic_message' | 'update' | 'promise';

/**
 * @param named those whom the ticket's rules name for this fact
 * @param authorEmail whose fact it is: they know it already
 * @returns one entry a person, the first role wins
 */
export function recipientsOfFact(
  fact: Fact,
  named: Recipient[],
  participants: readonly Participant[],
  authorEmail: string | null,
): Recipient[] {
  if (fact === 'note' || fact === 'automatic_message') return [];
  if (fact === 'promise' || participants.length === 0) return withoutAuthor(named, authorEmail);
  const reporterIsTold = named.some(({ role }) => role === 'reporter');
  const following = participants.filter(
    ({ active, role }) => active && (fact === 'message' || role === 'collaborator' || reporterIsTold),
  );
  const muted = new Set(participants.filter((one) => one.muted).map((one) => one.email));
  const all = [...named, ...following.map(asRecipient)];
  return withoutAuthor(all, authorEmail).filter((one) => isOffice(one) || !muted.has(one.email.toLowerCase()));
}

function withoutAuthor(recipients: Recipient[], authorEmail: string | null): Recipient[] {
  return distinct(recipients).filter(({ email }) => email.toLowerCase() !== authorEmail?.toLowerCase());
}

function asRecipient({ kind, name, email }: Participant): Recipient {
  return { role: 'participant', kind, name, email };
}

/** Addresses that stand for no single person cannot be muted by one. */
function isOffice({ role }: Recipient): boolean {
  return role === 'lead' || role === 'contact';
}
