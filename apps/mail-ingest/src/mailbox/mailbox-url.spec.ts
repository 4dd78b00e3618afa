import { mailboxUrlErrors, parseMailboxUrls } from './mailbox-url.js';

describe('a mailbox as a URL', () => {
  it('has a default for everything but host, user and password', () => {
    expect(parseMailboxUrls('imaps://support%40example.net:s%3Acret@mail.example.net')).toEqual([
      {
        address: 'support@example.net',
        host: 'mail.example.net',
        port: 993,
        tls: 'implicit',
        user: 'support@example.net',
        password: 's:cret',
        folder: 'INBOX',
        mode: 'move',
        importExisting: undefined,
      },
    ]);
  });

  it('takes port, folder, address and mode', () => {
    const [mailbox] = parseMailboxUrls(
      'imap://u:p@localhost:1143/Post%20In?address=Help%40Example.net&mode=leave&import=all',
    );
    expect(mailbox).toMatchObject({
      host: 'localhost',
      port: 1143,
      tls: 'starttls_if_offered',
      user: 'u',
      folder: 'Post In',
      address: 'help@example.net',
      mode: 'leave',
      importExisting: 'all',
    });
  });

  it('takes several, separated by blanks and line ends', () => {
    const mailboxes = parseMailboxUrls(' imap://a%40x.net:p@h \n imaps://b%40x.net:p@h ');
    expect(mailboxes.map(({ address, port }) => [address, port])).toEqual([
      ['a@x.net', 143],
      ['b@x.net', 993],
    ]);
  });

  it('may be missing: mailboxes can be added while the service runs', () => {
    expect([parseMailboxUrls(' '), mailboxUrlErrors('')]).toEqual([[], []]);
  });
});

describe('a wrong mailbox URL', () => {
  it.each([
    ['something else', 'support', /mailbox 1: is not a URL/],
    ['another protocol', 'pop3://u%40x.net:hidden@h', /mailbox 1: must begin with imap/],
    ['no user', 'imap://h/INBOX', /mailbox 1: needs user and password/],
    ['no password', 'imap://u%40x.net@h', /mailbox 1: needs user and password/],
    ['a user without a domain', 'imap://u:hidden@h', /mailbox 1: needs \?address=/],
    ['an unknown mode', 'imap://u%40x.net:hidden@h?mode=delete', /mailbox 1: mode must be one of/],
    ['an unknown import', 'imap://u%40x.net:hidden@h?import=some', /mailbox 1: import must be one of/],
    ['a misspelt setting', 'imap://u%40x.net:hidden@h?mod=leave', /mailbox 1: does not know "mod"/],
    ['a broken escape', 'imap://u%40x.net:hidden%ZZ@h', /mailbox 1: has a broken percent-encoding/],
    ['the second of two', 'imap://a%40x.net:hidden@h imap://b:hidden@h', /mailbox 2: needs \?address=/],
    ['one address twice', 'imap://a%40x.net:hidden@h imap://A%40x.net:hidden@i', /a@x\.net is named twice/],
  ])('is refused with one sentence: %s', (_title, urls, sentence) => {
    const errors = mailboxUrlErrors(urls);
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatch(sentence);
    expect(errors.join()).not.toContain('hidden');
  });
});
