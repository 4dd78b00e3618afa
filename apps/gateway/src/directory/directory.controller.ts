import { getImpact, Impact, InfrastructurePage, listInfrastructures, listPeople, PersonPage } from '#contracts';
import { Bus } from '#platform';
import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { Caller } from '../auth/auth.dto.js';
import { CurrentCaller, EmployeesOnly } from '../auth/auth.guard.js';
import { UuidPipe } from '../http/parameters.js';
import { ApiProblems } from '../problems/api-problems.js';
import { accepted } from '../problems/problem-error.js';
import { ValidPipe } from '../problems/validation.js';
import { PageQuery } from '../tickets/tickets.dto.js';
import { PeopleQuery } from './directory.dto.js';

@ApiTags('directory')
@ApiBearerAuth()
@Controller()
export class DirectoryController {
  constructor(private readonly bus: Bus) {}

  /** List people by name. */
  @Get('people')
  @EmployeesOnly()
  @ApiProblems(401, 403, 422, 503, 504)
  async listPeople(@CurrentCaller() caller: Caller, @Query(ValidPipe) query: PeopleQuery): Promise<PersonPage> {
    return accepted(await this.bus.call(listPeople, { viewerId: caller.id, ...query }));
  }

  /** List network infrastructures by name; customers see those of their organisation. */
  @Get('infrastructures')
  @ApiProblems(401, 422, 503, 504)
  async listInfrastructures(
    @CurrentCaller() caller: Caller,
    @Query(ValidPipe) query: PageQuery,
  ): Promise<InfrastructurePage> {
    return accepted(await this.bus.call(listInfrastructures, { viewerId: caller.id, ...query }));
  }

  /** What an outage of a network infrastructure concerns: everything below it, organisations, and tickets that are not closed. */
  @Get('infrastructures/:id/impact')
  @ApiProblems(400, 401, 404, 503, 504)
  async getImpact(@CurrentCaller() caller: Caller, @Param('id', UuidPipe) infrastructureId: string): Promise<Impact> {
    return accepted(await this.bus.call(getImpact, { viewerId: caller.id, infrastructureId }));
  }
}
