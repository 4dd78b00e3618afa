import {
  ActOnWebhook,
  createWebhook,
  CreateWebhook,
  getWebhook,
  GetWebhook,
  listDeadLetters,
  ListDeadLetters,
  listWebhooks,
  ListWebhooks,
  pingWebhook,
  removeWebhook,
  replaceWebhookSecret,
  replayDeadLetters,
  ReplayDeadLetters,
  updateWebhook,
  UpdateWebhook,
} from '#contracts';
import { Handles } from '#platform';
import { Controller } from '@nestjs/common';
import { WebhooksService } from './webhooks.service.js';

/** What other services may ask about webhooks, and do with them. */
@Controller()
export class WebhookHandlers {
  constructor(private readonly webhooks: WebhooksService) {}

  @Handles(listWebhooks)
  async list(request: ListWebhooks) {
    return this.webhooks.list(request);
  }

  @Handles(getWebhook)
  async get({ webhookId }: GetWebhook) {
    return this.webhooks.get(webhookId);
  }

  @Handles(createWebhook)
  async create(request: CreateWebhook) {
    return this.webhooks.create(request);
  }

  @Handles(updateWebhook)
  async update(request: UpdateWebhook) {
    return this.webhooks.update(request);
  }

  @Handles(replaceWebhookSecret)
  async replaceSecret(request: ActOnWebhook) {
    return this.webhooks.replaceSecret(request);
  }

  @Handles(removeWebhook)
  async remove(request: ActOnWebhook) {
    return this.webhooks.remove(request);
  }

  @Handles(pingWebhook)
  async ping({ webhookId }: GetWebhook) {
    return this.webhooks.ping(webhookId);
  }

  @Handles(listDeadLetters)
  async deadLetters(request: ListDeadLetters) {
    return this.webhooks.deadLetters(request);
  }

  @Handles(replayDeadLetters)
  async replay(request: ReplayDeadLetters) {
    return this.webhooks.replay(request);
  }
}
