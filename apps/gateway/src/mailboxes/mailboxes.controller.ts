import {
  createMailbox,
  getMailbox,
  listMailboxes,
  MailboxChange,
  MailboxList,
  MailboxTest,
  MailboxView,
  NewMailbox,
  removeMailbox,
  testMailbox,
  updateMailbox,
  type MailboxActor,
} from '#contracts';
import { Bus } from '#platform';
import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { Caller } from '../auth/auth.dto.js';
import { ActiveEmployeesOnly, CurrentCaller } from '../auth/auth.guard.js';
import { UuidPipe } from '../http/parameters.js';
import { ApiProblems } from '../problems/api-problems.js';
import { accepted } from '../problems/problem-error.js';
import { ValidPipe } from '../problems/validation.js';

/** A server that does not answer is given up after twenty seconds, a token endpoint after fifteen. */
const TEST_LIMIT_MS = 40_000;

@ApiTags('mailboxes')
@ApiBearerAuth()
@ActiveEmployeesOnly()
@Controller('mailboxes')
export class MailboxesController {
  constructor(private readonly bus: Bus) {}

  /** List the mailboxes with their settings and how each of them goes. */
  @Get()
  @ApiProblems(401, 403, 503, 504)
  async listMailboxes(): Promise<MailboxList> {
    return accepted(await this.bus.call(listMailboxes, {}));
  }

  /**
   * Add a mailbox, which is read from now on.
   *
   * @remarks Any employee may. Passwords and tokens are kept encrypted and are never shown again. What was removed comes back
   * under its address and takes nothing twice. Of the mails that are there already, all are taken with mode `move`, and
   * none with `flag` and `leave`, unless `importExisting` says otherwise.
   */
  @Post()
  @ApiProblems(401, 403, 409, 413, 415, 422, 503, 504)
  async createMailbox(@CurrentCaller() caller: Caller, @Body(ValidPipe) mailbox: NewMailbox): Promise<MailboxView> {
    return accepted(await this.bus.call(createMailbox, { actor: actorOf(caller), mailbox }));
  }

  /** View a mailbox: its settings without what opens it, and how it goes. */
  @Get(':id')
  @ApiProblems(400, 401, 403, 404, 503, 504)
  async getMailbox(@Param('id', UuidPipe) mailboxId: string): Promise<MailboxView> {
    return accepted(await this.bus.call(getMailbox, { mailboxId }));
  }

  /**
   * Change settings of a mailbox; what is left out stays. All instances follow within seconds.
   *
   * @remarks Another host, user or inbox means other mails: those that were taken before are recognised by their Message-ID.
   * Server, user, password, inbox and mode of a mailbox that `IMAP_MAILBOXES` names are changed there.
   */
  @Patch(':id')
  @ApiProblems(400, 401, 403, 404, 409, 413, 415, 422, 503, 504)
  async updateMailbox(
    @CurrentCaller() caller: Caller,
    @Param('id', UuidPipe) mailboxId: string,
    @Body(ValidPipe) change: MailboxChange,
  ): Promise<MailboxView> {
    return this.change(caller, mailboxId, change);
  }

  /** Remove a mailbox and forget what opens it. Its mails stay, here and on the server. */
  @Delete(':id')
  @HttpCode(204)
  @ApiProblems(400, 401, 403, 404, 409, 503, 504)
  async removeMailbox(@CurrentCaller() caller: Caller, @Param('id', UuidPipe) mailboxId: string): Promise<void> {
    accepted(await this.bus.call(removeMailbox, { actor: actorOf(caller), mailboxId }));
  }

  /** Read nothing from it until it is resumed. Mails that are stored already are still taken. */
  @Post(':id/pause')
  @HttpCode(200)
  @ApiProblems(400, 401, 403, 404, 503, 504)
  async pauseMailbox(@CurrentCaller() caller: Caller, @Param('id', UuidPipe) mailboxId: string): Promise<MailboxView> {
    return this.change(caller, mailboxId, { paused: true });
  }

  /** Read a paused mailbox again. One that is refused is tried again at once. */
  @Post(':id/resume')
  @HttpCode(200)
  @ApiProblems(400, 401, 403, 404, 503, 504)
  async resumeMailbox(@CurrentCaller() caller: Caller, @Param('id', UuidPipe) mailboxId: string): Promise<MailboxView> {
    return this.change(caller, mailboxId, { paused: false });
  }

  /**
   * Try a mailbox: connect, log in, list the folders, look at what the server can do.
   *
   * @remarks Nothing is changed there. What stands in the way is named with the setting that has to do with it and a code. It
   * may take half a minute.
   */
  @Post(':id/test')
  @HttpCode(200)
  @ApiProblems(400, 401, 403, 404, 503, 504)
  async testMailbox(@Param('id', UuidPipe) mailboxId: string): Promise<MailboxTest> {
    return accepted(await this.bus.call(testMailbox, { mailboxId }, { timeoutMs: TEST_LIMIT_MS }));
  }

  private async change(caller: Caller, mailboxId: string, change: MailboxChange): Promise<MailboxView> {
    return accepted(await this.bus.call(updateMailbox, { actor: actorOf(caller), mailboxId, change }));
  }
}

function actorOf({ id, name }: Caller): MailboxActor {
  return { personId: id, name };
}
