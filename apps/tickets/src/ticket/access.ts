import type { DirectoryPerson } from './surroundings.js';

/** Employees see every ticket; customers see those of their organisation and those that they reported. */
export function maySee(
  viewer: DirectoryPerson | undefined,
  ticket: { organisationId?: string | null; reporter: { personId?: string | null } },
): boolean {
  if (!viewer?.active) return false;
  if (viewer.kind === 'employee') return true;
  const sameOrganisation = viewer.organisationId !== null && viewer.organisationId === ticket.organisationId;
  return sameOrganisation || viewer.id === ticket.reporter.personId;
}

/** The same rule in SQL: `v` is the viewer, `t` the ticket. */
export const MAY_SEE = `v.active and (v.kind = 'employee' or t.organisation_id = v.organisation_id or t.reporter_person_id = v.id)`;
