import { parseEnv, ServiceEnv } from '#platform';
import { IsInt, IsString, Max, Min, MinLength } from 'class-validator';

export class GatewayEnv extends ServiceEnv {
  /** Address that the REST API listens on. */
  @IsString()
  HTTP_HOST: string = '127.0.0.1';

  /** Port of the REST API; 0 takes a free one. */
  @IsInt()
  @Min(0)
  @Max(65_535)
  HTTP_PORT: number = 3000;

  /** Key of the access tokens (HMAC SHA-256). */
  @IsString()
  @MinLength(32)
  AUTH_SECRET: string;

  @IsInt()
  @Min(60)
  @Max(604_800)
  ACCESS_TOKEN_TTL_SECONDS: number = 28_800;

  /** Longest request body that is read, in bytes. */
  @IsInt()
  @Min(1_024)
  @Max(16_777_216)
  BODY_LIMIT_BYTES: number = 1_048_576;
}

/** @throws EnvError naming every wrong variable */
export const readEnv = (): GatewayEnv => parseEnv(GatewayEnv, process.env);
