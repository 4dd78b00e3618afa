import { PERSON_KINDS, type PersonKind } from '#domain';
import { Type } from 'class-transformer';
import { IsArray, IsBoolean, IsIn, IsOptional, IsString, IsUUID, ValidateNested } from 'class-validator';
import { rpc } from './contract.js';

export const PARTICIPANT_ROLES = ['follower', 'collaborator'] as const;
export type ParticipantRole = (typeof PARTICIPANT_ROLES)[number];

/** Somebody who follows a ticket. Customers see names; the rest they see of themselves only. */
export class ParticipantView {
  @IsUUID()
  personId: string;

  @IsString()
  name: string;

  @IsIn(PERSON_KINDS)
  kind: PersonKind;

  /** Null when a customer looks at somebody else. */
  @IsOptional()
  @IsString()
  email: string | null;

  /**
   * `follower`: is told of public messages and of what the reporter is told. `collaborator` (employees only): is told of
   * every other change, too. Null when a customer looks at somebody else.
   */
  @IsOptional()
  @IsIn(PARTICIPANT_ROLES)
  role: ParticipantRole | null;

  /**
   * Is told of no message and no change, also as assignee or reporter; an assignee is still told of promises that may
   * break. Null when a customer looks at somebody else.
   */
  @IsOptional()
  @IsBoolean()
  muted: boolean | null;

  /**
   * Hears of the ticket by mail without seeing it: the reporter of a ticket that was merged into it. To share it with
   * them, remove and add them.
   */
  @IsBoolean()
  toldOnly: boolean;
}

export class ListParticipants {
  @IsUUID()
  viewerId: string;

  @IsUUID()
  ticketId: string;
}

export class ParticipantList {
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => ParticipantView)
  participants: ParticipantView[];
}

/** By name. Refuses with `ticket_unknown`. */
export const listParticipants = rpc('tickets.participants.v1', ListParticipants, ParticipantList);

/** How somebody follows a ticket. */
export class ParticipantChange {
  /** Default: as it is, `follower` for somebody new. */
  @IsOptional()
  @IsIn(PARTICIPANT_ROLES)
  role?: ParticipantRole;

  /** Default: as it is, false for somebody new. */
  @IsOptional()
  @IsBoolean()
  muted?: boolean;
}

export class SetParticipant {
  @IsUUID()
  actorId: string;

  @IsUUID()
  ticketId: string;

  @IsUUID()
  personId: string;

  @ValidateNested()
  @Type(() => ParticipantChange)
  change: ParticipantChange;
}

export class ParticipantResult {
  @ValidateNested()
  @Type(() => ParticipantView)
  participant: ParticipantView;

  /** False when everything was so already: nothing was written. */
  @IsBoolean()
  changed: boolean;
}

/**
 * Adds somebody or changes how they follow. Refuses with `ticket_unknown`, `person_not_registered`, `person_inactive`,
 * `role_not_for_customers` or `employees_only` (a customer who means somebody else).
 */
export const setParticipant = rpc('tickets.participant-set.v1', SetParticipant, ParticipantResult);

export class RemoveParticipant {
  @IsUUID()
  actorId: string;

  @IsUUID()
  ticketId: string;

  @IsUUID()
  personId: string;
}

export class ParticipantRemoved {
  /** False when they did not follow it. */
  @IsBoolean()
  changed: boolean;
}

/** Refuses with `ticket_unknown` or `employees_only` (a customer who means somebody else). */
export const removeParticipant = rpc('tickets.participant-remove.v1', RemoveParticipant, ParticipantRemoved);
