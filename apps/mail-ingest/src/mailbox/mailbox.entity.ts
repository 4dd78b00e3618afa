import { defineEntity, p } from '@mikro-orm/postgresql';

/** A mailbox that we read, with the server's numbering of its mails (RFC 3501 §2.3.1.1). */
const MailboxSchema = defineEntity({
  name: 'Mailbox',
  tableName: 'mailbox',
  schema: 'mail',
  properties: {
    id: p.uuid().primary(),
    address: p.text(),
    uidValidity: p.bigint('string').nullable(),
    /** When the mailbox was last looked through without an error. */
    lastScanAt: p.datetime(3).nullable(),
    lastError: p.text().nullable(),
  },
});

export class Mailbox extends MailboxSchema.class {}
MailboxSchema.setClass(Mailbox);
