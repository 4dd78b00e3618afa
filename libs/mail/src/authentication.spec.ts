import fc from 'fast-check';
import { authenticate, parseAuthenticationResults, type AuthenticationTrust } from './authentication.js';
import { parse } from './raw-mail.fixture.js';

const trust: AuthenticationTrust = { authservId: 'mx.corp.example', placement: 'above' };
const below: AuthenticationTrust = { ...trust, placement: 'below' };

/** The hop by which the mail came in from outside. */
const BORDER =
  'Received: from mail.customer.example (mail.customer.example [198.51.100.7])\r\n\tby mx.corp.example (Postfix) with ESMTPS id 1; Mon, 23 Nov 2026 12:37:14 +0000';
const FROM = 'From: Jane <jane@customer.example>';
const results = (statements: string, id = 'mx.corp.example') => `Authentication-Results: ${id}; ${statements}`;

async function verdict(how: AuthenticationTrust, ...headers: string[]) {
  return authenticate(await parse(...headers, '', 'words'), how);
}

describe('a sender', () => {
  it.each([
    ['DMARC passes', 'dmarc=pass (p=reject) header.from=customer.example', 'pass'],
    ['DMARC fails', 'spf=pass smtp.mailfrom=customer.example; dmarc=fail header.from=customer.example', 'fail'],
    ['DMARC is about another', 'dmarc=pass header.from=evil.example', 'none'],
    ['DMARC says both', 'dmarc=pass header.from=customer.example; dmarc=fail header.from=customer.example', 'fail'],
    ['DMARC cannot say', 'dmarc=temperror', 'none'],
    ['no policy, own signature', 'dmarc=none; dkim=pass header.d=customer.example', 'pass'],
    ['no policy, own signature by identity', 'dkim=pass header.i=@customer.example', 'pass'],
    ['a signature of the domain above', 'dkim=pass header.d=example', 'none'],
    ['the signature of another', 'dkim=pass header.d=evil.example', 'none'],
    ['a signature of a subdomain', 'dkim=pass header.d=x.customer.example', 'none'],
    ['a broken signature', 'dkim=fail header.d=customer.example', 'none'],
    ['one of several signatures', 'dkim=fail header.d=customer.example; dkim=pass header.d=customer.example', 'pass'],
    ['own SPF', 'spf=pass smtp.mailfrom=bounce@customer.example', 'pass'],
    ['SPF of another', 'spf=pass smtp.mailfrom=evil.example', 'none'],
    ['softfail', 'spf=softfail smtp.mailfrom=customer.example', 'none'],
    ['nothing', 'none', 'none'],
  ])('%s', async (_title, statements, expected) => {
    expect((await verdict(trust, results(statements), BORDER, FROM)).verdict).toBe(expected);
  });

  it('of a subdomain may be vouched for by its domain', async () => {
    const sub = 'From: jane@eu.customer.example';
    expect((await verdict(trust, results('dkim=pass header.d=customer.example'), BORDER, sub)).verdict).toBe('pass');
  });

  it('is told of by method', async () => {
    const statements = 'spf=fail smtp.mailfrom=x.example; dkim=pass header.d=customer.example; dmarc=pass';
    expect(await verdict(trust, results(statements), BORDER, FROM)).toEqual({
      dmarc: 'pass',
      spf: 'fail',
      dkim: 'pass',
      aligned: true,
      verdict: 'pass',
    });
  });

  it('among several is nobody, but may be denied', async () => {
    const two = 'From: jane@customer.example, eve@evil.example';
    expect((await verdict(trust, results('dmarc=pass'), BORDER, two)).verdict).toBe('none');
    expect((await verdict(trust, results('dmarc=pass'), BORDER, FROM, 'From: eve@evil.example')).verdict).toBe('none');
    expect((await verdict(trust, results('dmarc=fail'), BORDER, two)).verdict).toBe('fail');
  });
});

