import fc from 'fast-check';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { rawMail, take } from './raw-mail.fixture.js';
import { decompressRtf, readRtf } from './rtf.js';
import { attribute, framedRtf, tnef } from './tnef.fixture.js';
import { readTnef } from './tnef.js';

const winmail = (bytes: Buffer, text = '', type = 'application/ms-tnef; name=winmail.dat') =>
  rawMail(
    'Content-Type: multipart/mixed; boundary=M',
    '',
    '--M',
    'Content-Type: text/plain',
    '',
    text,
    '--M',
    `Content-Type: ${type}`,
    'Content-Transfer-Encoding: base64',
    '',
    bytes.toString('base64'),
    '--M--',
  );

describe('winmail.dat', () => {
  const bytes = tnef({
    body: 'the body of Outlook',
    files: [
      { title: 'REPORT~1.PDF', longName: 'Report of the year.pdf', data: Buffer.from('%PDF') },
      { title: 'Ärger.txt', type: 'text/plain', data: Buffer.from('text') },
      { data: Buffer.from('no name') },
    ],
  });

  it.each([
    ['by its type', 'application/ms-tnef'],
    ['by its name', 'application/octet-stream; name="WINMAIL.DAT"'],
  ])('gives its attachments, with their long names: known %s', async (_how, type) => {
    const { mail, contents } = await take(winmail(bytes, 'outer words', type));
    expect(mail.text).toBe('outer words');
    expect(mail.attachments).toMatchObject([
      { name: 'Report of the year.pdf', type: 'application/pdf', size: 4 },
      { name: 'Ärger.txt', type: 'text/plain', size: 4 },
      { name: 'attachment.bin', type: 'application/octet-stream', size: 7 },
    ]);
    expect(contents.get(mail.attachments[0]!.sha256)!.toString()).toBe('%PDF');
    expect(mail.warnings).not.toContain('not-unpacked');
  });

  it('gives its body to a mail that has none', async () => {
    expect((await take(winmail(bytes))).mail.text).toBe('the body of Outlook');
    const html = await take(winmail(tnef({ html: '<p>Grüße<script>x</script></p>' })));
    expect(html.mail).toMatchObject({ text: 'Grüße', html: '<p>Grüße</p>' });
    const rich = await take(winmail(tnef({ rtf: framedRtf('{\\rtf1\\ansi first\\par second}') })));
    expect(rich.mail.text).toBe('first\nsecond');
  });

  it('stays as it is when it is none, breaks off, or is too large', async () => {
    const none = await take(winmail(Buffer.from('no TNEF at all')));
    expect(none.mail.attachments).toMatchObject([{ name: 'winmail.dat', size: 14 }]);
    const broken = await take(winmail(bytes.subarray(0, bytes.length - 20)));
    expect(broken.mail.attachments.map(({ name }) => name)).toEqual([
      'winmail.dat',
      'Report of the year.pdf',
      'Ärger.txt',
    ]);
    const large = await take(winmail(bytes), { unpackBytes: 10 });
    expect(large.mail.attachments).toMatchObject([{ name: 'winmail.dat', size: bytes.length }]);
    for (const { mail } of [none, broken, large]) expect(mail.warnings).toContain('not-unpacked');
  });

  it('of a message within a message gives both, down to a limit', () => {
    const inner = tnef({
      subject: 'Inner',
      body: 'inner words',
      files: [{ longName: 'in.txt', data: Buffer.from('x') }],
    });
    const outer = readTnef(tnef({ files: [{ longName: 'Inner', message: inner }] }))!;
    expect(outer.files.map(({ name, bytes: content }) => [name, content.toString()])).toEqual([
      ['Inner.txt', 'inner words'],
      ['in.txt', 'x'],
    ]);
    let deep = inner;
    for (let i = 0; i < 50; i++) deep = tnef({ files: [{ longName: 'deeper', message: deep }] });
    expect(readTnef(deep)!.files).toMatchObject([{ name: 'deeper' }]);
  });

  it('with a meeting says what, when and whose', () => {
    const meeting = {
      subject: 'Maintenance window',
      start: new Date('2024-05-01T10:00:00Z'),
      end: new Date('2024-05-01T11:30:00Z'),
      sender: ['Kari Nordmann', 'kari@customer.example'] as [string, string],
    };
    const times = {
      start: { at: '2024-05-01T10:00:00Z', zone: null },
      end: { at: '2024-05-01T11:30:00Z', zone: null },
    };
    const person = { name: 'Kari Nordmann', address: 'kari@customer.example' };
    const uid = Buffer.concat([Buffer.alloc(40), Buffer.from('vCal-Uid\x01\0\0\0u-1@cal\0', 'latin1')]);
    expect(readTnef(tnef({ ...meeting, uid, messageClass: 'IPM.Microsoft Schedule.MtgReq' }))!.calendar).toEqual({
      method: 'request',
      isMessage: true,
      uid: 'u-1@cal',
      summary: 'Maintenance window',
      ...times,
      organizer: person,
      attendees: [],
    });
    expect(readTnef(tnef({ ...meeting, messageClass: 'IPM.Schedule.Meeting.Resp.Neg' }))!.calendar).toMatchObject({
      method: 'reply',
      uid: null,
      organizer: null,
      attendees: [{ ...person, status: 'declined' }],
    });
    expect(readTnef(tnef({ messageClass: 'IPM.Schedule.Meeting.Canceled' }))!.calendar?.method).toBe('cancel');
    expect(readTnef(tnef({ messageClass: 'IPM.Note' }))!.calendar).toBeNull();
  });

  it('may claim anything', () => {
    const endless = Buffer.alloc(9, 0xff);
    expect(readTnef(Buffer.concat([tnef({}), endless]))).toMatchObject({ complete: false });
    const properties = Buffer.alloc(4, 0xff);
    expect(readTnef(Buffer.concat([tnef({}), attribute(1, 0x00069003, properties)]))).toMatchObject({
      complete: false,
    });
    const nulls = Buffer.alloc(8 * 5000);
    for (let at = 0; at < nulls.length; at += 8) nulls.writeUInt32LE(0x1001, at);
    nulls.fill(0xff, 4, 8);
    const counts = Buffer.concat([Buffer.from([0x88, 0x13, 0, 0]), nulls]);
    const started = performance.now();
    const claims = Array.from({ length: 500 }, () => attribute(1, 0x00069003, counts));
    expect(readTnef(Buffer.concat([tnef({}), ...claims]))).toMatchObject({ complete: false });
    expect(performance.now() - started).toBeLessThan(5_000);
    const many = Buffer.concat([
      tnef({}),
      ...Array.from({ length: 20_000 }, () => attribute(1, 0x8005, Buffer.alloc(0))),
    ]);
    expect(readTnef(many)).toMatchObject({ complete: false });
  });

  it('is read or refused, whatever bytes are changed or missing', () => {
    const whole = tnef({
      body: 'x',
      html: '<p>',
      rtf: framedRtf('{\\rtf1 x}'),
      files: [{ longName: 'a', data: Buffer.from('b') }],
    });
    fc.assert(
      fc.property(fc.nat(whole.length), fc.nat(whole.length - 1), fc.nat(255), (length, at, byte) => {
        const damaged = Buffer.from(whole);
        damaged[at] = byte;
        const found = readTnef(damaged.subarray(0, length));
        expect(found === null || found.files.length <= 1).toBe(true);
      }),
    );
  });
});

