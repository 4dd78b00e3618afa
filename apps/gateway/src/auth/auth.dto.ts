import { PersonView } from '#contracts';
import { PERSON_KINDS, type PersonKind } from '#domain';
import { IsIn, IsString, IsUUID } from 'class-validator';

/** Who asks, as the access token says. */
export class Caller {
  @IsUUID()
  id: string;

  @IsIn(PERSON_KINDS)
  kind: PersonKind;

  @IsString()
  name: string;
}

export class AccessToken {
  /** Send it as `Authorization: Bearer …`. */
  accessToken: string;

  /**
   * Always Bearer (RFC 6750).
   * @example Bearer
   */
  tokenType: string;

  /** Seconds from now. */
  expiresInSeconds: number;

  person: PersonView;
}
