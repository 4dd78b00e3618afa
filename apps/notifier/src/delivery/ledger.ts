/** The statements on the delivery ledger, but for writing to it (recorder.ts). Its life cycle is told in delivery.entity.ts. */
import type { BouncedRecipient } from '#contracts';
import type { Sql } from '#platform';
import type { DeliveryState } from './delivery.entity.js';
import type { LedgerMail } from './ledger-mail.js';

/** A sender that has not prolonged its lease for this long is taken for dead. */
export const LEASE_SECONDS = 20;

const REFERENCES_OF_OURS = 20;

export interface ClaimedDelivery {
  id: string;
  recipient: string;
  template: string;
  messageId: string;
  mail: LedgerMail;
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
  constructor(private readonly sql: Sql) {}

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
