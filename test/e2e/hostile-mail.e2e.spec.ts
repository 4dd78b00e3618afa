/**
 * The worst mails in the world, through a real IMAP server and the running services: each ends in a ticket without its
 * poison or in a row that says why not, and the mails behind it come through.
 */
import { downloadHeaders } from '../../apps/gateway/src/attachments/download.js';
import { forgetPeak, memoryMiB } from '../../tools/bench/usage.js';
import { awaitMail } from '../../tools/demo/mail.js';
import { Attack, lines } from '../harness/hostile.js';

let attack: Attack;

beforeAll(async () => {
  attack = await Attack.begin();
});
afterAll(() => attack?.end());

const FROM = (n: string) => [`From: Mallory <mallory@${n}.example>`, `Message-ID: <${n}@${n}.example>`];

/** Parts between `--b`, as a multipart/mixed with an ordinary text first. */
function multipart(name: string, ...parts: string[]): string {
  return lines(
    ...FROM(name),
    `Subject: ${name}`,
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    '',
    'See the attachment.',
    ...parts.flatMap((part) => ['--b', part]),
    '--b--',
    '',
  );
}

describe('active content', () => {
  const POISON = [
    '<script>alert(1)</script><img src=x onerror=alert(1)><a href="javascript:alert(1)">a</a>',
    '<a href="data:text/html,<script>alert(1)</script>">b</a><base href="https://evil.example/">',
    '<meta http-equiv=refresh content="0;url=https://evil.example"><form action="https://evil.example"><input></form>',
    '<iframe srcdoc="<script>alert(1)</script>"></iframe><style>@import url(https://evil.example/x.css)</style>',
    '<div style="position:fixed;background:url(https://evil.example/x)">c</div>',
    '<svg><use href="data:image/svg+xml,<svg/onload=alert(1)>"></use></svg><math><mtext><script>1</script></mtext></math>',
  ].join('');
  const FORBIDDEN =
    /<script|onerror|onload|javascript:|data:text|<base|<meta|<form|<input|<iframe|srcdoc|<style|@import|position|url\(|<svg|<use|<math/i;

  it('in an HTML body is taken out', async () => {
    const result = await attack.receiveOne(
      lines(
        ...FROM('html'),
        'Subject: html',
        'MIME-Version: 1.0',
        'Content-Type: text/html',
        '',
        `<p>Hello</p>${POISON}`,
      ),
    );
    const { html, text } = await attack.firstMessage(result);
    expect(html).toContain('Hello');
    expect(html).not.toMatch(FORBIDDEN);
    expect(text).toContain('Hello');
  });

  it.each(['Subject: <img src=x onerror=alert(1)>', 'Subject: =?utf-8?q?=3Cimg_src=3Dx_onerror=3Dalert(1)=3E?='])(
    'in a subject is only text: %s',
    async (subject) => {
      const name = subject.includes('=?') ? 'encoded' : 'plain';
      const { ticketId } = await attack.receiveOne(lines(...FROM(name), subject, '', 'x'));
      expect((await attack.employee.ticket(ticketId!)).subject).toBe('<img src=x onerror=alert(1)>');
    },
  );

  it('does not come out of a link in plain text', async () => {
    const text = 'http://a.example?"onmouseover="alert(1)"';
    const message = await attack.firstMessage(
      await attack.receiveOne(lines(...FROM('link'), 'Subject: link', '', text)),
    );
    expect(message.text).toContain(text);
    expect(message.html).toBeNull();
  });

  it('of the network is not loaded before the reader asks for it', async () => {
    const message = await attack.firstMessage(
      await attack.receiveOne(
        lines(
          ...FROM('remote'),
          'Subject: remote',
          'MIME-Version: 1.0',
          'Content-Type: text/html',
          '',
          '<p>Hi</p><img src="https://canary.example/x.png">',
        ),
      ),
    );
    expect(message.html).not.toMatch(/<img[^>]*\ssrc=["']?https:/i);
  });
});

describe('attachments', () => {
  it.each([
    ['svg', 'Content-Type: image/svg+xml; x', '<svg onload="alert(1)"/>'],
    ['html', 'Content-Type: text/html; charset=utf-7', '+ADw-script+AD4-alert(1)+ADw-/script+AD4-'],
    ['xhtml', 'Content-Type: application/xhtml+xml', '<script xmlns="http://www.w3.org/1999/xhtml">alert(1)</script>'],
    ['png', 'Content-Type: image/png', '<html><script>alert(1)</script></html>'],
    ['header', 'Content-Type: text/html\r\nContent-Location: x%0d%0aSet-Cookie:%20a=b', '<b>x</b>'],
  ])('of type %s are downloads and never pages', async (name, type, content) => {
    const raw = multipart(name, lines(type, `Content-Disposition: attachment; filename="${name}.html"`, '', content));
    const result = await attack.receiveOne(raw);
    const [attachment] = (await attack.firstMessage(result)).attachments;
    const response = await fetch(
      `${attack.world.services.apiUrl}/tickets/${result.ticketId}/attachments/${attachment!.id}`,
      { headers: { authorization: `Bearer ${attack.employee.token}` } },
    );
    expect(response.status).toBe(200);
    expect(response.headers.get('content-disposition')).toMatch(/^attachment;/);
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(response.headers.get('content-security-policy')).toContain('sandbox');
    expect(response.headers.get('content-type')).toMatch(/^(?:application\/octet-stream|image\/png)$/);
    expect(response.headers.get('set-cookie')).toBeNull();
    expect((await response.text()).trim()).toBe(content);
  });

  it('keep no dangerous or deceptive name', async () => {
    const names = [
      'filename="=?utf-8?B?4oCLLmh0YWNjZXNz?="',
      'filename="..\\\\..\\\\x"',
      'filename="../../etc/cron.d/x"',
      'filename="a\u0000.png"',
      "filename*=utf-8''inv%E2%80%AEgpj.exe",
      `filename="${'n'.repeat(400)}.txt"`,
      'filename="CON"',
      'filename=""',
      'filename*0="split-"; filename*1="name.txt"',
      "filename*=utf-8''a%0d%0aSet-Cookie%3A%20x.html",
    ];
    const raw = multipart(
      'names',
      ...names.map((name) =>
        lines('Content-Type: application/octet-stream', `Content-Disposition: attachment; ${name}`, '', 'x'),
      ),
    );
    const { attachments } = await attack.firstMessage(await attack.receiveOne(raw));
    expect(attachments).toHaveLength(names.length);
    for (const { name, type, size } of attachments) {
      expect(name).not.toMatch(/[\p{Cc}\p{Cf}/\\]/u);
      expect(name).not.toMatch(/^\.|^con$/i);
      expect(name.length).toBeGreaterThan(0);
      expect(Buffer.byteLength(name)).toBeLessThanOrEqual(200);
      expect(downloadHeaders({ name, type, size })['content-disposition']).toMatch(
        /^attachment; filename="[\x20-\x7e]*"/,
      );
    }
    expect(attachments.map(({ name }) => name)).toContain('split-name.txt');
    expect(new Set(attachments.map(({ name }) => name)).size).toBe(names.length);
  });

  it('that are archives are kept as they came', async () => {
    const zip = 'UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==';
    const raw = multipart(
      'zip',
      lines('Content-Type: application/zip; name=bomb.zip', 'Content-Transfer-Encoding: base64', '', zip),
    );
    const { attachments } = await attack.firstMessage(await attack.receiveOne(raw));
    expect(attachments).toMatchObject([{ name: 'bomb.zip', size: Buffer.from(zip, 'base64').length }]);
  });

  it('that are signatures, ciphers, Outlook parcels and invitations crash nothing', async () => {
    const raw = multipart(
      'odd-parts',
      lines('Content-Type: application/pkcs7-signature; name=smime.p7s', '', 'AAAA'),
      lines('Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m', '', 'AAAA'),
      lines('Content-Type: application/pgp-encrypted', '', 'Version: 1'),
      lines(
        'Content-Type: application/ms-tnef; name=winmail.dat',
        'Content-Transfer-Encoding: base64',
        '',
        'eJ8+IgAA/////w==',
      ),
      lines('Content-Type: text/calendar; method=REQUEST', '', 'BEGIN:VCALENDAR', 'END:VCALENDAR'),
    );
    const result = await attack.receiveOne(raw);
    expect(result.disposition).toBe('ticket_created');
    const names = (await attack.firstMessage(result)).attachments.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['smime.p7s', 'smime.p7m', 'winmail.dat']));
  });
});

describe('senders that are none', () => {
  it('are never the beginning of somebody else’s address', async () => {
    const results = await attack.receive(
      lines('From: agent@corp(x).example.com', 'Message-ID: <c1@x>', 'Subject: comment', '', 'hi'),
      lines('From: "agent@corp .example.com"', 'Message-ID: <c2@x>', 'Subject: quoted', '', 'hi'),
      lines('From: "victim@gmail.com x"@internal.domain', 'Message-ID: <c3@x>', 'Subject: local part', '', 'hi'),
      lines('From: "user"@example.com(x)evil.com', 'Message-ID: <c4@x>', 'Subject: tail', '', 'hi'),
    );
    for (const { ticketId, disposition } of results) {
      expect(disposition).toMatch(/ticket_created|quarantined/);
      if (!ticketId) continue;
      const { email } = (await attack.employee.ticket(ticketId)).reporter;
      expect([null, 'agent@corp.example.com', '"victim@gmail.com x"@internal.domain', 'user@example.com']).toContain(
        email,
      );
    }
    const { rows } = await attack.database.query(`select recipient from notifier.delivery`);
    for (const { recipient } of rows) expect(recipient).not.toMatch(/^agent@corp$|^victim@gmail\.com$|evil\.com$/);
  });

  it('are visible all the same: none, two, an empty group, blanks in the address', async () => {
    const results = await attack.receive(
      lines('Message-ID: <n1@x>', 'Subject: none', '', 'hi'),
      lines('From: a@one.example', 'From: b@two.example', 'Message-ID: <n2@x>', 'Subject: two', '', 'hi'),
      lines('From: nobody:;', 'Message-ID: <n3@x>', 'Subject: group', '', 'hi'),
      lines('From: some body @ blank .example', 'Message-ID: <n4@x>', 'Subject: blanks', '', 'hi'),
    );
    expect(results.map(({ disposition }) => disposition)).not.toContain(null);
    for (const { disposition } of results) expect(disposition).toMatch(/ticket_created|quarantined/);
  });

  const groups = 'g:'.repeat(20_000) + ';'.repeat(20_000);
  const comments = `${'(x)'.repeat(80_000)} a@b.example`;
  const atoms = Array.from({ length: 12_000 }, (_, i) => `a${i}@b.example`).join(',\r\n ');
  it.each([
    ['nested groups', groups],
    ['comments', comments],
    ['addresses', atoms],
    ['a megabyte of comments', '(x)'.repeat(350_000)],
  ])('with %s without end cost neither the mail nor its neighbours', async (name, value) => {
    const results = await attack.receive(
      ...['From', 'To', 'Cc', 'Reply-To'].map((header, index) =>
        lines(
          ...(header === 'From' ? [] : [`From: m@${name.replaceAll(' ', '')}${index}.example`]),
          `${header}: ${value}`,
          `Message-ID: <${name.replaceAll(' ', '')}.${index}@x>`,
          'Subject: long',
          '',
          'hi',
        ),
      ),
    );
    for (const { disposition } of results) expect(disposition).toMatch(/ticket_created|quarantined/);
  });
});

it('dates from the future and the past move no clock', async () => {
  const dates = [
    'Sat, 1 Apr 2050 10:00:00 +0000',
    'foo',
    'Mon, 1 Jan 0000 00:00:00 +0000',
    'Thu, 1 Jan 1970 00:00:00 +0000',
  ];
  const begun = Date.now();
  const results = await attack.receive(
    ...dates.map((date, i) =>
      lines(`From: d@date${i}.example`, `Date: ${date}`, `Message-ID: <d${i}@x>`, 'Subject: d', '', 'x'),
    ),
    lines('From: d@two.example', 'Date: foo', `Date: ${dates[0]}`, 'Message-ID: <d9@x>', 'Subject: d', '', 'x'),
  );
  for (const { ticketId } of results) {
    const createdAt = Date.parse((await attack.employee.ticket(ticketId!)).createdAt);
    expect(createdAt).toBeGreaterThan(begun - 5_000);
    expect(createdAt).toBeLessThan(Date.now() + 5_000);
  }
});

it('a mail within a mail is only looked at', async () => {
  const enclosed = lines(
    'Content-Type: message/rfc822',
    '',
    'From: erik@helpdesk.test',
    'Auto-Submitted: auto-replied',
    'References: <whatever@x>',
    'Subject: Re: [#1000] inner',
    '',
    'inner',
  );
  const result = await attack.receiveOne(multipart('enclosing', enclosed));
  expect(result.disposition).toBe('ticket_created');
  const ticket = await attack.employee.ticket(result.ticketId!);
  expect(ticket.reporter.email).toBe('mallory@enclosing.example');
  expect(ticket.subject).toBe('enclosing');
  const { rows } = await attack.database.query('select template from notifier.delivery where ticket_number = $1', [
    result.ticketNumber,
  ]);
  expect(rows.length).toBeLessThanOrEqual(2);
});

it('the same id with other words is another mail, the same bytes are the same', async () => {
  const first = lines('From: thief@evil.example', 'Message-ID: <shared@id.example>', 'Subject: first', '', 'first');
  const second = lines(
    'From: mara@genuine.example',
    'Message-ID: <shared@id.example>',
    'Subject: second',
    '',
    'second',
  );
  const results = await attack.receive(first, second, second);
  expect(results.map(({ disposition }) => disposition)).toEqual(['ticket_created', 'ticket_created', 'duplicate']);
});

describe('too much of everything', () => {
  const pid = () => attack.world.services.of('mail-ingest')[0]!.pid;
  const multipartHead = (name: string, boundary: string) =>
    lines(
      ...FROM(name),
      `Subject: ${name}`,
      'MIME-Version: 1.0',
      `Content-Type: multipart/mixed; boundary="${boundary}"`,
      '',
      '',
    );

  it.each<[string, () => Buffer | string]>([
    ['two million empty parts', () => multipartHead('parts', 'b') + '--b\r\n\r\n'.repeat(2_000_000)],
    [
      'five thousand levels',
      () =>
        multipartHead('levels', 'b0') +
        Array.from(
          { length: 5_000 },
          (_, i) => `--b${i}\r\nContent-Type: multipart/mixed; boundary="b${i + 1}"\r\n\r\n`,
        ).join(''),
    ],
    ['no end', () => `${multipartHead('open', 'b')}--b\r\n\r\nwords without an end`],
    ['a boundary of a megabyte', () => `${multipartHead('boundary', 'x'.repeat(1 << 20))}--x\r\n\r\nwords`],
    [
      'five hundred attachments',
      () =>
        multipart(
          'many',
          ...Array.from({ length: 500 }, (_, i) => lines(`Content-Type: image/png; name=${i}.png`, '', 'x')),
        ),
    ],
    [
      'ten thousand recipients',
      () =>
        lines(
          ...FROM('recipients'),
          `To: ${Array.from({ length: 10_000 }, (_, i) => `r${i}@x.example`).join(',\r\n ')}`,
          'Subject: recipients',
          '',
          'words',
        ),
    ],
    [
      'markup nested fifty thousand times',
      () =>
        lines(
          ...FROM('nested'),
          'Subject: nested',
          'MIME-Version: 1.0',
          'Content-Type: text/html',
          '',
          '<div>'.repeat(50_000),
        ),
    ],
    [
      'a mail of 150 MB',
      () => {
        const head = `${multipartHead('huge', 'b')}--b\r\nContent-Type: application/octet-stream; name=huge.bin\r\n\r\n`;
        const line = 'A'.repeat(76);
        return Buffer.concat([Buffer.from(head), Buffer.alloc(150 << 20, `${line}\r\n`), Buffer.from('\r\n--b--\r\n')]);
      },
    ],
    [
      'twenty megabytes of markup',
      () =>
        lines(
          ...FROM('markup'),
          'Subject: markup',
          'MIME-Version: 1.0',
          'Content-Type: text/html',
          '',
          '<p>words <b>and more</b></p>\r\n'.repeat(700_000),
        ),
    ],
  ])('%s: taken or set aside with a reason, in bounded memory', async (_title, raw) => {
    forgetPeak(pid());
    const before = memoryMiB(pid()).now;
    const result = await attack.receiveOne(raw());
    expect(result.disposition).toMatch(/ticket_created|quarantined/);
    if (result.disposition === 'quarantined') expect(result.error).toEqual(expect.any(String));
    expect(memoryMiB(pid()).peak - before).toBeLessThan(256);
  });

  it('tells the sender of a mail that is too large once, and what to do', async () => {
    const { stack } = attack.world;
    const address = 'large@sender.test';
    const mailbox = await stack.addMailbox(address);
    const head = lines(`From: Lea <${address}>`, 'Message-ID: <large@sender.test>', 'Subject: Plans', '', '');
    const result = await attack.receiveOne(Buffer.concat([Buffer.from(head), Buffer.alloc(60 << 20, 'words\r\n')]));
    expect(result).toMatchObject({ disposition: 'quarantined', rule: 'oversize' });
    const told = await awaitMail(stack, mailbox, ({ text }) => /too large/.test(text ?? ''));
    expect(told.subject).toContain(`[#${result.ticketNumber}]`);
    const { rows } = await attack.database.query('select from notifier.delivery where recipient = $1', [address]);
    expect(rows).toHaveLength(1);
  });
});
