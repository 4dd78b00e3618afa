/**
 * The linter must refuse what the repository's rules forbid. Each case is one file, linted with the real configuration
 * in a copy of the directory shape, so that nothing is left behind in the tree.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('..', import.meta.url));

interface Case {
  why: string;
  file: string;
  source: string;
  rule: string;
}

const boundary = (file: string, specifier: string): Case => ({
  why: `${file} imports ${specifier}`,
  file,
  source: `import { thing } from '${specifier}';\nexport const own = thing;\n`,
  rule: 'helpdesk(boundaries)',
});

const FORBIDDEN: Case[] = [
  boundary('libs/domain/src/a.ts', 'node:fs'),
  boundary('libs/domain/src/a.ts', '#contracts'),
  boundary('libs/domain/src/a.ts', '@nestjs/common'),
  boundary('libs/domain/src/a.ts', 'lodash'),
  boundary('libs/domain/src/a.spec.ts', '#mail'),
  boundary('libs/contracts/src/a.ts', '#mail'),
  boundary('libs/contracts/src/a.ts', '#platform/bus.js'),
  boundary('libs/contracts/src/a.ts', '@nestjs/common'),
  boundary('libs/contracts/src/a.ts', 'node:crypto'),
  boundary('libs/mail/src/a.ts', '#contracts'),
  boundary('libs/mail/src/a.ts', '@nestjs/common'),
  boundary('libs/mail/src/a.ts', 'pg'),
  boundary('libs/mail/src/a.ts', '@mikro-orm/postgresql'),
  boundary('libs/mail/src/a.ts', 'imapflow'),
  boundary('libs/platform/src/a.ts', '#domain'),
  boundary('libs/platform/src/a.ts', '#mail'),
  boundary('libs/platform/src/a.ts', '../../contracts/src/index.js'),
  boundary('libs/platform/src/a.ts', '../../../apps/tickets/src/orm.js'),
  boundary('apps/gateway/src/a.ts', '../../tickets/src/ticket/ticket.service.js'),
  boundary('apps/gateway/src/auth/a.ts', '../../../notifier/src/env.js'),
  boundary('apps/gateway/src/a.ts', '../../../libs/domain/src/index.js'),
  boundary('apps/gateway/src/a.ts', '../../../tools/demo/api.js'),
  boundary('apps/gateway/test/a.int.spec.ts', '../../tickets/src/orm.js'),
  {
    why: 'a type is imported over a boundary',
    file: 'libs/domain/src/a.ts',
    source: `import type { Thing } from '#contracts';\nexport type Own = Thing;\n`,
    rule: 'helpdesk(boundaries)',
  },
  {
    why: 'something is exported again over a boundary',
    file: 'libs/mail/src/a.ts',
    source: `export * from '#platform';\n`,
    rule: 'helpdesk(boundaries)',
  },
  {
    why: 'something is imported late over a boundary',
    file: 'libs/domain/src/a.ts',
    source: `export const own = async () => import('node:os');\n`,
    rule: 'helpdesk(boundaries)',
  },
  {
    why: 'the domain asks the clock',
    file: 'libs/domain/src/a.ts',
    source: `export const own = () => Date.now();\n`,
    rule: 'eslint(no-restricted-properties)',
  },
  {
    why: 'the domain asks the clock by new Date()',
    file: 'libs/domain/src/a.ts',
    source: `export const own = () => new Date();\n`,
    rule: 'helpdesk(no-clock)',
  },
  {
    why: 'the domain uses a global of Node',
    file: 'libs/domain/src/a.ts',
    source: `export const own = () => process.pid;\n`,
    rule: 'eslint(no-restricted-globals)',
  },
  {
    why: 'an HTTP exception is thrown below the gateway',
    file: 'apps/tickets/src/a.ts',
    source: `import { NotFoundException } from '@nestjs/common';\nexport const own = () => new NotFoundException();\n`,
    rule: 'eslint(no-restricted-imports)',
  },
  {
    why: 'the environment is read outside env.ts',
    file: 'apps/tickets/src/a.ts',
    source: `export const own = process.env['DATABASE_URL'];\n`,
    rule: 'node(no-process-env)',
  },
  {
    why: 'a service gives up types',
    file: 'apps/tickets/src/a.ts',
    source: `export const own = (input: any): unknown => input;\n`,
    rule: 'typescript(no-explicit-any)',
  },
  {
    why: 'a promise is left floating',
    file: 'apps/tickets/src/a.ts',
    source: `const work = async (): Promise<void> => {};\nexport const own = (): void => {\n  work();\n};\n`,
    rule: 'typescript(no-floating-promises)',
  },
  {
    why: 'the class of a request body is erased',
    file: 'apps/gateway/src/a.ts',
    source: `import { Body } from '@nestjs/common';\nimport type { Input } from './input.js';\nexport class Own {\n  create(@Body() input: Input): Input {\n    return input;\n  }\n}\n`,
    rule: 'helpdesk(no-erased-parameter-type)',
  },
];

const ALLOWED: Record<string, string> = {
  'libs/domain/src/fine.ts': `import { Temporal } from 'temporal-polyfill';\nimport { own } from './own.js';\nexport const fine = (at: number) => [Temporal.Instant.fromEpochMilliseconds(at), new Date(at), own];\n`,
  'libs/contracts/src/fine.ts': `import { own } from '#domain';\nimport { IsString } from 'class-validator';\nexport class Fine {\n  @IsString()\n  text: any = own;\n}\n`,
  'libs/mail/src/fine.ts': `import { own } from '#domain';\nimport { simpleParser } from 'mailparser';\nimport { Readable } from 'node:stream';\nexport const fine = [own, simpleParser, Readable];\n`,
  'libs/platform/src/fine.ts': `import { own } from '#contracts';\nimport { Module } from '@nestjs/common';\nimport pg from 'pg';\nexport const fine = [own, Module, pg];\n`,
  'apps/gateway/src/env.ts': `export const readEnv = () => process.env['AUTH_SECRET'];\n`,
  'apps/gateway/src/a/fine.ts': `import { NotFoundException } from '@nestjs/common';\nimport { own } from '#platform/blobs.js';\nimport { readEnv } from '../env.js';\nexport const fine = [own, readEnv, NotFoundException];\n`,
  'apps/gateway/test/fine.int.spec.ts': `import { startWorld } from '../../../test/harness/stack.js';\nimport { readEnv } from '../src/env.js';\nexport const fine = [readEnv, startWorld];\n`,
};

interface Diagnostic {
  code: string;
  severity: string;
  filename: string;
}

/** The errors of each file; all cases are linted in one run, each under a file name of its own. */
const errors = new Map<string, string[]>();

