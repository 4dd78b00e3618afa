import { PERSON_KINDS, type PersonKind } from '#domain';
import { IsIn, IsOptional } from 'class-validator';
import { PageQuery } from '../tickets/tickets.dto.js';

export class PeopleQuery extends PageQuery {
  /** Only employees, or only customers. */
  @IsOptional()
  @IsIn(PERSON_KINDS)
  kind?: PersonKind;
}
