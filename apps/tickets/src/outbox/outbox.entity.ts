import { defineEntity, p } from '@mikro-orm/postgresql';

/** A fact that is committed with the change it tells of, and published afterwards. */
const OutboxSchema = defineEntity({
  name: 'OutboxEvent',
  tableName: 'outbox',
  schema: 'tickets',
  properties: {
    id: p.bigint('string').primary().autoincrement(),
    eventId: p.uuid(),
    subject: p.text(),
    payload: p.json<object>(),
  },
});

export class OutboxEvent extends OutboxSchema.class {}
OutboxSchema.setClass(OutboxEvent);
