import type { FieldChangeView, TicketView } from '#contracts';
import { RESOLUTION_TYPES, SUSPENSION_CAUSES } from '#domain';
import { EVA, updated } from '../../test/events.js';
import { changesForCustomer, changesForEmployee } from './changes.js';

const UNTIL = '2026-03-05T09:00:00Z';

function change(field: string, before: string | null, after: string | null): FieldChangeView {
  return { field, before, after };
}

function forCustomer(ticket: Partial<TicketView>, ...changes: FieldChangeView[]) {
  return changesForCustomer(updated({ ticket, changes }));
}

describe('what customers are told of a change', () => {
  it.each<[string, Partial<TicketView>, FieldChangeView[], string[]]>([
    ['an assignee', { assignee: EVA }, [change('assignee', null, EVA.id)], ['Eva Berg now takes care of it.']],
    [
      'nobody assigned any more',
      {},
      [change('assignee', EVA.id, null)],
      ['Nobody is in charge of it at the moment; somebody else will take it over.'],
    ],
    ['work begins', { status: 'in_progress' }, [change('status', 'open', 'in_progress')], ['Work on it has started.']],
    ['work put down', {}, [change('status', 'in_progress', 'open')], ['It is waiting for somebody to go on with it.']],
    ['reopened', {}, [change('status', 'closed', 'open')], ['It is open again.']],
    [
      'resumed',
      { status: 'in_progress' },
      [change('status', 'suspended', 'in_progress')],
      ['It is no longer on hold.'],
    ],
    [
      'closed',
      { status: 'closed', resolutionType: 'fixed' },
      [change('status', 'in_progress', 'closed'), change('resolutionType', null, 'fixed')],
      ['It is closed: the problem is fixed.'],
    ],
    [
      'another reason for closing',
      { status: 'closed', resolutionType: 'workaround' },
      [change('resolutionType', 'fixed', 'workaround')],
      ['The reason for closing it was corrected: there is a workaround.'],
    ],
    [
      'another end of the suspension',
      { status: 'suspended', suspensionCause: 'pending_third_party', suspendedUntil: UNTIL },
      [change('suspendedUntil', null, UNTIL)],
      [
        'It is on hold: we are waiting for a third party, and look at it again on Thu 5 March 2026, 09:00 UTC at the latest.',
      ],
    ],
    [
      'about to be closed',
      { status: 'suspended', suspensionCause: 'pending_closed', suspendedUntil: UNTIL },
      [change('status', 'open', 'suspended'), change('closeResolutionType', null, 'no_response')],
      [
        'We think that it is settled (we have not heard from you). ' +
          'It will be closed on Thu 5 March 2026, 09:00 UTC unless you reply to this mail.',
      ],
    ],
    [
      'several things at once',
      { assignee: EVA, status: 'in_progress', priority: 'critical' },
      [
        change('assignee', null, EVA.id),
        change('status', 'open', 'in_progress'),
        change('priority', 'low', 'critical'),
      ],
      ['Work on it has started.', 'Eva Berg now takes care of it.', 'Its priority is now critical.'],
    ],
    ['nothing that concerns them', { status: 'closed', resolutionType: 'spam' }, [change('other', 'a', 'b')], []],
  ])('%s', (_name, ticket, changes, sentences) => {
    expect(forCustomer(ticket, ...changes)).toEqual(sentences);
  });

  it.each(SUSPENSION_CAUSES)('says until when it is on hold: %s', (suspensionCause) => {
    const ticket = { status: 'suspended', suspensionCause, suspendedUntil: UNTIL } as const;
    const [sentence, ...rest] = forCustomer(ticket, change('status', 'open', 'suspended'));
    expect(sentence).toContain('Thu 5 March 2026, 09:00 UTC');
    expect(rest).toEqual([]);
  });

  it.each(RESOLUTION_TYPES)('says why it was closed: %s', (resolutionType) => {
    const [sentence] = forCustomer({ status: 'closed', resolutionType }, change('status', 'open', 'closed'));
    expect(sentence).toMatch(/^It is closed: [a-z ]+\.$/);
  });
});

describe('what employees are told of a change', () => {
  it('every field, in words', () => {
    const changes = [
      { ...change('assignee', null, EVA.id), afterName: EVA.name },
      change('status', 'open', 'suspended'),
      change('suspensionCause', null, 'pending_closed'),
      change('suspendedUntil', null, UNTIL),
      change('closeResolutionType', null, 'not_an_issue'),
      change('somethingNew', 'a', 'b'),
    ];
    expect(changesForEmployee(updated({ ticket: { assignee: EVA }, changes }))).toEqual([
      'Assignee: nobody → Eva Berg',
      'Status: open → suspended',
      'Suspended because: none → waiting to be closed',
      'Suspended until: none → Thu 5 March 2026, 09:00 UTC',
      'To be closed as: none → not an issue',
      'somethingNew: a → b',
    ]);
  });

  it('the former assignee by name where the event has it', () => {
    const changed = change('assignee', EVA.id, null);
    expect(changesForEmployee(updated({ changes: [{ ...changed, beforeName: EVA.name }] }))).toEqual([
      'Assignee: Eva Berg → nobody',
    ]);
    expect(changesForEmployee(updated({ changes: [changed] }))).toEqual(['Assignee: somebody else → nobody']);
  });
});

describe('a forecast and an infrastructure', () => {
  const eta = { field: 'resolutionEta', before: null, after: '2026-03-04T09:00:00Z' };
  const infrastructure = { field: 'infrastructure', before: null, after: 'an-id', afterName: 'zrh-core-1' };
  const ticket = { resolutionEta: '2026-03-04T09:00:00Z', infrastructure: { id: 'an-id', name: 'zrh-core-1' } };

  it('are told to customers in a sentence each', () => {
    expect(changesForCustomer(updated({ changes: [infrastructure, eta], ticket }))).toEqual([
      'It is now filed under zrh-core-1.',
      'We now expect to have it settled by Wed 4 March 2026, 09:00 UTC.',
    ]);
    const back = { field: 'resolutionEta', before: eta.after, after: null };
    expect(changesForCustomer(updated({ changes: [back], ticket: { resolutionEta: null } }))).toEqual([
      'We cannot say at the moment when it will be settled.',
    ]);
  });

  it('are told to employees field by field, with names', () => {
    expect(changesForEmployee(updated({ changes: [infrastructure, eta] }))).toEqual([
      'Infrastructure: none → zrh-core-1',
      'Forecast: none → Wed 4 March 2026, 09:00 UTC',
    ]);
  });
});