describe('rich text', () => {
  it('is decompressed: literals, references into the dictionary and the end mark', () => {
    // "{\rtf1\ansi" stands at the start of the dictionary: ten bytes of it, a literal, then the end
    const tokens = Buffer.from([0b00000101, 0x00, 0x08, 0x7d, 0x0d, 0xa0]);
    const head = Buffer.alloc(16);
    head.writeUInt32LE(100, 4);
    head.write('LZFu', 8, 'latin1');
    expect(decompressRtf(Buffer.concat([head, tokens]), 1000)!.toString()).toBe('{\\rtf1\\ans}');
    expect(decompressRtf(Buffer.concat([head, tokens]), 5)!.toString()).toBe('{\\rtf');
    expect(decompressRtf(Buffer.from('short'), 5)).toBeNull();
  });

  it('becomes text, without fonts, pictures and what only some programs know', () => {
    const rtf =
      "{\\rtf1\\ansi\\ansicpg1251{\\fonttbl{\\f0 Arial;}}{\\*\\generator X;}\\uc1 \\'cf\\'f0\\'e8\\u1074?\\'e5\\'f2\\par a\\tab\\{b\\}{\\pict 0001}}";
    expect(readRtf(Buffer.from(rtf, 'latin1'))).toEqual({ kind: 'plain', text: 'Привет\na\t{b}' });
  });

  it('that was HTML becomes it again', () => {
    const rtf =
      "{\\rtf1\\ansi\\ansicpg1252\\fromhtml1 {\\*\\htmltag64 <p>}\\htmlrtf {\\htmlrtf0 Gr\\'fc\\'dfe{\\*\\htmltag84 &amp;}\\htmlrtf \\b0 x}\\htmlrtf0 {\\*\\htmltag72 </p>}{\\*\\mhtmltag72 no}}";
    expect(readRtf(Buffer.from(rtf, 'latin1'))).toEqual({ kind: 'html', text: '<p>Grüße&amp;</p>' });
  });

  it('may be anything', () => {
    expect(readRtf(Buffer.from('no rtf'))).toBeNull();
    expect(readRtf(Buffer.from(`{\\rtf1 ${'{'.repeat(100_000)}`))).toBeNull();
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('{', '}', '\\', "'", 'u', '9', 'par', 'bin', ' ', '*', 'x') }),
        (tail) => {
          expect(typeof readRtf(Buffer.from(`{\\rtf1${tail}`, 'latin1'))?.text).toMatch(/string|undefined/);
        },
      ),
    );
  });
});

