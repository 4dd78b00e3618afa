/** What people may do with webhooks, and what is refused. */
import {
  refuse,
  type ActOnWebhook,
  type CreateWebhook,
  type DeadLetterPage,
  type DeadLettersReplayed,
  type ListDeadLetters,
  type ListWebhooks,
  type Refused,
  type ReplayDeadLetters,
  type UpdateWebhook,
  type WebhookList,
  type WebhookPing,
  type WebhookRemoved,
  type WebhookView,
  type WebhookWithSecret,
} from '#contracts';
import { ENV, LOGGER, SecretBox, type HostPolicy, type Logger } from '#platform';
import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { randomUUID } from 'node:crypto';
import type { NotifierEnv } from '../env.js';
import { Courier } from './courier.js';
import { resolvedProblem } from './endpoint.js';
import { newSecret } from './signature.js';
import { placeOf, Subscriptions, type StoredSecrets } from './subscriptions.js';

const MOST_WEBHOOKS = 100;

@Injectable()
export class WebhooksService implements OnApplicationBootstrap {
  private readonly policy: HostPolicy;

  constructor(
    private readonly subscriptions: Subscriptions,
    private readonly courier: Courier,
    private readonly box: SecretBox,
    @Inject(ENV) env: NotifierEnv,
    @Inject(LOGGER) private readonly log: Logger,
  ) {
    this.policy = { allowPrivate: env.WEBHOOK_PRIVATE_HOSTS };
  }

  /** Seals with the new key what an old one has sealed. */
  async onApplicationBootstrap(): Promise<void> {
    for (const stored of await this.subscriptions.allSecrets()) {
      if (![stored.secret, stored.formerSecret].some((one) => one !== null && this.box.isOutdated(one))) continue;
      try {
        await this.reseal(stored);
      } catch (error) {
        this.log.error({ err: error, webhook: stored.id }, 'the secret of a webhook cannot be read');
      }
    }
  }

  async list({ state }: ListWebhooks): Promise<WebhookList> {
    const items = await this.subscriptions.list();
    return { items: state === undefined ? items : items.filter((one) => one.state === state) };
  }

  async get(id: string): Promise<WebhookView | Refused> {
    return (await this.subscriptions.find(id)) ?? unknownWebhook();
  }

  async create({ actor, webhook }: CreateWebhook): Promise<WebhookWithSecret | Refused> {
    const { url, eventTypes = [], description = '', paused = false } = webhook;
    const problem = await resolvedProblem(url, this.policy);
    if (problem) return refuse({ field: 'url', ...problem });
    const id = randomUUID();
    const secret = newSecret();
    const sealed = this.box.seal(secret, placeOf(id));
    const settings = { url: new URL(url).href, eventTypes, description, paused };
    const one = { id, ...settings, secret: sealed, createdBy: actor.name };
    if (!(await this.subscriptions.insert(one, MOST_WEBHOOKS))) {
      const message = `there are ${MOST_WEBHOOKS} webhooks already`;
      return refuse({ field: '', code: 'webhooks_too_many', message });
    }
    this.log.info({ webhook: id, actor: actor.personId }, 'webhook made');
    return this.withSecret(id, secret);
  }

  async update({ actor, webhookId, change }: UpdateWebhook): Promise<WebhookView | Refused> {
    const { eventTypes, description, paused } = change;
    let { url } = change;
    if (url !== undefined) {
      const problem = await resolvedProblem(url, this.policy);
      if (problem) return refuse({ field: 'url', ...problem });
      url = new URL(url).href;
    }
    if (!(await this.subscriptions.update(webhookId, { url, eventTypes, description, paused })))
      return unknownWebhook();
    this.log.info({ webhook: webhookId, actor: actor.personId, fields: Object.keys(change) }, 'webhook changed');
    this.courier.wake();
    return this.get(webhookId);
  }

  async replaceSecret({ actor, webhookId }: ActOnWebhook): Promise<WebhookWithSecret | Refused> {
    const secret = newSecret();
    const sealed = this.box.seal(secret, placeOf(webhookId));
    if (!(await this.subscriptions.replaceSecret(webhookId, sealed))) return unknownWebhook();
    this.log.info({ webhook: webhookId, actor: actor.personId }, 'secret of a webhook replaced');
    return this.withSecret(webhookId, secret);
  }

  async remove({ actor, webhookId }: ActOnWebhook): Promise<WebhookRemoved | Refused> {
    if (!(await this.subscriptions.remove(webhookId))) return unknownWebhook();
    this.log.info({ webhook: webhookId, actor: actor.personId }, 'webhook removed');
    return { webhookId };
  }

  async ping(webhookId: string): Promise<WebhookPing | Refused> {
    const [webhook, secrets] = [
      await this.subscriptions.find(webhookId),
      await this.subscriptions.secretsOf(webhookId),
    ];
    if (!webhook || !secrets) return unknownWebhook();
    const id = randomUUID();
    const event = {
      specversion: '1.0',
      id,
      source: '/helpdesk/webhooks',
      type: 'webhook.ping.v1',
      time: new Date().toISOString(),
      datacontenttype: 'application/json',
      data: { webhookId },
    };
    const begun = performance.now();
    const { status, error } = await this.courier.request({
      webhookId,
      eventId: id,
      event: JSON.stringify(event),
      url: webhook.url,
      secret: secrets.secret,
      formerSecret: secrets.formerSecret,
    });
    const durationMilliseconds = Math.round(performance.now() - begun);
    return { delivered: error === null, status, error, durationMilliseconds };
  }

  async deadLetters({ webhookId, limit, after }: ListDeadLetters): Promise<DeadLetterPage | Refused> {
    if (!(await this.subscriptions.find(webhookId))) return unknownWebhook();
    const found = await this.subscriptions.deadLetters(webhookId, limit + 1, after);
    if (!found) return refuse({ field: 'after', code: 'cursor_invalid', message: 'is not from this list' });
    const items = found.slice(0, limit);
    return { items, next: found.length > limit ? items.at(-1)!.eventId : null };
  }

  async replay({ actor, webhookId, eventId }: ReplayDeadLetters): Promise<DeadLettersReplayed | Refused> {
    if (!(await this.subscriptions.find(webhookId))) return unknownWebhook();
    const replayed = await this.subscriptions.replay(webhookId, eventId);
    if (eventId !== undefined && replayed === 0) {
      return refuse({ field: 'eventId', code: 'dead_letter_unknown', message: 'there is no such dead letter' });
    }
    this.log.info({ webhook: webhookId, actor: actor.personId, replayed }, 'dead letters replayed');
    this.courier.wake();
    return { replayed };
  }

  private async withSecret(id: string, secret: string): Promise<WebhookWithSecret | Refused> {
    const webhook = await this.subscriptions.find(id);
    return webhook ? { webhook, secret } : unknownWebhook();
  }

  private async reseal(stored: StoredSecrets): Promise<void> {
    const anew = (sealed: string): string =>
      this.box.seal(this.box.open(sealed, placeOf(stored.id)), placeOf(stored.id));
    const formerSecret = stored.formerSecret === null ? null : anew(stored.formerSecret);
    await this.subscriptions.reseal(stored, { secret: anew(stored.secret), formerSecret });
  }
}

function unknownWebhook(): Refused {
  return refuse({ field: 'webhookId', code: 'webhook_unknown', message: 'there is no such webhook' });
}
