import { parseEnv, ServiceEnv } from '#platform';
import { IsEmail, IsOptional } from 'class-validator';

export class TicketsEnv extends ServiceEnv {
  /** The support address of tickets that did not come by mail: what their mail is sent from and answered to. */
  @IsEmail({ require_tld: false })
  SUPPORT_ADDRESS: string;

  /** Where the team is told of breaches and of answers on tickets that nobody is assigned to; nobody when unset. */
  @IsOptional()
  @IsEmail({ require_tld: false })
  TEAM_ADDRESS?: string;
}

/** @throws EnvError naming every wrong variable */
export const readEnv = (): TicketsEnv => parseEnv(TicketsEnv, process.env);
