import { Readable } from 'node:stream';
import { type MailLimits, MailUnreadable, type UnreadableReason } from './mail.js';
import { fallbackMail } from './fields.js';
import { parseMail } from './parse.js';
import { parse, rawMail, take, utf8 } from './raw-mail.fixture.js';

const multipart = (type: string, boundary: string) => `Content-Type: multipart/${type}; boundary="${boundary}"`;
const drained = async (_meta: unknown, content: Readable) => {
  let size = 0;
  for await (const chunk of content as AsyncIterable<Buffer>) size += chunk.length;
  return { sha256: '', size };
};

describe('a usual mail', () => {
  const raw = rawMail(
    'Return-Path: <jane@customer.example>',
    'Delivered-To: support@help.example',
    'Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000',
    `From: =?utf-8?Q?J=C3=A4ne_D=C3=B6?= <jane@Customer.example>`,
    'To: Support <support@help.example>, other@customer.example',
    'Cc: chef@customer.example',
    'Subject: =?utf-8?B?UsO8Y2tmcmFnZQ==?=',
    'Message-ID: <m1@customer.example>',
    'In-Reply-To: <m0@help.example>',
    'References: <r1@help.example>,<m0@help.example>',
    'Date: Mon, 1 Jan 2024 10:00:00 +0100',
    'MIME-Version: 1.0',
    multipart('mixed', 'M'),
    '',
    'preamble',
    '--M',
    multipart('related', 'R'),
    '',
    '--R',
    multipart('alternative', 'A'),
    '',
    '--A',
    'Content-Type: text/plain; charset=utf-8',
    '',
    utf8('Grüße aus Köln'),
    '--A',
    'Content-Type: text/html; charset=utf-8',
    'Content-Transfer-Encoding: quoted-printable',
    '',
    '<p onclick=3D"x()">Gr=C3=BC=C3=9Fe <img src=3D"cid:logo@x"><script>x</script></p>',
    '--A--',
    '--R',
    'Content-Type: image/png',
    'Content-ID: <logo@x>',
    'Content-Transfer-Encoding: base64',
    '',
    Buffer.from('PNG').toString('base64'),
    '--R--',
    '--M',
    "Content-Type: application/pdf; name*=utf-8''%C3%A4.pdf",
    'Content-Disposition: attachment',
    'Content-Transfer-Encoding: base64',
    '',
    Buffer.from('%PDF').toString('base64'),
    '--M--',
    '',
  );

  it('is read whole', async () => {
    const { mail, contents, metas } = await take(raw);
    expect(mail).toMatchObject({
      messageId: 'm1@customer.example',
      inReplyTo: ['m0@help.example'],
      references: ['r1@help.example', 'm0@help.example'],
      from: [{ name: 'Jäne Dö', address: 'jane@customer.example' }],
      to: [{ name: 'Support', address: 'support@help.example' }, { address: 'other@customer.example' }],
      cc: [{ address: 'chef@customer.example' }],
      deliveredTo: ['support@help.example'],
      returnPath: 'jane@customer.example',
      subject: 'Rückfrage',
      date: '2024-01-01T09:00:00.000Z',
      text: 'Grüße aus Köln',
      html: '<p>Grüße <img src="cid:logo@x" /></p>',
      textTruncated: false,
      warnings: [],
    });
    expect(mail.attachments).toMatchObject([
      { name: 'image.png', type: 'image/png', size: 3, contentId: 'logo@x', inline: true },
      { name: 'ä.pdf', type: 'application/pdf', size: 4, contentId: null, inline: false },
    ]);
    expect(mail.attachments.map(({ sha256 }) => contents.get(sha256)!.toString())).toEqual(['PNG', '%PDF']);
    expect(metas).toEqual([{ type: 'image/png' }, { type: 'application/pdf' }]);
  });

  it('is plain data: the same through structured clone and JSON', async () => {
    const { mail } = await take(raw);
    expect(structuredClone(mail)).toEqual(mail);
    expect(JSON.parse(JSON.stringify(mail))).toEqual(mail);
  });

  it('is the same byte by byte', async () => {
    const whole = await take(raw);
    const bytewise = await take(Readable.from([...raw].map((byte) => Buffer.from([byte]))));
    expect(bytewise.mail).toEqual(whole.mail);
  });
});

