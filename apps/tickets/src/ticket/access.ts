import type { TicketView } from '#contracts';
import type { PersonKind } from '#domain';
import type { Participant } from './participants.js';
import type { DirectoryPerson } from './surroundings.js';

/** Employees see every ticket; customers see those of their organisation, those they reported and those shared with them. */
export function maySee(
  viewer: DirectoryPerson | undefined,
  ticket: { organisationId?: string | null; reporter: { personId?: string | null } },
  participants: readonly Participant[],
): boolean {
  if (!viewer?.active) return false;
  if (viewer.kind === 'employee') return true;
  const sameOrganisation = viewer.organisationId !== null && viewer.organisationId === ticket.organisationId;
  if (sameOrganisation || viewer.id === ticket.reporter.personId) return true;
  return participants.some(({ personId, toldOnly }) => personId === viewer.id && !toldOnly);
}

/** The same rule in SQL: `v` is the viewer, `t` the ticket. */
export const MAY_SEE = `v.active and (v.kind = 'employee' or t.organisation_id = v.organisation_id
  or t.reporter_person_id = v.id
  or exists (select from tickets.participant where ticket_id = t.id and person_id = v.id and not told_only))`;

/** A ticket without what customers do not see of it. */
export function shownTo(viewer: PersonKind, ticket: TicketView): TicketView {
  return viewer === 'employee' ? ticket : { ...ticket, tags: [] };
}
