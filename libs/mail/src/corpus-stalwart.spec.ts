/** Subject, sender and number of attachments beside another parser's reading of the same mails. */
import { join } from 'node:path';
import { bytesOf, messages, readMail, withCorpus } from '../test/corpus.fixture.js';

/** The parts of the other parser's reading that are compared. */
interface Reading {
  parts: { headers: { name: string; value: unknown }[]; body: unknown; is_encoding_problem: boolean }[];
  attachments: number[];
}

const DIFFERENCES: Record<string, string> = {
  'legacy/049.eml': 'pictures between texts are attachments here, part of the body there',
  'malformed/002.eml': 'a part without headers is shown as text, not attached',
  'malformed/012.eml': 'the innermost of three mails within one another is listed, too',
  'malformed/017.eml': 'a Content-Type without its semicolon names no boundary: shown as it stands',
  'malformed/022.eml': 'a part of a broken type is attached, not dropped',
  'rfc/000.eml': 'mails within mails are listed as attachments at each level',
  'thirdparty/007.eml': 'a From without a domain is no address',
  'thirdparty/015.eml': 'each of the three attached mails counts, not the outermost only',
};

withCorpus('mails that another parser has read (skipped where ../shared/mail is absent)', () => {
  it('have the same subject, sender and number of attachments, at least 97 in 100', async () => {
    const paths = messages('stalwart').filter((path) => path.endsWith('.eml'));
    const different = new Map<string, string[]>();
    let values = 0;
    for (const path of paths) {
      const mail = await readMail(path);
      const reading = JSON.parse(bytesOf(path.replace(/\.eml$/, '.json')).toString()) as Reading;
      const pairs: [string, unknown, unknown][] = [
        ['subject', oneLine(textOf(headerOf(reading, 'subject'))), oneLine(mail.subject.replace('(no subject)', ''))],
        ['sender', senderOf(headerOf(reading, 'from')), mail.from[0]?.address ?? null],
        ['attachments', finishedAttachments(reading), mail.attachments.length],
      ];
      values += pairs.length;
      const wrong = pairs.filter(([, theirs, ours]) => !isSame(theirs, ours));
      if (wrong.length > 0) {
        const name = path.split(join('resources', 'eml', '/'))[1]!;
        different.set(
          name,
          wrong.map(
            ([what, theirs, ours]) => `${what}: theirs ${JSON.stringify(theirs)}, ours ${JSON.stringify(ours)}`,
          ),
        );
      }
    }
    const count = [...different.values()].flat().length;
    console.log(
      `${values - count} of ${values} values are the same\n${[...different].map(([name, all]) => `${name}: ${all.join('; ')}`).join('\n')}`,
    );
    expect([...different.keys()].toSorted()).toEqual(Object.keys(DIFFERENCES).toSorted());
    expect(count / values).toBeLessThanOrEqual(0.03);
  });
});

/** A text whose boundary never comes is an attachment there; here it is shown. */
function finishedAttachments({ parts, attachments }: Reading): number {
  return attachments.filter((index) => {
    const { body, is_encoding_problem: unfinished } = parts[index]!;
    return !(unfinished && typeof body === 'object' && body !== null && ('Text' in body || 'Html' in body));
  }).length;
}

/** What they could not decode stands for anything. */
function isSame(theirs: unknown, ours: unknown): boolean {
  if (typeof theirs !== 'string' || !theirs.includes('\ufffd') || typeof ours !== 'string') return theirs === ours;
  const pieces = theirs.split('\ufffd');
  return ours.startsWith(pieces[0]!) && ours.endsWith(pieces.at(-1)!);
}

function headerOf({ parts }: Reading, name: string): unknown {
  return parts[0]!.headers.find((header) => header.name === name)?.value;
}

function textOf(value: unknown): string {
  const { Text: text, TextList: list } = (value ?? {}) as { Text?: string; TextList?: string[] };
  return text ?? list?.join(' ') ?? '';
}

function senderOf(value: unknown): string | null {
  const { Address: address } = (value ?? {}) as { Address?: { List?: { address?: string }[]; address?: string } };
  return address?.List?.[0]?.address ?? address?.address ?? null;
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim();
}
