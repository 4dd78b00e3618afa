import {
  linkTickets,
  listLinks,
  mergeTicket,
  splitTicket,
  unlinkTickets,
  unmergeTicket,
  LinkTickets,
  ListLinks,
  MergeTicket,
  SplitTicket,
  UnlinkTickets,
  UnmergeTicket,
} from '#contracts';
import { Handles } from '#platform';
import { Controller } from '@nestjs/common';
import { LinkService } from './link.service.js';
import { MergeService } from './merge.service.js';
import { SplitService } from './split.service.js';

/** What other services may ask about relations between tickets. */
@Controller()
export class RelationHandlers {
  constructor(
    private readonly links: LinkService,
    private readonly merges: MergeService,
    private readonly splits: SplitService,
  ) {}

  @Handles(listLinks)
  async list(request: ListLinks) {
    return this.links.list(request);
  }

  @Handles(linkTickets)
  async link(request: LinkTickets) {
    return this.links.link(request);
  }

  @Handles(unlinkTickets)
  async unlink(request: UnlinkTickets) {
    return this.links.unlink(request);
  }

  @Handles(mergeTicket)
  async merge(request: MergeTicket) {
    return this.merges.merge(request);
  }

  @Handles(unmergeTicket)
  async unmerge(request: UnmergeTicket) {
    return this.merges.undo(request);
  }

  @Handles(splitTicket)
  async split(request: SplitTicket) {
    return this.splits.split(request);
  }
}
