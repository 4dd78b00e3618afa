/**
 * Webhooks: HTTP requests to other systems that tell of tickets' events, for those without NATS. Signed by Standard
 * Webhooks; the secret is shown when it is made, and never again.
 */
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsISO8601,
  IsOptional,
  IsString,
  IsUUID,
  Length,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import { rpc } from './contract.js';
import { TICKET_EVENTS } from './ticket.event.js';

export const WEBHOOK_EVENT_TYPES: readonly string[] = TICKET_EVENTS.map(({ type }) => type);

/**
 * `failing`: attempts have failed for a while; it is tried less often. `gone`: the endpoint has answered 410, which
 * pauses it until a person resumes it.
 */
export const WEBHOOK_STATES = ['active', 'failing', 'paused', 'gone'] as const;
export type WebhookState = (typeof WEBHOOK_STATES)[number];

const TEXT = { message: 'must have no control characters' };
const TEXT_PATTERN = /^[^\0-\x1f\x7f]*$/;

/** What is left out stays as it is. */
class WebhookSettings {
  /** Only events of these types; empty for all, also for those that there will be. */
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(50)
  @ArrayUnique()
  @IsIn(WEBHOOK_EVENT_TYPES, { each: true })
  eventTypes?: string[];

  /** For people. */
  @IsOptional()
  @IsString()
  @MaxLength(500)
  @Matches(TEXT_PATTERN, TEXT)
  description?: string;

  /** Nothing is sent, until it is resumed. Events that wait for more than three days become dead letters. */
  @IsOptional()
  @IsBoolean()
  paused?: boolean;
}

export class WebhookChange extends WebhookSettings {
  /** Where events go: https, and no user, password or fragment. */
  @IsOptional()
  @IsString()
  @Length(1, 2_000)
  url?: string;
}

export class NewWebhook extends WebhookSettings {
  /** Where events go: https, and no user, password or fragment. */
  @IsString()
  @Length(1, 2_000)
  url: string;
}

export class WebhookView {
  @IsUUID()
  id: string;

  @IsString()
  url: string;

  /** Empty: all. */
  @IsString({ each: true })
  eventTypes: string[];

  @IsString()
  description: string;

  @IsIn(WEBHOOK_STATES)
  state: WebhookState;

  /** Until then requests are signed with the secret before this one, too; null while there is one secret. */
  @IsOptional()
  @IsISO8601()
  formerSecretUntil: string | null;

  @IsISO8601()
  createdAt: string;

  /** Who made it. */
  @IsString()
  createdBy: string;

  @IsOptional()
  @IsISO8601()
  lastSuccessAt: string | null;

  /** Since when every attempt has failed; null while all is well. */
  @IsOptional()
  @IsISO8601()
  failingSince: string | null;

  @IsOptional()
  @IsString()
  lastError: string | null;

  @IsOptional()
  @IsISO8601()
  lastErrorAt: string | null;

  /** Events that are still to be delivered. */
  @IsInt()
  waiting: number;

  /** Events that were given up. */
  @IsInt()
  deadLetters: number;
}

export class WebhookWithSecret {
  @ValidateNested()
  @Type(() => WebhookView)
  webhook: WebhookView;

  /** `whsec_…`: signs the requests. It is not shown again. */
  @IsString()
  secret: string;
}

export class WebhookActor {
  @IsUUID()
  personId: string;

  @IsString()
  @MaxLength(255)
  name: string;
}

export class ListWebhooks {
  /** Only those in this state. */
  @IsOptional()
  @IsIn(WEBHOOK_STATES)
  state?: WebhookState;
}

export class WebhookList {
  /** In the order in which they were made. */
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => WebhookView)
  items: WebhookView[];
}

export const listWebhooks = rpc('webhooks.list.v1', ListWebhooks, WebhookList);

export class GetWebhook {
  @IsUUID()
  webhookId: string;
}

/** Refuses with `webhook_unknown`. */
export const getWebhook = rpc('webhooks.get.v1', GetWebhook, WebhookView);

