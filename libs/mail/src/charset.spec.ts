import { cleanName, cleanText, cutText, decodeBytes } from './charset.js';

describe('bytes to text', () => {
  it.each<[string, Buffer, string | null, string, boolean]>([
    ['declared UTF-8', Buffer.from('Grüße'), 'utf-8', 'Grüße', false],
    ['declared latin1 is windows-1252', Buffer.from([0x80, 0xe4]), 'iso-8859-1', '€ä', false],
    ['UTF-8 by name, latin1 by nature', Buffer.from('Köln', 'latin1'), 'utf-8', 'Köln', true],
    [
      'half of each',
      Buffer.concat([Buffer.from('Grüße '), Buffer.from('Köln', 'latin1')]),
      'utf-8',
      'Grüße Köln',
      true,
    ],
    ['nothing declared', Buffer.from('Grüße'), null, 'Grüße', true],
    ['ASCII declared, UTF-8 sent', Buffer.from('Grüße'), 'us-ascii', 'Grüße', true],
    ['an unknown charset', Buffer.from('plain \xe4', 'latin1'), 'x-nonsense', 'plain ä', true],
    ['GB18030 under an old name', Buffer.from([0xc4, 0xe3, 0xba, 0xc3]), 'gb2312', '你好', false],
    ['ISO-2022-JP undeclared', Buffer.from('\x1b$BF|K\\\x1b(B', 'latin1'), null, '日本', true],
    ['Shift_JIS labelled ISO-2022-JP', Buffer.from([0x93, 0xfa, 0x96, 0x7b]), 'iso-2022-jp', '日本', true],
    ['UTF-7', Buffer.from('Hi +AOQ- +- there'), 'utf-7', 'Hi ä + there', false],
    ['a byte order mark', Buffer.from('\ufeffa'), 'utf-8', 'a', false],
    ['UTF-16 by its byte order mark', Buffer.from('\ufeffNaïve', 'utf16le'), null, 'Naïve', true],
    ['UTF-16 of the other order', Buffer.from('\ufeffNaïve', 'utf16le').swap16(), 'utf-16', 'Naïve', false],
    ['a byte that windows-1252 has not', Buffer.from('a\x81b', 'latin1'), 'windows-1252', 'a\x81b', true],
    ['UTF-8 that is called latin1', Buffer.from('Grüße'), 'iso-8859-1', 'Grüße', true],
    ['GB18030 with a broken byte', Buffer.from([0xc4, 0xe3, 0xba, 0xc3, 0xa3, 0xac, 0xff]), 'gb2312', '你好，?', true],
    ['Shift_JIS that is called latin1', Buffer.from('907d8f918ad9', 'hex'), 'iso-8859-1', '図書館', true],
    ['KOI8-R that is called ASCII', Buffer.from('f0d2c9d7c5d4', 'hex'), 'us-ascii', 'Привет', true],
    ['a character cut in two', Buffer.from([0x61, 0xe2, 0x82]), 'utf-8', 'aâ‚', true],
  ])('%s', (_name, bytes, declared, text, guessed) => {
    expect(decodeBytes(bytes, declared)).toEqual({ text, guessed });
  });

  it('never gives U+FFFD and keeps ASCII, whatever the bytes', () => {
    const bytes = Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 7919) % 256));
    for (const charset of [null, 'utf-8', 'euc-jp', 'gb18030', 'x', 'iso-8859-8-i', '"utf-8"']) {
      expect(decodeBytes(bytes, charset).text).not.toContain('\ufffd');
    }
  });
});

describe('cleaned text', () => {
  it('has neither NUL nor lone surrogates, and one kind of line end', () => {
    expect(cleanText('a\0b\r\nc\rd\te\ud800\x1bf')).toBe('ab\nc\nd\te\ufffdf');
  });

  it('of names cannot turn the writing direction', () => {
    expect(cleanName('exe\u202efdp.\u2066x\u2069\r\nBcc: a@b')).toBe('exefdp.x Bcc: a@b');
  });

  it('is cut between code points', () => {
    expect(cutText('ab😀', 3)).toEqual({ text: 'ab', truncated: true });
    expect(cutText('ab😀', 4)).toEqual({ text: 'ab😀', truncated: false });
  });
});
