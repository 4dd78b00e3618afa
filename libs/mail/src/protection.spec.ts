import fc from 'fast-check';
import { readArmour } from './armour.js';
import { readCms } from './cms.js';
import { parse, rawMail, take } from './raw-mail.fixture.js';

/** DER, or with `null` for the length BER of indefinite length. */
function element(tag: number, indefinite: boolean, ...contents: Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  if (indefinite) return Buffer.concat([Buffer.from([tag, 0x80]), content, Buffer.alloc(2)]);
  const length =
    content.length < 128
      ? Buffer.from([content.length])
      : Buffer.from([0x83, content.length >> 16, (content.length >> 8) & 255, content.length & 255]);
  return Buffer.concat([Buffer.from([tag]), length, content]);
}

const oid = (hex: string) => element(0x06, false, Buffer.from(hex, 'hex'));
const SIGNED = oid('2a864886f70d010702');
const ENVELOPED = oid('2a864886f70d010703');
const DATA = oid('2a864886f70d010701');

/** An opaquely signed message without signers: what is looked at is all there. */
function signed(content: string, indefinite = false): Buffer {
  const bytes = Buffer.from(content);
  const octets = indefinite
    ? element(0x24, true, element(0x04, false, bytes.subarray(0, 20)), element(0x04, false, bytes.subarray(20)))
    : element(0x04, false, bytes);
  const encapsulated = element(0x30, indefinite, DATA, element(0xa0, indefinite, octets));
  const version = element(0x02, false, Buffer.from([1]));
  const data = element(0x30, indefinite, version, element(0x31, indefinite), encapsulated, element(0x31, false));
  return element(0x30, indefinite, SIGNED, element(0xa0, indefinite, data));
}

const enveloped = () => element(0x30, false, ENVELOPED, element(0xa0, false, element(0x30, false)));

const pkcs7 = (bytes: Buffer, type = 'application/pkcs7-mime; smime-type=signed-data; name=smime.p7m') =>
  rawMail(`Content-Type: ${type}`, 'Content-Transfer-Encoding: base64', '', bytes.toString('base64'));

const INNER = [
  'Content-Type: multipart/mixed; boundary=I',
  'Message-ID: <inner@attacker.example>',
  'Subject: inner subject',
  '',
  '--I',
  'Content-Type: text/html',
  '',
  '<p>signed words</p>',
  '--I',
  'Content-Type: application/pdf; name=a.pdf',
  '',
  'PDF',
  '--I--',
].join('\r\n');

