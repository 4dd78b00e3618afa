import { getClocks, GetClocks } from '#contracts';
import { Handles } from '#platform';
import { Controller } from '@nestjs/common';
import { ClocksQueries } from './clocks.queries.js';

@Controller()
export class ClocksHandlers {
  constructor(private readonly queries: ClocksQueries) {}

  @Handles(getClocks)
  async clocks(request: GetClocks) {
    return this.queries.clocks(request);
  }
}
