import { MAX_TEXT_LENGTH } from '#contracts';
import { IsBoolean, IsNotEmpty, IsOptional, IsString, MaxLength } from 'class-validator';

export class NewMessage {
  /** Plain text. */
  @IsString()
  @IsNotEmpty()
  @MaxLength(MAX_TEXT_LENGTH)
  text: string;
}

export class NewReply extends NewMessage {
  /**
   * Employees only, on a parent outage: whether the reporters of its open children read it, too, each in the thread of
   * their own ticket. By default they do.
   */
  @IsOptional()
  @IsBoolean()
  toChildren?: boolean;
}
