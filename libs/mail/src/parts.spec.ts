/** What a mail is made of: enclosed mails, alternatives, pictures in their places, and parts too large to hold. */
import { Readable } from 'node:stream';
import { parseMail } from './parse.js';
import { parse, rawMail, take } from './raw-mail.fixture.js';
import { tnef } from './tnef.fixture.js';

const multipart = (type: string, ...parts: string[][]) => [
  `Content-Type: multipart/${type}; boundary=${type[0]}${parts.length}`,
  '',
  ...parts.flatMap((part) => [`--${type[0]}${parts.length}`, ...part]),
  `--${type[0]}${parts.length}--`,
];
const part = (type: string, ...lines: string[]) => [`Content-Type: ${type}`, '', ...lines];
const picture = (name: string, ...headers: string[]) => [`Content-Type: image/png; name=${name}`, ...headers, '', name];
const mailOf = (from: string, subject: string, ...body: string[]) => [
  'Content-Type: message/rfc822',
  '',
  `From: ${from}`,
  'To: Support <support@help.example>',
  'Date: Wed, 1 May 2024 10:00:00 +0200',
  `Subject: ${subject}`,
  'Message-ID: <inner@attacker.example>',
  'References: <ours@help.example>',
  'X-Helpdesk-Loop: token',
  'Auto-Submitted: auto-replied',
  ...body,
];

describe('enclosed mail', () => {
  const enclosed = mailOf(
    'Jane <jane@customer.example>',
    'Router / down',
    ...multipart(
      'mixed',
      part('text/html', '<p>It does not <b>answer</b></p>'),
      part('application/pdf; name=log.pdf', 'x'),
    ),
  );

  it('is kept as a file, and readable without opening it', async () => {
    const mail = await parse(
      'From: erik@help.example',
      ...multipart('related', part('text/plain', 'see there'), enclosed),
    );
    expect(mail.text).toBe('see there');
    expect(mail.attachments).toMatchObject([{ name: 'Router _ down.eml', type: 'message/rfc822' }]);
    expect(mail.enclosed).toEqual([
      {
        attachment: 'Router _ down.eml',
        from: { name: 'Jane', address: 'jane@customer.example' },
        to: [{ name: 'Support', address: 'support@help.example' }],
        subject: 'Router / down',
        date: '2024-05-01T08:00:00.000Z',
        text: 'It does not answer',
        attachments: ['log.pdf'],
        enclosed: [],
      },
    ]);
    expect(mail.forwarded).toEqual({
      from: { name: 'Jane', address: 'jane@customer.example' },
      fromText: 'Jane <jane@customer.example>',
      subject: 'Router / down',
      date: '2024-05-01T08:00:00.000Z',
      comment: 'see there',
      text: 'It does not answer',
      style: 'attached',
    });
  });

  it('decides nothing: not who wrote, not where it belongs, not what machine it was', async () => {
    const mail = await parse('From: erik@help.example', 'Subject: outer', ...multipart('mixed', enclosed));
    expect(mail).toMatchObject({
      messageId: null,
      references: [],
      inReplyTo: [],
      subject: 'outer',
      from: [{ address: 'erik@help.example' }],
      automatic: { loopTokens: [], autoSubmitted: null, hops: 0 },
    });
  });

  it('within enclosed mail is read five levels deep', async () => {
    let nested = mailOf('a@customer.example', 'level 12', '', 'innermost');
    for (let level = 11; level > 0; level--)
      nested = mailOf(
        'a@customer.example',
        `level ${level}`,
        ...multipart('mixed', nested).map((line) => line.replace(/m1/g, `m1-${level}`)),
      );
    let mails = (await parse(...multipart('related', nested))).enclosed;
    const subjects: string[] = [];
    for (; mails.length > 0; mails = mails[0]!.enclosed) subjects.push(mails[0]!.subject);
    expect(subjects).toEqual(['level 1', 'level 2', 'level 3', 'level 4', 'level 5']);
  });

  it('in great numbers is kept, and some of it previewed', async () => {
    const many = Array.from({ length: 60 }, (_, i) => mailOf('a@customer.example', `mail ${i}`, '', 'x'));
    const mail = await parse(...multipart('mixed', ...many));
    expect(mail.attachments).toHaveLength(60);
    expect(mail.enclosed).toHaveLength(20);
  });

  it('that is broken is shown as far as it goes', async () => {
    const mail = await parse(
      ...multipart(
        'mixed',
        ['Content-Type: message/rfc822', '', 'no mail at all'],
        ['Content-Type: message/rfc822', '', ''],
      ),
    );
    expect(mail.enclosed).toMatchObject([{ from: null, subject: '(no subject)' }, { text: '' }]);
  });

  it('of several people has no one sender; in an answer or a report it is no forwarding', async () => {
    const other = mailOf('other@customer.example', 'x', '', 'x');
    expect((await parse(...multipart('related', enclosed, other))).forwarded).toMatchObject({
      from: null,
      style: 'attached',
    });
    expect((await parse('Subject: Re: x', ...multipart('mixed', enclosed))).forwarded).toBeNull();
    expect((await parse('Return-Path: <>', ...multipart('mixed', enclosed))).forwarded).toBeNull();
    expect((await parse(...multipart('report', part('text/plain', 'x'), enclosed))).forwarded).toBeNull();
  });

  it('elsewhere or in pieces is an attachment, and nothing is fetched', async () => {
    const mail = await parse(
      ...multipart(
        'mixed',
        part('message/external-body; access-type=URL; URL="http://127.0.0.1/x"', 'Content-Type: text/plain', '', 'x'),
        part('message/partial; id=x; number=1; total=2', 'From: a@customer.example', '', 'half'),
      ),
    );
    expect(mail.attachments.map(({ name }) => name)).toEqual(['external-body.txt', 'partial.eml']);
    expect(mail).toMatchObject({ text: '', enclosed: [] });
  });
});

