/**
 * `node dist/apps/tickets/src/sla/apply-policies.command.js [--dry-run] FILE` — makes the calendars, the policies and the
 * organisations' choices of a JSON file hold, in one transaction. Only what differs gets a new version; nothing is
 * removed. Prints what was made; with --dry-run what would be, and how many live tickets would move.
 */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { readPolicyFile } from './policy-file.js';
import { runPolicyCommand } from './run-policy-command.js';

const { values, positionals } = parseArgs({
  options: { 'dry-run': { type: 'boolean', default: false } },
  allowPositionals: true,
});
const [file] = positionals;
if (file === undefined || positionals.length > 1) {
  process.stderr.write('usage: apply-policies.command.js [--dry-run] FILE\n');
  process.exit(2);
}
const json: unknown = JSON.parse(await readFile(file, 'utf8'));
await runPolicyCommand({
  name: 'policies:apply',
  source: file,
  read: () => readPolicyFile(json),
  dryRun: values['dry-run'],
});