const numbered = (file: string, number: number): string => file.replace(/\/a\./, `/case${number}.`);

beforeAll(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'helpdesk-lint-'));
  try {
    for (const name of ['.oxlintrc.json', 'tsconfig.json', 'tools/lint']) {
      await cp(join(repository, name), join(directory, name), { recursive: true });
    }
    await symlink(join(repository, 'node_modules'), join(directory, 'node_modules'));
    const forbidden = FORBIDDEN.map(({ file, source }, number) => [numbered(file, number), source] as const);
    for (const [file, source] of [...forbidden, ...Object.entries(ALLOWED)]) {
      await mkdir(dirname(join(directory, file)), { recursive: true });
      await writeFile(join(directory, file), source);
    }
    const { diagnostics } = JSON.parse(await oxlint(directory)) as { diagnostics: Diagnostic[] };
    const found = diagnostics.filter(({ severity }) => severity === 'error');
    for (const { filename, code } of found) errors.set(filename, [...(errors.get(filename) ?? []), code]);
  } finally {
    await rm(directory, { recursive: true });
  }
});

/** A linter that found something ends with 1 and has printed its report nevertheless. */
function oxlint(directory: string): Promise<string> {
  const program = join(repository, 'node_modules', '.bin', 'oxlint');
  return new Promise((resolve, reject) => {
    execFile(program, ['--format', 'json', 'apps', 'libs'], { cwd: directory }, (error, stdout, stderr) =>
      error?.code === 1 ? resolve(stdout) : reject(new Error(stderr || stdout)),
    );
  });
}

it.each(FORBIDDEN.map((one, number) => ({ ...one, number })))('fails when $why', ({ file, number, rule }) => {
  expect(errors.get(numbered(file, number))).toContain(rule);
});

it.each(Object.keys(ALLOWED))('passes a clean %s', (file) => {
  expect(errors.get(file) ?? []).toEqual([]);
});
