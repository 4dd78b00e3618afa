import { InfrastructurePage, listInfrastructures, listPeople, PersonPage } from '#contracts';
import { Bus } from '#platform';
import { Controller, Get, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { Caller } from '../auth/access-token.js';
import { CurrentCaller } from '../auth/auth.guard.js';
import { accepted } from '../problems/refusals.js';
import { PageQuery } from '../tickets/tickets.dto.js';
import { PeopleQuery } from './directory.dto.js';

@ApiTags('directory')
@ApiBearerAuth()
@Controller()
export class DirectoryController {
  constructor(private readonly bus: Bus) {}

  /** People by name; employees only. */
  @Get('people')
  async people(@CurrentCaller() caller: Caller, @Query() query: PeopleQuery): Promise<PersonPage> {
    return accepted(await this.bus.call(listPeople, { ...query, viewerId: caller.personId }));
  }

  /** Network infrastructures by name; customers see those of their organisation. */
  @Get('infrastructures')
  async infrastructures(@CurrentCaller() caller: Caller, @Query() query: PageQuery): Promise<InfrastructurePage> {
    return accepted(await this.bus.call(listInfrastructures, { ...query, viewerId: caller.personId }));
  }
}
