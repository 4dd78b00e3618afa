import type { Recipient } from '#contracts';
import type { Reporter, Told } from '#domain';
import type { DirectoryPerson } from './surroundings.js';

/** Who is told, as names and addresses: the rules decide the roles, the directory knows the people. */
export function recipientsOf(
  told: Told[],
  reporter: Reporter,
  people: Map<string, DirectoryPerson>,
  teamAddress: string | undefined,
): Recipient[] {
  return told.flatMap((one): Recipient[] => {
    if (one.role === 'lead') {
      return teamAddress ? [{ role: 'lead', kind: 'employee', name: 'Support team', email: teamAddress }] : [];
    }
    if (one.role === 'contact') return [{ role: 'contact', kind: 'employee', name: one.email, email: one.email }];
    if (one.role === 'reporter') {
      const kind = people.get(reporter.personId ?? '')?.kind ?? 'customer';
      return reporter.email ? [{ role: 'reporter', kind, name: reporter.name, email: reporter.email }] : [];
    }
    const person = people.get(one.personId);
    return person?.active ? [{ role: one.role, kind: person.kind, name: person.name, email: person.email }] : [];
  });
}

/** One mail a person: the first role wins. */
export function distinct(recipients: Recipient[]): Recipient[] {
  return [...new Map(recipients.toReversed().map((one) => [one.email.toLowerCase(), one])).values()].toReversed();
}
