import { parseAddresses } from './addresses.js';
import { readFields } from './fields.js';
import { HeaderFields, parseRawHeaders } from './headers.js';
import { DEFAULT_LIMITS, hasPlainAuthor } from './mail.js';
import { utf8 } from './raw-mail.fixture.js';
import { soleAddress } from './sole-address.js';

const fieldsOf = (...from: string[]) =>
  readFields(
    new HeaderFields(parseRawHeaders(Buffer.from(from.map((line) => `From: ${line}\r\n`).join(''), 'latin1'))),
    DEFAULT_LIMITS,
  );

describe('the one address of a field', () => {
  it.each([
    ['jane@example.com', 'jane@example.com'],
    ['<Jane@Example.COM>', 'Jane@example.com'],
    ['Jane Doe <jane@example.com>', 'jane@example.com'],
    ['"Doe, Jane (x)" <jane@example.com>', 'jane@example.com'],
    ['Jane (from (the) house) <jane@example.com> (at work)', 'jane@example.com'],
    ['jane@example.com (Jane)', 'jane@example.com'],
    ['J. R. "Bob" Doe\t<o\'neil+x@mail.example.com>', "o'neil+x@mail.example.com"],
    ['[JIRA] Doe <jira@example.com>', 'jira@example.com'],
    ['jane@example.com <jane@example.com>', 'jane@example.com'],
    ['=?utf-8?Q?M=C3=BCller,_Jane?= <jane@example.com>', 'jane@example.com'],
    ['Doe, Jane <jane@example.com>', 'jane@example.com'],
    ['=?utf-8?Q?Jane Doe?=<jane@example.com>', 'jane@example.com'],
    [`${utf8('Jäne')} <jane@example.com>`, 'jane@example.com'],
    [utf8('josé@bücher.example'), utf8('josé@xn--bcher-kva.example')],
    ['jane@xn--bcher-kva.example', 'jane@xn--bcher-kva.example'],
  ])('%j is read alike by both', (raw, address) => {
    const expected = Buffer.from(address, 'latin1').toString('utf8');
    expect(soleAddress(raw)).toBe(expected);
    expect(parseAddresses(raw, 10).map((one) => one.address)).toEqual([expected]);
    expect(hasPlainAuthor(fieldsOf(raw))).toBe(true);
  });

  it.each([
    ['two', 'agent@corp.example, eve@evil.example'],
    ['two without a comma', 'agent@corp.example eve@evil.example'],
    ['two in angles', '<agent@corp.example> <eve@evil.example>'],
    ['an angle within an angle', '<agent@corp.example<eve@evil.example>>'],
    ['an address for a name', 'agent@corp.example <eve@evil.example>'],
    ['an address behind', '<eve@evil.example> agent@corp.example'],
    ['an address before, in a comment that is left open', 'agent@corp.example ( <eve@evil.example>'],
    ['a comment within the domain', 'agent@corp(x).example.com'],
    ['a comment within the local part', 'ag(x)ent@corp.example'],
    ['a comment about the at sign', 'agent(x)@corp.example'],
    ['a quoted local part with an address', '"agent@corp.example "@evil.example'],
    ['a quoted local part', '"agent"@corp.example'],
    ['a quote glued to an address', '"x"agent@corp.example'],
    ['a group', 'team: agent@corp.example;'],
    ['a route', '<@evil.example:agent@corp.example>'],
    ['an encoded local part', '=?utf-8?Q?agent?=@corp.example'],
    ['an encoded address', '=?utf-8?Q?agent=40corp.example?='],
    ['an encoded word that ends the address', '=?utf-8?Q?agent@corp.example=3E?= <eve@evil.example>'],
    ['blanks around the at sign', 'agent @ corp.example'],
    ['a blank in the domain', 'agent@corp .example'],
    ['two at signs', 'agent@corp.example@evil.example'],
    ['a zero width space', utf8('agent\u200b@corp.example')],
    ['a reversed address', utf8('\u202eagent@corp.example')],
    ['wide letters', utf8('agent@ｃorp.example')],
    ['a soft hyphen in the domain', utf8('agent@co\u00adrp.example')],
    ['an ideographic full stop', utf8('agent@corp。example')],
    ['broken punycode', 'agent@xn--\u00ff.example'],
    ['NUL', 'agent@corp.example\0.evil.example'],
    ['a vertical tab', 'agent@corp.example\x0b.evil.example'],
    ['8-bit bytes that are no UTF-8', 'ag\xe9nt@corp.example'],
    ['a domain literal', 'agent@[192.0.2.1]'],
    ['dots that lead', '.agent@corp.example'],
    ['an open quote', '"agent@corp.example'],
    ['a backslash', 'agent\\@evil.example@corp.example'],
    ['one before a comma', 'agent@corp.example, Eve <eve@evil.example>'],
    ['one behind a comma', 'Eve <eve@evil.example>, agent'],
    ['a comma at the end', 'agent@corp.example,'],
    ['semicolons', 'agent@corp.example;eve@evil.example'],
    ['nothing', ''],
  ])('%s is nobody', (_what, raw) => {
    expect(hasPlainAuthor(fieldsOf(raw))).toBe(false);
  });

  it('of several fields is nobody, even when they are the same', () => {
    expect(hasPlainAuthor(fieldsOf('agent@corp.example', 'agent@corp.example'))).toBe(false);
    expect(fieldsOf('agent@corp.example', '').warnings).toContain('ambiguous-sender');
  });

  it('is told from what the kinder reader found by a warning', () => {
    const disputed = fieldsOf('agent@corp.example <eve@evil.example>');
    expect(disputed.from.map(({ address }) => address)).toEqual(['eve@evil.example']);
    expect(disputed.warnings).toContain('sender-disputed');
    expect(fieldsOf('Eve <eve@evil.example>').warnings).toEqual([]);
  });

  it('is found in no time', () => {
    const started = performance.now();
    for (const piece of ['(', '"', '<', '=?u?q?', '\\', '(x)', 'a@', 'a.', '" ', 'é']) {
      soleAddress(piece.repeat(4_000).slice(0, 4_000));
      soleAddress(`${piece.repeat(4_000).slice(0, 3_900)}a@example.com`);
    }
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});
