import {
  authenticate,
  Authenticate,
  getImpact,
  GetImpact,
  ListDirectory,
  listInfrastructures,
  listPeople,
} from '#contracts';
import { Handles } from '#platform';
import { Controller } from '@nestjs/common';
import { DirectoryService } from './directory.service.js';

/** What other services may ask about people and what they run. */
@Controller()
export class DirectoryHandlers {
  constructor(private readonly directory: DirectoryService) {}

  @Handles(authenticate)
  async authenticate(request: Authenticate) {
    return this.directory.authenticate(request);
  }

  @Handles(listPeople)
  async people(request: ListDirectory) {
    return this.directory.people(request);
  }

  @Handles(listInfrastructures)
  async infrastructures(request: ListDirectory) {
    return this.directory.infrastructures(request);
  }

  @Handles(getImpact)
  async impact(request: GetImpact) {
    return this.directory.impact(request);
  }
}
