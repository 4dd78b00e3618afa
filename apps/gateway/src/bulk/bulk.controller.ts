import { Bus, LOGGER, type Logger } from '#platform';
import { Body, Controller, Inject, Patch, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { Caller } from '../auth/auth.dto.js';
import { CurrentCaller, EmployeesOnly } from '../auth/auth.guard.js';
import { ApiIdempotencyKey } from '../http/api-headers.js';
import { IdempotencyKey } from '../http/parameters.js';
import { ApiProblems } from '../problems/api-problems.js';
import { ValidPipe } from '../problems/validation.js';
import { parseChange } from '../tickets/change.js';
import { UpdateQuery } from '../tickets/tickets.dto.js';
import { BulkAnswer, BulkUpdate } from './bulk.dto.js';
import { updateAll } from './bulk.js';

@ApiTags('tickets')
@ApiBearerAuth()
@EmployeesOnly()
@Controller('tickets')
export class BulkController {
  constructor(
    private readonly bus: Bus,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  /**
   * Change many tickets in the same way.
   *
   * @remarks Employees only. Each ticket is changed or refused by itself, with the status and the errors that a single
   * update would have been answered with: the answer is 200 also when all of them are refused. After a fault
   * (`retryable`), ask again with the same Idempotency-Key: what was done is answered as before and not done twice. With
   * `dryRun=true` nothing is changed and nobody is told: each result holds what would happen.
   */
  @Patch()
  @ApiIdempotencyKey()
  @ApiProblems(400, 401, 403, 413, 415, 422)
  async updateTickets(
    @CurrentCaller() caller: Caller,
    @Body(ValidPipe) { tickets, change }: BulkUpdate,
    @Query(ValidPipe) { dryRun }: UpdateQuery,
    @IdempotencyKey() idempotencyKey: string | undefined,
  ): Promise<BulkAnswer> {
    const parsed = parseChange(change, 'change');
    const results = await updateAll(this.bus, { actorId: caller.id, tickets, ...parsed, dryRun, idempotencyKey });
    const faults = results.filter(({ status }) => status >= 500);
    if (faults.length > 0)
      this.log.warn({ faults }, `${faults.length} of ${results.length} tickets got no proper answer`);
    return { results };
  }
}
