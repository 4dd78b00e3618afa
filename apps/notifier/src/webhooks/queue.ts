/**
 * The statements on what is to be told to whom: one row per (webhook, event).
 *
 *     pending ──claim──> sending ──2xx──> delivered
 *        ▲                  │
 *        └──anything else───┴──three days are over──> dead ──replay──> pending
 *
 * - pending: taken once `dueAt` has come, its webhook neither is paused nor rests, and no older event of the same ticket
 *   is still to be delivered to the same webhook: a receiver gets a ticket's events in order, but for dead ones.
 * - sending: committed before the request. `dueAt` is then the end of the lease; after that its sender is taken for dead.
 * - delivered: kept without the event for as long as the stream might bring it again.
 *
 * Delivered at least once: when a sender dies between the answer and its record, the request is made again, with the
 * same `webhook-id`.
 */
import type pg from 'pg';

/** Longer than an attempt takes. */
const LEASE_SECONDS = 60;
/** Requests at once to one webhook. */
const HANDS_PER_WEBHOOK = 4;
/** So many failures in a row, and a webhook is tried with one request at a time, and rests between them. */
export const FAILING_AFTER = 5;
const LONGEST_REST_SECONDS = 300;
/** The stream keeps events for thirty days. */
const KEEP_DAYS = 31;

export interface NewEvent {
  id: string;
  type: string;
  ticketNumber: number;
  sequence: number;
  json: string;
}

export interface ClaimedDelivery {
  webhookId: string;
  eventId: string;
  eventType: string;
  ticketNumber: number;
  event: string;
  /** This one included. */
  attempts: number;
  url: string;
  /** Sealed. */
  secret: string;
  /** Sealed; null when it does not sign any more. */
  formerSecret: string | null;
}

export interface AttemptResult {
  webhookId: string;
  eventId: string;
  /** The attempt that it is the result of. */
  attempts: number;
  delivered: boolean;
  /** Until the next attempt, if there is one. */
  delaySeconds: number;
  /** How long the endpoint asks to be left alone altogether. */
  restSeconds: number;
  /** The endpoint wants nothing any more. */
  gone: boolean;
  error: string | null;
}

/** What results have made of a webhook. */
export interface WebhookChanged {
  webhookId: string;
  /** It has just begun to be shown as failing. */
  isNewlyFailing: boolean;
  isNewlyGone: boolean;
  error: string | null;
}

export interface QueueFigures {
  waiting: number;
  dead: number;
  failing: number;
}

export class WebhookQueue {
  constructor(private readonly pool: pg.Pool) {}

  /** Writes a row for each webhook that an event is for; what was seen before changes nothing. @returns rows written */
  async record(events: NewEvent[]): Promise<number> {
    const { rowCount } = await this.pool.query({
      name: 'record-webhook-events',
      text: `
        insert into notifier.webhook_delivery (webhook_id, event_id, event_type, ticket_number, sequence, event)
        select w.id, e.id, e.type, e.ticket_number, e.sequence, e.event
        from unnest($1::uuid[], $2::text[], $3::integer[], $4::integer[], $5::text[])
          as e(id, type, ticket_number, sequence, event)
        join notifier.webhook w on w.event_types = '{}' or e.type = any(w.event_types)
        on conflict do nothing`,
      values: [
        events.map(({ id }) => id),
        events.map(({ type }) => type),
        events.map(({ ticketNumber }) => ticketNumber),
        events.map(({ sequence }) => sequence),
        events.map(({ json }) => json),
      ],
    });
    return rowCount ?? 0;
  }

  /**
   * Takes what is due and marks it as sending; rows that another instance is just taking are passed over.
   * @param inHand webhooks that this instance has requests at, one entry for each request
   */
  async claim(limit: number, inHand: string[]): Promise<ClaimedDelivery[]> {
    const { rows } = await this.pool.query<ClaimedDelivery>({
      name: 'claim-webhook-deliveries',
      text: `
        with due as (
          select found.webhook_id, found.event_id, w.url, w.secret,
            case when w.former_secret_until > now() then w.former_secret end as former_secret
          from notifier.webhook w
          cross join lateral (
            select mine.webhook_id, mine.event_id from notifier.webhook_delivery mine
            where mine.webhook_id = w.id and mine.due_at <= now()
              and not exists (
                select from notifier.webhook_delivery older
                where older.webhook_id = w.id and older.ticket_number = mine.ticket_number
                  and older.sequence < mine.sequence and older.due_at is not null
              )
            order by mine.due_at
            limit greatest(0, case when w.failures >= $4 then 1 else $5 end - coalesce(cardinality(array_positions($2::uuid[], w.id)), 0))
            for update skip locked
          ) found
          where w.paused_at is null and w.rest_until <= now()
          limit $1
        )
        update notifier.webhook_delivery taken
        set state = 'sending', attempts = attempts + 1, due_at = now() + make_interval(secs => $3)
        from due
        where taken.webhook_id = due.webhook_id and taken.event_id = due.event_id
        returning taken.webhook_id as "webhookId", taken.event_id as "eventId", event_type as "eventType",
          ticket_number as "ticketNumber", event, attempts, url, secret, former_secret as "formerSecret"`,
      values: [limit, inHand, LEASE_SECONDS, FAILING_AFTER, HANDS_PER_WEBHOOK],
    });
    return rows;
  }

