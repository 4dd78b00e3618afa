/**
 * What other libraries' authors expect of a trimmed reply, where those cases lie beside the repository. Nothing may be
 * lost: visible and hidden together are the text. Cases without an expectation are only checked for that.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { htmlToText } from './html-text.js';
import { readMail, withCorpus } from '../test/corpus.fixture.js';
import { visibleReply } from './trim.js';

const CASES = join(process.cwd(), '..', 'shared', 'mail', 'text-cases');
const TRIMMER = join(CASES, 'email_reply_trimmer', 'test');
const HTML_REPLIES = join(CASES, 'talon', 'tests', 'fixtures', 'html_replies');
const WITHOUT_EXPECTATION = [
  join('crisp-email-reply-parser', 'test', 'fixtures'),
  join('email_reply_parser', 'test', 'emails'),
  join('zapier-email-reply-parser', 'test', 'emails'),
];
const STANDARD_REPLIES = join('talon', 'tests', 'fixtures', 'standard_replies');

/** Shown otherwise than expected, and why. */
const DIFFERENCES: Record<string, string> = {
  'embedded_email_11.txt': 'a date and a name without a verb or address may be the words of the writer',
  'embedded_email_17.txt': 'the attribution above an answer that is not marked as a quote stays',
  'embedded_email_quote_text.txt': 'a quote above the answer stays: only what is below the last new word is hidden',
  'forwarded_message.txt': 'the header of a mail that is passed on stays',
};

const words = (text: string) => text.split(/\s+/).filter(Boolean);
const textOf = (...path: string[]) => readFileSync(join(CASES, ...path), 'utf8').replaceAll('\r\n', '\n');

const withCases = existsSync(TRIMMER) ? describe : describe.skip;

withCases('replies of other libraries (skipped where ../shared/mail/text-cases is absent)', () => {
  it('show exactly the expected part, at least 85 in 100', () => {
    const files = readdirSync(join(TRIMMER, 'trimmed'));
    const replies = [
      ...files.map((name) => ({
        name,
        text: readFileSync(join(TRIMMER, 'emails', name), 'utf8').replaceAll('\r\n', '\n'),
        expected: readFileSync(join(TRIMMER, 'trimmed', name), 'utf8'),
      })),
      // all of them answer in the same words
      ...readdirSync(HTML_REPLIES).map((name) => ({
        name,
        text: htmlToText(readFileSync(join(HTML_REPLIES, name), 'utf8'), 500_000),
        expected: 'Hi. I am fine. Thanks, Alex',
      })),
    ];
    const different = replies.filter(
      ({ text, expected }) => words(visibleReply(text).visible).join(' ') !== words(expected).join(' '),
    );
    console.log(`${replies.length - different.length} of ${replies.length} show exactly the expected part`);
    expect(different.map(({ name }) => name)).toEqual(Object.keys(DIFFERENCES));
    expect(1 - different.length / replies.length).toBeGreaterThanOrEqual(0.85);
  });

  it('lose no word, whatever is hidden', () => {
    const paths = [
      ...readdirSync(join(TRIMMER, 'emails')).map((name) => join('email_reply_trimmer', 'test', 'emails', name)),
      ...WITHOUT_EXPECTATION.flatMap((folder) => readdirSync(join(CASES, folder)).map((name) => join(folder, name))),
    ];
    for (const path of paths) {
      const text = textOf(path);
      const { visible, hidden } = visibleReply(text);
      expect(words(`${visible}\n${hidden}`)).toEqual(words(text));
      expect(visible.trim() === '' && text.trim() !== '').toBe(false);
    }
    expect(paths.length).toBeGreaterThan(100);
  });
});

withCorpus('short replies of mail programs (skipped where ../shared/mail is absent)', () => {
  it.each(['android', 'aol', 'apple_mail_2', 'comcast', 'hotmail', 'iphone', 'yahoo'])('%s: one word', async (name) => {
    const mail = await readMail(join(STANDARD_REPLIES, `${name}.eml`));
    expect(visibleReply(mail.text).visible.trim()).toBe('Hello');
  });
});
