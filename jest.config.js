/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/apps', '<rootDir>/libs', '<rootDir>/test', '<rootDir>/tools'],
  testMatch: ['**/*.spec.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': '@swc/jest' },
  // package.json "imports" are resolved by Jest itself; "@helpdesk/source" picks the .ts files.
  testEnvironmentOptions: { customExportConditions: ['@helpdesk/source', 'node', 'node-addons'] },
  // relative './x.js' specifiers written for nodenext -> './x.ts' on disk
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  testTimeout: 60_000,
};
