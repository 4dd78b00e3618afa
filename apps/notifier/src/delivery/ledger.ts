/** The statements on the delivery ledger. Its life cycle is told in delivery.entity.ts. */
import type { BouncedRecipient } from '#contracts';
import { ADVISORY_LOCK, inTransaction, type Sql } from '#platform';
import type pg from 'pg';
import { MinuteCount } from './breaker.js';
import type { DeliveryState } from './delivery.entity.js';
import type { LedgerMail } from './ledger-mail.js';
import {
  domainOf,
  suppressionOf,
  type AutomaticMail,
  type EarlierMail,
  type Limits,
  type SuppressionRule,
} from './limits.js';

/** A sender that has not prolonged its lease for this long is taken for dead. */
export const LEASE_SECONDS = 20;

const REFERENCES_OF_OURS = 20;

export interface NewDelivery extends Pick<AutomaticMail, 'recipient' | 'acknowledgedSubject'> {
  id: string;
  role: string;
  template: string;
  messageId: string;
  mail: LedgerMail;
  /** Null for words of a person. */
  automaticFor: AutomaticMail['automaticFor'] | null;
}

/** What the limits make of a delivery. */
interface Verdict {
  newcomerDomain: string | null;
  suppressedBy: SuppressionRule | null;
}

const NO_LIMITS: Verdict = { newcomerDomain: null, suppressedBy: null };

export interface SuppressedDelivery {
  id: string;
  recipient: string;
  rule: SuppressionRule;
}

interface EventMark {
  consumer: string;
  eventId: string;
  ticketNumber: number;
  /** The event's place in the ticket's history. */
  sequence: number;
}

export interface ClaimedDelivery extends Pick<NewDelivery, 'id' | 'recipient' | 'template' | 'messageId' | 'mail'> {
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
  private readonly minute: MinuteCount;

  constructor(
    private readonly sql: pg.Pool,
    private readonly limits: Limits,
  ) {
    this.minute = new MinuteCount(sql);
  }

  /**
   * Marks the event and writes its deliveries; an event seen before changes nothing.
   *
   * Whoever writes automatic mails counts under locks on their ticket and on the domain that is acknowledged, so that
   * instances at work together stay within the limits. Only the breaker counts without a lock, for which everybody would
   * wait.
   *
   * @returns what a limit held back
   */
  async record(mark: EventMark, deliveries: NewDelivery[]): Promise<SuppressedDelivery[]> {
    const automatic = deliveries.filter(isAutomatic);
    if (automatic.length === 0) {
      await insert(this.sql, mark, deliveries, new Map());
      return [];
    }
    await this.minute.refresh(Date.now());
    return inTransaction(this.sql, async (sql) => {
      await lock(sql, mark.ticketNumber, automatic);
      const verdicts = this.judge(automatic, await earlierMail(sql, mark.ticketNumber, automatic, this.limits));
      const isNew = await insert(sql, mark, deliveries, verdicts);
      if (!isNew) return [];
      return automatic.flatMap(({ id, recipient }) => {
        const rule = verdicts.get(id)?.suppressedBy;
        return rule ? [{ id, recipient, rule }] : [];
      });
    });
  }

