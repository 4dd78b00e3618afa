/** The priority that a ticket begins with, when nobody says one: by rule, by what it concerns, by whom it is for. */
import type { Channel, Priority } from './ticket.js';

/** All conditions that are given must hold. */
export interface PriorityConditions {
  channel?: Channel;
  /** An organisation's id. */
  organisation?: string;
  /** An infrastructure's id: that one or anything below it. */
  infrastructure?: string;
  /** Any of these words stands in the subject, whatever its case. */
  subject?: readonly string[];
  /** The support address that it came to. */
  mailbox?: string;
}

export interface PriorityRule {
  name: string;
  when: PriorityConditions;
  priority: Priority;
}

export interface Beginning {
  channel: Channel;
  subject: string;
  mailbox: string;
  organisation: { id: string; priority: Priority | null } | null;
  /** The infrastructure and what it is part of, from the inside out. */
  infrastructures: readonly { id: string; priority: Priority | null }[];
}

export interface PriorityDecision {
  priority: Priority;
  /** In plain words, for the house. */
  reason: string;
}

/** The first rule that holds; else the infrastructure's own or its nearest parent's; else the organisation's; else medium. */
export function initialPriority(beginning: Beginning, rules: readonly PriorityRule[]): PriorityDecision {
  const rule = rules.find(({ when }) => holds(when, beginning));
  if (rule) return { priority: rule.priority, reason: `rule “${rule.name}”` };
  const infrastructure = beginning.infrastructures.find(({ priority }) => priority !== null);
  if (infrastructure?.priority) return { priority: infrastructure.priority, reason: 'the infrastructure’s priority' };
  const ofOrganisation = beginning.organisation?.priority;
  if (ofOrganisation) return { priority: ofOrganisation, reason: 'the organisation’s priority' };
  return { priority: 'medium', reason: 'the usual priority' };
}

function holds(when: PriorityConditions, beginning: Beginning): boolean {
  const { channel, organisation, infrastructure, subject, mailbox } = when;
  return (
    (channel === undefined || channel === beginning.channel) &&
    (organisation === undefined || organisation === beginning.organisation?.id) &&
    (infrastructure === undefined || beginning.infrastructures.some(({ id }) => id === infrastructure)) &&
    (mailbox === undefined || mailbox.toLowerCase() === beginning.mailbox.toLowerCase()) &&
    (subject === undefined || subject.some((words) => contains(beginning.subject, words)))
  );
}

/** Whole words, in any language: `down` is not in `download`. */
function contains(text: string, words: string): boolean {
  const literal = words.trim().replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`);
  return new RegExp(String.raw`(?<![\p{L}\p{N}])${literal}(?![\p{L}\p{N}])`, 'iu').test(text);
}
