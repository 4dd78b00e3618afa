import { createHash } from 'node:crypto';
import { ContentHash } from './content-hash.js';

async function hashOf(...chunks: string[]): Promise<string> {
  const content = new ContentHash();
  const passed: Buffer[] = [];
  for await (const chunk of content.passing(chunks.map((text) => Buffer.from(text)))) passed.push(chunk);
  expect(Buffer.concat(passed).toString()).toBe(chunks.join(''));
  return content.digest();
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

describe('the content hash of a mail', () => {
  it('does not see the headers, which are different in every delivery', async () => {
    const one = await hashOf('Received: by a\r\nSubject: x\r\n\r\nHello\r\n\r\nWorld');
    const other = await hashOf('Received: by b\r\nReceived: by c\r\nSubject: x\r\n\r\nHello\r\n\r\nWorld');
    expect(one).toBe(other);
    expect(one).toBe(sha256('Hello\r\n\r\nWorld'));
  });

  it('is the same however the bytes are cut', async () => {
    const mail = 'Subject: x\r\nTo: y\r\n\r\nHello';
    for (let at = 1; at < mail.length; at++) {
      expect(await hashOf(mail.slice(0, at), mail.slice(at))).toBe(sha256('Hello'));
    }
    expect(await hashOf(...mail)).toBe(sha256('Hello'));
  });

  it('takes bare line feeds for line ends', async () => {
    expect(await hashOf('Subject: x\n\nHello')).toBe(sha256('Hello'));
  });

  it('is that of nothing when there is no body', async () => {
    expect(await hashOf('Subject: x\r\n')).toBe(sha256(''));
  });
});
