import {
  decodeHeader,
  decodeWords,
  HeaderFields,
  parseDate,
  parseMessageIds,
  parseRawHeaders,
  parseStructured,
} from './headers.js';
import { utf8 } from './raw-mail.fixture.js';

const head = (...lines: string[]) => parseRawHeaders(Buffer.from(lines.join('\r\n'), 'latin1'));

describe('raw headers', () => {
  it('are unfolded, in order, up to the empty line', () => {
    expect(head('Subject: one', ' two', 'X-A:b', '', 'Not: a header')).toEqual([
      { name: 'subject', value: 'one two' },
      { name: 'x-a', value: 'b' },
    ]);
  });

  it('skip what is no field: mbox lines, blanks in names, folded lines without a field', () => {
    expect(head(' folded', 'From jane Mon Jan 1', 'No field here', 'Subject : late colon')).toEqual([
      { name: 'subject', value: 'late colon' },
    ]);
  });

  it('take bare line feeds and no end', () => {
    expect(parseRawHeaders(Buffer.from('A: 1\nB: 2'))).toHaveLength(2);
    expect(parseRawHeaders(Buffer.alloc(0))).toEqual([]);
  });
});

describe('decoded header text', () => {
  it.each([
    ['=?utf-8?Q?J=C3=A4ne_D?=', 'Jäne D'],
    ['=?utf-8?B?SsOkbmU=?= rest', 'Jäne rest'],
    ['=?UTF-8?Q?=E2=82?= =?utf-8?Q?=AC?=', '€'],
    ['=?utf-8?Q?a?==?utf-8?Q?b?=', 'ab'],
    ['=?utf-8?Q?with blanks in it?=', 'with blanks in it'],
    ['"=?iso-8859-1?Q?M=FCller?="', '"Müller"'],
    ['=?no-such-charset?Q?plain_=E4?=', 'plain ä'],
    ['=?utf-8?B?not base64 at all!?=', 'not base64 at all!'],
    ['=?utf-8*de?Q?Gr=C3=BC=C3=9Fe?=', 'Grüße'],
    ['=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=', '日本'],
    ['=?utf-8?Q?unfinished', '=?utf-8?Q?unfinished'],
    [utf8('Grüße aus Köln'), 'Grüße aus Köln'],
    ['Gr\xfc\xdfe aus K\xf6ln \x80', 'Grüße aus Köln €'],
    ['=?utf-8?Q?Gr\xfc\xdfe?=', 'Grüße'],
  ])('%j is %j', (raw, text) => {
    expect(decodeHeader(raw)).toBe(text);
  });

  it('can never end a header line', () => {
    expect(decodeHeader('=?utf-8?B?aGkNCkJjYzogYUBiLmM=?=')).toBe('hi Bcc: a@b.c');
    expect(decodeHeader('a\0b\u0085c')).toBe('a b…c');
  });

  it('costs no more than its length', () => {
    const started = performance.now();
    decodeWords('=?a?q?'.repeat(200_000));
    decodeWords('=?'.repeat(500_000));
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});

describe('message ids', () => {
  it.each([
    ['<a@b>', ['a@b']],
    ['<a@b>\t<c@d>', ['a@b', 'c@d']],
    ['<a@b>,<c@d>, <a@b>', ['a@b', 'c@d']],
    ['a@b c@d', ['a@b', 'c@d']],
    ['<a@b', ['a@b']],
    ['Your message of "Mon, 1 Jan" <a@b> (comment)', ['a@b']],
    ['<long-\t id@b>', ['long-id@b']],
    ['', []],
    ['none', []],
  ])('%j', (raw, ids) => {
    expect(parseMessageIds(raw)).toEqual(ids);
  });

  it('are capped, first and newest kept', () => {
    const ids = parseMessageIds(Array.from({ length: 500 }, (_, i) => `<${i}@x>`).join(' '));
    expect(ids).toHaveLength(100);
    expect([ids[0], ids.at(-1)]).toEqual(['0@x', '499@x']);
    const huge = parseMessageIds(Array.from({ length: 5000 }, (_, i) => `<${i}@example.com>`).join(' '));
    expect([huge.length, huge[0], huge.at(-1)]).toEqual([100, '0@example.com', '4999@example.com']);
  });
});

describe('dates', () => {
  it.each([
    ['Tue, 20 Apr 2021 04:20:20 -0400', '2021-04-20T08:20:20.000Z'],
    ['20 Apr 21 04:20 EST', '2021-04-20T09:20:00.000Z'],
    ['Tue, 20 Apr 2021 04:20:20 +0530 (IST)', '2021-04-19T22:50:20.000Z'],
    ['2021-04-20T04:20:20Z', '2021-04-20T04:20:20.000Z'],
    ['yesterday', null],
    ['Thu, 01 Jan 1970 00:00:00 +0000', null],
    ['32 Foo 2021 99:99:99', null],
    ['', null],
  ])('%j is %j', (raw, iso) => {
    expect(parseDate(raw)).toBe(iso);
  });
});

describe('structured values', () => {
  it.each([
    ['Text/Plain; CHARSET="utf-8" (comment); format=flowed', 'text/plain', { charset: 'utf-8', format: 'flowed' }],
    ["attachment; filename*=utf-8''na%C3%AFve%20a.txt", 'attachment', { filename: 'naïve a.txt' }],
    [`attachment; filename*0*=utf-8''a%C3; filename*1*=%A4; filename*2="b c"`, 'attachment', { filename: 'aäb c' }],
    ['attachment; filename="=?utf-8?Q?=C3=A4.txt?="', 'attachment', { filename: 'ä.txt' }],
    ['attachment; filename="a;b\\"c.txt"', 'attachment', { filename: 'a;b"c.txt' }],
    [`attachment; filename="${utf8('ä.txt')}"`, 'attachment', { filename: 'ä.txt' }],
    ['attachment; filename="unclosed.txt', 'attachment', { filename: 'unclosed.txt' }],
    ['', '', {}],
  ])('%j', (raw, value, parameters) => {
    const parsed = parseStructured(raw);
    expect(parsed.value).toBe(value);
    expect({ ...parsed.parameters }).toEqual(parameters);
  });
});

describe('raw 8-bit text in headers', () => {
  it('is read by what all fields have of it, and by the charset of the body', () => {
    const foreign = (charset: string) =>
      Buffer.from(
        `From: \xed\xef\xf7\xeb <a@example.com>\nSubject: \xf0\xf2\xe9\nContent-Type: text/plain; charset=${charset}\n\n`,
        'latin1',
      );
    const subjectOf = (charset: string) => new HeaderFields(parseRawHeaders(foreign(charset))).text('subject');
    expect(subjectOf('windows-1251')).toBe('ртй');
    expect(subjectOf('KOI8-R')).toBe('ПРИ');
  });

  it('of ISO-2022-JP needs no eighth bit', () => {
    expect(decodeHeader('\x1b$BF|K\\\x1b(B')).toBe('日本');
  });

  it('does not touch the fields that are UTF-8 already', () => {
    const both = Buffer.concat([Buffer.from('To: Grüße\n'), Buffer.from('Subject: K\xf6ln\n', 'latin1')]);
    const fields = new HeaderFields(parseRawHeaders(both));
    expect([fields.text('to'), fields.text('subject')]).toEqual(['Grüße', 'Köln']);
  });
});

it('the backslashes of a path that nobody escaped stay', () => {
  const { parameters } = parseStructured(String.raw`attachment; filename="C:\Users\jane\say \"hi\".pdf"`);
  expect(parameters.filename).toBe(String.raw`C:\Users\jane\say "hi".pdf`);
});

it('an id that no index could hold is none', () => {
  const long = 'x'.repeat(8_000);
  expect(parseMessageIds(`<${long}@example.com>`)).toEqual([]);
  expect(parseMessageIds(`${long}@example.com <a@example.com>`)).toEqual(['a@example.com']);
  expect(parseMessageIds(`${long}@example.com a@example.com`)).toEqual(['a@example.com']);
  expect(parseMessageIds(`<${'\xe8'.repeat(900)}@example.com>`)).toEqual([]);
});

it.each([
  ['parameters', () => parseStructured('"\\'.repeat(400_000))],
  ['encoded-words', () => decodeHeader('=?a?q? '.repeat(100_000))],
])('reads hostile %s in bounded time', (_, read) => {
  const began = performance.now();
  read();
  expect(performance.now() - began).toBeLessThan(5_000);
});
