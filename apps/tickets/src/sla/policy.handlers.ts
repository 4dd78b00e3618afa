import { listCalendars, listPolicies, ListPolicies, listPolicyVersions, ListPolicyVersions } from '#contracts';
import { Handles } from '#platform';
import { Controller } from '@nestjs/common';
import { PolicyQueries } from './policy.queries.js';

/** What other services may ask about policies and calendars. */
@Controller()
export class PolicyHandlers {
  constructor(private readonly queries: PolicyQueries) {}

  @Handles(listPolicies)
  async policies(request: ListPolicies) {
    return this.queries.policies(request);
  }

  @Handles(listPolicyVersions)
  async versions(request: ListPolicyVersions) {
    return this.queries.versions(request);
  }

  @Handles(listCalendars)
  async calendars(request: ListPolicies) {
    return this.queries.calendars(request);
  }
}