describe('poor mails still give a mail', () => {
  it('no Message-ID, no From, no subject, no body', async () => {
    expect(await parse('To: support@help.example', '', '')).toMatchObject({
      messageId: null,
      from: [],
      subject: '(no subject)',
      text: '',
      html: null,
      date: null,
      returnPath: null,
      attachments: [],
      warnings: ['no-sender'],
    });
  });

  it('nothing at all', async () => {
    expect(await parse('')).toMatchObject({ messageId: null, text: '', from: [] });
    expect(await parse('Subject: only a head')).toMatchObject({ subject: 'only a head', text: '' });
  });

  it('an empty body with an attachment', async () => {
    const mail = await parse(multipart('mixed', 'M'), '', '--M', 'Content-Type: application/x-y', '', 'data', '--M--');
    expect(mail).toMatchObject({ text: '', attachments: [{ name: 'attachment.bin', size: 4 }] });
  });

  it.each([
    ['utf-8 that is latin1', 'utf-8', 'Köln kaputt'],
    ['an unknown charset', 'x-nonsense', 'Köln kaputt'],
    ['no charset', '', 'Köln kaputt'],
    ['a charset that is no word', '"; drop"', 'Köln kaputt'],
  ])('a broken charset: %s', async (_name, charset, text) => {
    const mail = await parse(`Content-Type: text/plain; charset=${charset}`, '', 'K\xf6ln kaputt');
    expect(mail.text).toBe(text);
    expect(mail.warnings).toContain('charset-guessed');
  });

  it('two From fields: the first valid address, flagged', async () => {
    const mail = await parse('From: nobody', 'From: a@example.com', 'From: b@example.com', '', 'x');
    expect(mail.from.map(({ address }) => address)).toEqual(['a@example.com', 'b@example.com']);
    expect(mail.warnings).toContain('ambiguous-sender');
  });

  it('an encoded-word in the addr-spec is not decoded', async () => {
    const mail = await parse('From: =?utf-8?Q?agent?=@help.example', '', 'x');
    expect(mail.from).toEqual([{ name: null, address: '=?utf-8?Q?agent?=@help.example' }]);
  });

  it('headers that try to inject headers stay one line', async () => {
    const mail = await parse(
      'From: =?utf-8?Q?a=0D=0AX-Evil:_1?= <a@example.com>',
      'Subject: =?utf-8?B?aGkNCkJjYzogYUBiLmM=?=',
      'In-Reply-To: <a@b\x00c>',
      '',
      'NUL \x00 here',
    );
    expect(mail.subject).toBe('hi Bcc: a@b.c');
    expect(mail.from[0]?.name).toBe('a X-Evil: 1');
    expect(mail.text).toBe('NUL  here');
    expect(JSON.stringify(mail)).not.toMatch(/\\u0000|\\r/);
  });

  it('a date that is none is null, not now', async () => {
    const mail = await parse('From: a@example.com', 'Date: whenever', '', 'x');
    expect(mail).toMatchObject({ date: null, warnings: ['date-unreadable'] });
  });

  it('the null path', async () => {
    expect((await parse('Return-Path: <>', '', 'x')).returnPath).toBe('');
  });

  it.each([
    ['"base64"', 'R3LDvMOfZQ=='],
    ['base-64', 'R3LDvMOfZQ'],
    ['quoted-printable;', 'Gr=C3=BC=C3=9Fe'],
    ['Quoted_Printable', 'Gr=C3=BC=C3=9Fe='],
    ['8bits', utf8('Grüße')],
  ])('a misspelt transfer encoding: %s', async (encoding, body) => {
    const mail = await parse(
      'Content-Type: text/plain; charset=utf-8',
      `Content-Transfer-Encoding: ${encoding}`,
      '',
      body,
    );
    expect(mail.text.trim()).toBe('Grüße');
  });

  it('an unknown transfer encoding keeps the content', async () => {
    expect((await parse('Content-Transfer-Encoding: 7-bit', '', 'content')).text).toBe('content');
    expect((await parse('Content-Type: text', '', 'content')).text).toBe('content');
  });

  it('a multipart whose boundary never comes is shown as it stands', async () => {
    const mail = await parse(multipart('mixed', 'nowhere'), '', 'all there is');
    expect(mail).toMatchObject({ text: 'all there is', warnings: ['no-sender', 'structure-broken'] });
  });

  it('a text without any header is all body', async () => {
    expect((await parse('Dear all', '', 'no header here')).text).toBe('Dear all\n\nno header here');
  });

  it('format=flowed is joined', async () => {
    const flowed = 'Content-Type: text/plain; format=flowed; delsp=yes';
    expect((await parse(flowed, '', 'one l ', 'ine', '>> quo ', '>> ted', '-- ', 'me')).text).toBe(
      'one line\n>> quoted\n-- \nme',
    );
  });
});

