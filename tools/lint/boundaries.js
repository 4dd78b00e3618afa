/**
 * Who may import what. Every part of the repository has a short list of what it may import, and everything else is
 * refused: whether by `import`, `export … from` or `import()`, by name or by a relative path.
 *
 * oxlint's own no-restricted-imports cannot say "only these" (its patterns know no negative look-ahead), does not see
 * `import()`, and does not know where a relative path leads.
 */
import { dirname, relative, resolve } from 'node:path';

/** The first entry that matches a file decides. `#domain` includes `#domain/….js`; `packages` are all of npm. */
const PARTS = [
  {
    files: /^libs\/domain\/(src\/.*\.spec\.ts|test\/)/,
    may: ['node:*', 'temporal-polyfill', 'fast-check', '@jest/globals'],
  },
  { files: /^libs\/domain\//, may: ['temporal-polyfill'] },
  { files: /^libs\/contracts\/src\/.*\.spec\.ts/, may: ['#domain', 'class-transformer', 'class-validator', 'node:*'] },
  { files: /^libs\/contracts\//, may: ['#domain', 'class-transformer', 'class-validator', 'reflect-metadata'] },
  {
    files: /^libs\/mail\//,
    may: ['#domain', 'node:*', 'fast-check', 'mailparser', 'nodemailer', 'sanitize-html', 'smtp-server'],
  },
  { files: /^libs\/platform\//, may: ['#contracts', 'node:*', 'packages'] },
  { files: /^apps\//, may: ['#domain', '#contracts', '#mail', '#platform', 'node:*', 'packages'] },
];

/** What a relative path may lead to, besides the lib or app that it starts in: tests share servers and tools. */
const TESTS = /(\.spec\.ts|^(apps|libs)\/[^/]+\/test\/.*)$/;
const SHARED_BY_TESTS = /^(test|tools)\//;

/** @returns why a file may not import this, or null when it may; both paths are relative to the repository */
export function violation(file, specifier) {
  const part = PARTS.find(({ files }) => files.test(file));
  if (!part) return null; // tools and end-to-end tests
  if (specifier.startsWith('.')) return relativeViolation(file, specifier);
  const allowed = part.may.some((pattern) => matches(pattern, specifier));
  return allowed ? null : `${unitOf(file)} may import only ${part.may.join(', ')}`;
}

function relativeViolation(file, specifier) {
  const target = relative('/', resolve('/', dirname(file), specifier));
  if (unitOf(target) === unitOf(file)) return null;
  if (TESTS.test(file) && SHARED_BY_TESTS.test(target)) return null;
  if (target.startsWith('libs/')) return `${unitOf(target)} is imported by its name, #${target.split('/')[1]}`;
  if (target.startsWith('apps/')) return `${unitOf(file)} may not know ${unitOf(target)}: services talk over NATS`;
  return `${unitOf(file)} may not reach outside itself`;
}

/** `libs/mail/src/parse.ts` → `libs/mail` */
function unitOf(path) {
  return path.split('/').slice(0, 2).join('/');
}

function matches(pattern, specifier) {
  if (pattern === 'packages') return !specifier.startsWith('#') && !specifier.startsWith('node:');
  if (pattern === 'node:*') return specifier.startsWith('node:');
  return specifier === pattern || specifier.startsWith(`${pattern}/`);
}

export const boundaries = {
  create(context) {
    const file = relative(context.cwd, context.filename).replaceAll('\\', '/');
    const check = ({ source }) => {
      if (typeof source?.value !== 'string') return;
      const reason = violation(file, source.value);
      if (reason) context.report({ node: source, message: `'${source.value}': ${reason}.` });
    };
    return {
      ImportDeclaration: check,
      ImportExpression: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
    };
  },
};
