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
