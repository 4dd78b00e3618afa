import { acknowledgedSubject, AutomaticMailLimiter, type Counts, type Limits } from './limits.js';

const LIMITS: Limits = {
  ACKNOWLEDGEMENTS_PER_HOUR: 3,
  ACKNOWLEDGEMENTS_PER_DAY: 4,
  ACKNOWLEDGEMENTS_PER_DOMAIN_HOUR: 2,
  AUTOMATIC_MAILS_PER_TICKET_HOUR: 2,
  AUTOMATIC_MAILS_PER_MINUTE: 6,
};

const nothing = (): Counts => ({ recipients: new Map(), domains: new Map(), tickets: new Map(), total: 0 });
const limiter = (counts: Partial<Counts> = {}, limits: Partial<Limits> = {}) =>
  new AutomaticMailLimiter({ ...nothing(), ...counts }, { ...LIMITS, ...limits });

let ticket = 0;
const acknowledgement = (recipient: string, acknowledges = `subject ${(ticket += 1)}`) => ({
  recipient,
  ticketNumber: (ticket += 1),
  acknowledges,
});
const change = (recipient: string, ticketNumber: number) => ({ recipient, ticketNumber, acknowledges: null });
const known = { acknowledgements: 0, subjects: [], isStranger: false, isUndeliverable: false };

it('lets an address have so many acknowledgements in an hour', () => {
  const limits = limiter({ recipients: new Map([['a@x.test', known]]) });
  const rules = Array.from({ length: 4 }, () => limits.take(acknowledgement('a@x.test')));
  expect(rules).toEqual([null, null, null, 'recipient-hour']);
});

it('lets an address have so many acknowledgements in a day', () => {
  const counts = { ...known, acknowledgements: 1, subjects: ['1', '2', '3'] };
  const limits = limiter({ recipients: new Map([['a@x.test', counts]]) });
  expect(limits.take(acknowledgement('a@x.test'))).toBeNull();
  expect(limits.take(acknowledgement('a@x.test'))).toBe('recipient-day');
});

it('acknowledges a subject to an address once', () => {
  const limits = limiter();
  expect(limits.take(acknowledgement('a@x.test', acknowledgedSubject('Line down')))).toBeNull();
  expect(limits.take(acknowledgement('a@x.test', acknowledgedSubject('AW: [#17] line  DOWN')))).toBe(
    'repeated-subject',
  );
  expect(limits.take(acknowledgement('b@x.test', acknowledgedSubject('Line down')))).toBeNull();
});

it('ends a loop of ever new addresses, and leaves alone whom we know', () => {
  const limits = limiter({ recipients: new Map([['known@x.test', known]]) });
  expect(limits.take(acknowledgement('1@x.test'))).toBeNull();
  expect(limits.take(acknowledgement('2@x.test'))).toBeNull();
  expect(limits.take(acknowledgement('3@x.test'))).toBe('domain-hour');
  expect(limits.take(acknowledgement('known@x.test'))).toBeNull();
  expect(limits.take(acknowledgement('3@y.test'))).toBeNull();
});

it('lets a ticket send a customer so many mails in an hour', () => {
  const limits = limiter();
  expect([1, 2, 3].map(() => limits.take(change('a@x.test', 7)))).toEqual([null, null, 'ticket-hour']);
  expect(limits.take(change('b@x.test', 7))).toBeNull();
  expect(limits.take(change('a@x.test', 8))).toBeNull();
});

it('breaks the circuit when everything together is too much', () => {
  const limits = limiter({ total: 5 });
  expect(limits.take(change('a@x.test', 7))).toBeNull();
  expect(limits.take(change('b@y.test', 8))).toBe('breaker');
});

it('sends nothing automatic to an address that nobody has', () => {
  const limits = limiter({ recipients: new Map([['a@x.test', { ...known, isUndeliverable: true }]]) });
  expect(limits.take(change('a@x.test', 7))).toBe('undeliverable');
  expect(limits.take(acknowledgement('a@x.test'))).toBe('undeliverable');
});

it('does not count what it holds back', () => {
  const limits = limiter({}, { AUTOMATIC_MAILS_PER_MINUTE: 1 });
  expect(limits.take(acknowledgement('a@x.test', 'same'))).toBeNull();
  for (let i = 0; i < 5; i++) expect(limits.take(acknowledgement('a@x.test', 'same'))).toBe('repeated-subject');
  expect(limits.take(acknowledgement('a@x.test', 'other'))).toBe('breaker');
});

it('has no limits where they are 0', () => {
  const off = Object.fromEntries(Object.keys(LIMITS).map((name) => [name, 0])) as Partial<Limits>;
  const limits = limiter({ total: 1_000 }, off);
  for (let i = 0; i < 50; i++) expect(limits.take({ ...acknowledgement('a@x.test', 'same') })).toBeNull();
});

it('a long subject is compared without half of a character at its end', () => {
  expect(acknowledgedSubject(`${'x'.repeat(149)}🔥 is on`)).toBe('x'.repeat(149));
});
