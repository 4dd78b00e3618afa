import type { Recipient } from '#contracts';
import {
  afterChange,
  changeOf,
  newParticipant,
  recipientsOfFact,
  refusalsOf,
  type Participant,
} from './participants.js';

const eva = newParticipant({
  personId: 'eva',
  kind: 'employee',
  name: 'Eva Nováková',
  email: 'eva@helpdesk.test',
  active: true,
});
const otto = newParticipant({
  personId: 'otto',
  kind: 'customer',
  name: 'Otto Weiß',
  email: 'otto@other.test',
  active: true,
});
const collaborator: Participant = { ...eva, role: 'collaborator' };
const muted = (one: Participant): Participant => ({ ...one, muted: true });

const zoe: Recipient = { role: 'reporter', kind: 'customer', name: 'Zoë Müller', email: 'zoe@customer.test' };
const erik: Recipient = { role: 'assignee', kind: 'employee', name: 'Erik Sørensen', email: 'erik@helpdesk.test' };
const team: Recipient = { role: 'lead', kind: 'employee', name: 'Support team', email: 'team@helpdesk.test' };

const nobody = 'nobody@helpdesk.test';
const told = (...args: Parameters<typeof recipientsOfFact>) =>
  recipientsOfFact(...args).map(({ role, name }) => `${role} ${name.split(' ')[0]}`);

describe('a message', () => {
  it('is told to everybody who follows, in whatever role', () => {
    expect(told('message', [erik, zoe], [collaborator, otto], nobody)).toEqual([
      'assignee Erik',
      'reporter Zoë',
      'participant Eva',
      'participant Otto',
    ]);
  });

  it('is not told to its author, whatever case the address is in', () => {
    expect(told('message', [erik, zoe], [eva, otto], 'OTTO@other.test')).not.toContain('participant Otto');
    expect(told('message', [erik, zoe], [eva, otto], zoe.email)).not.toContain('reporter Zoë');
  });

  it('is not told to somebody who has left', () => {
    expect(told('message', [], [{ ...eva, active: false }], nobody)).toEqual([]);
  });

  it('is told once to somebody in two roles, in the one that the rules name', () => {
    const assignee: Recipient = { ...erik, name: eva.name, email: 'Eva@Helpdesk.test' };
    expect(told('message', [assignee], [collaborator], nobody)).toEqual(['assignee Eva']);
  });
});

it.each(['note', 'automatic_message'] as const)('tells nobody of a %s', (fact) => {
  expect(told(fact, [erik, zoe], [collaborator, otto], nobody)).toEqual([]);
});

describe('an update', () => {
  it('is told to followers where the reporter is told', () => {
    expect(told('update', [erik, zoe], [eva, otto], nobody)).toEqual([
      'assignee Erik',
      'reporter Zoë',
      'participant Eva',
      'participant Otto',
    ]);
  });

  it('is told to collaborators alone where only employees are told', () => {
    expect(told('update', [erik], [collaborator, otto], nobody)).toEqual(['assignee Erik', 'participant Eva']);
  });

  it('is told to followers also when the reporter has muted the ticket', () => {
    const reporter = muted({ ...otto, personId: 'zoe', email: zoe.email });
    expect(told('update', [zoe], [reporter, otto], nobody)).toEqual(['participant Otto']);
  });
});

describe('somebody who has muted it', () => {
  const assigned: Recipient = { ...erik, email: eva.email };

  it.each(['message', 'update'] as const)('is not told of a %s, in whatever role', (fact) => {
    expect(told(fact, [assigned, zoe], [muted(collaborator), muted(otto)], nobody)).toEqual(['reporter Zoë']);
    expect(told(fact, [{ ...assigned, role: 'former_assignee' }], [muted(eva)], nobody)).toEqual([]);
  });

  it('is told of promises that may break, which nobody else follows', () => {
    expect(told('promise', [assigned, team], [muted(eva), otto], null)).toEqual(['assignee Erik', 'lead Support']);
  });

  it("does not silence an office's address", () => {
    expect(told('update', [team], [muted({ ...eva, email: team.email })], nobody)).toEqual(['lead Support']);
  });
});

describe('who may make whom what', () => {
  const employee = { id: 'erik', kind: 'employee' } as const;
  const customer = { id: 'otto', kind: 'customer' } as const;
  const codes = (...args: Parameters<typeof refusalsOf>) => refusalsOf(...args).map(({ code }) => code);

  it('lets employees add anybody active, and customers themselves', () => {
    expect(codes(employee, 'otto', otto, {})).toEqual([]);
    expect(codes(employee, 'eva', eva, { role: 'collaborator' })).toEqual([]);
    expect(codes(customer, 'otto', otto, { muted: true })).toEqual([]);
  });

  it('tells a customer nothing of others, not even whether they exist', () => {
    expect(codes(customer, 'eva', eva, {})).toEqual(['employees_only']);
    expect(codes(customer, 'nobody', undefined, {})).toEqual(['employees_only']);
  });

  it('refuses the unknown, and all other broken rules together', () => {
    expect(codes(employee, 'nobody', undefined, {})).toEqual(['person_not_registered']);
    const left = { ...otto, active: false };
    expect(codes(employee, 'otto', left, { role: 'collaborator' })).toEqual([
      'person_inactive',
      'role_not_for_customers',
    ]);
  });
});

it('keeps what is not named', () => {
  expect(afterChange(undefined, eva, {})).toEqual({ ...eva, role: 'follower', muted: false, toldOnly: false });
  const present: Participant = { ...eva, role: 'collaborator', muted: true, toldOnly: true };
  expect(afterChange(present, eva, {})).toEqual(present);
  expect(afterChange(present, eva, { muted: false })).toEqual({ ...present, muted: false });
});

it('shows in history who, and how', () => {
  expect(changeOf(null, otto)).toEqual({
    field: 'participants',
    before: null,
    after: 'otto',
    afterName: 'Otto Weiß (follower)',
  });
  expect(changeOf(eva, muted(collaborator))).toEqual({
    field: 'participants',
    before: 'eva',
    after: 'eva',
    beforeName: 'Eva Nováková (follower)',
    afterName: 'Eva Nováková (collaborator, muted)',
  });
  expect(changeOf(otto, null)).toMatchObject({ before: 'otto', after: null });
});
