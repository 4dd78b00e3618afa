import { normaliseAddress, parseAddresses, sameAddress, senderOf } from './addresses.js';
import { utf8 } from './raw-mail.fixture.js';

const one = (raw: string) => parseAddresses(raw, 10)[0];

describe('addresses', () => {
  it.each([
    ['Jane Doe <Jane@Example.COM>', { name: 'Jane Doe', address: 'Jane@example.com' }],
    ['jane@example.com (Jane)', { name: 'Jane', address: 'jane@example.com' }],
    ['=?utf-8?Q?J=C3=A4ne?= <j@example.com>', { name: 'Jäne', address: 'j@example.com' }],
    [`${utf8('Jäne')} <j@example.com>`, { name: 'Jäne', address: 'j@example.com' }],
    [utf8('j@bücher.example'), { name: null, address: 'j@xn--bcher-kva.example' }],
    ['"j@example.com" <j@example.com>', { name: null, address: 'j@example.com' }],
    ['"quoted local"@example.com', { name: null, address: '"quoted local"@example.com' }],
    ['Group: a@example.com, b@example.com;', { name: null, address: 'a@example.com' }],
  ])('%j', (raw, expected) => {
    expect(one(raw)).toEqual(expected);
  });

  it('an encoded-word in an addr-spec stays what it is and is nobody we know', () => {
    expect(one('=?utf-8?Q?agent?=@example.com')?.address).toBe('=?utf-8?Q?agent?=@example.com');
  });

  it('a display name that holds an address does not count', () => {
    expect(one('"ceo@us.example" <x@evil.example>')).toEqual({ name: 'ceo@us.example', address: 'x@evil.example' });
    const sneaky = Buffer.from('ceo@us.example> ').toString('base64');
    expect(one(`=?utf-8?B?${sneaky}?= <x@evil.example>`)?.address).toBe('x@evil.example');
  });

  it.each(['', 'undisclosed-recipients:;', '"x" <>', 'MAILER-DAEMON (Mail System)', '<', '@', 'a@', ',,;:<>()"'])(
    'no address in %j',
    (raw) => {
      expect(parseAddresses(raw, 10)).toEqual([]);
    },
  );

  it('names are cleaned and short', () => {
    const name = one(`=?utf-8?Q?a=0D=0ABcc:_b=E2=80=AE${'x'.repeat(400)}?= <j@example.com>`)?.name;
    expect(name).toMatch(/^a Bcc: bx+$/);
    expect(name!.length).toBeLessThanOrEqual(255);
  });

  it('are capped, quickly, however many there are', () => {
    const started = performance.now();
    expect(parseAddresses('a@example.com,'.repeat(200_000), 50)).toHaveLength(50);
    expect(parseAddresses('<"('.repeat(100_000), 50)).toEqual([]);
    expect(performance.now() - started).toBeLessThan(5_000);
  });

  it('compare without case, as A-labels', () => {
    expect(sameAddress('Jane@Bücher.example', 'jane@XN--BCHER-KVA.example')).toBe(true);
    expect(sameAddress('jane@example.com', 'jane@example.org')).toBe(false);
    expect(normaliseAddress('not an address')).toBeNull();
  });
});

describe('the sender', () => {
  const a = { name: null, address: 'a@example.com' };
  it('is From, else Reply-To, Sender, Return-Path, else nobody', () => {
    const none = { from: [], replyTo: [], sender: null, returnPath: null };
    expect(senderOf({ ...none, from: [a] })).toBe(a);
    expect(senderOf({ ...none, replyTo: [a] })).toBe(a);
    expect(senderOf({ ...none, sender: a })).toBe(a);
    expect(senderOf({ ...none, returnPath: 'a@example.com' })).toEqual(a);
    expect(senderOf({ ...none, returnPath: '' })).toBeNull();
  });
});