  /** Writes results down, on the deliveries and on their webhooks. */
  async settle(results: AttemptResult[]): Promise<WebhookChanged[]> {
    const { rows } = await this.pool.query<WebhookChanged>({
      name: 'settle-webhook-deliveries',
      text: `
        with result as (
          select * from jsonb_to_recordset($1::jsonb) as r("webhookId" uuid, "eventId" uuid, attempts integer,
            delivered boolean, "delaySeconds" float8, "restSeconds" float8, gone boolean, error text)
        ), settled as (
          update notifier.webhook_delivery d
          set state = case when delivered then 'delivered' when expires_at <= now() then 'dead' else 'pending' end,
            event = case when delivered then null else event end,
            due_at = case when not delivered and expires_at > now() then now() + make_interval(secs => "delaySeconds") end,
            ended_at = case when delivered or expires_at <= now() then now() end,
            error = result.error
          from result
          where d.webhook_id = "webhookId" and d.event_id = "eventId" and d.state = 'sending' and d.attempts = result.attempts
        ), sum as (
          select "webhookId" as id, bool_or(delivered) as succeeded, bool_or(gone) as gone,
            count(*) filter (where not delivered) as failed, max("restSeconds") as rest, max(error) as error
          from result group by "webhookId"
        )
        update notifier.webhook w
        set failures = case when succeeded then 0 else least(failures + failed, 1000000) end,
          failing_since = case when succeeded then null else coalesce(failing_since, now()) end,
          last_success_at = case when succeeded then now() else last_success_at end,
          last_error = coalesce(sum.error, last_error),
          last_error_at = case when sum.error is null then last_error_at else now() end,
          rest_until = greatest(rest_until, now() + make_interval(secs => greatest(rest,
            case when not succeeded and failures + failed >= $2 then least(power(2, least(failures + failed - $2, 20)), $3) else 0 end))),
          gone = w.gone or sum.gone,
          paused_at = case when sum.gone then coalesce(paused_at, now()) else paused_at end
        from sum, (select id, failures as failures_before, gone as gone_before from notifier.webhook) before
        where w.id = sum.id and before.id = w.id
        returning w.id as "webhookId", failures >= $2 and failures_before < $2 as "isNewlyFailing",
          w.gone and not gone_before as "isNewlyGone", sum.error`,
      values: [JSON.stringify(results), FAILING_AFTER, LONGEST_REST_SECONDS],
    });
    return rows;
  }

  /** What has waited for three days is given up. @returns how many */
  async expire(): Promise<number> {
    const { rowCount } = await this.pool.query(
      `update notifier.webhook_delivery
       set state = 'dead', due_at = null, ended_at = now(), error = coalesce(error, 'nobody was asked for three days')
       where due_at is not null and expires_at <= now() and (state = 'pending' or due_at <= now())`,
    );
    return rowCount ?? 0;
  }

  /** Forgets what is over for so long that the stream does not bring it again. */
  async forget(): Promise<void> {
    await this.pool.query(
      `delete from notifier.webhook_delivery where ended_at < now() - make_interval(days => ${KEEP_DAYS})`,
    );
  }

  async figures(): Promise<QueueFigures> {
    const { rows } = await this.pool.query<QueueFigures>({
      name: 'webhook-figures',
      text: `
        select (select count(*)::integer from notifier.webhook_delivery where due_at is not null) as waiting,
          (select count(*)::integer from notifier.webhook_delivery where state = 'dead') as dead,
          (select count(*)::integer from notifier.webhook where failures >= $1) as failing`,
      values: [FAILING_AFTER],
    });
    return rows[0]!;
  }
}
