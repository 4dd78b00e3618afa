import { mailSigner, subjectTag } from './reply-token.js';

const signer = mailSigner('key-one');
const jane = 'jane@customer.example';

describe('reply addresses', () => {
  const address = signer.replyAddress('support@help.example', 42, jane);

  it('name the ticket and carry 80 bits of proof', () => {
    expect(address).toMatch(/^support\+42\.[a-z2-7]{16}@help\.example$/);
    expect(signer.verifyReplyAddress(address, jane)).toEqual({ ticketNumber: 42 });
  });

  it('survive changes of case', () => {
    expect(signer.verifyReplyAddress(address.toUpperCase(), 'Jane@Customer.Example')).toEqual({ ticketNumber: 42 });
    expect(signer.replyAddress('support@help.example', 42, 'JANE@customer.example')).toBe(address);
  });

  it('are worth nothing to others, for other tickets, or changed', () => {
    expect(signer.verifyReplyAddress(address, 'eve@evil.example')).toBeNull();
    expect(signer.verifyReplyAddress(address.replace('+42', '+43'), jane)).toBeNull();
    expect(
      signer.verifyReplyAddress(
        address.replace(/\w@/, (end) => (end === 'a@' ? 'b@' : 'a@')),
        jane,
      ),
    ).toBeNull();
    expect(mailSigner('key-two').verifyReplyAddress(address, jane)).toBeNull();
    for (const other of ['', '@', 'support@help.example', 'support+42@help.example', '+42.aaaaaaaaaaaaaaaa@x']) {
      expect(signer.verifyReplyAddress(other, jane)).toBeNull();
    }
  });

  it('have a local part of at most 64 characters, else the mailbox is given', () => {
    const long = `${'x'.repeat(44)}@help.example`;
    expect(signer.replyAddress(long, 42, jane).indexOf('@')).toBe(64);
    expect(signer.replyAddress(long, 420, jane)).toBe(long);
  });
});

describe('message ids', () => {
  const id = signer.messageId(42, '0198c2c4-AAAA', 'help.example');

  it('name the ticket, without angle brackets', () => {
    expect(id).toMatch(/^t\.42\.0198c2c4-aaaa\.[a-z2-7]{16}@help\.example$/);
    expect(signer.verifyMessageId(id)).toEqual({ ticketNumber: 42, unique: '0198c2c4-aaaa' });
    expect(signer.verifyMessageId(`<${id}>`)).toEqual({ ticketNumber: 42, unique: '0198c2c4-aaaa' });
  });

  it('cannot be made up or changed', () => {
    expect(signer.verifyMessageId(id.replace('t.42', 't.43'))).toBeNull();
    expect(signer.verifyMessageId(id.replace('aaaa', 'aaab'))).toBeNull();
    expect(signer.verifyMessageId('a@b')).toBeNull();
    expect(mailSigner('key-two').verifyMessageId(id)).toBeNull();
  });
});

it('a key can be replaced: the first signs, each verifies', () => {
  const rotated = mailSigner('key-two,key-one');
  const address = rotated.replyAddress('support@help.example', 42, jane);
  expect(rotated.verifyReplyAddress(signer.replyAddress('support@help.example', 42, jane), jane)).not.toBeNull();
  expect(rotated.verifyMessageId(signer.messageId(1, 'u', 'x'))).not.toBeNull();
  expect(mailSigner('key-two').verifyReplyAddress(address, jane)).toEqual({ ticketNumber: 42 });
  expect(signer.verifyReplyAddress(address, jane)).toBeNull();
  expect(() => mailSigner(' , ')).toThrow('signing key');
});

it('subject tag', () => {
  expect(subjectTag(42)).toBe('[#42]');
});
