import { HealthController } from '#platform';
import { Controller, Get, Res } from '@nestjs/common';
import { ApiServiceUnavailableResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Public } from '../auth/auth.guard.js';
import { Alive, ReadyState } from './health.dto.js';

/** The same answers as on the operations port, for those who only reach this one. */
@ApiTags('health')
@Public()
@Controller('health')
export class RestHealthController extends HealthController {
  /** The process is alive. */
  @Get('live')
  override live(): Alive & { status: 'alive' } {
    return super.live();
  }

  /** Everything that the service needs is there; otherwise 503 names what is not. */
  @Get('ready')
  @ApiServiceUnavailableResponse({ type: ReadyState, description: 'Something is missing: `failing` names it.' })
  override ready(
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ReadyState & { status: 'ready' | 'not_ready' }> {
    return super.ready(reply);
  }
}
