import {
  CloudEvent,
  ticketBounced,
  TicketBounced,
  ticketBreached,
  TicketBreached,
  ticketCreated,
  TicketCreated,
  ticketMessageAdded,
  TicketMessageAdded,
  ticketOverdue,
  TicketOverdue,
  ticketUpdated,
  TicketUpdated,
  ticketWarned,
  TicketWarned,
  type TicketEventData,
} from '#contracts';
import { mailSigner, type MailSigner } from '#mail';
import { ENV, OnEvent, type Outcome } from '#platform';
import { Controller, Inject } from '@nestjs/common';
import type { NotifierEnv } from '../env.js';
import {
  bounceNotifications,
  breachNotifications,
  changeNotifications,
  createdNotifications,
  messageNotifications,
  overdueNotifications,
  warningNotifications,
  type Notification,
} from '../templates/notifications.js';
import { deliveryOf } from './ledger-mail.js';
import { Ledger } from './ledger.js';
import { Recorder } from './recorder.js';
import { Sender } from './sender.js';

/** Turns facts into deliveries: rendered and committed before the fact is acknowledged, sent after that. */
@Controller()
export class TicketEventsController {
  private readonly signer: MailSigner;

  constructor(
    private readonly ledger: Ledger,
    private readonly recorder: Recorder,
    private readonly sender: Sender,
    @Inject(ENV) private readonly env: NotifierEnv,
  ) {
    this.signer = mailSigner(env.MAIL_SIGNING_KEY);
  }

  @OnEvent(ticketCreated)
  created(event: CloudEvent<TicketCreated>): Promise<Outcome> {
    return this.deliver(event, createdNotifications(event.data));
  }

  @OnEvent(ticketMessageAdded)
  messageAdded(event: CloudEvent<TicketMessageAdded>): Promise<Outcome> {
    return this.deliver(event, messageNotifications(event.data));
  }

  @OnEvent(ticketUpdated)
  updated(event: CloudEvent<TicketUpdated>): Promise<Outcome> {
    return this.deliver(event, changeNotifications(event.data));
  }

  @OnEvent(ticketWarned)
  warned(event: CloudEvent<TicketWarned>): Promise<Outcome> {
    return this.deliver(event, warningNotifications(event.data));
  }

  @OnEvent(ticketOverdue)
  overdue(event: CloudEvent<TicketOverdue>): Promise<Outcome> {
    return this.deliver(event, overdueNotifications(event.data));
  }

  @OnEvent(ticketBreached)
  breached(event: CloudEvent<TicketBreached>): Promise<Outcome> {
    return this.deliver(event, breachNotifications(event.data));
  }

  @OnEvent(ticketBounced)
  async bounced(event: CloudEvent<TicketBounced>): Promise<Outcome> {
    const { messageId, results } = event.data;
    await this.ledger.recordBounce(messageId, event.time, results);
    return this.deliver(event, bounceNotifications(event.data));
  }

  private async deliver(event: CloudEvent<TicketEventData>, notifications: Notification[]): Promise<Outcome> {
    if (notifications.length === 0) return 'done'; // no effect, so nothing to remember
    const { id: eventId, sequence, data } = event;
    const deliveries = notifications.map((one) => deliveryOf(one, event, this.signer, this.env));
    await this.recorder.record({ eventId, ticketNumber: data.ticket.number, sequence, deliveries });
    this.sender.wake();
    return 'done';
  }
}
