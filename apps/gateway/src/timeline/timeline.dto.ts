import { MAX_TEXT_LENGTH } from '#contracts';
import { IsNotEmpty, IsString, MaxLength } from 'class-validator';

export class NewMessage {
  /** Plain text. */
  @IsString()
  @IsNotEmpty()
  @MaxLength(MAX_TEXT_LENGTH)
  text: string;
}
