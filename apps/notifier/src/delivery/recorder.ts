/**
 * Writes deliveries to the ledger. Events that come in while a transaction runs are written together in the next one.
 *
 * Whoever writes automatic mails counts under locks on their tickets and on the domains that are acknowledged, so that
 * instances at work together stay within the limits. Only the breaker counts without a lock, for which everybody would
 * wait.
 */
import { ADVISORY_LOCK, inTransaction, type Sql } from '#platform';
import type pg from 'pg';
import { MinuteCount } from './breaker.js';
import type { LedgerMail } from './ledger-mail.js';
import {
  domainOf,
  judge,
  type AutomaticMail,
  type EarlierMail,
  type Limits,
  type SuppressionRule,
  type Verdict,
} from './limits.js';

const MOST_EVENTS = 32;

export interface NewDelivery {
  id: string;
  recipient: string;
  role: string;
  template: string;
  messageId: string;
  mail: LedgerMail;
  /** Null for words of a person. */
  automaticFor: AutomaticMail['automaticFor'] | null;
  acknowledgedSubject: string | null;
}

interface EventMark {
  consumer: string;
  eventId: string;
  ticketNumber: number;
  /** The event's place in the ticket's history. */
  sequence: number;
}

export interface SuppressedDelivery {
  id: string;
  recipient: string;
  rule: SuppressionRule;
}

type Row = EventMark & NewDelivery;

interface Waiting {
  rows: Row[];
  resolve(suppressed: SuppressedDelivery[]): void;
  reject(error: unknown): void;
}

export class Recorder {
  private readonly minute: MinuteCount;
  private waiting: Waiting[] = [];
  private isWriting = false;

  constructor(
    private readonly sql: pg.Pool,
    private readonly limits: Limits,
  ) {
    this.minute = new MinuteCount(sql);
  }

  /**
   * Marks the event and writes its deliveries, all or nothing; an event seen before changes nothing.
   *
   * @returns what a limit held back
   */
  record(mark: EventMark, deliveries: NewDelivery[]): Promise<SuppressedDelivery[]> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ rows: deliveries.map((one) => ({ ...one, ...mark })), resolve, reject });
      if (!this.isWriting) void this.writeAll();
    });
  }

  private async writeAll(): Promise<void> {
    this.isWriting = true;
    while (this.waiting.length > 0) await this.writeTogether(this.waiting.splice(0, MOST_EVENTS));
    this.isWriting = false;
  }

  private async writeTogether(events: Waiting[]): Promise<void> {
    try {
      const suppressed = await this.write(events.flatMap(({ rows }) => rows));
      for (const { rows, resolve } of events) resolve(rows.flatMap(({ id }) => suppressed.get(id) ?? []));
    } catch (error) {
      if (events.length === 1) return events[0]!.reject(error);
      for (const event of events) await this.writeTogether([event]); // one of them has spoilt it for the others
    }
  }

  private async write(rows: Row[]): Promise<Map<string, SuppressedDelivery>> {
    const automatic = rows.filter(isAutomatic);
    if (automatic.length === 0) {
      await insert(this.sql, rows, new Map());
      return new Map();
    }
    if (this.limits.AUTOMATIC_MAIL_PER_MINUTE > 0) await this.minute.refresh(Date.now());
    return inTransaction(this.sql, async (sql) => {
      await lock(sql, automatic);
      const verdicts = judge(automatic, await earlierMail(sql, automatic, this.limits), this.minute.count, this.limits);
      const inserted = await insert(sql, rows, verdicts);
      const suppressed = new Map<string, SuppressedDelivery>();
      for (const { id, recipient, automaticFor } of automatic.filter((one) => inserted.has(one.id))) {
        const rule = verdicts.get(id)!.suppressedBy;
        if (rule !== null) suppressed.set(id, { id, recipient, rule });
        else if (automaticFor === 'customer') this.minute.count += 1;
      }
      return suppressed;
    });
  }
}

function isAutomatic(row: Row): row is Row & AutomaticMail {
  return row.automaticFor !== null;
}

/** Until the transaction ends, nobody else counts for the same tickets or acknowledges to the same domains. */
async function lock(sql: Sql, mails: AutomaticMail[]): Promise<void> {
  const acknowledged = mails.filter((mail) => mail.acknowledgedSubject !== null);
  const keys = [
    ...mails.map(({ ticketNumber }) => `#${ticketNumber}`),
    ...acknowledged.map(({ recipient }) => domainOf(recipient)),
  ];
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
  mails: AutomaticMail[],
  { ACKNOWLEDGEMENTS_PER_DOMAIN_HOUR }: Limits,
): Promise<Map<string, EarlierMail>> {
  const isUnlimited = ACKNOWLEDGEMENTS_PER_DOMAIN_HOUR === 0;
  const { rows } = await sql.query<EarlierMail & { id: string }>({
    name: 'count-earlier-mail',
    text: `
      select one.id, acknowledged.*,
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
            limit $2
          ) as newcomers
        ) as "domainHour",
        (
          select count(*)::integer from notifier.delivery
          where ticket_number = one."ticketNumber" and recipient = one.recipient
            and created_at > now() - interval '1 hour' and automatic_for is not null and suppressed_by is null
        ) as "ticketHour",
        bounce.bounce_kind as "bounceKind", bounce.bounce_status as "bounceStatus"
      from jsonb_to_recordset($1::jsonb)
        as one(id uuid, "ticketNumber" integer, recipient text, domain text, "acknowledgedSubject" text)
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
      JSON.stringify(
        mails.map(({ id, ticketNumber, recipient, acknowledgedSubject }) => {
          const domain = acknowledgedSubject === null || isUnlimited ? null : domainOf(recipient);
          return { id, ticketNumber, recipient, domain, acknowledgedSubject };
        }),
      ),
      ACKNOWLEDGEMENTS_PER_DOMAIN_HOUR,
    ],
  });
  return new Map(rows.map((row) => [row.id, row]));
}

/** @returns the ids of what is new: nothing of events that were seen before */
async function insert(sql: Sql, rows: Row[], verdicts: Map<string, Verdict>): Promise<Set<string>> {
  const { rows: inserted } = await sql.query<{ id: string }>({
    name: 'record-deliveries',
    text: `
      with new_row as (
        select * from jsonb_to_recordset($1::jsonb) as one(consumer text, "eventId" uuid, "ticketNumber" integer,
          sequence integer, id uuid, recipient text, role text, template text, "messageId" text, mail jsonb,
          "automaticFor" text, "acknowledgedSubject" text, "newcomerDomain" text, "suppressedBy" text)
      ), first_time as (
        insert into notifier.processed_event (consumer, event_id)
        select distinct consumer, "eventId" from new_row order by consumer, "eventId"
        on conflict do nothing
        returning consumer, event_id
      )
      insert into notifier.delivery (id, event_id, ticket_number, sequence, recipient, role, template, message_id, mail,
        automatic_for, acknowledged_subject, newcomer_domain, suppressed_by, state, due_at)
      select id, event_id, "ticketNumber", sequence, recipient, role, template, "messageId", mail, "automaticFor",
        "acknowledgedSubject", "newcomerDomain", "suppressedBy",
        case when "suppressedBy" is null then 'pending' else 'suppressed' end,
        case when "suppressedBy" is null then now() end
      from new_row join first_time on event_id = "eventId" and first_time.consumer = new_row.consumer
      on conflict do nothing
      returning id`,
    values: [JSON.stringify(rows.map((row) => ({ ...row, ...verdicts.get(row.id) })))],
  });
  return new Set(inserted.map(({ id }) => id));
}
