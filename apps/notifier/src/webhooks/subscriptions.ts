/** The statements on webhooks as people see them. */
import type { DeadLetterView, WebhookView } from '#contracts';
import type pg from 'pg';
import { FAILING_AFTER } from './queue.js';

export interface NewSubscription {
  id: string;
  url: string;
  eventTypes: string[];
  description: string;
  paused: boolean;
  /** Sealed. */
  secret: string;
  createdBy: string;
}

export interface SubscriptionChange {
  url?: string | undefined;
  eventTypes?: string[] | undefined;
  description?: string | undefined;
  paused?: boolean | undefined;
}

/** Sealed. */
export interface StoredSecrets {
  id: string;
  secret: string;
  formerSecret: string | null;
}

/** What a sealed secret belongs to. */
export const placeOf = (webhookId: string): string => `secret of webhook ${webhookId}`;

/** How long the former secret signs, too. */
const ROTATION = '1 day';

const VIEW = `
  select w.id, w.url, w.event_types as "eventTypes", w.description,
    case when w.gone then 'gone' when w.paused_at is not null then 'paused'
      when w.failures >= ${FAILING_AFTER} then 'failing' else 'active' end as state,
    case when w.former_secret_until > now() then w.former_secret_until end as "formerSecretUntil",
    w.created_at as "createdAt", w.created_by as "createdBy", w.last_success_at as "lastSuccessAt",
    w.failing_since as "failingSince", w.last_error as "lastError", w.last_error_at as "lastErrorAt",
    (select count(*)::integer from notifier.webhook_delivery where webhook_id = w.id and due_at is not null) as waiting,
    (select count(*)::integer from notifier.webhook_delivery where webhook_id = w.id and state = 'dead') as "deadLetters"
  from notifier.webhook w`;

export class Subscriptions {
  constructor(private readonly pool: pg.Pool) {}

  async list(): Promise<WebhookView[]> {
    const { rows } = await this.pool.query<Dated<WebhookView>>(`${VIEW} order by w.created_at, w.id`);
    return rows.map(withInstants);
  }

  async find(id: string): Promise<WebhookView | null> {
    const { rows } = await this.pool.query<Dated<WebhookView>>(`${VIEW} where w.id = $1`, [id]);
    return rows[0] ? withInstants(rows[0]) : null;
  }

  /** @returns false when there are `limit` already */
  async insert(one: NewSubscription, limit: number): Promise<boolean> {
    const { rowCount } = await this.pool.query(
      `insert into notifier.webhook (id, url, event_types, description, secret, created_by, paused_at)
       select $1, $2, $3, $4, $5, $6, case when $7 then now() end
       where (select count(*) from notifier.webhook) < $8`,
      [one.id, one.url, one.eventTypes, one.description, one.secret, one.createdBy, one.paused, limit],
    );
    return rowCount === 1;
  }

  /** What is undefined stays. Another URL, or being resumed, is a new beginning: what waits is tried at once. */
  async update(id: string, { url, eventTypes, description, paused }: SubscriptionChange): Promise<boolean> {
    const { rowCount } = await this.pool.query(
      `with changed as (
         update notifier.webhook
         set url = coalesce($2, url), event_types = coalesce($3, event_types), description = coalesce($4, description),
           paused_at = case when $5 then coalesce(paused_at, now()) when not $5 then null else paused_at end,
           gone = gone and $5 is distinct from false,
           failures = case when $6 then 0 else failures end,
           rest_until = case when $6 then now() else rest_until end
         where id = $1
         returning id
       ), hurried as (
         update notifier.webhook_delivery set due_at = now()
         where $6 and webhook_id = $1 and state = 'pending' and due_at > now()
       )
       select id from changed`,
      [id, url ?? null, eventTypes ?? null, description ?? null, paused ?? null, url !== undefined || paused === false],
    );
    return rowCount === 1;
  }

  async remove(id: string): Promise<boolean> {
    const { rowCount } = await this.pool.query('delete from notifier.webhook where id = $1', [id]);
    return rowCount === 1;
  }

  async replaceSecret(id: string, sealed: string): Promise<boolean> {
    const { rowCount } = await this.pool.query(
      `update notifier.webhook
       set secret = $2, former_secret = secret, former_secret_until = now() + interval '${ROTATION}'
       where id = $1`,
      [id, sealed],
    );
    return rowCount === 1;
  }

  /** With the former secret as long as it signs. */
  async secretsOf(id: string): Promise<StoredSecrets | null> {
    const { rows } = await this.pool.query<StoredSecrets>(
      `select id, secret, case when former_secret_until > now() then former_secret end as "formerSecret"
       from notifier.webhook where id = $1`,
      [id],
    );
    return rows[0] ?? null;
  }

  async allSecrets(): Promise<StoredSecrets[]> {
    const { rows } = await this.pool.query<StoredSecrets>(
      `select id, secret, former_secret as "formerSecret" from notifier.webhook`,
    );
    return rows;
  }

  /** Replaces the sealed text, unless somebody else has just done so. */
  async reseal(was: StoredSecrets, { secret, formerSecret }: Omit<StoredSecrets, 'id'>): Promise<void> {
    await this.pool.query(
      `update notifier.webhook set secret = $3, former_secret = $4
       where id = $1 and secret = $2 and (former_secret is null) = ($4::text is null)`,
      [was.id, was.secret, secret, formerSecret],
    );
  }

  /** By ticket and sequence. @param after an event that is in the list; @returns null when it is not */
  async deadLetters(webhookId: string, limit: number, after?: string): Promise<DeadLetterView[] | null> {
    if (after !== undefined) {
      const { rowCount } = await this.pool.query(
        'select from notifier.webhook_delivery where webhook_id = $1 and event_id = $2',
        [webhookId, after],
      );
      if (rowCount === 0) return null;
    }
    const { rows } = await this.pool.query<Dated<DeadLetterView>>(
      `select event_id as "eventId", event_type as "eventType", ticket_number as "ticketNumber", sequence,
         recorded_at as "recordedAt", ended_at as "deadAt", attempts, error as "lastError"
       from notifier.webhook_delivery
       where webhook_id = $1 and state = 'dead'
         and ($3::uuid is null or (ticket_number, sequence, event_id) > (
           select ticket_number, sequence, event_id from notifier.webhook_delivery where webhook_id = $1 and event_id = $3))
       order by ticket_number, sequence, event_id
       limit $2`,
      [webhookId, limit, after ?? null],
    );
    return rows.map(withInstants);
  }

  /** @param eventId only this one; @returns how many are to be delivered again */
  async replay(webhookId: string, eventId?: string): Promise<number> {
    const { rowCount } = await this.pool.query(
      `update notifier.webhook_delivery
       set state = 'pending', due_at = now(), expires_at = now() + interval '3 days', ended_at = null, attempts = 0
       where webhook_id = $1 and state = 'dead' and ($2::uuid is null or event_id = $2)`,
      [webhookId, eventId ?? null],
    );
    return rowCount ?? 0;
  }
}

/** As the driver reads it: a Date where the view has an instant in ISO 8601. */
type Dated<View> = { [Name in keyof View]: View[Name] | Date };

function withInstants<View extends object>(row: Dated<View>): View {
  const fields = Object.entries(row).map(([name, value]) => [
    name,
    value instanceof Date ? value.toISOString() : value,
  ]);
  return Object.fromEntries(fields) as View;
}
