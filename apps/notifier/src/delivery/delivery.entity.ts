/**
 * The delivery ledger: who was told what, why, and with what result. One row per (event, recipient).
 *
 * Life of a delivery
 *
 *     pending ──claim──> sending ──250──> sent
 *        ▲                  ├──5yz──────> failed   (so do the tries that 4yz answers have used up)
 *        └──4yz, no answer──┘
 *
 * - pending: committed together with the event's mark. Taken by a sender once `dueAt` has come and no older delivery to
 *   the same recipient on the same ticket is still pending or sending: a reader gets a ticket's mails in order.
 * - sending: committed before the SMTP dialogue begins. `dueAt` is then the end of the sender's lease, which it keeps
 *   prolonging; a row whose lease has run out belongs to a sender that is gone, and whoever comes first takes it over.
 * - sent: the mail server has answered 250 and has the responsibility now. Its words are kept in `smtpResponse`.
 * - failed: refused for good, with the answer kept. Nobody tries again by themselves.
 * - suppressed: never to leave, because a limit on automatic mail was reached; `suppressedBy` says which.
 *
 * What is promised: at least once. When a sender dies, or the connection breaks, between the final dot and the record of
 * the 250, nobody can know whether the mail went out. It is sent again, byte for byte the same Message-ID, so that mail
 * servers and clients that look for duplicates show it once. The other choice, never to send it, would lose answers.
 * `error` says so on the row.
 */
import { defineEntity, p } from '@mikro-orm/postgresql';
import type { LedgerMail } from './ledger-mail.js';
import type { Rule } from './limits.js';

export type DeliveryState = 'pending' | 'sending' | 'sent' | 'failed' | 'suppressed';

const DeliverySchema = defineEntity({
  name: 'Delivery',
  tableName: 'delivery',
  schema: 'notifier',
  properties: {
    id: p.uuid().primary(),
    eventId: p.uuid(),
    ticketNumber: p.integer(),
    /** The event's place in the ticket's history: the order in which a recipient is told. */
    sequence: p.integer(),
    /** The address, in lower case. */
    recipient: p.text(),
    /** In which role the recipient is told. */
    role: p.text(),
    /** What the mail is about. */
    template: p.text(),
    /** Without angle brackets; made from the event's id and the recipient, so it never changes. */
    messageId: p.text(),
    /** The rendered mail but for References, which grow until it leaves. */
    mail: p.json<LedgerMail>(),
    state: p.text().$type<DeliveryState>().default('pending'),
    /** Dialogues begun. */
    attempts: p.integer().default(0),
    /** pending: not to be tried before. sending: the end of the lease. Null once it is over. */
    dueAt: p.datetime().nullable(),
    /** The mail server's last answer. */
    smtpResponse: p.text().nullable(),
    /** Why the last attempt did not succeed. */
    error: p.text().nullable(),
    /** Automatic mail to a customer. */
    automatic: p.boolean().default(false),
    /** A rule of limits.ts. */
    suppressedBy: p.text().$type<Rule>().nullable(),
    createdAt: p.datetime(),
    sentAt: p.datetime().nullable(),
    /** When a report about it came back; the last one counts. */
    bouncedAt: p.datetime().nullable(),
    /** RFC 3464: failed, delayed, … */
    bounceAction: p.text().nullable(),
    bounceStatus: p.text().nullable(),
    bounceKind: p.text().nullable(),
    bounceDiagnostic: p.text().nullable(),
  },
});

export class Delivery extends DeliverySchema.class {}
DeliverySchema.setClass(Delivery);

/** An event whose deliveries are in the ledger: seen again, it changes nothing. */
const ProcessedEventSchema = defineEntity({
  name: 'ProcessedEvent',
  tableName: 'processed_event',
  schema: 'notifier',
  properties: {
    consumer: p.text().primary(),
    eventId: p.uuid().primary(),
    processedAt: p.datetime(),
  },
});

export class ProcessedEvent extends ProcessedEventSchema.class {}
ProcessedEventSchema.setClass(ProcessedEvent);
