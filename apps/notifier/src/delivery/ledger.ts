/** The statements on the delivery ledger. Its life cycle is told in delivery.entity.ts. */
import type { BouncedRecipient } from '#contracts';
import { ADVISORY_LOCK, inTransaction, type Sql } from '#platform';
import type pg from 'pg';
import type { DeliveryState } from './delivery.entity.js';
import type { LedgerMail } from './ledger-mail.js';
import {
  AutomaticMailLimiter,
  domainOf,
  type AutomaticMail,
  type Counts,
  type Limits,
  type RecipientCounts,
  type Rule,
} from './limits.js';

/** A sender that has not prolonged its lease for this long is taken for dead. */
export const LEASE_SECONDS = 20;

const REFERENCES_OF_OURS = 20;

export interface NewDelivery {
  id: string;
  recipient: string;
  role: string;
  template: string;
  messageId: string;
  mail: LedgerMail;
  /** Automatic mail to a customer, which is limited; null for anything else. */
  automatic: Omit<AutomaticMail, 'ticketNumber'> | null;
}

export interface RecordedEvent {
  eventId: string;
  ticketNumber: number;
  /** The event's place in the ticket's history. */
  sequence: number;
  deliveries: NewDelivery[];
}

/** A delivery that a limit has kept from leaving. */
export interface HeldBack extends Pick<NewDelivery, 'id' | 'recipient' | 'template'> {
  ticketNumber: number;
  rule: Rule;
}

export interface ClaimedDelivery extends Omit<NewDelivery, 'role' | 'automatic'> {
  ticketNumber: number;
  /** This one included. */
  attempts: number;
  /** Seconds since it was written to the ledger. */
  ageSeconds: number;
  /** Message-IDs that the recipient was sent on this ticket before, oldest first. */
  sentBefore: string[];
}

export interface DeliveryResult {
  id: string;
  /** The attempt that it is the result of. */
  attempts: number;
  state: Exclude<DeliveryState, 'sending' | 'suppressed'>;
  /** With pending: until the next attempt. */
  delayMs: number;
  response: string | null;
  error: string | null;
}

export class Ledger {
  constructor(private readonly pool: pg.Pool) {}

  /**
   * Marks events and writes their deliveries: all of it, or nothing. An event that was seen before changes nothing.
   * Whoever counts automatic mail does it while nobody else does.
   * @returns the deliveries that were held back
   */
  async record(consumer: string, events: RecordedEvent[], limits: Limits): Promise<HeldBack[]> {
    const mails = events.flatMap(({ ticketNumber, deliveries }) =>
      deliveries.flatMap((delivery) => (delivery.automatic ? [{ ...delivery.automatic, ticketNumber }] : [])),
    );
    if (mails.length === 0) return this.write(this.pool, consumer, rowsOf(events, null));
    return inTransaction(this.pool, async (sql) => {
      await sql.query('select pg_advisory_xact_lock($1)', [ADVISORY_LOCK.automaticMail]);
      const unseen = await unseenOf(sql, consumer, events);
      const limiter = new AutomaticMailLimiter(await countsOf(sql, mails, limits), limits);
      return this.write(sql, consumer, rowsOf(unseen, limiter));
    });
  }

  private async write(sql: Sql, consumer: string, rows: DeliveryRow[]): Promise<HeldBack[]> {
    const { rows: written } = await sql.query<HeldBack>({
      name: 'record-deliveries',
      text: `
        with given as (
          select * from jsonb_to_recordset($2::jsonb) as one("eventId" uuid, "ticketNumber" integer, sequence integer,
            id uuid, recipient text, role text, template text, "messageId" text, mail jsonb, "isAutomatic" boolean,
            acknowledges text, "toStranger" boolean, "suppressedBy" text)
        ), first_time as (
          -- in order, so that two who are given the same events do not wait for each other
          insert into notifier.processed_event (consumer, event_id)
          select distinct $1::text, "eventId" from given order by "eventId"
          on conflict do nothing
          returning event_id
        ), written as (
          insert into notifier.delivery (id, event_id, ticket_number, sequence, recipient, role, template, message_id, mail,
            automatic, suppressed_by, state, due_at)
          select id, "eventId", "ticketNumber", sequence, recipient, role, template, "messageId", mail, "isAutomatic",
            "suppressedBy", case when "suppressedBy" is null then 'pending' else 'suppressed' end,
            case when "suppressedBy" is null then now() end
          from given join first_time on event_id = "eventId"
          on conflict do nothing
          returning id
        ), leaving as (
          select given.* from given join written using (id) where "suppressedBy" is null
        ), counted as (
          insert into notifier.automatic_mail (recipient, domain, acknowledges, to_stranger)
          select recipient, substring(recipient from '[^@]*$'), acknowledges, "toStranger" from leaving where "isAutomatic"
        ), known as (
          -- in order, so that two who meet the same new addresses do not wait for each other
          insert into notifier.correspondent (address) select distinct recipient from leaving order by recipient
          on conflict do nothing
        ), spoken_to as (
          update notifier.correspondent set undeliverable_at = null
          where undeliverable_at is not null
            and address in (select recipient from leaving where mail->>'autoSubmitted' is null)
        )
        select id, recipient, template, "ticketNumber", "suppressedBy" as rule
        from given join written using (id) where "suppressedBy" is not null`,
      values: [consumer, JSON.stringify(rows)],
    });
    return written;
  }

