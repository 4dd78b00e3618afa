import { authenticate, Authenticate, isRefused } from '#contracts';
import { Bus } from '#platform';
import { Body, Controller, Get, HttpCode, Post, Req } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { ApiProblems } from '../problems/api-problems.js';
import { problemOf, ProblemError } from '../problems/problem-error.js';
import { ValidPipe } from '../problems/validation.js';
import { AccessTokens } from './access-tokens.js';
import { AccessToken, Caller } from './auth.dto.js';
import { CurrentCaller, Public } from './auth.guard.js';
import { LoginLimiter } from './login-limiter.js';

@ApiTags('auth')
@Controller()
export class AuthController {
  private readonly limiter = new LoginLimiter();

  constructor(
    private readonly bus: Bus,
    private readonly tokens: AccessTokens,
  ) {}

  /** Log in: an access token for an address and its password. */
  @Post('auth/token')
  @HttpCode(200)
  @Public()
  @ApiProblems(400, 401, 413, 415, 422, 429, 503, 504)
  async createToken(@Body(ValidPipe) credentials: Authenticate, @Req() request: FastifyRequest): Promise<AccessToken> {
    const key = `${request.ip} ${credentials.email.toLowerCase()}`;
    const waitSeconds = this.limiter.begin(key);
    if (waitSeconds > 0) throw tooManyAttempts(waitSeconds);
    const reply = await this.bus.call(authenticate, credentials).catch((error: unknown) => {
      this.limiter.undecided(key);
      throw error;
    });
    if (isRefused(reply)) throw problemOf(reply);
    this.limiter.succeeded(key);
    const { person } = reply;
    return { ...(await this.tokens.issue(person)), tokenType: 'Bearer', person };
  }

  /** Who the access token stands for. */
  @Get('me')
  @ApiBearerAuth()
  @ApiProblems(401)
  me(@CurrentCaller() caller: Caller): Caller {
    return caller;
  }
}

function tooManyAttempts(waitSeconds: number): ProblemError {
  return new ProblemError({
    status: 429,
    code: 'too_many_attempts',
    detail: `Too many failed attempts. Try again in ${waitSeconds} seconds.`,
    headers: { 'retry-after': String(waitSeconds) },
  });
}
