/**
 * No storm of automatic mail: what may still be sent to whom, by what the ledger holds already. Words that a person wrote
 * are never asked about.
 *
 * | Rule                   | holds back                                                                              |
 * | ---------------------- | --------------------------------------------------------------------------------------- |
 * | `undeliverable`        | any automatic mail to an address that does not exist, by the last report about it       |
 * | `repeated-subject`     | a second acknowledgement of the same subject to the same address within 24 hours        |
 * | `recipient-hour`       | acknowledgements to one address                                                         |
 * | `recipient-day`        | the same, within 24 hours                                                               |
 * | `domain-hour`          | acknowledgements to newcomers of one domain: a machine that writes from ever new addresses |
 * | `ticket-hour`          | automatic mails to one customer on one ticket                                           |
 * | `employee-ticket-hour` | automatic mails to one employee on one ticket                                           |
 * | `breaker`              | all automatic mail to customers until the minute is over                                |
 *
 * The first that applies is kept with the delivery. What was held back does not count for the next.
 */
import { isHard, type BounceKind } from '#mail';
import type { NotifierEnv } from '../env.js';

export type SuppressionRule =
  | 'undeliverable'
  | 'repeated-subject'
  | 'recipient-hour'
  | 'recipient-day'
  | 'domain-hour'
  | 'ticket-hour'
  | 'employee-ticket-hour'
  | 'breaker';

/** 0: no limit. */
export type Limits = Pick<
  NotifierEnv,
  | 'ACKNOWLEDGEMENTS_PER_HOUR'
  | 'ACKNOWLEDGEMENTS_PER_DAY'
  | 'ACKNOWLEDGEMENTS_PER_DOMAIN_HOUR'
  | 'AUTOMATIC_MAILS_PER_TICKET_HOUR'
  | 'AUTOMATIC_MAIL_PER_MINUTE'
>;

const EMPLOYEE_MAILS_PER_TICKET_HOUR = 20;

export interface AutomaticMail {
  recipient: string;
  automaticFor: 'customer' | 'employee';
  /** What an acknowledgement is about, in the form in which subjects are compared; null for other mails. */
  acknowledgedSubject: string | null;
}

/** What the ledger holds: mails that were sent or will be. */
export interface EarlierMail {
  /** Acknowledgements to the recipient: of this subject within 24 hours, of any within an hour and within 24. */
  sameSubject: number;
  recipientHour: number;
  recipientDay: number;
  /** Nothing was written to the recipient before the last 24 hours. */
  isNewcomer: boolean;
  /** Acknowledgements to newcomers of the recipient's domain within an hour. */
  domainHour: number;
  /** Automatic mails to the recipient on the ticket within an hour. */
  ticketHour: number;
  /** Automatic mails to customers since the minute began. */
  minute: number;
  /** The last failure of the last 60 days, when nothing was sent since that did not come back. */
  bounceKind: BounceKind | null;
  bounceStatus: string | null;
}

/** @returns the rule that holds the mail back; null when it may be sent */
export function suppressionOf(mail: AutomaticMail, earlier: EarlierMail, limits: Limits): SuppressionRule | null {
  const { bounceKind, bounceStatus, ticketHour, minute } = earlier;
  if (bounceKind !== null && isHard(bounceKind, bounceStatus)) return 'undeliverable';
  if (mail.automaticFor === 'employee') {
    return ticketHour >= EMPLOYEE_MAILS_PER_TICKET_HOUR ? 'employee-ticket-hour' : null;
  }
  const rule = mail.acknowledgedSubject === null ? null : acknowledgementRule(earlier, limits);
  if (rule !== null) return rule;
  if (isOver(ticketHour, limits.AUTOMATIC_MAILS_PER_TICKET_HOUR)) return 'ticket-hour';
  return isOver(minute, limits.AUTOMATIC_MAIL_PER_MINUTE) ? 'breaker' : null;
}

function acknowledgementRule(earlier: EarlierMail, limits: Limits): SuppressionRule | null {
  if (earlier.sameSubject > 0) return 'repeated-subject';
  if (isOver(earlier.recipientHour, limits.ACKNOWLEDGEMENTS_PER_HOUR)) return 'recipient-hour';
  if (isOver(earlier.recipientDay, limits.ACKNOWLEDGEMENTS_PER_DAY)) return 'recipient-day';
  const isCrowd = isOver(earlier.domainHour, limits.ACKNOWLEDGEMENTS_PER_DOMAIN_HOUR);
  return earlier.isNewcomer && isCrowd ? 'domain-hour' : null;
}

function isOver(count: number, limit: number): boolean {
  return limit > 0 && count >= limit;
}

/** What a rule counts by, for the alarm: it is raised for each once. */
export function suppressionKey(rule: SuppressionRule, recipient: string, ticketNumber: number): string {
  switch (rule) {
    case 'breaker':
      return 'everybody';
    case 'domain-hour':
      return domainOf(recipient);
    case 'ticket-hour':
    case 'employee-ticket-hour':
      return `#${ticketNumber}`;
    default:
      return recipient;
  }
}

export function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1);
}