describe('body', () => {
  const part = (type: string, ...lines: string[]) => ['--M', `Content-Type: ${type}`, '', ...lines];

  it('keeps all text parts of a mixed mail in their order, and pictures between them', async () => {
    const mail = await parse(
      multipart('mixed', 'M'),
      '',
      ...part('text/plain', 'first'),
      ...part('image/png', 'x'),
      ...part('text/html', '<p>second</p>'),
      ...part('text/plain', 'third <b>'),
      '--M--',
    );
    const [picture] = mail.attachments;
    expect(picture).toMatchObject({ name: 'image.png', inline: true });
    expect(mail.text).toBe('first\n[image.png]\nsecond\nthird <b>');
    expect(mail.html).toBe(
      `<p>first</p>\n<p><img src="cid:${picture!.contentId}" alt="image.png" /></p>\n<p>second</p>\n<p>third &lt;b&gt;</p>`,
    );
  });

  it('takes the HTML where the text is empty or a stub', async () => {
    const html = `<p>The router is down.</p><p>${'More words. '.repeat(10)}</p>`;
    for (const stub of ['', 'This is an HTML message.']) {
      const mail = await parse(
        multipart('alternative', 'M'),
        '',
        ...part('text/plain', stub),
        ...part('text/html', html),
        '--M--',
      );
      expect(mail.text).toMatch(/^The router is down\.\n\nMore words/);
    }
  });

  it('is cut at the limit, on a code point', async () => {
    const { mail } = await take(rawMail('Content-Type: text/plain; charset=utf-8', '', utf8('😀'.repeat(10))), {
      textLength: 7,
    });
    expect(mail).toMatchObject({ text: '😀😀😀', textTruncated: true });
  });

  it('named texts are files when there is a text already', async () => {
    const mail = await parse(
      multipart('mixed', 'M'),
      '',
      ...part('text/plain', 'the mail'),
      ...part('text/plain; name=log.txt', 'the log'),
      '--M--',
    );
    expect(mail).toMatchObject({ text: 'the mail', attachments: [{ name: 'log.txt', size: 7 }] });
  });
});