describe('a mail of everything', () => {
  const everything = rawMail(
    'From: a@customer.example',
    ...multipart(
      'related',
      part('text/plain', 'text', 'begin 644 a.txt', '#86)C', '`', 'end', 'more'),
      mailOf(
        'b@customer.example',
        'inner',
        ...multipart('mixed', part('text/html', '<p>x</p>'), part('image/png', 'y')),
      ),
      [
        'Content-Type: application/ms-tnef',
        'Content-Transfer-Encoding: base64',
        '',
        tnef({ body: 'x', files: [{ longName: 'b.txt', data: Buffer.from('b') }] }).toString('base64'),
      ],
      ['Content-Type: application/pkcs7-mime', 'Content-Transfer-Encoding: base64', '', 'MIAGCSqGSIb3DQEHAqCA'],
      ['Content-Type: image/gif', 'Content-Transfer-Encoding: x-uuencode', '', 'begin 644 c.gif', '#86)C', 'end'],
      part('text/calendar; method=REQUEST', 'BEGIN:VCALENDAR', 'BEGIN:VEVENT', 'UID:u', 'END:VEVENT', 'END:VCALENDAR'),
    ),
  );

  it('is read', async () => {
    const { mail } = await take(everything);
    expect(mail.attachments.map(({ name }) => name)).toEqual([
      'a.txt',
      'inner.eml',
      'b.txt',
      'smime.p7m',
      'c.gif',
      'invite.ics',
    ]);
    expect(mail).toMatchObject({ text: 'text\nmore', calendar: { uid: 'u', method: 'request' } });
    expect(structuredClone(mail)).toEqual(mail);
  });

  it('is the same byte by byte, and ends wherever it is cut', async () => {
    const bytewise = await take(Readable.from([...everything].map((byte) => Buffer.from([byte]))));
    expect(bytewise.mail).toEqual((await take(everything)).mail);
    for (let length = 0; length < everything.length; length += 37) {
      expect((await take(everything.subarray(0, length))).mail.attachments.length).toBeLessThanOrEqual(7);
    }
  });

  it('passes on failures of its source and of the store, wherever they come', async () => {
    for (let length = 1; length < everything.length; length += 101) {
      const source = Readable.from(
        (async function* () {
          yield everything.subarray(0, length);
          throw new Error('connection lost');
        })(),
      );
      await expect(take(source)).rejects.toThrow('connection lost');
    }
    for (let failing = 0; failing < 6; failing++) {
      let count = 0;
      const onAttachment = async (_meta: unknown, content: Readable) => {
        if (count++ === failing) throw new Error('disk full');
        for await (const _ of content);
        return { sha256: '', size: 0 };
      };
      await expect(parseMail(Readable.from([everything]), { onAttachment })).rejects.toThrow('disk full');
    }
  });
});

