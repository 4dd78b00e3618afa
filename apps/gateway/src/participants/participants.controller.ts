import {
  listParticipants,
  removeParticipant,
  setParticipant,
  ParticipantChange,
  ParticipantList,
  ParticipantResult,
} from '#contracts';
import { Bus } from '#platform';
import { Body, Controller, Delete, Get, HttpCode, Param, Put } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { Caller } from '../auth/auth.dto.js';
import { CurrentCaller } from '../auth/auth.guard.js';
import { UuidPipe } from '../http/parameters.js';
import { ApiProblems } from '../problems/api-problems.js';
import { accepted } from '../problems/problem-error.js';
import { ValidPipe } from '../problems/validation.js';

@ApiTags('participants')
@ApiBearerAuth()
@Controller('tickets/:id/participants')
export class ParticipantsController {
  constructor(private readonly bus: Bus) {}

  /** List who follows a ticket, by name. Customers see the names of others, and no more of them. */
  @Get()
  @ApiProblems(400, 401, 404, 503, 504)
  async listParticipants(
    @CurrentCaller() caller: Caller,
    @Param('id', UuidPipe) ticketId: string,
  ): Promise<ParticipantList> {
    return accepted(await this.bus.call(listParticipants, { viewerId: caller.id, ticketId }));
  }

  /**
   * Add somebody who follows the ticket, or change their role or whether they are muted.
   *
   * @remarks Adding a customer shares the ticket's public side with them, whatever organisation they are of: they see the
   * ticket, its public messages and its files, are mailed about it, and may write on it, until they are removed.
   * Employees may add anybody who is active; customers themselves, on tickets that they may see. The same request again
   * changes nothing.
   */
  @Put(':personId')
  @ApiProblems(400, 401, 403, 404, 413, 415, 422, 503, 504)
  async setParticipant(
    @CurrentCaller() caller: Caller,
    @Param('id', UuidPipe) ticketId: string,
    @Param('personId', UuidPipe) personId: string,
    @Body(ValidPipe) change: ParticipantChange,
  ): Promise<ParticipantResult> {
    return accepted(await this.bus.call(setParticipant, { actorId: caller.id, ticketId, personId, change }));
  }

  /**
   * Remove somebody, who is told no longer; somebody who does not follow the ticket stays so.
   *
   * @remarks Customers may remove themselves. Who saw the ticket only because they followed it does not see it any more.
   */
  @Delete(':personId')
  @HttpCode(204)
  @ApiProblems(400, 401, 403, 404, 503, 504)
  async removeParticipant(
    @CurrentCaller() caller: Caller,
    @Param('id', UuidPipe) ticketId: string,
    @Param('personId', UuidPipe) personId: string,
  ): Promise<void> {
    accepted(await this.bus.call(removeParticipant, { actorId: caller.id, ticketId, personId }));
  }
}
