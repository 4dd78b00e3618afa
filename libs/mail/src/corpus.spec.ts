/** Real mails, when they lie beside the repository: none may crash the reader, and bounces are known for what they are. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import {
  classify,
  fallbackMail,
  MailUnreadable,
  parseMail,
  visibleReply,
  type MailClass,
  type ParsedMail,
} from './index.js';

const SHARED = join(process.cwd(), '..', 'shared', 'mail');
const CORPUS = join(SHARED, 'corpus');
const EXPECTED = join(SHARED, 'expected-behaviour.json');
const MAX_SIZE = 3_000_000;
/** Measured; may only rise. */
const AGREEMENT_FLOOR = 0.97;

const CLASS_OF: Record<string, MailClass[]> = {
  bounce: ['bounce'],
  complaint: ['complaint'],
  auto: ['automatic'],
  human: ['human'],
};
const OWN = { addresses: ['support@help.example'], loopToken: 'corpus', isOwnMessageId: () => false };

async function read(path: string): Promise<ParsedMail | MailUnreadable> {
  const raw = readFileSync(path);
  return parseMail(Readable.from([raw]), {
    async onAttachment(_meta, content) {
      const hash = createHash('sha256');
      let size = 0;
      for await (const chunk of content as AsyncIterable<Buffer>) {
        hash.update(chunk);
        size += chunk.length;
      }
      return { sha256: hash.digest('hex'), size };
    },
  }).catch((error: unknown) => {
    if (error instanceof MailUnreadable) return error;
    throw error;
  });
}

function messages(): string[] {
  return readdirSync(CORPUS, { recursive: true, encoding: 'utf8' }).filter((path) => {
    const { size } = statSync(join(CORPUS, path));
    return size > 0 && size <= MAX_SIZE && statSync(join(CORPUS, path)).isFile() && !path.endsWith('.json');
  });
}

const inCorpus = existsSync(EXPECTED) ? describe : describe.skip;

inCorpus('real mails (skipped where ../shared/mail is absent)', () => {
  const mails = new Map<string, ParsedMail>();

  it('are all read, or named unreadable', async () => {
    let unreadable = 0;
    for (const path of messages()) {
      const result = await read(join(CORPUS, path));
      const mail =
        result instanceof MailUnreadable ? fallbackMail(result.head, result.head.length, result.reason) : result;
      if (result instanceof MailUnreadable) unreadable++;
      mails.set(path, mail);
      expect(structuredClone(mail)).toEqual(mail);
      const json = JSON.stringify(mail);
      expect(json).not.toContain('\\u0000');
      expect(`${mail.subject}${mail.from.map(({ name }) => name).join('')}`).not.toMatch(/[\r\n\0]/);
      expect(mail.subject).not.toBe('');
      const { visible, hidden } = visibleReply(mail.text);
      expect(`${visible}\n${hidden}`.split(/\s+/).filter(Boolean)).toEqual(mail.text.split(/\s+/).filter(Boolean));
    }
    console.log(`corpus: ${mails.size} mails, ${unreadable} unreadable`);
    expect(mails.size).toBeGreaterThan(500);
  });

  it('are taken apart without losing track of a part', () => {
    const all = [...mails.values()];
    for (const { attachments, enclosed, signatures } of all) {
      const names = attachments.map(({ name }) => name);
      expect(new Set(names).size).toBe(names.length);
      expect(names).toEqual(expect.arrayContaining([...signatures, ...enclosed.map(({ attachment }) => attachment)]));
    }
    const count = (has: (mail: ParsedMail) => boolean) => all.filter(has).length;
    expect(count(({ enclosed }) => enclosed.length > 0)).toBeGreaterThan(100);
    expect(count(({ forwarded }) => forwarded !== null)).toBeGreaterThan(20);
    expect(count(({ protection }) => protection !== null)).toBeGreaterThan(8);
    expect(count(({ calendar }) => calendar !== null)).toBeGreaterThan(0);
    expect(count(({ warnings }) => warnings.includes('not-unpacked'))).toBeLessThan(3);
  });

  it('are classified as expected', async () => {
    const expected = JSON.parse(readFileSync(EXPECTED, 'utf8')) as { path: string; cls: string }[];
    const wrong: string[] = [];
    let total = 0;
    for (const { path, cls } of expected) {
      const result = mails.get(path);
      if (!result) continue;
      total++;
      const found = classify(result, OWN);
      if (!CLASS_OF[cls]!.includes(found.class)) wrong.push(`${path}: ${cls}, found ${found.class} (${found.rule})`);
    }
    const agreement = (total - wrong.length) / total;
    console.log(`classes: ${(100 * agreement).toFixed(1)} % of ${total} agree\n${wrong.join('\n')}`);
    expect(agreement).toBeGreaterThanOrEqual(AGREEMENT_FLOOR);
  });
});
