import { SecretBox, SecretUnreadable } from './secret-box.js';

const OLD = 'an old key of the tests that is long enough';
const NEW = 'a new key of the tests that is long enough';
const PLACE = 'password of 1';

const boxOf = (secrets: string, purpose = 'tests') => new SecretBox('TEST_KEY', secrets, purpose);
const box = boxOf(NEW);

it('opens what it has sealed, and seals the same text differently each time', () => {
  const sealed = ['pässword', 'pässword', ''].map((text) => box.seal(text, PLACE));
  expect(sealed.map((one) => box.open(one, PLACE))).toEqual(['pässword', 'pässword', '']);
  expect(new Set(sealed).size).toBe(3);
  expect(sealed.join()).not.toContain('ssword');
});

it('opens with an old key as long as it is named, and knows what is to be sealed anew', () => {
  const sealed = boxOf(OLD).seal('secret', PLACE);
  const both = boxOf(`${NEW},${OLD}`);
  expect(both.open(sealed, PLACE)).toBe('secret');
  expect([both.isOutdated(sealed), both.isOutdated(both.seal('secret', PLACE))]).toEqual([true, false]);
  expect(() => box.open(sealed, PLACE)).toThrow(SecretUnreadable);
});

it('does not open what was copied to another place, changed or cut', () => {
  const sealed = box.seal('secret', PLACE);
  expect(() => box.open(sealed, 'password of 2')).toThrow(SecretUnreadable);
  const [version, id, nonce, text] = sealed.split('.') as [string, string, string, string];
  const turned = Buffer.from(text, 'base64url');
  turned[0]! ^= 1;
  const wrong = [
    [version, id, nonce, turned.toString('base64url')],
    [version, id, 'AAAA', text],
    [version, id, nonce, text.slice(0, -4)],
    [version, id, nonce, ''],
    [version, id],
    ['v2', id, nonce, text],
    ['secret'],
  ];
  expect(() => boxOf(NEW, 'another purpose').open(sealed, PLACE)).toThrow('TEST_KEY');
  for (const parts of wrong) expect(() => box.open(parts.join('.'), PLACE)).toThrow(SecretUnreadable);
});
