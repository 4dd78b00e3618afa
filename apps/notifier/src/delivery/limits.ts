/**
 * How much automatic mail customers get at most. No header of theirs can be relied on to end a loop: what answers every
 * mail of ours, from whatever address, must come to its end all the same. Words of a person are never held back, and
 * neither is mail to employees. Pure.
 */
import { baseSubject, cutText } from '#mail';
import type { NotifierEnv } from '../env.js';

/** Each of them 0: no limit. */
export type Limits = Pick<
  NotifierEnv,
  | 'ACKNOWLEDGEMENTS_PER_HOUR'
  | 'ACKNOWLEDGEMENTS_PER_DAY'
  | 'ACKNOWLEDGEMENTS_PER_DOMAIN_HOUR'
  | 'AUTOMATIC_MAILS_PER_TICKET_HOUR'
  | 'AUTOMATIC_MAILS_PER_MINUTE'
>;

/**
 * Why a mail is held back.
 * - undeliverable: a mail server said within 60 days that nobody is known there
 * - repeated-subject: the address had an acknowledgement of the same subject within a day
 * - recipient-hour, recipient-day: acknowledgements to one address
 * - domain-hour: acknowledgements to addresses of one domain that we had not written to before that day
 * - ticket-hour: automatic mails about one ticket to one customer
 * - breaker: automatic mails to customers altogether, within a minute
 */
export type Rule =
  'undeliverable' | 'repeated-subject' | 'recipient-hour' | 'recipient-day' | 'domain-hour' | 'ticket-hour' | 'breaker';

export interface AutomaticMail {
  /** In lower case. */
  recipient: string;
  ticketNumber: number;
  /** What it acknowledges, as `acknowledgedSubject` has it; null when it tells of a change. */
  acknowledges: string | null;
}

/** What left before, none of it held back. */
export interface Counts {
  recipients: Map<string, RecipientCounts>;
  /** Acknowledgements to strangers within the hour, by domain. */
  domains: Map<string, number>;
  /** Within the hour, by `placeOf`. */
  tickets: Map<string, number>;
  /** Within the minute. */
  total: number;
}

export interface RecipientCounts {
  /** Within the hour. */
  acknowledgements: number;
  /** Subjects of the acknowledgements within a day, each as often as it was acknowledged. */
  subjects: string[];
  isStranger: boolean;
  isUndeliverable: boolean;
}

const UNKNOWN: Readonly<RecipientCounts> = {
  acknowledgements: 0,
  subjects: [],
  isStranger: true,
  isUndeliverable: false,
};
const COMPARED_LENGTH = 150;

export function acknowledgedSubject(subject: string): string {
  return cutText(baseSubject(subject).toLowerCase(), COMPARED_LENGTH).text;
}

export function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1);
}

export function placeOf({ ticketNumber, recipient }: Pick<AutomaticMail, 'ticketNumber' | 'recipient'>): string {
  return `${ticketNumber} ${recipient}`;
}

export class AutomaticMailLimiter {
  constructor(
    private readonly counts: Counts,
    private readonly limits: Limits,
  ) {}

  /** Counts the mail, unless it is held back. @returns the rule that holds it back, or null */
  take(mail: AutomaticMail): Rule | null {
    const rule = this.ruleAgainst(mail);
    if (rule === null) this.count(mail);
    return rule;
  }

  isStranger(address: string): boolean {
    return this.recipient(address).isStranger;
  }

  private ruleAgainst(mail: AutomaticMail): Rule | null {
    const { counts, limits } = this;
    const known = this.recipient(mail.recipient);
    if (known.isUndeliverable) return 'undeliverable';
    if (mail.acknowledges !== null) {
      if (limits.ACKNOWLEDGEMENTS_PER_DAY > 0 && known.subjects.includes(mail.acknowledges)) return 'repeated-subject';
      if (isReached(known.acknowledgements, limits.ACKNOWLEDGEMENTS_PER_HOUR)) return 'recipient-hour';
      if (isReached(known.subjects.length, limits.ACKNOWLEDGEMENTS_PER_DAY)) return 'recipient-day';
      const domain = counts.domains.get(domainOf(mail.recipient)) ?? 0;
      if (known.isStranger && isReached(domain, limits.ACKNOWLEDGEMENTS_PER_DOMAIN_HOUR)) return 'domain-hour';
    }
    if (isReached(counts.tickets.get(placeOf(mail)) ?? 0, limits.AUTOMATIC_MAILS_PER_TICKET_HOUR)) return 'ticket-hour';
    return isReached(counts.total, limits.AUTOMATIC_MAILS_PER_MINUTE) ? 'breaker' : null;
  }

  private count(mail: AutomaticMail): void {
    const { counts } = this;
    const place = placeOf(mail);
    counts.total += 1;
    counts.tickets.set(place, (counts.tickets.get(place) ?? 0) + 1);
    if (mail.acknowledges === null) return;
    const known = this.recipient(mail.recipient);
    counts.recipients.set(mail.recipient, {
      ...known,
      acknowledgements: known.acknowledgements + 1,
      subjects: [...known.subjects, mail.acknowledges],
    });
    const domain = domainOf(mail.recipient);
    if (known.isStranger) counts.domains.set(domain, (counts.domains.get(domain) ?? 0) + 1);
  }

  private recipient(address: string): RecipientCounts {
    return this.counts.recipients.get(address) ?? UNKNOWN;
  }
}

function isReached(count: number, limit: number): boolean {
  return limit > 0 && count >= limit;
}