describe('which fields count', () => {
  const pass = results('dmarc=pass header.from=customer.example');
  const internal = [
    'Received: from mx.corp.example ([10.0.0.4]) by imap.corp.example with ESMTP id 2',
    'Received: from mx.corp.example by imap.corp.example with LMTP id 3',
    'Received: by imap.corp.example (Postfix, from userid 5000) id 4',
    'Received: from localhost (localhost [127.0.0.1]) by mx.corp.example with ESMTP',
    'Received: from mx.corp.example (unknown [IPv6:fd00::1]) by imap.corp.example with ESMTP',
    'Received: (qmail 1234 invoked by uid 89)',
  ];

  it.each(internal)('those below our own servers: %s', async (hop) => {
    expect((await verdict(trust, hop, pass, BORDER, FROM)).verdict).toBe('pass');
  });

  it.each([
    ['of another server', [results('dmarc=pass', 'mx.evil.example'), BORDER]],
    ['below the border', [BORDER, pass]],
    ['below the border, behind hops that call themselves ours', [BORDER, ...internal, pass]],
    ['without any hop', [pass]],
    ['with nothing but hops within', [internal[0]!, pass]],
    ['behind a hop that only calls itself ours', [BORDER.replace('mail.customer.example ', 'mx.corp.example '), pass]],
    [
      'behind a hop that calls itself by a private address',
      [BORDER.replace('mail.customer', '[127.0.0.1] mail'), pass],
    ],
    ['of another version', [results('dmarc=pass', 'mx.corp.example 2'), BORDER]],
    ['in a comment', [results('spf=none (dmarc=pass; dmarc=pass header.from=customer.example)'), BORDER]],
    ['in quotes', [results('spf=fail smtp.mailfrom="x; dmarc=pass header.from=customer.example"'), BORDER]],
    ['under another name', ['ARC-Authentication-Results: i=1; mx.corp.example; dmarc=pass', BORDER]],
    ['of a name that begins like ours', [results('dmarc=pass', 'mx.corp.example.evil.example'), BORDER]],
  ])('not one %s', async (_title, headers) => {
    expect((await verdict(trust, ...headers, FROM)).verdict).toBe('none');
  });

  it('the topmost, when there are several', async () => {
    expect((await verdict(trust, results('dmarc=fail'), pass, BORDER, FROM)).verdict).toBe('fail');
    expect((await verdict(trust, results('spf=none'), results('dmarc=pass'), BORDER, FROM)).verdict).toBe('pass');
  });

  it('none when no server is trusted', async () => {
    expect((await verdict({ ...trust, authservId: null }, pass, BORDER, FROM)).verdict).toBe('none');
  });

  it('the name without case, with a version', async () => {
    expect((await verdict(trust, results('dmarc=pass', 'MX.Corp.example 1'), BORDER, FROM)).verdict).toBe('pass');
  });

  it('those of a server that writes below its own hop, but none behind the next', async () => {
    expect((await verdict(below, BORDER, pass, FROM)).verdict).toBe('pass');
    expect((await verdict(below, BORDER, results('dmarc=fail'), pass, FROM)).verdict).toBe('fail');
    const earlier = 'Received: from x (x [203.0.113.9]) by mail.customer.example';
    expect((await verdict(below, BORDER, earlier, pass, FROM)).verdict).toBe('none');
  });
});

describe('the field', () => {
  it('is read with comments, folds, quotes, versions and odd values', () => {
    const field = parseAuthenticationResults(
      ' (a (nested \\) one)) "mx.corp.example" 1 ;\r\n\tDKIM/1 = pass (2048-bit) reason="good; very" header.b=abc== header.d=x.example; ;spf=pass smtp.mailfrom="a b"@x.example',
    );
    expect(field?.authservId).toBe('mx.corp.example');
    expect(
      field?.results.map(({ method, result, properties }) => [method, result, Object.fromEntries(properties)]),
    ).toEqual([
      ['dkim', 'pass', { reason: 'good; very', 'header.b': 'abc', 'header.d': 'x.example' }],
      ['spf', 'pass', { 'smtp.mailfrom': 'a b@x.example' }],
    ]);
    expect(parseAuthenticationResults('mx.corp.example; none')?.results).toEqual([]);
    expect(parseAuthenticationResults('')).toBeNull();
    expect(parseAuthenticationResults('=')).toBeNull();
  });

  it('never throws, and costs little whatever it says', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'()"\\;= /.ab1'), maxLength: 300 }), (text) => {
        parseAuthenticationResults(text);
      }),
      { numRuns: 2_000 },
    );
    const begun = performance.now();
    for (const unit of ['(', '"', '\\', ';', '=', 'a=b ', '()']) parseAuthenticationResults(unit.repeat(500_000));
    expect(performance.now() - begun).toBeLessThan(5_000);
  });
});