describe('attachments', () => {
  const attachment = (...headers: string[]) => ['--M', ...headers, '', 'x'];

  it('have safe, unique names', async () => {
    const named = (name: string) =>
      attachment('Content-Type: application/x-y', `Content-Disposition: attachment; filename="${name}"`);
    const mail = await parse(
      multipart('mixed', 'M'),
      '',
      ...named('../../etc/passwd'),
      ...named('a.txt'),
      ...named('A.TXT'),
      ...named('a.txt'),
      ...named('=?utf-8?Q?evil=E2=80=AEfdp.exe?='),
      ...named('.htaccess'),
      ...named(`${'x'.repeat(300)}.pdf`),
      '--M--',
    );
    const names = mail.attachments.map(({ name }) => name);
    expect(names.slice(0, 6)).toEqual(['etc_passwd', 'a.txt', 'A (2).TXT', 'a (3).txt', 'evilfdp.exe', 'htaccess']);
    expect(names[6]).toMatch(/^x+\.pdf$/);
    expect(Buffer.byteLength(names[6]!)).toBe(200);
  });

  it('that are mails are kept as such, named by their subject, and their ids known', async () => {
    const mail = await parse(
      multipart('mixed', 'M'),
      '',
      '--M',
      'Content-Type: message/rfc822',
      '',
      'Subject: Inner / mail',
      'Message-ID: <inner@x>',
      '',
      'inner body',
      '--M--',
    );
    expect(mail.text).toBe('');
    expect(mail.attachments).toMatchObject([{ name: 'Inner _ mail.eml', type: 'message/rfc822' }]);
    expect(mail.automatic.returnedMessageIds).toEqual(['inner@x']);
  });

  it('over the count are left out, with a warning', async () => {
    const raw = rawMail(
      multipart('mixed', 'M'),
      '',
      ...Array.from({ length: 20 }, () => attachment('Content-Type: image/png')).flat(),
      '--M--',
    );
    const { mail, contents } = await take(raw, { attachments: 3 });
    expect(mail.attachments).toHaveLength(3);
    expect(mail.warnings).toContain('attachments-over-limit');
    expect(contents.size).toBe(1);
  });

  it('need not be read to their end', async () => {
    const raw = rawMail('Content-Type: image/png', '', 'x'.repeat(500_000));
    const mail = await parseMail(Readable.from([raw]), { onAttachment: async () => ({ sha256: 'none', size: 0 }) });
    expect(mail.attachments).toHaveLength(1);
  });

  it('stream through without being held: 150 MB in flat memory', async () => {
    const line = `${Buffer.alloc(57, 7).toString('base64')}\r\n`;
    const block = Buffer.from(line.repeat(800));
    const blocks = Math.ceil((150 * 1024 * 1024) / block.length);
    async function* source() {
      yield rawMail('Content-Type: application/x-y', 'Content-Transfer-Encoding: base64', '', '');
      for (let i = 0; i < blocks; i++) yield block;
    }
    let peak = 0;
    const before = process.memoryUsage().rss;
    const mail = await parseMail(Readable.from(source()), {
      limits: { rawBytes: 200 * 1024 * 1024 },
      async onAttachment(_meta, content) {
        let size = 0;
        for await (const chunk of content as AsyncIterable<Buffer>) {
          size += chunk.length;
          peak = Math.max(peak, process.memoryUsage.rss() - before);
        }
        return { sha256: '', size };
      },
    });
    expect(mail.attachments[0]?.size).toBe(blocks * 800 * 57);
    expect(peak).toBeLessThan(120 * 1024 * 1024);
  });
});