export class CreateWebhook {
  @ValidateNested()
  @Type(() => WebhookActor)
  actor: WebhookActor;

  @ValidateNested()
  @Type(() => NewWebhook)
  webhook: NewWebhook;
}

/** Refuses with `url_invalid`, `https_needed`, `port_forbidden`, `host_forbidden` or `webhooks_too_many`. */
export const createWebhook = rpc('webhooks.create.v1', CreateWebhook, WebhookWithSecret);

export class UpdateWebhook {
  @ValidateNested()
  @Type(() => WebhookActor)
  actor: WebhookActor;

  @IsUUID()
  webhookId: string;

  @ValidateNested()
  @Type(() => WebhookChange)
  change: WebhookChange;
}

/** Refuses with `webhook_unknown`, or as `webhooks.create.v1` does. */
export const updateWebhook = rpc('webhooks.update.v1', UpdateWebhook, WebhookView);

export class ActOnWebhook {
  @ValidateNested()
  @Type(() => WebhookActor)
  actor: WebhookActor;

  @IsUUID()
  webhookId: string;
}

/** The former secret signs, too, for a day. Refuses with `webhook_unknown`. */
export const replaceWebhookSecret = rpc('webhooks.replace-secret.v1', ActOnWebhook, WebhookWithSecret);

export class WebhookRemoved {
  @IsUUID()
  webhookId: string;
}

/** With what waits for it, and its dead letters. Refuses with `webhook_unknown`. */
export const removeWebhook = rpc('webhooks.remove.v1', ActOnWebhook, WebhookRemoved);

export class WebhookPing {
  @IsBoolean()
  delivered: boolean;

  /** What the endpoint answered; null when there was no answer. */
  @IsOptional()
  @IsInt()
  status: number | null;

  /** Why it was not delivered. */
  @IsOptional()
  @IsString()
  error: string | null;

  @IsInt()
  durationMilliseconds: number;
}

/** Sends an event of type `webhook.ping.v1` once, also to a paused one. Refuses with `webhook_unknown`. */
export const pingWebhook = rpc('webhooks.ping.v1', GetWebhook, WebhookPing);

export class DeadLetterView {
  @IsUUID()
  eventId: string;

  @IsString()
  eventType: string;

  @IsInt()
  ticketNumber: number;

  /** The event's place in the ticket's history. */
  @IsInt()
  sequence: number;

  /** When it was to be delivered first. */
  @IsISO8601()
  recordedAt: string;

  /** When it was given up. */
  @IsISO8601()
  deadAt: string;

  @IsInt()
  attempts: number;

  @IsOptional()
  @IsString()
  lastError: string | null;
}

export class ListDeadLetters {
  @IsUUID()
  webhookId: string;

  /** Continue after this event (`next` of the page before). */
  @IsOptional()
  @IsUUID()
  after?: string;

  @IsInt()
  @Min(1)
  @Max(200)
  limit: number;
}

export class DeadLetterPage {
  /** By ticket, in the order in which the events happened. */
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => DeadLetterView)
  items: DeadLetterView[];

  @IsOptional()
  @IsUUID()
  next: string | null;
}

/** Refuses with `webhook_unknown` or `cursor_invalid`. */
export const listDeadLetters = rpc('webhooks.dead-letters.v1', ListDeadLetters, DeadLetterPage);

export class ReplayDeadLetters {
  @ValidateNested()
  @Type(() => WebhookActor)
  actor: WebhookActor;

  @IsUUID()
  webhookId: string;

  /** Only this event; left out, all. */
  @IsOptional()
  @IsUUID()
  eventId?: string;
}

export class DeadLettersReplayed {
  /** How many are to be delivered again, for three more days. */
  @IsInt()
  replayed: number;
}

/** Refuses with `webhook_unknown` or `dead_letter_unknown`. */
export const replayDeadLetters = rpc('webhooks.replay.v1', ReplayDeadLetters, DeadLettersReplayed);
