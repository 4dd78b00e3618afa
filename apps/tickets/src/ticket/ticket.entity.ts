/**
 * The ticket's row. Its domain part has the very shape of the domain's Ticket, so that the rules read and return it
 * without a mapper; the rest is what the shell needs to show, find and mail it.
 */
import type {
  Channel,
  ClockOutcome,
  ClockState,
  Priority,
  ResolutionType,
  Status,
  SuspensionCause,
  Ticket as TicketState,
} from '#domain';
import { defineEntity, p } from '@mikro-orm/postgresql';
import { InstantType } from './instant.type.js';

const instant = () => p.type(InstantType).$type<number>();

const Clock = defineEntity({
  name: 'Clock',
  embeddable: true,
  properties: {
    budgetSeconds: p.integer(),
    consumedSeconds: p.integer(),
    runningSince: instant().nullable(),
    state: p.text().$type<ClockState>(),
    breached: p.boolean(),
    everBreached: p.boolean(),
    warnedPercent: p.integer(),
    rungsTaken: p.integer(),
    outcome: p.text().$type<ClockOutcome>().nullable(),
  },
});

const Reporter = defineEntity({
  name: 'Reporter',
  embeddable: true,
  properties: {
    personId: p.uuid().nullable(),
    name: p.text(),
    email: p.text().nullable(),
  },
});

const Suspension = defineEntity({
  name: 'Suspension',
  embeddable: true,
  properties: {
    cause: p.text().$type<SuspensionCause>(),
    until: instant(),
    closeResolutionType: p.text().$type<ResolutionType>().nullable(),
  },
});

const Estimate = defineEntity({
  name: 'Estimate',
  embeddable: true,
  properties: {
    at: instant(),
    reason: p.text(),
    byPersonId: p.uuid(),
  },
});

const TicketSchema = defineEntity({
  name: 'Ticket',
  tableName: 'ticket',
  schema: 'tickets',
  properties: {
    id: p.uuid().primary(),
    number: p.integer(),
    version: p.integer(),
    createdAt: instant(),
    closedAt: instant().nullable(),
    channel: p.text().$type<Channel>(),
    reporter: () => p.embedded(Reporter).prefix('reporter_'),
    infrastructureId: p.uuid().nullable(),
    assigneeId: p.uuid().nullable(),
    status: p.text().$type<Status>(),
    priority: p.text().$type<Priority>(),
    suspension: () => p.embedded(Suspension).prefix('suspension_').nullable(),
    resolutionType: p.text().$type<ResolutionType>().nullable(),
    assignClock: () => p.embedded(Clock).prefix('assign_'),
    resolveClock: () => p.embedded(Clock).prefix('resolve_'),
    resolveGainSeconds: p.integer(),
    estimate: () => p.embedded(Estimate).prefix('estimate_').nullable(),
    policyVersion: p.integer(),

    subject: p.text(),
    /** Sorted, each once. */
    tags: p.array().columnType('text[]'),
    organisationId: p.uuid().nullable(),
    updatedAt: instant(),
    /** When time alone will next change something: a due clock or the end of a suspension. */
    nextTimerAt: instant().nullable(),
    /** Number of the ticket that this one follows up. */
    followUpOf: p.integer().nullable(),
    /** Number of the ticket that this one is merged into; set only while closed. */
    mergedInto: p.integer().nullable(),
    /** The support address that its mail comes from and goes to. */
    mailbox: p.text(),
    /** Message-IDs of its mails, oldest first, at most 20: the first and the latest. */
    mailReferences: p.array().columnType('text[]'),
    /** How many events it has published; the last one's sequence number. */
    eventSequence: p.integer(),
  },
});

export class Ticket extends TicketSchema.class {}
TicketSchema.setClass(Ticket);

/** The domain's view of a row, as plain data that outlives the unit of work. */
export function stateOf(row: Ticket): TicketState {
  return {
    id: row.id,
    number: row.number,
    version: row.version,
    createdAt: row.createdAt,
    closedAt: row.closedAt ?? null,
    channel: row.channel,
    reporter: { ...row.reporter } as TicketState['reporter'],
    infrastructureId: row.infrastructureId ?? null,
    assigneeId: row.assigneeId ?? null,
    status: row.status,
    priority: row.priority,
    suspension: row.suspension ? ({ ...row.suspension } as TicketState['suspension']) : null,
    resolutionType: row.resolutionType ?? null,
    assignClock: { ...row.assignClock } as TicketState['assignClock'],
    resolveClock: { ...row.resolveClock } as TicketState['resolveClock'],
    resolveGainSeconds: row.resolveGainSeconds,
    estimate: row.estimate ? { ...row.estimate } : null,
    policyVersion: row.policyVersion,
  };
}
