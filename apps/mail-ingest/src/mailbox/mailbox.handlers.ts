import {
  createMailbox,
  CreateMailbox,
  getMailbox,
  GetMailbox,
  listMailboxes,
  ListMailboxes,
  removeMailbox,
  RemoveMailbox,
  testMailbox,
  updateMailbox,
  UpdateMailbox,
} from '#contracts';
import { Handles } from '#platform';
import { Controller } from '@nestjs/common';
import { MailboxService } from './mailbox.service.js';

/** What other services may ask about mailboxes, and do with them. */
@Controller()
export class MailboxHandlers {
  constructor(private readonly mailboxes: MailboxService) {}

  @Handles(listMailboxes)
  async list(request: ListMailboxes) {
    return this.mailboxes.list(request);
  }

  @Handles(getMailbox)
  async get({ mailboxId }: GetMailbox) {
    return this.mailboxes.get(mailboxId);
  }

  @Handles(createMailbox)
  async create(request: CreateMailbox) {
    return this.mailboxes.create(request);
  }

  @Handles(updateMailbox)
  async update(request: UpdateMailbox) {
    return this.mailboxes.update(request);
  }

  @Handles(removeMailbox)
  async remove(request: RemoveMailbox) {
    return this.mailboxes.remove(request);
  }

  @Handles(testMailbox)
  async test({ mailboxId }: GetMailbox) {
    return this.mailboxes.test(mailboxId);
  }
}
