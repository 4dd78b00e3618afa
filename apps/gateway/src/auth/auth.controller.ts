import { authenticate, isRefused } from '#contracts';
import { Bus } from '#platform';
import { Body, Controller, Get, HttpCode, Ip, Post, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { ProblemException } from '../problems/problem.js';
import { accepted } from '../problems/refusals.js';
import { AccessTokens, type Caller } from './access-token.js';
import { AccessToken, Credentials, Me } from './auth.dto.js';
import { CurrentCaller, Public } from './auth.guard.js';
import { FailureLimiter } from './failure-limiter.js';

const FAILURES = 10;
const WINDOW_MS = 5 * 60_000;

@ApiTags('auth')
@Controller()
export class AuthController {
  private readonly limiter = new FailureLimiter(FAILURES, WINDOW_MS);

  constructor(
    private readonly bus: Bus,
    private readonly tokens: AccessTokens,
  ) {}

  /** Log in with address and password. */
  @Public()
  @Post('auth/token')
  @HttpCode(200)
  async logIn(
    @Body() credentials: Credentials,
    @Ip() ip: string,
    @Res({ passthrough: true }) response: FastifyReply,
  ): Promise<AccessToken> {
    const key = `${ip} ${credentials.email.toLowerCase()}`;
    const wait = this.limiter.waitSeconds(key);
    if (wait > 0) {
      void response.header('retry-after', wait);
      const message = `too many failed attempts; try again in ${wait} s`;
      throw new ProblemException(429, 'too_many_attempts', [{ field: '', code: 'too_many_attempts', message }]);
    }
    const reply = await this.bus.call(authenticate, credentials);
    if (isRefused(reply)) this.limiter.failed(key);
    const { person } = accepted(reply);
    this.limiter.succeeded(key);
    return {
      accessToken: await this.tokens.sign({ personId: person.id, kind: person.kind }),
      tokenType: 'Bearer',
      expiresInSeconds: this.tokens.ttlSeconds,
      person,
    };
  }

  /** Who the token belongs to. */
  @ApiBearerAuth()
  @Get('me')
  me(@CurrentCaller() caller: Caller): Me {
    return { id: caller.personId, kind: caller.kind };
  }
}
