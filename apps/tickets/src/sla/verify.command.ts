/**
 * `node dist/apps/tickets/src/sla/verify.command.js [--all] [--repair]` — recomputes every ticket that is not closed
 * (with `--all` every ticket) from its history and compares it with its row. Prints one JSON line for each difference,
 * and a summary on stderr; ends with 1 when there are differences. With `--repair` it ends with 1 only when some are left.
 */
import { readEnvOrExit } from '#platform';
import { parseArgs } from 'node:util';
import { readVerifyEnv } from '../env.js';
import { createOrm } from '../orm.js';
import { PolicyStore } from './policy.store.js';
import { repairTicket, verifyTickets, type Finding } from './verifier.js';

const { all, repair } = readArguments();
const env = readEnvOrExit('verify', readVerifyEnv);
const orm = await createOrm({ ...env, DATABASE_POOL_SIZE: 2 });
const counts = { tickets: 0, different: 0, differences: 0, broken: 0, repaired: 0 };
try {
  const policies = new PolicyStore(orm);
  await policies.onModuleInit();
  for await (const found of verifyTickets(orm, policies, { all })) {
    counts.tickets += 1;
    const differs = found.differences.length > 0;
    const finding = differs && repair ? await repairTicket(orm, policies, found.id, env.TEAM_ADDRESS) : found;
    report(finding);
    if (finding.broken !== null) counts.broken += 1;
    if (finding.differences.length === 0) continue;
    counts.different += 1;
    counts.differences += finding.differences.length;
    if (repair) counts.repaired += 1;
  }
} finally {
  await orm.close();
}
process.stderr.write(
  `verify: ${counts.tickets} tickets compared, ${counts.differences} differences in ${counts.different} of them, ` +
    `${counts.repaired} repaired, ${counts.broken} histories that cannot be replayed\n`,
);
process.exitCode = counts.different > counts.repaired || counts.broken > 0 ? 1 : 0;

function report({ number, differences, broken }: Finding): void {
  const lines: object[] = [...differences];
  if (broken !== null) lines.push({ field: 'history', stored: null, recomputed: null, error: broken });
  for (const line of lines) process.stdout.write(`${JSON.stringify({ ticket: number, ...line })}\n`);
}

function readArguments(): { all: boolean; repair: boolean } {
  try {
    const options = { all: { type: 'boolean', default: false }, repair: { type: 'boolean', default: false } } as const;
    return parseArgs({ options }).values;
  } catch {
    process.stderr.write('usage: verify.command.js [--all] [--repair]\n');
    process.exit(2);
  }
}