describe('alternatives', () => {
  const alternative = (...parts: string[][]) => parse(...multipart('alternative', ...parts));

  it('without words in the HTML are their text, and the pictures attached', async () => {
    const html = '<html><body><img src="cid:logo" alt="Our logo"><p>&nbsp;</p></body></html>';
    const mail = await parse(
      ...multipart(
        'related',
        multipart('alternative', part('text/plain', 'The words'), part('text/html', html)),
        picture('a.png', 'Content-ID: <logo>'),
      ),
    );
    expect(mail).toMatchObject({ text: 'The words', html: null, attachments: [{ name: 'a.png', inline: false }] });
    expect((await alternative(part('text/plain', 'The words'), part('text/html', ''))).html).toBeNull();
  });

  it('keep HTML that is only a picture, when there is no text either', async () => {
    const mail = await alternative(part('text/plain', ''), part('text/html', '<img src="cid:x@y">'));
    expect(mail.html).toBe('<img src="cid:x@y" />');
  });

  it('are not replaced by a signature that somebody added', async () => {
    const body = `<p>${'The router at Storgata does not answer. '.repeat(3)}</p>`;
    const mail = await alternative(
      part('text/plain', 'The router'),
      part('text/html', body),
      part('text/html', '<p>Best, Jane</p>'),
    );
    expect(mail.html).toMatch(/Storgata[^]*Best, Jane/);
  });

  it('are the last HTML when that says as much', async () => {
    const mail = await alternative(
      part('text/html', '<p>first and simple</p>'),
      part('text/html', '<p>last and <b>best</b></p>'),
    );
    expect(mail.html).toBe('<p>last and <b>best</b></p>');
  });

  it('with an added footer behind them keep both, in order', async () => {
    const mail = await parse(
      ...multipart(
        'mixed',
        multipart('alternative', part('text/plain', 'words'), part('text/html', '<p>words</p>')),
        part('text/html', '<p>footer</p>'),
      ),
    );
    expect(mail).toMatchObject({ text: 'words\nfooter', html: '<p>words</p>\n<p>footer</p>' });
  });
});

