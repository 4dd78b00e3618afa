import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startDovecot } from './dovecot.ts';
import { clearData, openHome, removeHome } from './home.ts';
import { NATS_USERS, startNats, type NatsUser } from './nats.ts';
import { findPrograms } from './packages.ts';
import { startPostgres } from './postgres.ts';
import { Register } from './register.ts';
import { startRelay } from './relay.ts';
import { Secrets } from './secrets.ts';
import type { Server } from './server.ts';

/**
 * The servers that the help desk needs, for development and tests: PostgreSQL, NATS with JetStream, Dovecot (IMAP) and a
 * mail relay (SMTP) that delivers into Dovecot's mailboxes. What an option names is used; what none names is started.
 *
 * Life of a stack: `startStack` takes the data directory (one stack at a time), ends what a crash has left there, starts
 * the servers on free loopback ports and returns; `stop` ends them and gives the directory back. The data stays, and with
 * it the secrets.
 */
export interface Stack {
  /** With user name and password. The database is empty at first; its owner may create databases and extensions. */
  databaseUrl: string;
  /** With user name and password, which a NATS client does not take from the URL by itself. */
  natsUrl: string;
  /** With `natsAccounts`, the URL of each user; otherwise all are `natsUrl`. */
  natsUrlOf(user: NatsUser): string;
  imap: Address;
  smtp: Address;
  /** Domain of the support mailboxes. */
  domain: string;
  /** The support mailboxes, for the mail intake. */
  mailboxes: Mailbox[];
  secrets: {
    /** Key of the gateway's tokens. */
    auth: string;
    /** Key of the signatures in reply addresses and Message-IDs. */
    mailSigning: string;
    /** Key of what opens the mailboxes. */
    mailboxes: string;
    /** Key of the secrets of webhooks. */
    webhooks: string;
  };
  /**
   * Creates the mailbox of a customer or an employee, or finds it; any domain will do.
   * @param settings of Dovecot, for a new mailbox alone
   */
  addMailbox(address: string, settings?: Record<string, string>): Promise<Mailbox>;
  /** The password of a demo account: made up once per data directory. */
  accountPassword(account: string): string;
  /** Main process of each server that the stack started and that runs, by name. */
  readonly processes: { postgres?: number; nats?: number; dovecot?: number };
  /** For fault tests. Each throws when the stack did not start that server. */
  postgres: ServerControl;
  nats: ServerControl;
  dovecot: ServerControl;
  stop(): Promise<void>;
}

export interface Address {
  host: string;
  port: number;
}

export interface Mailbox {
  address: string;
  user: string;
  password: string;
}

export type ServerControl = Pick<Server, 'start' | 'stop' | 'kill'>;

export interface StackOptions {
  /** Where data, secrets, logs and the register are kept; `.stack` at the top of the repository when left out. */
  dir?: string;
  /** Use this PostgreSQL instead of starting one. */
  databaseUrl?: string | undefined;
  /** Use this NATS instead of starting one. */
  natsUrl?: string | undefined;
  /** NATS with the users and permissions of deploy/nats, instead of one user who may do everything. */
  natsAccounts?: boolean;
  /** Use these mail servers instead of starting them: both or none. */
  imap?: (Address & { mailboxes: Mailbox[] }) | undefined;
  smtp?: Address | undefined;
  /** Where Dovecot looks at access tokens (RFC 7662); without it, only passwords open mailboxes. */
  introspectionUrl?: string | undefined;
  /** False lets the servers forget commits when the machine crashes; default true. */
  durable?: boolean;
  /** False removes the data directory with everything in it on `stop`; default true. */
  keepData?: boolean;
  /** Receives a line for each step. */
  log?(line: string): void;
}

const DEFAULT_DIRECTORY = fileURLToPath(new URL('../../.stack', import.meta.url));
const DOMAIN = 'helpdesk.test';
const SUPPORT_MAILBOXES = [`support@${DOMAIN}`, `network@${DOMAIN}`];

