import { WEBHOOK_STATES, type WebhookState } from '#contracts';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsIn, IsInt, IsOptional, IsUUID, Max, Min } from 'class-validator';

export class WebhookQuery {
  /** Only those in this state. */
  @IsOptional()
  @IsIn(WEBHOOK_STATES)
  state?: WebhookState;
}

export class DeadLetterQuery {
  /** Continue after this event: `next` of the page before. */
  @IsOptional()
  @IsUUID()
  after?: string;

  /** How many at most. */
  @ApiPropertyOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(200)
  limit: number = 50;
}