  private judge(mails: AutomaticDelivery[], earlier: Map<string, CountedMail>): Map<string, Verdict> {
    const verdicts = new Map<string, Verdict>();
    for (const mail of mails) {
      const found = earlier.get(mail.recipient)!;
      const suppressedBy = suppressionOf(mail, { ...found, minute: this.minute.count }, this.limits);
      const isToNewcomer = mail.acknowledgedSubject !== null && found.isNewcomer;
      verdicts.set(mail.id, { suppressedBy, newcomerDomain: isToNewcomer ? domainOf(mail.recipient) : null });
      if (suppressedBy === null && mail.automaticFor === 'customer') this.minute.count += 1;
    }
    return verdicts;
  }
  /**
   * Takes deliveries that are due and marks them as sending. Of a recipient's mails on one ticket only the oldest
   * unfinished one can be taken; rows that another instance is just taking are passed over.
   */
  async claim(limit: number): Promise<ClaimedDelivery[]> {
    const { rows } = await this.sql.query<ClaimedDelivery>({
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

  /** Keeps deliveries in hand from being taken over. */
  async prolong(ids: string[]): Promise<void> {
    await this.sql.query({
      name: 'prolong-deliveries',
      text: `update notifier.delivery set due_at = now() + make_interval(secs => $2)
             where id = any($1::uuid[]) and state = 'sending'`,
      values: [ids, LEASE_SECONDS],
    });
  }

  /**
   * Writes results down. Where somebody else has taken a delivery over in the meantime, only the news that it was sent
   * still counts.
   */
  async settle(results: DeliveryResult[]): Promise<void> {
    await this.sql.query({
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
        where d.id = result.id and d.state in ('sending', 'pending')
          and (result.state = 'sent' or (d.state = 'sending' and d.attempts = result.attempts))`,
      values: [JSON.stringify(results)],
    });
  }

  /**
   * Notes what a report says of a delivery: of the one to the recipient that it names, or of the only one, since a mail
   * of ours goes to one person. What was delivered late is not failed any more.
   */
  async recordBounce(messageId: string, at: string, results: BouncedRecipient[]): Promise<void> {
    await this.sql.query({
      name: 'record-bounce',
      text: `
        update notifier.delivery as d
        set bounced_at = $2, bounce_action = r.action, bounce_status = r.status, bounce_kind = r.kind,
          bounce_diagnostic = r.diagnostic
        from (
          select action, status, kind, diagnostic
          from jsonb_to_recordset($3::jsonb) as r(recipient text, action text, status text, kind text, diagnostic text)
          order by lower(recipient) = (select recipient from notifier.delivery where message_id = $1) desc nulls last
          limit 1
        ) as r
        where d.message_id = $1 and (d.bounced_at is null or d.bounced_at <= $2)`,
      values: [messageId, at, JSON.stringify(results)],
    });
  }

  /** How many deliveries are not over yet. */
  async waiting(): Promise<number> {
    const { rows } = await this.sql.query<{ count: number }>(
      'select count(*)::integer as count from notifier.delivery where due_at is not null',
    );
    return rows[0]!.count;
  }
}

type AutomaticDelivery = NewDelivery & AutomaticMail;
type CountedMail = Omit<EarlierMail, 'minute'>;

function isAutomatic(delivery: NewDelivery): delivery is AutomaticDelivery {
  return delivery.automaticFor !== null;
}

/** Until the transaction ends, nobody else counts for the same ticket or acknowledges to the same domain. */
async function lock(sql: Sql, ticketNumber: number, mails: AutomaticDelivery[]): Promise<void> {
  const acknowledged = mails.filter((mail) => mail.acknowledgedSubject !== null);
  const keys = [`#${ticketNumber}`, ...acknowledged.map(({ recipient }) => domainOf(recipient))];
  await sql.query({
    name: 'lock-automatic-mail',
    text: `select pg_advisory_xact_lock($1, key)
           from (select distinct hashtext(name) as key from unnest($2::text[]) as name order by key) as keys`,
    values: [ADVISORY_LOCK.automaticMail, keys],
  });
}

/** A statement of its own: one that waited for the lock itself would not see what was committed meanwhile. */
async function earlierMail(
  sql: Sql,
  ticketNumber: number,
  mails: AutomaticDelivery[],
  { ACKNOWLEDGEMENTS_PER_DOMAIN_HOUR }: Limits,
): Promise<Map<string, CountedMail>> {
  const isUnlimited = ACKNOWLEDGEMENTS_PER_DOMAIN_HOUR === 0;
  const { rows } = await sql.query<CountedMail & { recipient: string }>({
    name: 'count-earlier-mail',
    text: `
      select one.recipient, acknowledged.*,
        coalesce((
          select created_at from notifier.delivery
          where recipient = one.recipient and suppressed_by is null
          order by created_at
          limit 1
        ) > now() - interval '24 hours', true) as "isNewcomer",
        (
          select count(*)::integer from (
            select from notifier.delivery
            where newcomer_domain = one.domain and created_at > now() - interval '1 hour' and suppressed_by is null
            limit $3
          ) as newcomers
        ) as "domainHour",
        (
          select count(*)::integer from notifier.delivery
          where ticket_number = $1 and recipient = one.recipient and created_at > now() - interval '1 hour'
            and automatic_for is not null and suppressed_by is null
        ) as "ticketHour",
        bounce.bounce_kind as "bounceKind", bounce.bounce_status as "bounceStatus"
      from jsonb_to_recordset($2::jsonb) as one(recipient text, domain text, "acknowledgedSubject" text)
      cross join lateral (
        select count(*) filter (where acknowledged_subject = one."acknowledgedSubject")::integer as "sameSubject",
          count(*) filter (where created_at > now() - interval '1 hour')::integer as "recipientHour",
          count(*)::integer as "recipientDay"
        from notifier.delivery
        where recipient = one.recipient and created_at > now() - interval '24 hours'
          and one."acknowledgedSubject" is not null and acknowledged_subject is not null and suppressed_by is null
      ) as acknowledged
      left join lateral (
        select bounce_kind, bounce_status, bounced_at from notifier.delivery
        where recipient = one.recipient and bounce_action = 'failed' and bounced_at > now() - interval '60 days'
        order by bounced_at desc
        limit 1
      ) as bounce on not exists (
        select from notifier.delivery
        where recipient = one.recipient and sent_at > bounce.bounced_at
          and (bounce_action is null or bounce_action not in ('failed', 'delayed'))
      )`,
    values: [
      ticketNumber,
      JSON.stringify(
        mails.map(({ recipient, acknowledgedSubject }) => ({
          recipient,
          domain: acknowledgedSubject === null || isUnlimited ? null : domainOf(recipient),
          acknowledgedSubject,
        })),
      ),
      ACKNOWLEDGEMENTS_PER_DOMAIN_HOUR,
    ],
  });
  return new Map(rows.map((row) => [row.recipient, row]));
}

/** @returns false for an event that was seen before */
async function insert(
  sql: Sql,
  { consumer, eventId, ticketNumber, sequence }: EventMark,
  deliveries: NewDelivery[],
  verdicts: Map<string, Verdict>,
): Promise<boolean> {
  const { rowCount } = await sql.query({
    name: 'record-deliveries',
    text: `
      with first_time as (
        insert into notifier.processed_event (consumer, event_id) values ($1, $2)
        on conflict do nothing
        returning event_id
      )
      insert into notifier.delivery (id, event_id, ticket_number, sequence, recipient, role, template, message_id, mail,
        automatic_for, acknowledged_subject, newcomer_domain, suppressed_by, state, due_at)
      select one.id, event_id, $3, $4, one.recipient, one.role, one.template, one."messageId", one.mail,
        one."automaticFor", one."acknowledgedSubject", one."newcomerDomain", one."suppressedBy",
        case when one."suppressedBy" is null then 'pending' else 'suppressed' end,
        case when one."suppressedBy" is null then now() end
      from first_time, jsonb_to_recordset($5::jsonb)
        as one(id uuid, recipient text, role text, template text, "messageId" text, mail jsonb, "automaticFor" text,
          "acknowledgedSubject" text, "newcomerDomain" text, "suppressedBy" text)
      on conflict do nothing`,
    values: [
      consumer,
      eventId,
      ticketNumber,
      sequence,
      JSON.stringify(deliveries.map((one) => ({ ...one, ...(verdicts.get(one.id) ?? NO_LIMITS) }))),
    ],
  });
  return rowCount !== 0;
}
