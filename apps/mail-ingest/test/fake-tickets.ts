/** Stands in for the tickets service: takes offers of mail as the contract says, and remembers them. */
import { AcceptMail, acceptMail, type AcceptedMail, type IncomingMail } from '#contracts';
import { parseMessage, type WireReply } from '#platform';
import type { NatsConnection, Subscription } from '@nats-io/transport-node';
import { randomUUID } from 'node:crypto';

export class FakeTickets {
  /** What was accepted, in order; a repeated offer of the same mail is not repeated here. */
  readonly accepted: IncomingMail[] = [];
  requests = 0;
  /** Bytes of the largest request so far. */
  largestRequest = 0;
  /** Mails that the service stumbles over. */
  stumblesOver: (mail: IncomingMail) => boolean = () => false;
  private readonly answers = new Map<string, AcceptedMail>();
  private subscription: Subscription | null = null;

  constructor(private readonly nats: NatsConnection) {}

  async start(): Promise<void> {
    this.subscription = this.nats.subscribe(acceptMail.subject, {
      queue: 'tickets',
      callback: (_error, message) => {
        this.requests += 1;
        this.largestRequest = Math.max(this.largestRequest, message.data.length);
        message.respond(JSON.stringify(this.answer(message.json())));
      },
    });
    await this.nats.flush();
  }

  async stop(): Promise<void> {
    await this.subscription?.drain();
  }

  /** What it took for one mailbox. */
  for(mailbox: string): IncomingMail[] {
    return this.accepted.filter((mail) => mail.mailbox === mailbox);
  }

  private answer(request: unknown): WireReply {
    const parsed = parseMessage(AcceptMail, request);
    if ('violations' in parsed) {
      return { fault: { reason: 'invalid_request', message: JSON.stringify(parsed.violations) } };
    }
    const { mails } = parsed.value;
    if (mails.some((mail) => this.stumblesOver(mail))) return { fault: { reason: 'internal', message: 'stumbled' } };
    return { ok: { accepted: mails.map((mail) => this.accept(mail)) } };
  }

  private accept(mail: IncomingMail): AcceptedMail {
    const known = this.answers.get(mail.inboundId);
    if (known) return known;
    this.accepted.push(mail);
    const answer: AcceptedMail = {
      inboundId: mail.inboundId,
      result: mail.bounce ? 'bounce_linked' : 'ticket_created',
      ticketId: randomUUID(),
      ticketNumber: this.accepted.length,
      rule: 'new',
    };
    this.answers.set(mail.inboundId, answer);
    return answer;
  }
}