  /** Forgets what no limit counts any more. */
  async forget(): Promise<void> {
    await this.pool.query(`delete from notifier.automatic_mail where at < now() - interval '25 hours'`);
  }

  /**
   * Takes deliveries that are due and marks them as sending. Of a recipient's mails on one ticket only the oldest
   * unfinished one can be taken; rows that another instance is just taking are passed over.
   */
  async claim(limit: number): Promise<ClaimedDelivery[]> {
    const { rows } = await this.pool.query<ClaimedDelivery>({
      name: 'claim-deliveries',
      text: `
        with due as (
          select id, state from notifier.delivery as mine
          where due_at <= now()
            and not exists (
              select from notifier.delivery as older
              where older.ticket_number = mine.ticket_number and older.recipient = mine.recipient
                and older.sequence < mine.sequence and older.due_at is not null
            )
          order by due_at
          limit $1
          for update skip locked
        )
        update notifier.delivery as taken
        set state = 'sending', attempts = attempts + 1, due_at = now() + make_interval(secs => $2),
          error = case due.state
            when 'sending' then 'a sender ended in the middle of attempt ' || attempts || ': sent again'
            else error
          end
        from due
        where taken.id = due.id
        returning taken.id, ticket_number as "ticketNumber", recipient, template, message_id as "messageId", mail,
          attempts, extract(epoch from now() - created_at)::float8 as "ageSeconds",
          array(
            select message_id from (
              select message_id, sequence from notifier.delivery as earlier
              where earlier.ticket_number = taken.ticket_number and earlier.recipient = taken.recipient
                and earlier.sequence < taken.sequence and earlier.state = 'sent'
              order by sequence desc limit $3
            ) as latest order by sequence
          ) as "sentBefore"`,
      values: [limit, LEASE_SECONDS, REFERENCES_OF_OURS],
    });
    return rows;
  }

  /** Keeps deliveries in hand from being taken over. Rows whose result is just being written down need it no more. */
  async prolong(ids: string[]): Promise<void> {
    await this.pool.query({
      name: 'prolong-deliveries',
      text: `update notifier.delivery set due_at = now() + make_interval(secs => $2)
             where id in (
               select id from notifier.delivery where id = any($1::uuid[]) and state = 'sending' for update skip locked
             )`,
      values: [ids, LEASE_SECONDS],
    });
  }

  /**
   * Writes results down. Where somebody else has taken a delivery over in the meantime, only the news that it was sent
   * still counts.
   */
  async settle(results: DeliveryResult[]): Promise<void> {
    await this.pool.query({
      name: 'settle-deliveries',
      text: `
        update notifier.delivery as d
        set state = result.state,
          due_at = case result.state when 'pending' then now() + result."delayMs" * interval '1 millisecond' end,
          sent_at = case result.state when 'sent' then now() end,
          smtp_response = coalesce(result.response, d.smtp_response),
          error = case result.state when 'sent' then d.error else result.error end
        from jsonb_to_recordset($1::jsonb)
          as result(id uuid, attempts integer, state text, "delayMs" integer, response text, error text)
        -- the array leaves no plan that reads the whole ledger, however small it was when the statement was planned
        where d.id = any($2::uuid[]) and d.id = result.id and d.state in ('sending', 'pending')
          and (result.state = 'sent' or (d.state = 'sending' and d.attempts = result.attempts))`,
      values: [JSON.stringify(results), results.map(({ id }) => id)],
    });
  }

  /**
   * Notes what a report says of a delivery: of the one to the recipient that it names, or of the only one, since a mail
   * of ours goes to one person. What was delivered late is not failed any more. A report that is seen again takes nothing
   * back that was found out since.
   */
  async recordBounce(messageId: string, at: string, results: BouncedRecipient[]): Promise<void> {
    await this.pool.query({
      name: 'record-bounce',
      text: `
        with noted as (
          update notifier.delivery as d
          set bounced_at = $2, bounce_action = r.action, bounce_status = r.status, bounce_kind = r.kind,
            bounce_diagnostic = r.diagnostic
          from (
            select recipient as reported, action, status, kind, hard, diagnostic
            from jsonb_to_recordset($3::jsonb) as r(recipient text, action text, status text, kind text, hard boolean, diagnostic text)
            order by lower(recipient) = (select recipient from notifier.delivery where message_id = $1) desc nulls last
            limit 1
          ) as r, notifier.delivery as before
          where d.message_id = $1 and before.id = d.id and (d.bounced_at is null or d.bounced_at <= $2)
          returning d.recipient, lower(r.reported) = d.recipient and r.hard and r.kind = 'userunknown'
            and before.bounced_at is distinct from $2 as nobody_there
        )
        update notifier.correspondent set undeliverable_at = now()
        from noted where nobody_there and address = noted.recipient`,
      values: [messageId, at, JSON.stringify(results)],
    });
  }

