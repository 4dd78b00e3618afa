/** Who asks is settled here, for every route that is not public. What they may see or do is decided by the services. */
import { listPeople } from '#contracts';
import { Bus, BusError } from '#platform';
import {
  applyDecorators,
  createParamDecorator,
  Injectable,
  SetMetadata,
  UseGuards,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { accepted, ProblemError } from '../problems/problem-error.js';
import { AccessTokens } from './access-tokens.js';
import type { Caller } from './auth.dto.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set on every route that is not public. */
    caller?: Caller | undefined;
  }
}

const PUBLIC = 'gateway:public';
const EMPLOYEES_ONLY = 'gateway:employees-only';
const CHALLENGE = 'Bearer realm="helpdesk"';

/** No access token is needed. */
export const Public = () => SetMetadata(PUBLIC, true);

/** Customers are refused by what their token says. */
export const EmployeesOnly = () => SetMetadata(EMPLOYEES_ONLY, true);

/**
 * The same, and the tickets service is asked whether the account still is an active employee's: for services that know no
 * accounts and would go on believing a token until it expires. While nobody answers, the token is believed.
 */
export const ActiveEmployeesOnly = () => applyDecorators(EmployeesOnly(), UseGuards(ActiveEmployeeGuard));

/** The person who asks. */
export const CurrentCaller = createParamDecorator(
  (_: unknown, context: ExecutionContext) => context.switchToHttp().getRequest<FastifyRequest>().caller,
);

/** After AuthGuard. */
@Injectable()
class ActiveEmployeeGuard implements CanActivate {
  constructor(private readonly bus: Bus) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const { caller } = context.switchToHttp().getRequest<FastifyRequest>();
    try {
      accepted(await this.bus.call(listPeople, { viewerId: caller!.id, limit: 1 }));
    } catch (error) {
      // mail has to be looked after also while the tickets service is away: then the token is all there is to go by
      if (!(error instanceof BusError && error.retryable)) throw error;
    }
    return true;
  }
}

@Injectable()
export class AuthGuard implements CanActivate {
  constructor(
    private readonly tokens: AccessTokens,
    private readonly reflector: Reflector,
  ) {}

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const places = [context.getHandler(), context.getClass()];
    if (this.reflector.getAllAndOverride<boolean>(PUBLIC, places)) return true;
    const employeesOnly = this.reflector.getAllAndOverride<boolean>(EMPLOYEES_ONLY, places) ?? false;
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const token = bearerToken(request.headers.authorization);
    if (token === undefined) throw unauthorised('token_missing', 'An access token is needed.', CHALLENGE);
    const known = this.tokens.remembered(token);
    return known ? admit(request, known, employeesOnly) : this.verify(request, token, employeesOnly);
  }

  private async verify(request: FastifyRequest, token: string, employeesOnly: boolean): Promise<boolean> {
    const caller = await this.tokens.verify(token);
    if (caller) return admit(request, caller, employeesOnly);
    const challenge = `${CHALLENGE}, error="invalid_token"`;
    throw unauthorised('token_invalid', 'The access token is not valid, or not any more.', challenge);
  }
}

function admit(request: FastifyRequest, caller: Caller, employeesOnly: boolean): boolean {
  request.caller = caller;
  if (!employeesOnly || caller.kind === 'employee') return true;
  const error = { field: '', code: 'employees_only', message: 'Only employees may do this.' };
  throw new ProblemError({ status: 403, code: error.code, detail: error.message, errors: [error] });
}

/** RFC 6750, 2.1. */
export function bearerToken(header: string | undefined): string | undefined {
  return /^Bearer +([\w.~+/-]+=*) *$/i.exec(header ?? '')?.[1];
}

function unauthorised(code: string, detail: string, challenge: string): ProblemError {
  return new ProblemError({ status: 401, code, detail, headers: { 'www-authenticate': challenge } });
}
