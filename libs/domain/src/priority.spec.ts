import { initialPriority, type Beginning, type PriorityConditions, type PriorityRule } from './index.js';

const beginning: Beginning = {
  channel: 'email',
  subject: 'Störung: the LINE is down (zrh-core-1)',
  mailbox: 'support@helpdesk.test',
  organisation: { id: 'bank', priority: 'high' },
  infrastructures: [
    { id: 'router', priority: null },
    { id: 'site', priority: 'critical' },
    { id: 'region', priority: 'low' },
  ],
};
const rule = (when: PriorityConditions): PriorityRule => ({ name: 'a rule', when, priority: 'low' });
const holds = (when: PriorityConditions) => initialPriority(beginning, [rule(when)]).reason === 'rule “a rule”';

it('is the nearest infrastructure’s, else the organisation’s, else medium', () => {
  expect(initialPriority(beginning, [])).toEqual({ priority: 'critical', reason: 'the infrastructure’s priority' });
  const elsewhere = { ...beginning, infrastructures: [{ id: 'router', priority: null }] };
  expect(initialPriority(elsewhere, [])).toMatchObject({ priority: 'high' });
  expect(initialPriority({ ...elsewhere, organisation: null }, [])).toMatchObject({ priority: 'medium' });
});

it('is the first rule’s that holds, before any default', () => {
  const rules: PriorityRule[] = [
    { name: 'phone', when: { channel: 'phone' }, priority: 'critical' },
    { name: 'bank', when: { organisation: 'bank' }, priority: 'low' },
    { name: 'all', when: {}, priority: 'high' },
  ];
  expect(initialPriority(beginning, rules)).toEqual({ priority: 'low', reason: 'rule “bank”' });
});

it.each<[string, PriorityConditions, boolean]>([
  ['no condition', {}, true],
  ['the channel', { channel: 'email' }, true],
  ['another channel', { channel: 'phone' }, false],
  ['the infrastructure', { infrastructure: 'router' }, true],
  ['what it is part of', { infrastructure: 'region' }, true],
  ['another infrastructure', { infrastructure: 'moon' }, false],
  ['the mailbox, whatever its case', { mailbox: 'Support@Helpdesk.test' }, true],
  ['another mailbox', { mailbox: 'sales@helpdesk.test' }, false],
  ['a word of the subject, whatever its case', { subject: ['outage', 'line'] }, true],
  ['a word with an umlaut at the start', { subject: ['störung'] }, true],
  ['several words', { subject: ['line is down'] }, true],
  ['a name with signs', { subject: ['zrh-core-1'] }, true],
  ['a part of a word', { subject: ['own'] }, false],
  ['a part of a word before an umlaut', { subject: ['st'] }, false],
  ['no words', { subject: [] }, false],
  ['one condition of two', { channel: 'email', organisation: 'other' }, false],
])('a rule with %s', (_, when, expected) => {
  expect(holds(when)).toBe(expected);
});
