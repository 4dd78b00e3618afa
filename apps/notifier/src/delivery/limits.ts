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
  id: string;
  ticketNumber: number;
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
  /** The last failure of the last 60 days, when nothing was sent since that did not come back. */
  bounceKind: BounceKind | null;
  bounceStatus: string | null;
}

export interface Verdict {
  /** The rule that holds the mail back; null when it may be sent. */
  suppressedBy: SuppressionRule | null;
  /** The domain of an acknowledged newcomer. */
  newcomerDomain: string | null;
}

/**
 * Judges mails that are written together: each counts for those behind it.
 *
 * @param earlier by the mail's id
 * @param minute automatic mails to all customers since the minute began
 */
export function judge(
  mails: AutomaticMail[],
  earlier: Map<string, EarlierMail>,
  minute: number,
  limits: Limits,
): Map<string, Verdict> {
  const passed: (AutomaticMail & Verdict)[] = [];
  const verdicts = new Map<string, Verdict>();
  for (const mail of mails) {
    const before = plus(earlier.get(mail.id)!, mail, passed);
    const sinceMinute = minute + passed.filter(({ automaticFor }) => automaticFor === 'customer').length;
    const isToNewcomer = mail.acknowledgedSubject !== null && before.isNewcomer;
    const verdict = {
      suppressedBy: suppressionOf(mail, before, sinceMinute, limits),
      newcomerDomain: isToNewcomer ? domainOf(mail.recipient) : null,
    };
    verdicts.set(mail.id, verdict);
    if (verdict.suppressedBy === null) passed.push({ ...mail, ...verdict });
  }
  return verdicts;
}

function plus(earlier: EarlierMail, mail: AutomaticMail, passed: (AutomaticMail & Verdict)[]): EarlierMail {
  const toRecipient = passed.filter(({ recipient }) => recipient === mail.recipient);
  const acknowledged = toRecipient.filter(({ acknowledgedSubject }) => acknowledgedSubject !== null);
  const sameSubject = acknowledged.filter((one) => one.acknowledgedSubject === mail.acknowledgedSubject);
  const domain = domainOf(mail.recipient);
  return {
    ...earlier,
    sameSubject: earlier.sameSubject + sameSubject.length,
    recipientHour: earlier.recipientHour + acknowledged.length,
    recipientDay: earlier.recipientDay + acknowledged.length,
    domainHour: earlier.domainHour + passed.filter(({ newcomerDomain }) => newcomerDomain === domain).length,
    ticketHour:
      earlier.ticketHour + toRecipient.filter(({ ticketNumber }) => ticketNumber === mail.ticketNumber).length,
  };
}

function suppressionOf(
  mail: AutomaticMail,
  earlier: EarlierMail,
  minute: number,
  limits: Limits,
): SuppressionRule | null {
  const { bounceKind, bounceStatus, ticketHour } = earlier;
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
