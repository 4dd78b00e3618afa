import {
  listParticipants,
  listTags,
  removeParticipant,
  setParticipant,
  setTags,
  ListParticipants,
  ListTags,
  RemoveParticipant,
  SetParticipant,
  SetTags,
} from '#contracts';
import { Handles } from '#platform';
import { Controller } from '@nestjs/common';
import { ParticipantService } from './participant.service.js';
import { TagService } from './tag.service.js';

/** What other services may ask about who follows tickets, and about their tags. */
@Controller()
export class ParticipantHandlers {
  constructor(
    private readonly participants: ParticipantService,
    private readonly tags: TagService,
  ) {}

  @Handles(listParticipants)
  async list(request: ListParticipants) {
    return this.participants.list(request);
  }

  @Handles(setParticipant)
  async set(request: SetParticipant) {
    return this.participants.set(request);
  }

  @Handles(removeParticipant)
  async remove(request: RemoveParticipant) {
    return this.participants.remove(request);
  }

  @Handles(setTags)
  async setTags(request: SetTags) {
    return this.tags.set(request);
  }

  @Handles(listTags)
  async listTags(request: ListTags) {
    return this.tags.known(request);
  }
}
