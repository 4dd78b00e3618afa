/** Real mails, when they lie beside the repository: none may crash or hang the reader, and each is known for what it is. */
import { classify, visibleReply, type MailClass } from './index.js';
import { expectations, messages, readMail, withCorpus } from '../test/corpus.fixture.js';

const CLASS_OF: Record<string, MailClass> = {
  bounce: 'bounce',
  complaint: 'complaint',
  auto: 'automatic',
  human: 'human',
};
const OWN = { addresses: ['support@help.example'], loopToken: 'corpus', isOwnMessageId: () => false };

withCorpus('real mails (skipped where ../shared/mail is absent)', () => {
  it('are all read or named unreadable, into clean text, and none of it is lost by trimming', async () => {
    let unreadable = 0;
    for (const path of messages()) {
      const mail = await readMail(path);
      if (mail.warnings.includes('unreadable')) unreadable++;
      expect(structuredClone(mail)).toEqual(mail);
      const json = JSON.stringify(mail);
      expect(json).not.toContain('\\u0000');
      expect(`${mail.subject}${mail.from.map(({ name }) => name).join('')}`).not.toMatch(/[\r\n\0]/);
      expect(mail.subject).not.toBe('');
      expect(classify(mail, OWN).class).toEqual(expect.any(String));
      const { visible, hidden } = visibleReply(mail.text);
      expect(`${visible}\n${hidden}`.split(/\s+/).filter(Boolean)).toEqual(mail.text.split(/\s+/).filter(Boolean));
    }
    console.log(`corpus: ${messages().length} mails, ${unreadable} unreadable`);
    expect(messages().length).toBeGreaterThan(500);
  });

  it('have the class that is expected, at least 98 in 100', async () => {
    const wrong: string[] = [];
    const expected = expectations();
    for (const { path, cls } of expected) {
      const found = classify(await readMail(path), OWN);
      if (found.class !== CLASS_OF[cls]) wrong.push(`${path}: ${cls}, found ${found.class} (${found.rule})`);
    }
    const agreement = 1 - wrong.length / expected.length;
    console.log(`classes: ${(100 * agreement).toFixed(1)} % of ${expected.length} agree\n${wrong.join('\n')}`);
    expect(agreement).toBeGreaterThanOrEqual(0.98);
  });

  it('written by people to the help desks among the sources are hardly ever taken for machine mail', async () => {
    const fromPeople = ['django-helpdesk', 'talon', 'flanker', 'webklex', 'mailparser', 'postal-mime'];
    const mails = await Promise.all(fromPeople.flatMap((source) => messages(source)).map(readMail));
    const said = ['auto-submitted', 'auto-reply-header', 'null-return-path', 'precedence'];
    const wrong = mails
      .map((mail) => classify(mail, OWN))
      .filter((one) => one.class === 'automatic' && !said.includes(one.rule));
    const share = wrong.length / mails.length;
    console.log(`automatic without saying so: ${wrong.length} of ${mails.length}`);
    expect(share).toBeLessThanOrEqual(0.01);
  });
});