  /** How many deliveries are not over yet. */
  async waiting(): Promise<number> {
    const { rows } = await this.pool.query<{ count: number }>(
      'select count(*)::integer as count from notifier.delivery where due_at is not null',
    );
    return rows[0]!.count;
  }
}

type DeliveryRow = Omit<NewDelivery, 'automatic'> & {
  eventId: string;
  ticketNumber: number;
  sequence: number;
  isAutomatic: boolean;
  acknowledges: string | null;
  toStranger: boolean;
  suppressedBy: Rule | null;
};

function rowsOf(events: RecordedEvent[], limiter: AutomaticMailLimiter | null): DeliveryRow[] {
  return events.flatMap(({ eventId, ticketNumber, sequence, deliveries }) =>
    deliveries.map(({ automatic, ...delivery }) => ({
      ...delivery,
      eventId,
      ticketNumber,
      sequence,
      isAutomatic: automatic !== null,
      acknowledges: automatic?.acknowledges ?? null,
      toStranger: limiter?.isStranger(delivery.recipient) ?? false,
      suppressedBy: automatic && limiter ? limiter.take({ ...automatic, ticketNumber }) : null,
    })),
  );
}

/** Each event once, without those that are in the ledger: what was counted then must not be counted again. */
async function unseenOf(sql: Sql, consumer: string, events: RecordedEvent[]): Promise<RecordedEvent[]> {
  const unseen = new Map(events.map((event) => [event.eventId, event]));
  const { rows } = await sql.query<{ event_id: string }>({
    name: 'seen-events',
    text: 'select event_id from notifier.processed_event where consumer = $1 and event_id = any($2::uuid[])',
    values: [consumer, [...unseen.keys()]],
  });
  for (const { event_id: seen } of rows) unseen.delete(seen);
  return [...unseen.values()];
}

/** What left lately to whom these mails would go, each counted up to its limit. */
async function countsOf(sql: Sql, mails: AutomaticMail[], limits: Limits): Promise<Counts> {
  const recipients = [...new Set(mails.map(({ recipient }) => recipient))];
  const { rows } = await sql.query<{
    recipients: Record<string, RecipientCounts>;
    domains: Record<string, number>;
    tickets: Record<string, number>;
    total: number;
  }>({
    name: 'count-automatic-mail',
    text: `
      select
        (select jsonb_object_agg(address, jsonb_build_object(
            'acknowledgements', (select count(*) from (select from notifier.automatic_mail
              where recipient = address and at > now() - interval '1 hour' and acknowledges is not null limit $5) as a),
            'subjects', (select coalesce(jsonb_agg(acknowledges), '[]') from (select acknowledges
              from notifier.automatic_mail
              where recipient = address and at > now() - interval '1 day' and acknowledges is not null limit $6) as a),
            'isStranger', not exists (select from notifier.correspondent c
              where c.address = given.address and first_mail_at < now() - interval '1 day'),
            'isUndeliverable', exists (select from notifier.correspondent c
              where c.address = given.address and undeliverable_at > now() - interval '60 days')))
          from unnest($1::text[]) as given(address)) as recipients,
        (select jsonb_object_agg(name, (select count(*) from (select from notifier.automatic_mail
            where to_stranger and domain = name and at > now() - interval '1 hour' and acknowledges is not null
            limit $7) as a))
          from unnest($2::text[]) as given(name)) as domains,
        (select coalesce(jsonb_object_agg(number || ' ' || address, (select count(*) from notifier.delivery
            where ticket_number = number and recipient = address and automatic and suppressed_by is null
              and created_at > now() - interval '1 hour')), '{}')
          from unnest($3::integer[], $4::text[]) as given(number, address)) as tickets,
        (select count(*)::integer from (select from notifier.automatic_mail where at > now() - interval '1 minute'
          limit $8) as a) as total`,
    values: [
      recipients,
      [...new Set(recipients.map(domainOf))],
      mails.map(({ ticketNumber }) => ticketNumber),
      mails.map(({ recipient }) => recipient),
      limits.ACKNOWLEDGEMENTS_PER_HOUR,
      limits.ACKNOWLEDGEMENTS_PER_DAY,
      limits.ACKNOWLEDGEMENTS_PER_DOMAIN_HOUR,
      limits.AUTOMATIC_MAILS_PER_MINUTE,
    ],
  });
  const [found] = rows as [(typeof rows)[0]];
  const mapOf = <T>(object: Record<string, T>) => new Map(Object.entries(object));
  return {
    recipients: mapOf(found.recipients),
    domains: mapOf(found.domains),
    tickets: mapOf(found.tickets),
    total: found.total,
  };
}
