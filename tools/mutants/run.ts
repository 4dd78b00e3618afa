/**
 * `npm run mutants [-- PATTERN]` — proves that the tests of libs/domain notice small wrong versions of its rules. Each mutant of
 * mutants.ts is made in a copy of the library and must be caught by a failing test, or by a test that does not end.
 * Ends with 1 when one survives or is no program at all, when the list does not fit the source any more, or when the copy
 * fails unmutated.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MUTANTS, type Mutant } from './mutants.ts';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
const SOURCE = join('libs', 'domain', 'src');
const COPIED = ['package.json', 'jest.config.js', '.swcrc', 'tsconfig.json', join('libs', 'domain')];
const PROPERTY_RUNS = '150';
/** A run that takes this many times as long as all specs of the unmutated library does not end. */
const PATIENCE = 4;

/** All of them, or those whose file or name contains the argument. */
const CHOSEN = MUTANTS.filter(({ file, name }) => `${file} ${name}`.includes(process.argv[2] ?? ''));

const NOT_LOADED = 'the specs do not load';

const directory = mkdtempSync(join(tmpdir(), 'helpdesk-mutants-'));
try {
  process.exitCode = (await main()) ? 0 : 1;
} finally {
  rmSync(directory, { recursive: true });
}

async function main(): Promise<boolean> {
  const stale = MUTANTS.filter(({ file, find }) => sourceOf(file).split(find).length !== 2);
  for (const { name, file } of stale) console.log(`STALE     ${name}: its text does not stand exactly once in ${file}`);
  if (stale.length > 0) return false;

  if (CHOSEN.length === 0) {
    console.log(`no mutant is called ${process.argv[2]}`);
    return false;
  }

  const copy = makeCopy('unmutated');
  const started = performance.now();
  const unmutated = await test(copy, 'libs/domain', 600_000);
  if (unmutated.failed) {
    console.log(`the unmutated library fails: ${unmutated.by}`);
    return false;
  }
  const limit = Math.max(60_000, PATIENCE * (performance.now() - started));

  const waiting = [...CHOSEN];
  const survivors: Mutant[] = [];
  const work = async (lane: number) => {
    for (let mutant = waiting.shift(); mutant; mutant = waiting.shift()) {
      const by = await caughtBy(mutant, `lane-${lane}`, limit);
      const fate = by === NOT_LOADED ? 'BROKEN   ' : by === null ? 'SURVIVED ' : 'caught   ';
      if (by === null || by === NOT_LOADED) survivors.push(mutant);
      console.log(`${fate} ${mutant.file}: ${mutant.name}${by ? ` (${by})` : ''}`);
    }
  };
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), 4) }, (_, lane) => work(lane)));
  console.log(`${CHOSEN.length - survivors.length} of ${CHOSEN.length} mutants caught`);
  return survivors.length === 0;
}

/** @returns what noticed the mutant; null when nothing did */
async function caughtBy(mutant: Mutant, lane: string, limitMs: number): Promise<string | null> {
  const copy = makeCopy(lane);
  const file = join(copy, SOURCE, mutant.file);
  writeFileSync(
    file,
    sourceOf(mutant.file).replace(mutant.find, () => mutant.replace),
  );
  for (const pattern of [`libs/domain/src/${mutant.spec}`, 'libs/domain']) {
    const { failed, by } = await test(copy, pattern, limitMs);
    if (failed) return by;
  }
  return null;
}

function makeCopy(name: string): string {
  const copy = join(directory, name);
  rmSync(copy, { recursive: true, force: true });
  mkdirSync(copy, { recursive: true });
  for (const path of COPIED) cpSync(join(REPOSITORY, path), join(copy, path), { recursive: true });
  symlinkSync(join(REPOSITORY, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

function sourceOf(file: string): string {
  return readFileSync(join(REPOSITORY, SOURCE, file), 'utf8');
}

async function test(copy: string, pattern: string, limitMs: number): Promise<{ failed: boolean; by: string }> {
  const jest = join('node_modules', 'jest', 'bin', 'jest.js');
  const options = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
  const child = spawn(
    process.execPath,
    [...options, jest, '--bail', '--runInBand', '--ci', '--roots', copy, '--', pattern],
    {
      cwd: copy,
      env: { PATH: process.env['PATH'], PROPERTY_RUNS },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const limit = setTimeout(() => child.kill('SIGKILL'), limitMs);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearTimeout(limit);
  const [, title] = /^ +● (.+)$/m.exec(output) ?? [];
  const [, suite] = /^FAIL (?:libs\/domain\/src\/)?(\S+)/m.exec(output) ?? [];
  if (code === null) return { failed: true, by: 'a test does not end' };
  const isLoaded = title !== undefined && !title.startsWith('Test suite failed to run');
  return { failed: code !== 0, by: isLoaded ? [suite, title].filter(Boolean).join(': ') : NOT_LOADED };
}