const CASES = join(process.cwd(), '..', 'shared', 'mail', 'text-cases');
const LISTED = join(CASES, 'mimekit', 'UnitTests', 'TestData', 'tnef');
const OTHERS = join(CASES, 'tnefparse', 'tests', 'examples');
const inCases = existsSync(LISTED) && existsSync(OTHERS) ? describe : describe.skip;

/** Lists that leave out attachments of the old form, which hold data all the same. */
const LIST_LACKS = new Set(['long-filename.list', 'missing-filenames.list']);

inCases('real winmail.dat (skipped where ../shared/mail is absent)', () => {
  it('hold the attachments that are known to be in them', () => {
    let compared = 0;
    for (const list of readdirSync(LISTED).filter((name) => name.endsWith('.list'))) {
      const expected = readFileSync(join(LISTED, list), 'utf8')
        .split(/\r?\n/)
        .filter((name) => name !== '' && !name.startsWith('body.'));
      const found = readTnef(readFileSync(join(LISTED, list.replace('.list', '.tnef'))))!;
      const names = found.files.map(({ name }) => name);
      if (LIST_LACKS.has(list)) expect(names.length).toBeGreaterThan(0);
      else expect([list, ...names]).toEqual([list, ...expected]);
      compared++;
    }
    expect(compared).toBeGreaterThanOrEqual(12);
  });

  it('hold a body where there is one', () => {
    const bodies = ['body', 'rtf', 'triples', 'umlaut', 'IPM-DistList', 'bad_checksum'];
    for (const name of bodies) {
      const found = readTnef(readFileSync(join(OTHERS, `${name}.tnef`)))!;
      expect(found.body!.bytes.length).toBeGreaterThan(10);
    }
  });
});
