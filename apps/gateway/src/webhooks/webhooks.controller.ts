import {
  createWebhook,
  DeadLetterPage,
  DeadLettersReplayed,
  getWebhook,
  listDeadLetters,
  listWebhooks,
  NewWebhook,
  pingWebhook,
  removeWebhook,
  replaceWebhookSecret,
  replayDeadLetters,
  updateWebhook,
  WebhookChange,
  WebhookList,
  WebhookPing,
  WebhookView,
  WebhookWithSecret,
  type WebhookActor,
} from '#contracts';
import { Bus } from '#platform';
import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { Caller } from '../auth/auth.dto.js';
import { CurrentCaller, EmployeesOnly } from '../auth/auth.guard.js';
import { UuidPipe } from '../http/parameters.js';
import { ApiProblems } from '../problems/api-problems.js';
import { accepted } from '../problems/problem-error.js';
import { ValidPipe } from '../problems/validation.js';
import { DeadLetterQuery, WebhookQuery } from './webhooks.dto.js';

/** An endpoint that does not answer is given up after fifteen seconds. */
const PING_LIMIT_MS = 20_000;

@ApiTags('webhooks')
@ApiBearerAuth()
@EmployeesOnly()
@Controller('webhooks')
export class WebhooksController {
  constructor(private readonly bus: Bus) {}

  /** List the webhooks with how each of them goes. */
  @Get()
  @ApiProblems(401, 403, 422, 503, 504)
  async listWebhooks(@Query(ValidPipe) query: WebhookQuery): Promise<WebhookList> {
    return accepted(await this.bus.call(listWebhooks, query));
  }

  /**
   * Have events of tickets posted to a URL from now on.
   *
   * @remarks Any employee may. Each event is a CloudEvent in JSON, as of the AsyncAPI document, and comes at least once, each
   * ticket's in order. Requests are signed by Standard Webhooks with the secret in the answer, which is not shown again;
   * `webhook-id` is the event's id, by which repeats are told. What is not answered with 2xx within fifteen seconds is
   * repeated, ever less often, for three days, and then becomes a dead letter. An answer 410 pauses the webhook.
   */
  @Post()
  @ApiProblems(401, 403, 409, 413, 415, 422, 503, 504)
  async createWebhook(
    @CurrentCaller() caller: Caller,
    @Body(ValidPipe) webhook: NewWebhook,
  ): Promise<WebhookWithSecret> {
    return accepted(await this.bus.call(createWebhook, { actor: actorOf(caller), webhook }));
  }

  /** View a webhook: its settings without its secret, and how it goes. */
  @Get(':id')
  @ApiProblems(400, 401, 403, 404, 503, 504)
  async getWebhook(@Param('id', UuidPipe) webhookId: string): Promise<WebhookView> {
    return accepted(await this.bus.call(getWebhook, { webhookId }));
  }

  /** Change settings of a webhook; what is left out stays. With another URL, all that waits is tried there at once. */
  @Patch(':id')
  @ApiProblems(400, 401, 403, 404, 413, 415, 422, 503, 504)
  async updateWebhook(
    @CurrentCaller() caller: Caller,
    @Param('id', UuidPipe) webhookId: string,
    @Body(ValidPipe) change: WebhookChange,
  ): Promise<WebhookView> {
    return this.change(caller, webhookId, change);
  }

  /** Remove a webhook with all that waits for it, and its dead letters. */
  @Delete(':id')
  @HttpCode(204)
  @ApiProblems(400, 401, 403, 404, 503, 504)
  async removeWebhook(@CurrentCaller() caller: Caller, @Param('id', UuidPipe) webhookId: string): Promise<void> {
    accepted(await this.bus.call(removeWebhook, { actor: actorOf(caller), webhookId }));
  }

  /** Send nothing until it is resumed. Events are kept for three days, and then as dead letters. */
  @Post(':id/pause')
  @HttpCode(200)
  @ApiProblems(400, 401, 403, 404, 503, 504)
  async pauseWebhook(@CurrentCaller() caller: Caller, @Param('id', UuidPipe) webhookId: string): Promise<WebhookView> {
    return this.change(caller, webhookId, { paused: true });
  }

  /** Send again what is kept and what comes. One that is failing is tried at once. */
  @Post(':id/resume')
  @HttpCode(200)
  @ApiProblems(400, 401, 403, 404, 503, 504)
  async resumeWebhook(@CurrentCaller() caller: Caller, @Param('id', UuidPipe) webhookId: string): Promise<WebhookView> {
    return this.change(caller, webhookId, { paused: false });
  }

  /** Replace the secret. For a day, requests carry two signatures: of the new secret and of the one before it. */
  @Post(':id/secret')
  @HttpCode(200)
  @ApiProblems(400, 401, 403, 404, 503, 504)
  async replaceWebhookSecret(
    @CurrentCaller() caller: Caller,
    @Param('id', UuidPipe) webhookId: string,
  ): Promise<WebhookWithSecret> {
    return accepted(await this.bus.call(replaceWebhookSecret, { actor: actorOf(caller), webhookId }));
  }

  /** Try a webhook: post an event of type `webhook.ping.v1` once, also to a paused one, and say what came of it. */
  @Post(':id/test')
  @HttpCode(200)
  @ApiProblems(400, 401, 403, 404, 503, 504)
  async pingWebhook(@Param('id', UuidPipe) webhookId: string): Promise<WebhookPing> {
    return accepted(await this.bus.call(pingWebhook, { webhookId }, { timeoutMs: PING_LIMIT_MS }));
  }

  /** List the events that were given up, by ticket, in the order in which they happened. They are kept for a month. */
  @Get(':id/dead-letters')
  @ApiProblems(400, 401, 403, 404, 422, 503, 504)
  async listDeadLetters(
    @Param('id', UuidPipe) webhookId: string,
    @Query(ValidPipe) query: DeadLetterQuery,
  ): Promise<DeadLetterPage> {
    return accepted(await this.bus.call(listDeadLetters, { webhookId, ...query }));
  }

  /** Deliver all dead letters again, as if they had just come. */
  @Post(':id/dead-letters/replay')
  @HttpCode(200)
  @ApiProblems(400, 401, 403, 404, 503, 504)
  async replayDeadLetters(
    @CurrentCaller() caller: Caller,
    @Param('id', UuidPipe) webhookId: string,
  ): Promise<DeadLettersReplayed> {
    return accepted(await this.bus.call(replayDeadLetters, { actor: actorOf(caller), webhookId }));
  }

  /** Deliver one dead letter again, as if it had just come. */
  @Post(':id/dead-letters/:eventId/replay')
  @HttpCode(200)
  @ApiProblems(400, 401, 403, 404, 503, 504)
  async replayDeadLetter(
    @CurrentCaller() caller: Caller,
    @Param('id', UuidPipe) webhookId: string,
    @Param('eventId', UuidPipe) eventId: string,
  ): Promise<DeadLettersReplayed> {
    return accepted(await this.bus.call(replayDeadLetters, { actor: actorOf(caller), webhookId, eventId }));
  }

  private async change(caller: Caller, webhookId: string, change: WebhookChange): Promise<WebhookView> {
    return accepted(await this.bus.call(updateWebhook, { actor: actorOf(caller), webhookId, change }));
  }
}

function actorOf({ id, name }: Caller): WebhookActor {
  return { personId: id, name };
}