describe('what cannot be taken apart is named unreadable, with its head', () => {
  const reason = async (raw: Buffer | Readable, limits = {}) => {
    const error = await take(raw, limits).then(
      () => null,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(MailUnreadable);
    return error as MailUnreadable;
  };

  it('3 MB of headers', async () => {
    const raw = rawMail('Subject: big', 'From: a@example.com', `X-Big: ${'x'.repeat(3_000_000)}`, '', 'x');
    const error = await reason(raw);
    expect(error.reason).toBe('headers-too-large');
    expect(fallbackMail(error.head, raw.length, error.reason)).toMatchObject({
      subject: 'big',
      from: [{ address: 'a@example.com' }],
      html: null,
      attachments: [],
    });
  });

  it('100,000 recipients', async () => {
    const error = await reason(
      rawMail('Subject: many', `To: ${'somebody@example.com,\r\n '.repeat(100_000)}x@y`, '', 'x'),
    );
    expect(fallbackMail(error.head, 1, error.reason).to.length).toBeLessThanOrEqual(200);
  });

  it('1,500 nested multiparts', async () => {
    const lines = ['Subject: deep'];
    for (let i = 0; i < 1500; i++) lines.push(multipart('mixed', `B${i}`), '', `--B${i}`);
    expect((await reason(rawMail(...lines, 'Content-Type: text/plain', '', 'x'))).reason).toBe('too-many-parts');
  });

  it('5,000 parts', async () => {
    const parts = '--M\r\n\r\nx\r\n'.repeat(5000);
    expect((await reason(rawMail(multipart('mixed', 'M'), '', parts))).reason).toBe('too-many-parts');
  });

  const nested = (levels: number) => {
    const lines = ['Subject: deep'];
    for (let i = 0; i < levels; i++) lines.push(multipart('mixed', `B${i}`), '', `--B${i}`);
    return rawMail(...lines, 'Content-Type: text/plain', '', 'inside');
  };

  it.each<[keyof MailLimits, UnreadableReason, Partial<MailLimits>, Buffer, Buffer]>([
    ['rawBytes', 'too-large', { rawBytes: 100 }, rawMail('', 'x'.repeat(98)), rawMail('', 'x'.repeat(99))],
    ['depth', 'too-deep', { depth: 50 }, nested(50), nested(51)],
    [
      'parts',
      'too-many-parts',
      { parts: 10 },
      rawMail(multipart('mixed', 'M'), '', '--M\r\n\r\nx\r\n'.repeat(9)),
      rawMail(multipart('mixed', 'M'), '', '--M\r\n\r\nx\r\n'.repeat(11)),
    ],
    [
      'headerBytes',
      'headers-too-large',
      { headerBytes: 10_000 },
      rawMail('Subject: x', `X-Long: ${'x'.repeat(9_900)}`, '', 'x'),
      rawMail('Subject: x', `X-Long: ${'x'.repeat(10_100)}`, '', 'x'),
    ],
  ])('the limit %s: read at it, %s above it', async (_limit, expected, limits, within, above) => {
    expect((await take(within, limits)).mail.text).not.toBe('');
    expect((await reason(above, limits)).reason).toBe(expected);
  });

  it('too many bytes, seen while they come', async () => {
    let sent = 0;
    async function* endless() {
      yield rawMail('Subject: endless', 'Content-Type: image/png', '', '');
      for (;;) {
        sent++;
        yield Buffer.alloc(64 * 1024, 'x');
      }
    }
    const error = await reason(Readable.from(endless()), { rawBytes: 1024 * 1024 });
    expect(error.reason).toBe('too-large');
    expect(error.head.toString()).toContain('Subject: endless');
    expect(sent).toBeLessThan(40);
  });

  it('a fallback needs no header at all', () => {
    expect(fallbackMail(Buffer.from([0, 255, 254]), 3, 'malformed')).toMatchObject({
      subject: '(no subject)',
      warnings: ['no-sender', 'unreadable'],
    });
  });
});

describe('failures outside the mail are passed on', () => {
  const raw = rawMail('Content-Type: image/png', '', 'x'.repeat(300_000));

  it('of the source', async () => {
    async function* broken() {
      yield raw;
      throw new Error('connection lost');
    }
    await expect(parseMail(Readable.from(broken()), { onAttachment: drained })).rejects.toThrow('connection lost');
  });

  it('of the store, without leaving the source open', async () => {
    const source = Readable.from([raw, raw, raw]);
    const failing = parseMail(source, { onAttachment: async () => Promise.reject(new Error('disk full')) });
    await expect(failing).rejects.toThrow('disk full');
    expect(source.destroyed).toBe(true);
  });
});

describe('nested markup', () => {
  it('5,000 nested divs become text', async () => {
    const started = performance.now();
    const mail = await parse(
      'Content-Type: text/html',
      '',
      `${'<div>'.repeat(5000)}deep inside${'</div>'.repeat(5000)}`,
    );
    expect(mail).toMatchObject({ text: 'deep inside', html: null });
    expect(mail.warnings).toContain('html-too-deep');
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});

it('types and Content-IDs of attachments are clean and short', async () => {
  const mail = await parse(
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    'Content-Type: image/p\0ng',
    'Content-ID: <a=?utf-7?Q?+2AA-?=b@example.com>',
    '',
    'one',
    '--b',
    `Content-Type: application/${'x'.repeat(5_000)}`,
    `Content-ID: <${'y'.repeat(5_000)}@example.com>`,
    '',
    'two',
    '--b--',
  );
  const [one, two] = mail.attachments;
  expect(one!.type).toMatch(/^image\/p.?ng$/);
  expect(JSON.stringify(one)).not.toMatch(/\\u/);
  expect(two!.type.length).toBeLessThanOrEqual(255);
  expect(two!.contentId).toBeNull();
});
