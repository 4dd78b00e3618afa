import { readFileSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { giveTo, type Home, serverDirectory } from './home.ts';
import { freePort } from './ports.ts';
import { server, type Server, startOnFreePort } from './server.ts';

const USER = 'helpdesk';
const ACCOUNTS = fileURLToPath(new URL('../../deploy/nats/nats.conf', import.meta.url));

/** The users of deploy/nats/nats.conf. */
export const NATS_USERS = ['gateway', 'tickets', 'mail-ingest', 'notifier', 'subscriber'] as const;
export type NatsUser = (typeof NATS_USERS)[number];

export interface Nats {
  server: Server;
  /** With user name and password in it. */
  url: string;
  /** The same for each user, where there are several. */
  urls: Partial<Record<NatsUser, string>>;
}

/** Starts nats-server with JetStream: with one user, or with those of deploy/nats. */
export async function startNats(options: {
  home: Home;
  program: string;
  password: string;
  userPasswords: Record<NatsUser, string> | undefined;
  logFile: string;
  onSpawn(pid: number): void;
  log(line: string): void;
}): Promise<Nats> {
  const { home, program, password, userPasswords, logFile, onSpawn, log } = options;
  const directory = serverDirectory(home, 'nats');
  const configFile = join(directory, 'nats.conf');

  return startOnFreePort(async () => {
    const port = await freePort();
    const storeDirectory = serverDirectory(home, 'nats', 'store');
    const text = userPasswords ? deployed() : config({ port, password, storeDirectory });
    writeFileSync(configFile, text, { mode: 0o600 });
    giveTo(home.user, configFile);
    const urlOf = (user: string, secret: string) => `nats://${user}:${secret}@127.0.0.1:${port}`;
    const passwords = Object.entries(userPasswords ?? {}) as [NatsUser, string][];
    return {
      url: userPasswords ? urlOf('tickets', userPasswords.tickets) : urlOf(USER, password),
      urls: Object.fromEntries(passwords.map(([user, secret]) => [user, urlOf(user, secret)])),
      server: server({
        name: 'nats',
        command: program,
        args: [
          '-c',
          configFile,
          ...(userPasswords ? ['-a', '127.0.0.1', '-p', String(port), '-sd', storeDirectory] : []),
        ],
        env: Object.fromEntries(passwords.map(([user, secret]) => [variableOf(user), JSON.stringify(secret)])),
        directory,
        user: home.user,
        logFile,
        isReady: () => offersJetStream(port),
        onSpawn,
        log,
      }),
    };
  });
}

/** The configuration of a deployment, but for the port of its figures, which several stacks would want. */
function deployed(): string {
  return readFileSync(ACCOUNTS, 'utf8').replace(/^http: .*$/m, '');
}

/** `mail-ingest` → `NATS_MAIL_INGEST_PASSWORD` */
function variableOf(user: NatsUser): string {
  return `NATS_${user.toUpperCase().replace('-', '_')}_PASSWORD`;
}

function config(values: { port: number; password: string; storeDirectory: string }): string {
  return `server_name: helpdesk
host: "127.0.0.1"
port: ${values.port}
max_payload: 1MB
authorization { user: ${USER}, password: "${values.password}" }
jetstream { store_dir: ${JSON.stringify(values.storeDirectory)}, max_memory_store: 256MB, max_file_store: 10GB }
`;
}

/** The greeting says whether JetStream is there: `INFO {…,"jetstream":true,…}`. */
function offersJetStream(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    let greeting = '';
    const socket = createConnection(port, '127.0.0.1');
    const finish = () => {
      socket.destroy();
      resolve(greeting.includes('"jetstream":true'));
    };
    socket.setTimeout(2_000, finish);
    socket.once('error', finish);
    socket.once('close', finish);
    socket.on('data', (chunk) => {
      greeting += chunk.toString('utf8');
      if (greeting.includes('\r\n')) finish();
    });
  });
}
