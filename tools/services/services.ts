/**
 * The four services as separate processes on a stack, for `npm start`, the demo, end-to-end tests and benchmarks.
 * Each instance has a name such as `tickets-1`, its own operations port and its own log file.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../stack/ports.ts';
import type { Stack } from '../stack/stack.ts';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
const READY_LIMIT_MS = 60_000;

export const SERVICES = ['tickets', 'notifier', 'mail-ingest', 'gateway'] as const;
export type ServiceName = (typeof SERVICES)[number];

/**
 * How docker-compose.yml starts a service. A small young generation costs little time and saves half of the memory; the one of
 * mail-ingest, which has a second heap for its parser, is smaller yet.
 */
export function nodeFlags(service: ServiceName): string[] {
  const youngMiB = service === 'mail-ingest' ? 8 : 16;
  return ['--import=./dist/libs/platform/src/source-maps.js', `--max-semi-space-size=${youngMiB}`];
}

/** Settings of the notifier for loads in which few readers get very much. */
export const WITHOUT_MAIL_LIMITS = {
  ACKNOWLEDGEMENTS_PER_HOUR: '0',
  ACKNOWLEDGEMENTS_PER_DAY: '0',
  ACKNOWLEDGEMENTS_PER_DOMAIN_HOUR: '0',
  AUTOMATIC_MAILS_PER_TICKET_HOUR: '0',
  AUTOMATIC_MAILS_PER_MINUTE: '0',
};

export interface ServicesOptions {
  stack: Stack;
  /** Where the log files go. */
  logDirectory: string;
  /** Another database of the stack's server; default the stack's own. */
  databaseUrl?: string;
  /** Instances of each service; default 1. */
  instances?: number;
  /** Only these; default all four. */
  only?: readonly ServiceName[];
  /** Fixed port of the (first) gateway; default a free one. */
  gatewayPort?: number;
  /** Further variables, by service. */
  env?: Partial<Record<ServiceName, Record<string, string>>>;
}

export interface Instance {
  service: ServiceName;
  name: string;
  /** Base URL of its health and metrics. */
  opsUrl: string;
  /** Base URL of its REST API; gateways only. */
  apiUrl: string | null;
  pid: number;
  /** Sends the signal and waits for the end. @returns milliseconds that it took */
  end(signal: NodeJS.Signals): Promise<number>;
  /** Starts the process again with the same settings and waits until it is ready. */
  start(): Promise<void>;
  /** Resolves when /health/ready says so. @throws when the process ends or a minute has passed */
  ready(): Promise<void>;
}

export interface Services {
  instances: Instance[];
  /** Of the first gateway. */
  apiUrl: string;
  of(service: ServiceName): Instance[];
  /** SIGTERM to all, notifier and gateway first; waits for their ends. */
  stop(): Promise<void>;
}

export async function startServices(options: ServicesOptions): Promise<Services> {
  mkdirSync(options.logDirectory, { recursive: true });
  const instances: Instance[] = [];
  for (const service of options.only ?? SERVICES) {
    for (let number = 1; number <= (options.instances ?? 1); number++) {
      instances.push(await startInstance(options, service, `${service}-${number}`, number));
    }
  }
  const services: Services = {
    instances,
    apiUrl: instances.find((one) => one.apiUrl !== null)?.apiUrl ?? '',
    of: (service) => instances.filter((one) => one.service === service),
    stop: async () => {
      await Promise.all(instances.map((one) => one.end('SIGTERM')));
    },
  };
  try {
    await Promise.all(instances.map((one) => one.ready()));
  } catch (error) {
    await services.stop();
    throw error;
  }
  return services;
}

async function startInstance(
  options: ServicesOptions,
  service: ServiceName,
  name: string,
  number: number,
): Promise<Instance> {
  const opsPort = await freePort();
  const apiPort =
    service !== 'gateway' ? null : number === 1 && options.gatewayPort ? options.gatewayPort : await freePort();
  const env = {
    PATH: process.env['PATH'],
    NODE_ENV: 'development',
    LOG_FORMAT: 'json',
    ...settings(options, service),
    OPS_PORT: String(opsPort),
    ...(apiPort !== null && { HTTP_PORT: String(apiPort) }),
    ...options.env?.[service],
  };
  const opsUrl = `http://127.0.0.1:${opsPort}`;
  let child = launch();

  function launch(): ChildProcess {
    const started = spawn(process.execPath, [...nodeFlags(service), `dist/apps/${service}/src/main.js`], {
      cwd: REPOSITORY,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // Ctrl-C reaches the launcher only, which then ends everything in order
    });
    const log = createWriteStream(join(options.logDirectory, `${name}.log`), { flags: 'a' });
    started.stdout.pipe(log, { end: false });
    started.stderr.pipe(log, { end: false });
    started.once('close', () => log.end());
    running.add(started);
    started.once('exit', () => running.delete(started));
    return started;
  }

  const instance: Instance = {
    service,
    name,
    opsUrl,
    apiUrl: apiPort === null ? null : `http://127.0.0.1:${apiPort}`,
    get pid() {
      return child.pid!;
    },
    async end(signal) {
      const begun = performance.now();
      if (hasEnded(child)) return 0;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill(signal);
      await ended;
      return performance.now() - begun;
    },
    async start() {
      if (!hasEnded(child)) throw new Error(`${name} is still running`);
      child = launch();
      await instance.ready();
    },
    async ready() {
      const deadline = Date.now() + READY_LIMIT_MS;
      let last = 'no answer';
      while (Date.now() < deadline) {
        if (hasEnded(child)) throw new Error(`${name} ended while starting; see ${options.logDirectory}/${name}.log`);
        const answer = await fetch(`${opsUrl}/health/ready`).catch(() => null);
        if (answer?.ok) return;
        if (answer) last = await answer.text();
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      throw new Error(`${name} is not ready: ${last}; see ${options.logDirectory}/${name}.log`);
    },
  };
  return instance;
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** No service outlives its launcher, even one that ends in the middle of something. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

function settings({ stack, databaseUrl = stack.databaseUrl }: ServicesOptions, service: ServiceName) {
  const common = { DATABASE_URL: databaseUrl, NATS_URL: stack.natsUrlOf(service) };
  const mail = { MAIL_SIGNING_KEY: stack.secrets.mailSigning, MAIL_LOOP_TOKEN: stack.domain };
  switch (service) {
    case 'gateway':
      return { ...common, AUTH_SECRET: stack.secrets.auth };
    case 'tickets':
      return { ...common, SUPPORT_ADDRESS: stack.mailboxes[0]!.address, TEAM_ADDRESS: `team@${stack.domain}` };
    case 'mail-ingest':
      return {
        ...common,
        ...mail,
        MAILBOX_SECRET_KEY: stack.secrets.mailboxes,
        IMAP_MAILBOXES: stack.mailboxes.map((mailbox) => imapUrl(stack, mailbox)).join(' '),
      };
    case 'notifier':
      return {
        ...common,
        ...mail,
        SMTP_URL: `smtp://${stack.smtp.host}:${stack.smtp.port}`,
        MAIL_DOMAIN: stack.domain,
        WEBHOOK_SECRET_KEY: stack.secrets.webhooks,
      };
  }
}

export function imapUrl({ imap }: Stack, { address, user, password }: Stack['mailboxes'][number]): string {
  const credentials = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`;
  return `imap://${credentials}@${imap.host}:${imap.port}/INBOX?address=${encodeURIComponent(address)}`;
}
