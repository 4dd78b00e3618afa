import { writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { giveTo, type Home, serverDirectory } from './home.ts';
import { freePort } from './ports.ts';
import { server, type Server, startOnFreePort } from './server.ts';

const USER = 'helpdesk';

export interface Nats {
  server: Server;
  /** With user name and password in it. */
  url: string;
}

/** Starts nats-server with JetStream. */
export async function startNats(options: {
  home: Home;
  program: string;
  password: string;
  logFile: string;
  onSpawn(pid: number): void;
  log(line: string): void;
}): Promise<Nats> {
  const { home, program, password, logFile, onSpawn, log } = options;
  const directory = serverDirectory(home, 'nats');
  const configFile = join(directory, 'nats.conf');

  return startOnFreePort(async () => {
    const port = await freePort();
    writeFileSync(configFile, config({ port, password, storeDirectory: serverDirectory(home, 'nats', 'store') }), {
      mode: 0o600,
    });
    giveTo(home.user, configFile);
    return {
      url: `nats://${USER}:${password}@127.0.0.1:${port}`,
      server: server({
        name: 'nats',
        command: program,
        args: ['-c', configFile],
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
