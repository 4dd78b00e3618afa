import { judge, suppressionKey, type AutomaticMail, type EarlierMail, type SuppressionRule } from './limits.js';

const LIMITS = {
  ACKNOWLEDGEMENTS_PER_HOUR: 3,
  ACKNOWLEDGEMENTS_PER_DAY: 10,
  ACKNOWLEDGEMENTS_PER_DOMAIN_HOUR: 5,
  AUTOMATIC_MAILS_PER_TICKET_HOUR: 5,
  AUTOMATIC_MAIL_PER_MINUTE: 300,
};

const acknowledgement: AutomaticMail = {
  id: 'a',
  ticketNumber: 42,
  recipient: 'zoe@customer.test',
  automaticFor: 'customer',
  acknowledgedSubject: 'line down',
};
const change: AutomaticMail = { ...acknowledgement, acknowledgedSubject: null };
const forEmployee: AutomaticMail = { ...change, recipient: 'eva@helpdesk.test', automaticFor: 'employee' };

const NOTHING: EarlierMail = {
  sameSubject: 0,
  recipientHour: 0,
  recipientDay: 0,
  isNewcomer: false,
  domainHour: 0,
  ticketHour: 0,
  bounceKind: null,
  bounceStatus: null,
};

type Before = Partial<EarlierMail> & { minute?: number };

function suppressed(mail: AutomaticMail, { minute = 0, ...earlier }: Before, limits = LIMITS): SuppressionRule | null {
  return judge([mail], new Map([[mail.id, { ...NOTHING, ...earlier }]]), minute, limits).get(mail.id)!.suppressedBy;
}

/** Mails that are written together, the ledger being empty. */
function together(count: number, write: (i: number) => AutomaticMail, limits = LIMITS): (SuppressionRule | null)[] {
  const mails = Array.from({ length: count }, (_, i) => ({ ...write(i), id: String(i) }));
  const earlier = new Map(mails.map(({ id }) => [id, { ...NOTHING, isNewcomer: true }]));
  return [...judge(mails, earlier, 0, limits).values()].map(({ suppressedBy }) => suppressedBy);
}

it.each([acknowledgement, change, forEmployee])('the first mail is sent: %j', (mail) => {
  expect(suppressed(mail, { isNewcomer: true })).toBeNull();
});

it.each<[SuppressionRule, AutomaticMail, Before, Before]>([
  ['repeated-subject', acknowledgement, { sameSubject: 0 }, { sameSubject: 1 }],
  ['recipient-hour', acknowledgement, { recipientHour: 2 }, { recipientHour: 3 }],
  ['recipient-day', acknowledgement, { recipientDay: 9 }, { recipientDay: 10 }],
  ['domain-hour', acknowledgement, { isNewcomer: true, domainHour: 4 }, { isNewcomer: true, domainHour: 5 }],
  ['ticket-hour', change, { ticketHour: 4 }, { ticketHour: 5 }],
  ['ticket-hour', acknowledgement, { ticketHour: 4 }, { ticketHour: 5 }],
  ['employee-ticket-hour', forEmployee, { ticketHour: 19 }, { ticketHour: 20 }],
  ['breaker', change, { minute: 299 }, { minute: 300 }],
  ['breaker', acknowledgement, { minute: 299 }, { minute: 300 }],
])('%s holds back what is over it, and nothing before', (rule, mail, within, over) => {
  expect(suppressed(mail, within)).toBeNull();
  expect(suppressed(mail, over)).toBe(rule);
});

it('a limit of 0 is none', () => {
  const none = Object.fromEntries(Object.keys(LIMITS).map((name) => [name, 0])) as typeof LIMITS;
  const much = { recipientHour: 99, recipientDay: 99, isNewcomer: true, domainHour: 99, ticketHour: 99, minute: 999 };
  expect(suppressed(acknowledgement, much, none)).toBeNull();
});

it('somebody known is not hurt by the newcomers of their domain', () => {
  expect(suppressed(acknowledgement, { isNewcomer: false, domainHour: 1_000 })).toBeNull();
});

it('limits of acknowledgements do not stop the news that a customer gets', () => {
  expect(suppressed(change, { recipientHour: 9, recipientDay: 99, domainHour: 9, isNewcomer: true })).toBeNull();
});

it('the breaker does not stop the news in the house', () => {
  expect(suppressed(forEmployee, { minute: 10_000 })).toBeNull();
});

it.each([
  ['userunknown', '5.1.1', 'undeliverable'],
  ['userunknown', null, 'undeliverable'],
  ['hostunknown', '5.1.2', 'undeliverable'],
  ['userunknown', '4.1.1', null],
  ['mailboxfull', '5.2.2', null],
  ['spamdetected', '5.7.1', null],
] as const)('the last failure was %s %s: %s', (bounceKind, bounceStatus, rule) => {
  for (const mail of [acknowledgement, change, forEmployee]) {
    expect(suppressed(mail, { bounceKind, bounceStatus })).toBe(rule);
  }
});

describe('mails that are written together count for those behind them', () => {
  const acknowledge = (facts: Partial<AutomaticMail>): AutomaticMail => ({ ...acknowledgement, ...facts });
  it.each<[SuppressionRule, number, (i: number) => AutomaticMail]>([
    ['repeated-subject', 1, (i) => acknowledge({ ticketNumber: i })],
    ['recipient-hour', 3, (i) => acknowledge({ ticketNumber: i, acknowledgedSubject: `${i}` })],
    ['domain-hour', 5, (i) => acknowledge({ ticketNumber: i, recipient: `new-${i}@customer.test` })],
    ['ticket-hour', 5, () => change],
    ['employee-ticket-hour', 20, () => forEmployee],
    ['breaker', 7, (i) => ({ ...change, recipient: `c${i}@c${i}.test` })],
  ])('%s: %d pass', (rule, count, write) => {
    const rules = together(count + 2, write, { ...LIMITS, AUTOMATIC_MAIL_PER_MINUTE: 7 });
    expect(rules).toEqual([...Array<null>(count).fill(null), rule, rule]);
  });

  it('but not for others', () => {
    const others = (i: number) => acknowledge({ ticketNumber: i, recipient: `zoe@customer${i}.test` });
    expect(together(100, others)).toEqual(Array(100).fill(null));
  });
});

it('the alarm is raised by what a rule counts by', () => {
  const key = (rule: SuppressionRule) => suppressionKey(rule, 'zoe@customer.test', 42);
  expect(key('recipient-hour')).toBe('zoe@customer.test');
  expect(key('undeliverable')).toBe('zoe@customer.test');
  expect(key('domain-hour')).toBe('customer.test');
  expect(key('ticket-hour')).toBe('#42');
  expect(key('breaker')).toBe('everybody');
});
