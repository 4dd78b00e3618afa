/** docker-compose.yml, .env.example and the Dockerfile agree with what the services read and with what the build makes. */
import { nodeFlags, type ServiceName } from '../tools/services/services.ts';
import { EnvError, parseEnv } from '#platform';
import { getMetadataStorage } from 'class-validator';
import { existsSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { GatewayEnv } from '../apps/gateway/src/env.js';
import { MailIngestEnv } from '../apps/mail-ingest/src/env.js';
import { NotifierEnv } from '../apps/notifier/src/env.js';
import { TicketsEnv } from '../apps/tickets/src/env.js';

interface Service {
  image?: string;
  user?: string;
  command?: string[];
  environment?: Record<string, string>;
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: { test: string[] };
  ports?: string[];
  volumes?: string[];
  networks?: string[];
  stop_grace_period?: string;
  read_only?: boolean;
}

interface Compose {
  services: Record<string, Service>;
  volumes: Record<string, unknown>;
  networks: Record<string, unknown>;
  configs: Record<string, { file: string }>;
}

const GENERATED_SECRET = '0123456789abcdef'.repeat(4);

const read = (file: string): string => readFileSync(new URL(`../${file}`, import.meta.url), 'utf8');

const composeText = read('docker-compose.yml');
const compose = parse(composeText, { merge: true }) as Compose;
const example = parseEnvFile(read('.env.example'));
const dockerfile = read('Dockerfile');

const ENV_CLASSES = { gateway: GatewayEnv, tickets: TicketsEnv, 'mail-ingest': MailIngestEnv, notifier: NotifierEnv };
const APPS = Object.entries(ENV_CLASSES) as [ServiceName, new () => object][];

/** The variables of an env file; what is left empty there is a secret that the reader generates. */
function parseEnvFile(text: string): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [, name, value] of text.matchAll(/^([A-Z_]+)=(.*)$/gm)) {
    variables[name!] = value === '' ? GENERATED_SECRET : substitute(value!, variables);
  }
  return variables;
}

/** What compose does: `${NAME}`, `${NAME:-default}` and `${NAME:?message}`. */
function substitute(text: string, variables: Record<string, string>): string {
  return text.replaceAll(/\$\{([A-Z_]+)(?::([-?])([^}]*))?\}/g, (_all, name: string, kind?: string, word = '') => {
    const value = variables[name];
    if (value) return value;
    if (kind === '-') return word as string;
    throw new Error(`${name} has no value`);
  });
}

/** Without those for tests, which production refuses. */
function knownVariables(envClass: new () => object): string[] {
  const rules = getMetadataStorage().getTargetValidationMetadatas(envClass, '', false, false);
  return [...new Set(rules.map(({ propertyName }) => propertyName))].filter((name) => !name.startsWith('TEST_'));
}

function requiredVariables(envClass: new () => object): string[] {
  try {
    parseEnv(envClass, {});
  } catch (error) {
    if (error instanceof EnvError) return error.lines.map((line) => line.slice(0, line.indexOf(':')));
    throw error;
  }
  return [];
}

function environmentOf(app: string): Record<string, string> {
  const given = Object.entries(compose.services[app]?.environment ?? {});
  return Object.fromEntries(given.map(([name, value]) => [name, substitute(value, example)]));
}

describe.each(APPS)('%s', (app, envClass) => {
  it('is given only variables that it knows, and all that it knows', () => {
    expect(Object.keys(environmentOf(app)).toSorted()).toEqual(knownVariables(envClass).toSorted());
  });

  it('accepts the values of .env.example', () => {
    expect(() => parseEnv(envClass, environmentOf(app))).not.toThrow();
  });

  it('has every variable explained in docs/operations.md', () => {
    const operations = read('docs/operations.md');
    expect(knownVariables(envClass).filter((name) => !operations.includes(`\`${name}\``))).toEqual([]);
  });

  it('does not come up without the variables that have no default', () => {
    const environment = compose.services[app]!.environment!;
    const required = requiredVariables(envClass);
    expect(required).toContain('DATABASE_URL');
    expect(required.filter((name) => environment[name] === undefined || environment[name].includes(':-'))).toEqual([]);
  });

  it('runs what the build makes, as somebody other than root, and only reads its own image', () => {
    const service = compose.services[app]!;
    expect(service.command).toEqual(['node', ...nodeFlags(app), `dist/apps/${app}/src/main.js`]);
    expect(existsSync(new URL(`../apps/${app}/src/main.ts`, import.meta.url))).toBe(true);
    expect(service.read_only).toBe(true);
    expect(Number.parseInt(service.stop_grace_period!, 10)).toBeGreaterThan(10);
  });

  it('is healthy when it says that it is ready, on the port where it says so', () => {
    expect(compose.services[app]!.healthcheck!.test.join(' ')).toContain('http://127.0.0.1:9100/health/ready');
    expect(environmentOf(app)['OPS_PORT']).toBe('9100');
  });
});

