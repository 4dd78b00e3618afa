/** A help desk under attack: mails go into the mailbox byte for byte, and what became of each is looked up. */
import pg from 'pg';
import { fill } from '../../apps/mail-ingest/test/mailboxes.js';
import { Api, eventually } from '../../tools/demo/api.js';
import { ACCOUNTS } from '../../tools/demo/directory.js';
import type { ServiceName } from '../../tools/services/services.js';
import { startWorld, stopWorld, type World } from './stack.js';

export interface Accounted {
  id: string;
  disposition: string;
  rule: string | null;
  error: string | null;
  ticketId: string | null;
  ticketNumber: number | null;
}

export class Attack {
  private constructor(
    readonly world: World,
    readonly database: pg.Pool,
    readonly employee: Api,
  ) {}

  static async begin(env: Partial<Record<ServiceName, Record<string, string>>> = {}): Promise<Attack> {
    const world = await startWorld({
      env: { ...env, 'mail-ingest': { IMAP_SCAN_INTERVAL_SECONDS: '1', ...env['mail-ingest'] } },
    });
    const database = new pg.Pool({ connectionString: world.stack.databaseUrl });
    database.on('error', () => {}); // a closing connection may still hear that its server stops
    const { email } = ACCOUNTS.erik;
    const employee = await Api.logIn(world.services.apiUrl, email, world.stack.accountPassword(email));
    return new Attack(world, database, employee);
  }

  async end(): Promise<void> {
    await this.database.end();
    await stopWorld(this.world);
  }

  /** Puts the mails into the support mailbox and waits until each has its disposition. @returns them in that order */
  async receive(...mails: (Buffer | string)[]): Promise<Accounted[]> {
    const { stack } = this.world;
    const before = await this.accounted();
    await fill(stack, stack.mailboxes[0]!, mails);
    return eventually(
      `${mails.length} dispositions`,
      async () => {
        const fresh = (await this.accounted()).slice(before.length);
        return fresh.length === mails.length && fresh.every((row) => row.disposition !== null) ? fresh : undefined;
      },
      50_000,
    );
  }

  /** One mail, and an ordinary one behind it that must get through. */
  async receiveOne(raw: Buffer | string): Promise<Accounted> {
    const [hostile, ordinary] = await this.receive(raw, ordinaryMail());
    if (ordinary?.disposition !== 'ticket_created') throw new Error(`the mail behind it: ${JSON.stringify(ordinary)}`);
    return hostile!;
  }

  /** The first message of the ticket that the mail became. */
  async firstMessage({ ticketId }: Accounted) {
    if (ticketId === null) throw new Error('the mail became no ticket');
    return (await this.employee.timeline(ticketId)).items[0]!;
  }

  private async accounted(): Promise<Accounted[]> {
    const { rows } = await this.database.query<Accounted>(
      `select id, disposition, rule, error, ticket_id as "ticketId", ticket_number as "ticketNumber"
       from mail.inbound_message order by id`,
    );
    return rows;
  }
}

let counted = 0;

/** From somebody new each time, so that no limit per sender is touched. */
export function ordinaryMail(): string {
  counted += 1;
  return lines(
    `From: Ada <ada@ordinary${counted}.test>`,
    `Message-ID: <ordinary.${counted}@ordinary${counted}.test>`,
    `Subject: Ordinary ${counted}`,
    '',
    'The line is down.',
  );
}

export function lines(...text: string[]): string {
  return text.join('\r\n');
}
