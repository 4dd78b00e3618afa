/**
 * `node tools/docs/generate.ts [--check] openapi|asyncapi …` — writes the documents that are made from the code, or with
 * `--check` only says which of them no longer fit it. The OpenAPI document needs the output of `npm run build`.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const repository = fileURLToPath(new URL('../..', import.meta.url));

interface Document {
  file: string;
  make(): string | Promise<string>;
}

const DOCUMENTS: Record<string, Document> = {
  openapi: { file: 'openapi.json', make: openApi },
  asyncapi: { file: 'docs/events/asyncapi.yaml', make: async () => (await import('./asyncapi.ts')).asyncApi() },
};

/** The gateway describes itself, in a process of its own. */
function openApi(): string {
  const directory = mkdtempSync(join(tmpdir(), 'helpdesk-openapi-'));
  try {
    const file = join(directory, 'openapi.json');
    const command = join(repository, 'dist', 'apps', 'gateway', 'src', 'openapi.command.js');
    execFileSync(process.execPath, [command, file], { stdio: 'inherit' });
    return readFileSync(file, 'utf8');
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function committed(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

const { values, positionals } = parseArgs({ allowPositionals: true, options: { check: { type: 'boolean' } } });

for (const name of positionals) {
  const document = DOCUMENTS[name];
  if (!document) throw new Error(`there is no document "${name}": choose of ${Object.keys(DOCUMENTS).join(', ')}`);
  const path = join(repository, document.file);
  const text = await document.make();
  if (!values.check) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    console.log(`${document.file} written`);
  } else if (committed(path) === text) {
    console.log(`${document.file} is current`);
  } else {
    console.error(`${document.file} is not current: run \`npm run ${name}\` and commit it`);
    process.exitCode = 1;
  }
}
