import { parse, rawMail, take, utf8 } from './raw-mail.fixture.js';
import { takeUuencoded } from './uuencode.js';

/** The reference: every line at most 45 bytes. */
function uuencode(bytes: Buffer): string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 45) {
    const piece = bytes.subarray(at, at + 45);
    let line = String.fromCharCode(32 + piece.length);
    for (let i = 0; i < piece.length; i += 3) {
      const bits = ((piece[i] ?? 0) << 16) | ((piece[i + 1] ?? 0) << 8) | (piece[i + 2] ?? 0);
      for (const shift of [18, 12, 6, 0]) line += String.fromCharCode(32 + ((bits >> shift) & 63)).replace(' ', '`');
    }
    lines.push(line);
  }
  return [...lines, '`', 'end'];
}

const PICTURE = Buffer.from(Array.from({ length: 300 }, (_, i) => (i * 7) & 0xff));

describe('uuencode', () => {
  it('in the text: files become attachments, the words around stay', async () => {
    const { mail, contents } = await take(
      rawMail(
        'Content-Type: text/plain; charset=utf-8',
        '',
        utf8('Grüße'),
        'begin 644 a picture.gif',
        ...uuencode(PICTURE),
        'between',
        utf8('begin 0600 Köln.txt'),
        ...uuencode(Buffer.from('second')),
        'the end',
      ),
    );
    expect(mail.text).toBe('Grüße\nbetween\nthe end');
    expect(mail.attachments).toMatchObject([
      { name: 'a picture.gif', type: 'image/gif', size: 300 },
      { name: 'Köln.txt', type: 'text/plain', size: 6 },
    ]);
    expect(contents.get(mail.attachments[0]!.sha256)).toEqual(PICTURE);
    expect(contents.get(mail.attachments[1]!.sha256)!.toString()).toBe('second');
  });

  it('as a transfer encoding', async () => {
    const { mail, contents } = await take(
      rawMail(
        'Content-Type: image/gif',
        'Content-Transfer-Encoding: x-uuencode',
        '',
        'begin 644 test.gif',
        ...uuencode(PICTURE),
      ),
    );
    expect(mail.attachments).toMatchObject([{ name: 'test.gif', type: 'image/gif', size: 300 }]);
    expect(contents.get(mail.attachments[0]!.sha256)).toEqual(PICTURE);
    const text = await parse(
      'Content-Transfer-Encoding: uuencode',
      '',
      'begin 644 text.txt',
      ...uuencode(Buffer.from('words in uuencode')),
    );
    expect(text).toMatchObject({ text: 'words in uuencode', attachments: [] });
  });

  it('that breaks off is taken as far as it goes, without the blanks at the ends of lines too', () => {
    const lines = uuencode(PICTURE).slice(0, 3);
    expect(takeUuencoded(Buffer.from(['begin 644 x', ...lines].join('\n')), 9)!.files[0]!.bytes).toEqual(
      PICTURE.subarray(0, 135),
    );
    const zeros = ['begin 644 x', '#', '#    ', 'end'].join('\n');
    expect(takeUuencoded(Buffer.from(zeros), 9)!.files[0]!.bytes).toEqual(Buffer.alloc(6));
  });

  it.each([
    ['words', 'begin 644 times over\nand never end\nend'],
    ['nothing', 'begin 644 x\nend'],
    ['a sentence', 'We begin 644 new lines today'],
    ['a quote', '> begin 644 x\n> #86)C\n> end'],
  ])('is not %s', (_what, text) => {
    expect(takeUuencoded(Buffer.from(text), 9)).toBeNull();
  });

  it('costs time by the length alone', () => {
    const hostile = Buffer.from('begin 644 x\n#86)C\n'.repeat(100_000));
    const started = performance.now();
    takeUuencoded(hostile, 500);
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});