describe('pictures', () => {
  it('stand where they were between texts, and behind them they are attached', async () => {
    const mail = await parse(
      ...multipart(
        'mixed',
        part('text/plain', 'before'),
        picture('one.png', 'Content-Disposition: inline'),
        part('text/plain', 'after'),
        picture('two.png'),
      ),
    );
    const [one, two] = mail.attachments;
    expect(mail.text).toBe('before\n[one.png]\nafter');
    expect(mail.html).toBe(`<p>before</p>\n<p><img src="cid:${one!.contentId}" alt="one.png" /></p>\n<p>after</p>`);
    expect([one, two]).toMatchObject([{ inline: true }, { inline: false, contentId: null }]);
  });

  it('that were sent as files stay files, and those that the HTML shows are not shown twice', async () => {
    const mail = await parse(
      ...multipart(
        'mixed',
        part('text/html', '<p>see <img src="cid:two"></p>'),
        picture('one.png', 'Content-Disposition: attachment'),
        picture('two.png', 'Content-ID: <two>'),
        part('text/plain', 'after'),
      ),
    );
    expect(mail.html).toBe('<p>see <img src="cid:two" /></p>\n<p>after</p>');
    expect(mail.attachments).toMatchObject([{ inline: false }, { inline: true }]);
  });

  it('that make a text out of a plain alternative do not replace its HTML', async () => {
    const plain = multipart(
      'mixed',
      part('text/plain', 'before'),
      picture('one.png'),
      part('text/plain', 'and so much more after'),
    );
    const mail = await parse(...multipart('alternative', plain, part('text/html', '<p>the HTML</p>')));
    expect(mail.html).toBe('<p>the HTML</p>');
  });

  it('are found by their name or place, and the first of one Content-ID is meant', async () => {
    const html = `<p>x<img src="image001.png"><img src='http://x.example/logo'><img src="cid:same"></p>`;
    const mail = await parse(
      ...multipart(
        'related',
        part('text/html', html),
        picture('image001.png'),
        picture('b.png', 'Content-Location: http://x.example/logo'),
        picture('c.png', 'Content-ID: same'),
        picture('d.png', 'Content-ID: <same>'),
      ),
    );
    expect(mail.attachments.map(({ inline }) => inline)).toEqual([true, true, true, false]);
    expect(mail.html!.match(/src="cid:/g)).toHaveLength(3);
  });
});

describe('a text that is too large to hold', () => {
  it('is cut for reading and attached whole', async () => {
    const line = 'Grüße aus Köln, und der Router antwortet nicht.\n';
    const long = Buffer.from(line.repeat(200));
    const { mail, contents } = await take(
      Buffer.concat([rawMail('Content-Type: text/plain; charset=utf-8', '', ''), long]),
      { partBytes: 2000 },
    );
    expect(mail.warnings).toEqual(['no-sender', 'part-over-limit']);
    expect(mail.text.length).toBeGreaterThan(1800);
    expect(long.toString().startsWith(mail.text)).toBe(true);
    expect(mail.attachments).toMatchObject([{ name: 'text.txt', type: 'text/plain', size: long.length }]);
    expect(contents.get(mail.attachments[0]!.sha256)).toEqual(long);
  });

  it('counts together with the others', async () => {
    const parts = Array.from({ length: 10 }, () => part('text/plain', 'x'.repeat(900)));
    const { mail } = await take(rawMail(...multipart('mixed', ...parts)), { partBytes: 1000 });
    expect(mail.text.replace(/\s/g, '').length).toBeLessThanOrEqual(2000);
    expect(mail.attachments.length).toBeGreaterThanOrEqual(7);
    expect(mail.attachments.every(({ size }) => size === 900)).toBe(true);
  });

  it('costs little memory: 40 MB of HTML', async () => {
    const block = Buffer.alloc(64 * 1024, '<p>words</p>\r\n');
    async function* source() {
      yield rawMail('Content-Type: text/html', '', '');
      for (let i = 0; i < 640; i++) yield block;
    }
    const before = process.memoryUsage.rss();
    let peak = 0;
    const mail = await parseMail(Readable.from(source()), {
      async onAttachment(_meta, content) {
        let size = 0;
        for await (const chunk of content as AsyncIterable<Buffer>) {
          size += chunk.length;
          peak = Math.max(peak, process.memoryUsage.rss() - before);
        }
        return { sha256: 'x', size };
      },
    });
    expect(mail).toMatchObject({
      html: null,
      textTruncated: true,
      attachments: [{ name: 'text.html', size: 640 * block.length }],
    });
    expect(peak).toBeLessThan(75 * 1024 * 1024);
  });

  it('needs nobody to read it to its end, nor room for attachments', async () => {
    const raw = rawMail('Content-Type: text/plain', '', 'x'.repeat(500_000));
    const options = { onAttachment: async () => ({ sha256: 'none', size: 0 }), limits: { partBytes: 1000 } };
    expect((await parseMail(Readable.from([raw]), options)).attachments).toHaveLength(1);
    const { mail } = await take(raw, { partBytes: 1000, attachments: 0 });
    expect(mail.warnings).toEqual(['no-sender', 'part-over-limit', 'attachments-over-limit']);
  });

  it('passes on what its store throws', async () => {
    const raw = rawMail('Content-Type: text/plain', '', 'x'.repeat(500_000));
    const failing = parseMail(Readable.from([raw]), {
      onAttachment: async () => Promise.reject(new Error('disk full')),
      limits: { partBytes: 1000 },
    });
    await expect(failing).rejects.toThrow('disk full');
  });

  it('does not wait for a source that fails', async () => {
    async function* broken() {
      yield rawMail('Content-Type: text/plain', '', 'x'.repeat(200_000));
      throw new Error('connection lost');
    }
    const failing = parseMail(Readable.from(broken()), {
      async onAttachment(_meta, content) {
        for await (const _ of content);
        return { sha256: '', size: 0 };
      },
      limits: { partBytes: 1000 },
    });
    await expect(failing).rejects.toThrow('connection lost');
  });
});
