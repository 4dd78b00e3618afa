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

  /** Key that access tokens are signed with; every instance needs the same. */
  @IsString()
  @MinLength(32)
  AUTH_SECRET: string;

  /** How long an access token is good for. */
  @IsInt()
  @Min(60)
  @Max(30 * 86_400)
  ACCESS_TOKEN_TTL_SECONDS: number = 28_800;

  /** Largest request body. */
  @IsInt()
  @Min(1024)
  @Max(64 * 1024 * 1024)
  BODY_LIMIT_BYTES: number = 1024 * 1024;
}

/** @throws EnvError naming every wrong variable */
export const readEnv = (): GatewayEnv => parseEnv(GatewayEnv, process.env);
