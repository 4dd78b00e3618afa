import type { FieldChangeView, SenderVerification } from '#contracts';
import type { FixCode } from '#domain';
import { defineEntity, p } from '@mikro-orm/postgresql';
import { InstantType } from './instant.type.js';
import { Ticket } from './ticket.entity.js';

/**
 * One line of a ticket's history: a public message, an internal note, or a change. Rows are only ever added;
 * of a mailed message, what was read of the mail may be rebuilt (`rebuild.service.ts`).
 * A change's `text` is its comment, which customers do not see. `position` is the order in which they were written.
 */
const TimelineEntrySchema = defineEntity({
  name: 'TimelineEntry',
  tableName: 'timeline_entry',
  schema: 'tickets',
  properties: {
    id: p.uuid().primary(),
    ticket: () => p.manyToOne(Ticket),
    kind: p.text().$type<'message' | 'note' | 'change'>(),
    at: p.type(InstantType).$type<number>(),
    authorPersonId: p.uuid().nullable(),
    authorName: p.text(),
    authorEmail: p.text().nullable(),
    text: p.text().nullable(),
    visibleText: p.text().nullable(),
    html: p.text().nullable(),
    changes: p.json<FieldChangeView[]>(),
    fixes: p.array().columnType('text[]').$type<FixCode[]>(),
    automatic: p.boolean(),
    /** Time alone did it; replaying the history does it again. */
    settled: p.boolean(),
    /** Number of the ticket that it was said on: of a parent outage, or of the one that this was split from. */
    fromTicket: p.integer().nullable(),
    /** RFC 5322 Message-ID of a mailed message, without angle brackets. */
    messageId: p.text().nullable(),
    /** The mail-ingest row that it came from; unique, so that no mail is taken twice. */
    inboundId: p.uuid().nullable(),
    rawSha256: p.blob().nullable(),
    rawSize: p.bigint('number').nullable(),
    /** What the receiving mail server found out about the sender; null when it came by no mail. */
    senderVerification: p.text().$type<SenderVerification>().nullable(),
    /** Where the mail's sender wants answers, when that is another address. */
    replyTo: p.text().nullable(),
    /** Message-ID with which the mail's conversation began; null when it began with this mail or with one of ours. */
    threadRoot: p.text().nullable(),
  },
});

export class TimelineEntry extends TimelineEntrySchema.class {}
TimelineEntrySchema.setClass(TimelineEntry);

const AttachmentSchema = defineEntity({
  name: 'Attachment',
  tableName: 'attachment',
  schema: 'tickets',
  properties: {
    id: p.uuid().primary(),
    entry: () => p.manyToOne(TimelineEntry),
    position: p.integer(),
    name: p.text(),
    type: p.text(),
    size: p.bigint('number'),
    sha256: p.blob(),
    contentId: p.text().nullable(),
    inline: p.boolean(),
  },
});

export class Attachment extends AttachmentSchema.class {}
AttachmentSchema.setClass(Attachment);