/**
 * @throws Error with one sentence for people: another stack runs in the directory, a server is missing and may not be
 * installed, or one does not start
 */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const { databaseUrl, natsUrl, imap, smtp, introspectionUrl, durable = true, keepData = true } = options;
  const { natsAccounts = false } = options;
  const log = options.log ?? (() => undefined);
  if (!imap !== !smtp)
    throw new Error('Name both an IMAP and an SMTP server, or none: mail has to arrive where it is read');

  const home = openHome(options.dir ?? DEFAULT_DIRECTORY);
  const register = await Register.open(home, log);
  const running: { close(): Promise<void> }[] = [];
  const stop = async () => {
    await settleAll(running.splice(0).map((part) => part.close()));
    if (!keepData) removeHome(home);
    await register.close();
  };
  const logFile = (name: string) => join(home.directory, 'log', `${name}.log`);
  const common = (name: string) => ({
    home,
    logFile: logFile(name),
    onSpawn: (pid: number) => register.addServer(name, pid),
    log,
  });

  try {
    const secrets = new Secrets(join(home.directory, 'secrets.json'));
    if (secrets.isNew) clearData(home);
    const programs = await findPrograms({ nats: !natsUrl, dovecot: !imap }, logFile('apt'), log);

    const starting = {
      postgres: async () => {
        if (databaseUrl) return undefined;
        const started = await startPostgres({ ...common('postgres'), password: secrets.get('database'), durable });
        running.push({ close: () => started.server.stop() });
        log(`PostgreSQL on ${hostOf(started.url)}`);
        return started;
      },
      nats: async () => {
        if (natsUrl) return undefined;
        const password = secrets.get('nats');
        const userPasswords = natsAccounts
          ? (Object.fromEntries(NATS_USERS.map((user) => [user, secrets.get(`nats ${user}`)])) as Record<
              NatsUser,
              string
            >)
          : undefined;
        const settings = { program: programs.natsServer, password, userPasswords };
        const started = await startNats({ ...common('nats'), ...settings });
        running.push({ close: () => started.server.stop() });
        log(`NATS with JetStream on ${hostOf(started.url)}`);
        return started;
      },
      mail: async () => {
        if (imap) return undefined;
        const onDirectory = (path: string) => register.addDirectory(path);
        const settings = { program: programs.dovecot, durable, introspectionUrl };
        const dovecot = await startDovecot({ ...common('dovecot'), ...settings, onDirectory });
        running.push({ close: () => dovecot.server.stop() });
        log(`IMAP on ${dovecot.imap.host}:${dovecot.imap.port}`);
        const { lmtpSocket, mailboxes } = dovecot;
        const relay = await startRelay({ lmtpSocket, takes: (address) => mailboxes.takes(address), log });
        running.push(relay);
        log(`SMTP on ${relay.host}:${relay.port}`);
        return { dovecot, relay };
      },
    };
    const started = [starting.postgres(), starting.nats(), starting.mail()] as const;
    await settleAll(started);
    const [postgres, nats, mail] = await Promise.all(started);

    const addMailbox = (address: string, settings: Record<string, string> = {}): Mailbox => {
      if (!mail) throw new Error('Mailboxes can only be added to a mail server that the stack has started');
      const user = address.toLowerCase();
      const password = secrets.get(`mailbox ${user}`);
      mail.dovecot.mailboxes.add(user, password, settings);
      return { address, user, password };
    };

    const stack: Stack = {
      databaseUrl: databaseUrl ?? postgres?.url ?? '',
      natsUrl: natsUrl ?? nats?.url ?? '',
      natsUrlOf: (user) => nats?.urls[user] ?? stack.natsUrl,
      imap: imap ? { host: imap.host, port: imap.port } : (mail?.dovecot.imap ?? { host: '', port: 0 }),
      smtp: smtp ?? { host: mail?.relay.host ?? '', port: mail?.relay.port ?? 0 },
      domain: DOMAIN,
      mailboxes: imap?.mailboxes ?? SUPPORT_MAILBOXES.map((address) => addMailbox(address)),
      secrets: {
        auth: secrets.get('auth'),
        mailSigning: secrets.get('mail signing'),
        mailboxes: secrets.get('mailboxes'),
        webhooks: secrets.get('webhooks'),
      },
      addMailbox: async (address, settings) => addMailbox(address, settings),
      accountPassword: (account) => secrets.get(`account ${account}`),
      get processes() {
        return { postgres: postgres?.server.pid, nats: nats?.server.pid, dovecot: mail?.dovecot.server.pid };
      },
      postgres: control('PostgreSQL', postgres?.server),
      nats: control('NATS', nats?.server),
      dovecot: control('Dovecot', mail?.dovecot.server),
      stop,
    };
    const { imap: imapAddress, smtp: smtpAddress, mailboxes } = stack;
    register.setAddresses({
      databaseUrl: stack.databaseUrl,
      natsUrl: stack.natsUrl,
      imapAddress,
      smtpAddress,
      mailboxes,
    });
    return stack;
  } catch (error) {
    await stop().catch(() => undefined);
    throw error;
  }
}

/**
 * Stops the stack on Ctrl-C, SIGTERM or a closed terminal and then ends the process; a second signal ends it at once.
 * @param before what has to end earlier, such as services that use the stack
 */
export function stopOnSignals(stack: Pick<Stack, 'stop'>, before: () => Promise<void> = async () => undefined): void {
  let isStopping = false;
  const onSignal = (signal: NodeJS.Signals) => {
    if (isStopping) process.exit(1);
    isStopping = true;
    before()
      .finally(() => stack.stop())
      .then(
        () => process.exit(signal === 'SIGINT' ? 130 : 143),
        (error: unknown) => {
          console.error(error);
          process.exit(1);
        },
      );
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
}

function control(name: string, server: Server | undefined): ServerControl {
  if (server) return server;
  const refuse = async () => {
    throw new Error(`${name} was not started by the stack`);
  };
  return { start: refuse, stop: refuse, kill: refuse };
}

/** Waits for all of them, even when one fails, and then throws what the first one threw. */
async function settleAll(promises: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(promises)).find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}

function hostOf(url: string): string {
  return new URL(url).host;
}
