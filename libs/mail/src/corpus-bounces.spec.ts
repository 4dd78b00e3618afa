/**
 * What bounces say of each recipient, beside what Sisimai makes of the same bounces. Its status codes above x.0.900 are
 * its own inventions for "not said". Its reasons are compared word for word, and in five groups that call for different
 * deeds: whether a refused address is `userunknown` or `filtered` is a guess about servers in either program.
 */
import type { BounceKind } from './bounce-kind.js';
import { bounceResults } from './bounce.js';
import { expectations, readMail, withCorpus } from '../test/corpus.fixture.js';

const GROUPS: BounceKind[][] = [
  ['userunknown', 'filtered', 'hasmoved', 'suspend', 'hostunknown', 'notaccept'],
  ['mailboxfull', 'systemfull', 'exceedlimit', 'mesgtoobig'],
  [
    ...(['rejected', 'blocked', 'badreputation', 'spamdetected', 'virusdetected', 'policyviolation'] as const),
    ...(['authfailure', 'requireptr', 'notcompliantrfc', 'securityerror', 'norelaying', 'speeding'] as const),
    ...(['toomanyconn', 'contenterror', 'syntaxerror'] as const),
  ],
  ['expired', 'networkerror', 'systemerror', 'mailererror', 'onhold', 'undefined'],
  ['delivered'],
];
const groupOf = (kind: string) => GROUPS.findIndex((group) => (group as string[]).includes(kind));

/** Status or group of reason differ, and why. */
const DIFFERENCES: Record<string, string> = {
  'lhost-amazonses-01.eml': 'two codes in one sentence: ours is the first, theirs the quoted one',
  'lhost-amazonses-12.eml': 'a notification in JSON, whose fields are not read',
  'lhost-amazonses-13.eml': 'a notification in JSON, whose fields are not read',
  'lhost-amazonworkmail-05.eml': 'expired (4.4.7) after a time-out (4.4.2): theirs is the inner code',
  'lhost-amazonworkmail-07.eml': 'expired (4.4.7) after a time-out (4.4.2): theirs is the inner code',
  'lhost-domino-02.eml': 'Japanese bytes in a report that claims ASCII: the reason is not read',
  'lhost-dragonfly-07.eml': 'says both "address rejected" and "media error"',
  'lhost-dragonfly-23.eml': 'says both "address rejected" and "system error"',
  'lhost-exchange2003-02.eml': 'two recipients by display name in one list: the second is not found',
  'lhost-exchange2007-05.eml': 'the queue expired (4.4.7); theirs is the code of the connection',
  'lhost-exim-45.eml': 'the domain of the From header is called invalid: ours takes it for that of the recipient',
  'lhost-exim-49.eml': 'says nothing but "Rejected"',
  'lhost-fml-02.eml': 'a refusal by a mailing list, without any code',
  'lhost-fml-03.eml': 'a loop alert of a mailing list, without any code',
  'lhost-gmail-03.eml': '"Header error" is about the content',
  'lhost-gmail-07.eml': '"does not support TLS" is about security',
  'lhost-imailserver-03.eml': 'the reason stands before the address',
  'lhost-notes-02.eml': 'the reason is in a charset that is not declared',
  'lhost-qmail-04.eml': '"Invalid domain name" is about the domain',
  'lhost-sendmail-56.eml': 'the last answer (554) counts, theirs is the first (421)',
  'lhost-v5sendmail-05.eml': 'several servers in one transcript: the answers go to the wrong recipient',
  'lhost-v5sendmail-07.eml': 'several servers in one transcript: the answers go to the wrong recipient',
  'lhost-x5-01.eml': 'the reason is behind a heading that is taken for the returned mail',
  'rhost-franceptt-08.eml': '"Service refused" is a refusal',
  'rhost-franceptt-10.eml': '"Service refused" is a refusal',
  'rhost-franceptt-11.eml': '"Service refused" is a refusal',
};

withCorpus('real bounces (skipped where ../shared/mail is absent)', () => {
  it('name recipient, status and reason as expected', async () => {
    const counts = { all: 0, recipient: 0, status: 0, kind: 0, group: 0 };
    const different = new Set<string>();
    for (const { path, results = [] } of expectations()) {
      if (results.length === 0) continue;
      const found = bounceResults(await readMail(path));
      for (const [i, { dsn, reason }] of results.entries()) {
        const result = found[i];
        const unsaid = dsn === '' || /\.0\.9\d\d$/.test(dsn) || (dsn.endsWith('.0.0') && result?.status === null);
        const status = result !== undefined && (unsaid || result.status === dsn);
        const group = result !== undefined && groupOf(result.kind) === groupOf(reason);
        counts.all += 1;
        if (result?.recipient) counts.recipient += 1;
        if (status) counts.status += 1;
        if (result?.kind === reason) counts.kind += 1;
        if (group) counts.group += 1;
        if (!status || !group) different.add(path.split('/').at(-1)!);
      }
    }
    const share = (part: number) => part / counts.all;
    console.log(
      `bounces: ${counts.all} results, recipient ${percent(share(counts.recipient))}, status ${percent(share(counts.status))}, ` +
        `group of reason ${percent(share(counts.group))}, very word ${percent(share(counts.kind))}`,
    );
    expect([...different].toSorted()).toEqual(Object.keys(DIFFERENCES).toSorted());
    expect(share(counts.recipient)).toBeGreaterThanOrEqual(0.95);
    expect(share(counts.status)).toBeGreaterThanOrEqual(0.95);
    expect(share(counts.group)).toBeGreaterThanOrEqual(0.95);
    expect(share(counts.kind)).toBeGreaterThanOrEqual(0.84);
  });
});

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
