/**
 * `node dist/apps/tickets/src/directory/import.command.js FILE` — adds or updates organisations, infrastructures and
 * people from a JSON file, in one transaction. Organisations are known by name, people by address, infrastructures by
 * organisation and name; nobody is removed. Passwords are stored as Argon2id hashes only.
 */
import { readFile } from 'node:fs/promises';
import { migrate, parseMessage, readEnvOrExit } from '#platform';
import { readEnv } from '../env.js';
import { createOrm } from '../orm.js';
import { DirectoryFile, importDirectory, ImportError } from './import.js';

const [file] = process.argv.slice(2);
if (file === undefined) {
  process.stderr.write('usage: import.command.js FILE\n');
  process.exit(2);
}
const parsed = parseMessage(DirectoryFile, JSON.parse(await readFile(file, 'utf8')));
if ('violations' in parsed) {
  for (const violation of parsed.violations)
    process.stderr.write(`${file}: ${violation.field}: ${violation.message}\n`);
  process.exit(1);
}
const env = readEnvOrExit('directory:import', readEnv);
const orm = await createOrm(env);
try {
  await migrate(orm, env.DATABASE_URL);
  const counts = await importDirectory(orm.em.fork(), parsed.value);
  process.stdout.write(`${JSON.stringify(counts)}\n`);
} catch (error) {
  if (!(error instanceof ImportError)) throw error;
  for (const line of error.lines) process.stderr.write(`${file}: ${line}\n`);
  process.exitCode = 1;
} finally {
  await orm.close();
}
