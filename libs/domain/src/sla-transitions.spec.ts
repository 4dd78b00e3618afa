/**
 * The table "reject or fix": rows of a state, a change and what must come of it, each played on a fresh ticket.
 * `SLA_TRANSITIONS` names another file of the same form; alone: `npm test -- sla-transitions`.
 */
import { readFileSync } from 'node:fs';
import { readTable } from '../test/transitions/table.js';

const path = process.env['SLA_TRANSITIONS'] ?? new URL('sla-transitions.json', import.meta.url);
const { rows } = readTable(readFileSync(path, 'utf8'));
let held = 0;

describe('the table of transitions', () => {
  afterAll(() => process.stdout.write(`${held} of ${rows.length} transitions hold\n`));

  it.each(rows.map(({ name, play }) => [name, play] as const))('%s', (_, play) => {
    const { expected, actual } = play();
    expect(actual).toEqual(expected);
    held += 1;
  });
});