describe('S/MIME', () => {
  it.each([
    ['definite', false],
    ['indefinite', true],
  ])('signed opaquely: the content is shown, lengths %s', async (_name, indefinite) => {
    const { mail } = await take(pkcs7(signed(INNER, indefinite)));
    expect(mail).toMatchObject({
      text: 'signed words',
      html: '<p>signed words</p>',
      messageId: null,
      subject: '(no subject)',
      protection: 'smime-signed',
      attachments: [{ name: 'a.pdf', size: 3 }],
      signatures: [],
    });
  });

  it('known by its name, and within itself', async () => {
    const twice = signed(pkcs7(signed(INNER)).toString('latin1'));
    const { mail } = await take(pkcs7(twice, 'application/octet-stream; name=smime.p7m'));
    expect(mail).toMatchObject({ text: 'signed words', protection: 'smime-signed' });
    let deep = INNER;
    for (let i = 0; i < 20; i++) deep = pkcs7(signed(deep)).toString('latin1');
    const { mail: bounded } = await take(Buffer.from(deep, 'latin1'));
    expect(bounded.attachments).toMatchObject([{ name: 'smime.p7m' }]);
  });

  it('encrypted: says so and keeps the part', async () => {
    for (const raw of [
      pkcs7(enveloped()),
      pkcs7(Buffer.from('broken'), 'application/pkcs7-mime; smime-type=enveloped-data'),
    ]) {
      const { mail } = await take(raw);
      expect(mail).toMatchObject({ protection: 'smime-encrypted', attachments: [{ name: 'smime.p7m' }] });
      expect(mail.text).toMatch(/encrypted/);
    }
    const { mail } = await take(pkcs7(signed(pkcs7(enveloped()).toString('latin1'))));
    expect(mail).toMatchObject({ protection: 'smime-encrypted', attachments: [{ name: 'smime.p7m' }] });
  });

  it('that cannot be read stays an attachment', async () => {
    for (const bytes of [Buffer.from('nonsense'), signed(INNER).subarray(0, 200), Buffer.alloc(0)]) {
      const { mail } = await take(pkcs7(bytes));
      expect(mail).toMatchObject({
        text: '',
        protection: null,
        attachments: [{ name: 'smime.p7m', size: bytes.length }],
      });
    }
  });

  it('may be any bytes', () => {
    const whole = signed(INNER, true);
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length), (at, byte, length) => {
        const damaged = Buffer.from(whole);
        damaged[at] = byte;
        const found = readCms(damaged.subarray(0, length));
        expect(found === null || found.kind === 'signed').toBe(true);
      }),
    );
    expect(readCms(Buffer.alloc(1_000_000, Buffer.from([0x30, 0x80])))).toBeNull();
    expect(
      readCms(Buffer.concat([signed('').subarray(0, 19), Buffer.alloc(500_000, Buffer.from([0x24, 0x80]))])),
    ).toBeNull();
  });

  const clearSigned = (protocol: string, type: string, name: string) => [
    `Content-Type: multipart/signed; protocol="${protocol}"; boundary=S`,
    '',
    '--S',
    'Content-Type: text/plain',
    '',
    'readable',
    '--S',
    `Content-Type: ${type}${name}`,
    '',
    'signature',
    '--S--',
  ];

  it.each([
    ['application/pkcs7-signature', '; name=smime.p7s', 'smime-signed', 'smime.p7s'],
    ['application/x-pkcs7-signature', '', 'smime-signed', 'smime.p7s'],
    ['application/pgp-signature', '', 'pgp-signed', 'signature.asc'],
    ['application/pgp-signature', '; name="signature.asc"', 'pgp-signed', 'signature.asc'],
  ])('signed in the clear, and OpenPGP: %s%s', async (type, name, protection, signature) => {
    expect(await parse(...clearSigned(type, type, name))).toMatchObject({
      text: 'readable',
      protection,
      attachments: [{ name: signature }],
      signatures: [signature],
    });
  });

  it('a signature of an attached file does not sign the mail', async () => {
    const lines = clearSigned('x', 'application/pgp-signature', '; name=release.tar.gz.sig');
    const mail = await parse('Content-Type: multipart/mixed; boundary=S', ...lines.slice(1));
    expect(mail).toMatchObject({ protection: null, signatures: [] });
  });
});

describe('OpenPGP', () => {
  it('encrypted as MIME', async () => {
    const mail = await parse(
      'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=E',
      '',
      '--E',
      'Content-Type: application/pgp-encrypted',
      '',
      'Version: 1',
      '--E',
      'Content-Type: application/octet-stream; name=encrypted.asc',
      '',
      '-----BEGIN PGP MESSAGE-----',
      '--E--',
    );
    expect(mail).toMatchObject({
      protection: 'pgp-encrypted',
      attachments: [{ name: 'version.asc' }, { name: 'encrypted.asc' }],
    });
    expect(mail.text).toMatch(/encrypted and cannot be read/);
  });

  const ARMOUR = ['-----BEGIN PGP MESSAGE-----', '', 'hQEMA', '-----END PGP MESSAGE-----'];

  it('encrypted in the text: kept below a note, or as it is when there are words', async () => {
    const mail = await parse('Subject: x', '', ...ARMOUR);
    expect(mail).toMatchObject({ protection: 'pgp-encrypted' });
    expect(mail.text).toMatch(/^\(This message is encrypted[^]*hQEMA/);
    const mixed = await parse('Subject: x', '', 'the password is in the other mail', ...ARMOUR);
    expect(mixed.text).toMatch(/^the password/);
  });

  it('signed in the text: without the armour', async () => {
    const mail = await parse(
      'Subject: x',
      '',
      '-----BEGIN PGP SIGNED MESSAGE-----',
      'Hash: SHA256',
      '',
      'signed words',
      '- -----not a border-----',
      '-----BEGIN PGP SIGNATURE-----',
      '',
      'iQEz',
      '-----END PGP SIGNATURE-----',
      'a footer',
    );
    expect(mail).toMatchObject({ protection: 'pgp-signed', text: 'signed words\n-----not a border-----\na footer' });
  });

  it('quoted or merely named is none', () => {
    expect(readArmour('> -----BEGIN PGP MESSAGE-----\n> x')).toBeNull();
    expect(readArmour('what does -----BEGIN PGP SIGNED MESSAGE----- mean?')).toBeNull();
    expect(readArmour('-----BEGIN PGP SIGNED MESSAGE-----\nand nothing more')).toBeNull();
  });
});
