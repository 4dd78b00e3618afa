import { migrate, readEnvOrExit, type Violation } from '#platform';
import { readEnv } from '../env.js';
import { createOrm } from '../orm.js';
import { applyPolicies } from './apply-policies.js';
import type { PolicyChange } from './policy-file.js';
import type { Present } from './policy-plan.js';

export interface PolicyCommand {
  /** How operators call it, for what it says on stderr. */
  name: string;
  /** Where the change comes from: what a violation is found in. */
  source: string;
  read: (present: Present) => { change: PolicyChange; violations: Violation[] };
  dryRun: boolean;
  /** What else to print. */
  report?: () => object;
}

/** Applies a change and prints what was made as JSON, or every violation on stderr; then the process ends with 1. */
export async function runPolicyCommand({ name, source, read, dryRun, report }: PolicyCommand): Promise<void> {
  const env = readEnvOrExit(name, readEnv);
  const orm = await createOrm(env);
  try {
    await migrate(orm, env.DATABASE_URL);
    const applied = await applyPolicies(orm.em.fork(), read, { dryRun });
    if ('violations' in applied) {
      for (const { field, rule, message } of applied.violations) {
        process.stderr.write(`${source}: ${field}: ${message} (${rule})\n`);
      }
      process.exitCode = 1;
    } else {
      process.stdout.write(`${JSON.stringify({ ...applied, ...report?.() }, null, 2)}\n`);
    }
  } finally {
    await orm.close();
  }
}
