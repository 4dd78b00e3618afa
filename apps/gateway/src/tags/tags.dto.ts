import { IsArray, IsString } from 'class-validator';

export class Tags {
  /**
   * At most 30, of 1 to 50 characters each, without control characters and none twice. They are kept trimmed, in lower
   * case and sorted.
   */
  @IsArray()
  @IsString({ each: true })
  tags: string[];
}
