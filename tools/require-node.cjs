// Run before the project's own commands; kept so plain that any Node can read it.
var REQUIRED = 24;
if (Number(process.versions.node.split('.')[0]) < REQUIRED) {
  console.error(
    'Node ' +
      REQUIRED +
      ' or newer is needed, but this is Node ' +
      process.versions.node +
      ': `npm ci` brings it along ' +
      'as the package "node" unless its install script was refused (then: `npm ci --ignore-scripts=false`, with npm 11 ' +
      'after `npm install-scripts approve node`); or install Node ' +
      REQUIRED +
      ' yourself.',
  );
  process.exit(1);
}
