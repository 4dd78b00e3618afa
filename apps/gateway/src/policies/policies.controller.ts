import {
  CalendarList,
  listCalendars,
  listPolicies,
  listPolicyVersions,
  PolicyList,
  PolicyVersionPage,
} from '#contracts';
import { Bus } from '#platform';
import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { Caller } from '../auth/auth.dto.js';
import { CurrentCaller, EmployeesOnly } from '../auth/auth.guard.js';
import { ApiProblems } from '../problems/api-problems.js';
import { accepted } from '../problems/problem-error.js';
import { ValidPipe } from '../problems/validation.js';
import { PageQuery } from '../tickets/tickets.dto.js';

@ApiTags('policies')
@ApiBearerAuth()
@EmployeesOnly()
@Controller()
export class PoliciesController {
  constructor(private readonly bus: Bus) {}

  /** List the service-level policies with what they promise, and how far live tickets have gone over to new versions. */
  @Get('policies')
  @ApiProblems(401, 403, 503, 504)
  async listPolicies(@CurrentCaller() caller: Caller): Promise<PolicyList> {
    return accepted(await this.bus.call(listPolicies, { viewerId: caller.id }));
  }

  /** List a policy's versions, newest first. */
  @Get('policies/:name/versions')
  @ApiProblems(401, 403, 404, 422, 503, 504)
  async listPolicyVersions(
    @CurrentCaller() caller: Caller,
    @Param('name') name: string,
    @Query(ValidPipe) query: PageQuery,
  ): Promise<PolicyVersionPage> {
    return accepted(await this.bus.call(listPolicyVersions, { viewerId: caller.id, name, ...query }));
  }

  /** List the calendars with their hours and exceptions. */
  @Get('calendars')
  @ApiProblems(401, 403, 503, 504)
  async listCalendars(@CurrentCaller() caller: Caller): Promise<CalendarList> {
    return accepted(await this.bus.call(listCalendars, { viewerId: caller.id }));
  }
}
