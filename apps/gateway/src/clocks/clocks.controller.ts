import { getClocks, TicketClocks } from '#contracts';
import { Bus } from '#platform';
import { Controller, Get, Param } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { Caller } from '../auth/auth.dto.js';
import { CurrentCaller } from '../auth/auth.guard.js';
import { UuidPipe } from '../http/parameters.js';
import { ApiProblems } from '../problems/api-problems.js';
import { accepted } from '../problems/problem-error.js';

@ApiTags('tickets')
@ApiBearerAuth()
@Controller('tickets/:id/clocks')
export class ClocksController {
  constructor(private readonly bus: Bus) {}

  /**
   * Why both clocks of a ticket stand where they stand, as a ledger with one sentence for each line.
   *
   * @remarks Rebuilt from the ticket's history. Customers see it without names, comments and what the house tells itself.
   */
  @Get()
  @ApiProblems(400, 401, 404, 503, 504)
  async getClocks(@CurrentCaller() caller: Caller, @Param('id', UuidPipe) ticketId: string): Promise<TicketClocks> {
    return accepted(await this.bus.call(getClocks, { viewerId: caller.id, ticketId }));
  }
}