it('runs every application of nest-cli.json', () => {
  const { projects } = JSON.parse(read('nest-cli.json')) as { projects: Record<string, { type: string }> };
  const applications = Object.keys(projects).filter((name) => projects[name]!.type === 'application');
  expect(applications.toSorted()).toEqual(Object.keys(ENV_CLASSES).toSorted());
  expect(Object.keys(compose.services)).toEqual(expect.arrayContaining(applications));
});

it('uses every variable of .env.example, and documents every variable that it uses', () => {
  const used = [...composeText.matchAll(/\$\{([A-Z_]+)/g)].map(([, name]) => name!);
  expect(Object.keys(example).toSorted()).toEqual([...new Set(used)].toSorted());
});

it('gives each service its own user on NATS, and NATS their passwords in quotes', () => {
  const config = read('deploy/nats/nats.conf');
  const users = [...config.matchAll(/^ +user: (\S+)\n +password: \$(\S+)$/gm)].map(([, user, variable]) => [
    user,
    variable,
  ]);
  for (const [app] of APPS)
    expect(users.map(([user]) => user)).toContain(new URL(environmentOf(app)['NATS_URL']!).username);
  expect(users).toHaveLength(APPS.length + 1); // and those who only read events
  const given = Object.entries(compose.services['nats']!.environment!);
  expect(given).toEqual(users.map(([, variable]) => [variable, `"\${${variable}:?see .env.example}"`]));
  expect(compose.configs['nats']!.file).toBe('./deploy/nats/nats.conf');
});

it('has no secret in .env.example', () => {
  const secrets = read('.env.example').match(/^[A-Z_]*(PASSWORD|SECRET|KEY|TOKEN)=.*$/gm) ?? [];
  expect(secrets.filter((line) => !line.endsWith('='))).toEqual([]);
  expect(secrets.length).toBeGreaterThanOrEqual(6);
});

it('waits only for services that can say that they are healthy', () => {
  for (const service of Object.values(compose.services)) {
    for (const [name, { condition }] of Object.entries(service.depends_on ?? {})) {
      expect([name, condition]).toEqual([name, 'service_healthy']);
      expect(compose.services[name]?.healthcheck?.test.length).toBeGreaterThan(1);
    }
  }
});

it('runs nothing as root', () => {
  const roots = Object.entries(compose.services).filter(([, { user }]) => !user || /^(root|0)(:|$)/.test(user));
  expect(roots.map(([name]) => name)).toEqual([]);
});

it('opens only the gateway to the outside, and names only volumes and networks that exist', () => {
  for (const [name, service] of Object.entries(compose.services)) {
    expect(service.ports ?? []).toEqual(name === 'gateway' ? ['3000:3000'] : []);
    const volumes = (service.volumes ?? []).map((volume) => volume.split(':')[0]!);
    expect(Object.keys(compose.volumes)).toEqual(expect.arrayContaining(volumes));
    expect(Object.keys(compose.networks)).toEqual(expect.arrayContaining(service.networks!));
  }
});

describe('the image', () => {
  const stages = dockerfile.split(/^FROM /m).slice(1);
  const final = stages.at(-1)!;

  it('runs on the Node that the services need, as somebody other than root', () => {
    expect(stages.length).toBeGreaterThan(1);
    expect(stages.filter((stage) => !stage.startsWith('node:24-'))).toEqual([]);
    expect(final.trim().split('\n').at(-1)).toBe('USER node');
  });

  it('has what the services need at run time, without development dependencies', () => {
    expect(final).toContain('COPY package.json'); // its "imports" lead to dist
    expect(final).toContain('COPY --from=build /app/dist dist');
    expect(final).toContain('COPY --from=dependencies /app/node_modules node_modules');
    expect(dockerfile).toContain('npm ci --omit=dev');
  });

  it('copies only what exists and what .dockerignore lets through', () => {
    const allowed = read('.dockerignore')
      .match(/^!.+$/gm)!
      .map((line) => line.slice(1));
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, paths]) => paths!.split(' '));
    expect(copied.filter((path) => !existsSync(new URL(`../${path}`, import.meta.url)))).toEqual([]);
    expect(allowed).toEqual(expect.arrayContaining(copied));
  });
});
