import { PersonView } from '#contracts';
import { IsEmail, IsString, Length } from 'class-validator';

export class Credentials {
  @IsEmail({ require_tld: false })
  email: string;

  @IsString()
  @Length(1, 1024)
  password: string;
}

export class AccessToken {
  /** Send it as `Authorization: Bearer …`. */
  accessToken: string;

  tokenType: 'Bearer';

  expiresInSeconds: number;

  person: PersonView;
}

export class Me {
  id: string;

  kind: 'employee' | 'customer';
}
