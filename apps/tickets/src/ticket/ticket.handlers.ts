import {
  acceptMail,
  addMessage,
  createTicket,
  getAttachment,
  getRawMail,
  getTicket,
  getTimeline,
  listTickets,
  previewUpdate,
  rebuildMessage,
  updateTicket,
  AcceptMail,
  AddMessage,
  CreateTicket,
  GetAttachment,
  GetRawMail,
  GetTicket,
  GetTimeline,
  ListTickets,
  PreviewUpdate,
  RebuildMessage,
  UpdateTicket,
} from '#contracts';
import { Handles } from '#platform';
import { Controller } from '@nestjs/common';
import { IncomingMailService } from './incoming-mail.service.js';
import { RebuildService } from './rebuild.service.js';
import { TicketList } from './ticket.list.js';
import { TicketQueries } from './ticket.queries.js';
import { TicketService } from './ticket.service.js';

/** What other services may ask about tickets. */
@Controller()
export class TicketHandlers {
  constructor(
    private readonly tickets: TicketService,
    private readonly mail: IncomingMailService,
    private readonly queries: TicketQueries,
    private readonly pages: TicketList,
    private readonly rebuilds: RebuildService,
  ) {}

  @Handles(createTicket)
  async create(request: CreateTicket) {
    return this.tickets.create(request);
  }

  @Handles(updateTicket)
  async update(request: UpdateTicket) {
    return this.tickets.update(request);
  }

  @Handles(previewUpdate)
  async preview(request: PreviewUpdate) {
    return this.tickets.preview(request);
  }

  @Handles(addMessage)
  async addMessage(request: AddMessage) {
    return this.tickets.addMessage(request);
  }

  @Handles(acceptMail)
  async acceptMail(request: AcceptMail) {
    return this.mail.accept(request);
  }

  @Handles(rebuildMessage)
  async rebuild(request: RebuildMessage) {
    return this.rebuilds.rebuild(request);
  }

  @Handles(getTicket)
  async get(request: GetTicket) {
    return this.queries.get(request);
  }

  @Handles(listTickets)
  async list(request: ListTickets) {
    return this.pages.page(request);
  }

  @Handles(getTimeline)
  async timeline(request: GetTimeline) {
    return this.queries.timeline(request);
  }

  @Handles(getAttachment)
  async attachment(request: GetAttachment) {
    return this.queries.attachment(request);
  }

  @Handles(getRawMail)
  async rawMail(request: GetRawMail) {
    return this.queries.rawMail(request);
  }
}
