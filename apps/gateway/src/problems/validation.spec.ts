import { NewTicket } from '#contracts';
import { PageQuery, TicketQuery } from '../tickets/tickets.dto.js';
import { check } from './validation.js';

function codes(shape: new () => object, json: unknown): string[] {
  const checked = check(shape, json);
  return 'errors' in checked ? checked.errors.map(({ field, code }) => `${field} ${code}`).sort() : [];
}

it('takes what fits', () => {
  expect(check(NewTicket, { subject: 'S', text: 'T', priority: 'high' })).toEqual({
    value: { subject: 'S', text: 'T', priority: 'high' },
  });
});

it('names every offending field once, also inside objects', () => {
  const body = { subject: 5, priority: 'urgent', colour: 'red', reporter: { email: 'nobody', nick: 'x' } };
  expect(codes(NewTicket, body)).toEqual([
    'colour unknown_field',
    'priority value_unknown',
    'reporter.email email_invalid',
    'reporter.nick unknown_field',
    'subject string_expected',
    'text required',
  ]);
});

it.each([[[]], ['text'], [5], [null], [[{ subject: 'S', text: 'T' }]]])('refuses %j as a body', (body) => {
  expect(codes(NewTicket, body)).toEqual([' object_expected']);
});

it('asks for the required fields when there is no body', () => {
  expect(codes(NewTicket, undefined)).toEqual(['subject required', 'text required']);
});

it.each(['constructor', 'toString', 'hasOwnProperty'])('refuses a field named %s', (name) => {
  expect(codes(NewTicket, JSON.parse(`{"subject":"S","text":"T","${name}":1}`))).toEqual([`${name} unknown_field`]);
});

it.each(['a\0b', 'half \ud83d a pair'])('refuses %j, which no database keeps', (text) => {
  expect(codes(NewTicket, { subject: 'S', text })).toEqual(['text text_invalid']);
});

it('reads lists and numbers from a query string', () => {
  expect(check(TicketQuery, { status: ['open', 'closed,suspended'], priority: 'low', number: '7' })).toEqual({
    value: { status: ['open', 'closed', 'suspended'], priority: ['low'], number: 7, limit: 50 },
  });
});

it.each([['0'], ['201'], ['5x'], [''], ['1.5'], [['1', '2']], ['1e999']])('refuses the limit %j', (limit) => {
  expect(codes(PageQuery, { limit })).toHaveLength(1);
});

it('knows an assignee by id or none', () => {
  const id = '0197F0A0-0000-7000-8000-00000000000A';
  expect(check(TicketQuery, { assignee: id })).toMatchObject({ value: { assignee: id.toLowerCase() } });
  expect(codes(TicketQuery, { assignee: 'none' })).toEqual([]);
  expect(codes(TicketQuery, { assignee: '-'.repeat(36) })).toEqual(['assignee format_invalid']);
});
