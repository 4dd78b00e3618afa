/**
 * One mail as the server delivered it. The row and the raw bytes are committed before anything else is done with the
 * mail, and the row ends in exactly one disposition.
 *
 *     stored ──> (parsed, identified) ──> accepted by tickets ──> disposition
 *        └── fails again and again ──────────────────────────────> quarantined
 *
 * - ticket_created, appended: it became a ticket, or a part of one
 * - bounce_linked: our own mail could not be delivered; which ticket it was about is known
 * - auto_linked: a read receipt or the like for a mail of ours
 * - duplicate: the same mail was taken before
 * - own_mail: sent by ourselves and come back
 * - rejected: machine mail that concerns no ticket (reports, answers of a calendar), or a person discarded it; `rule` says which rule decided
 * - quarantined: it could not be taken; `error` says why. Its bytes are kept, and a person is needed. Where its headers can
 *   be read, a ticket says so
 *
 * Only people change a disposition afterwards (`decisions.ts`), and each such change is kept.
 */
import type { Disposition } from '#contracts';
import { defineEntity, p } from '@mikro-orm/postgresql';
import { Mailbox } from '../mailbox/mailbox.entity.js';

const InboundMessageSchema = defineEntity({
  name: 'InboundMessage',
  tableName: 'inbound_message',
  schema: 'mail',
  properties: {
    /** UUID version 7: ordered by arrival here. */
    id: p.uuid().primary(),
    mailbox: () => p.manyToOne(Mailbox),
    uidValidity: p.bigint('string'),
    uid: p.bigint('string'),
    rawSha256: p.blob(),
    rawSize: p.bigint('number'),
    /** It was too large to be taken: the bytes are its header block. */
    headersOnly: p.boolean(),
    /** It was quarantined, and looked for in its mailbox to be moved to the folder Failed. */
    filed: p.boolean(),
    /** When the server received it (INTERNALDATE). */
    internalDate: p.datetime(3),
    storedAt: p.datetime(3),
    /** Own or synthetic Message-ID, without angle brackets; known once it is parsed. */
    messageId: p.text().nullable(),
    /** Of the bytes after the header block, which no server changes on the way. */
    contentSha256: p.blob().nullable(),
    /** Whom it says it is from, lower case; with name and subject known once it is parsed. */
    fromAddress: p.text().nullable(),
    fromName: p.text().nullable(),
    subject: p.text().nullable(),
    /** How often its parsing was begun without coming to an end. */
    attempts: p.integer(),
    /** How often tickets did not take it, alone, while it took others. */
    refusals: p.integer(),
    retryAt: p.datetime(3),
    disposition: p.text().$type<Disposition>().nullable(),
    rule: p.text().nullable(),
    ticketId: p.uuid().nullable(),
    ticketNumber: p.integer().nullable(),
    error: p.text().nullable(),
    disposedAt: p.datetime(3).nullable(),
  },
});

export class InboundMessage extends InboundMessageSchema.class {}
InboundMessageSchema.setClass(InboundMessage);
