import {
  breached,
  created,
  eva,
  EVA,
  MAILBOX,
  messageAdded,
  overdue,
  participant,
  team,
  updated,
  warned,
  zoe,
} from '../../test/events.js';
import {
  breachNotifications,
  changeNotifications,
  createdNotifications,
  messageNotifications,
  overdueNotifications,
  warningNotifications,
  type Notification,
} from './notifications.js';

function only(notifications: Notification[]): Notification {
  expect(notifications).toHaveLength(1);
  return notifications[0]!;
}

const addresses = (notifications: Notification[]) => notifications.map((one) => one.recipient.email);

describe('a new ticket', () => {
  it('is acknowledged to its reporter with the number, the subject and what is promised', () => {
    const letter = only(createdNotifications(created()));
    expect(letter).toMatchObject({ template: 'acknowledgement', automatic: 'auto-replied', isAnswer: false });
    expect(letter.recipient).toMatchObject({ email: zoe.email, role: 'reporter' });
    expect(letter.text).toContain('Hello Zoë Müller,');
    expect(letter.text).toContain('opened ticket #1042, “Line down”.');
    expect(letter.text).toContain('take care of it by Mon 2 March 2026, 13:00 UTC at the latest');
    expect(letter.text).toContain('settled by Tue 3 March 2026, 09:00 UTC');
    expect(letter.text).toContain('simply reply to this mail');
  });

  it('asks again where only the headers could be read', () => {
    const { text } = only(createdNotifications(created({ headersOnly: true })));
    expect(text).toMatch(/too large.*tell us again/s);
    expect(text).not.toContain('anything to add');
  });

  it('promises nothing that the ticket does not', () => {
    const letter = only(createdNotifications(created({ ticket: { assignDueAt: null, resolutionEta: null } })));
    expect(letter.text).not.toMatch(/UTC/);
  });

  it('does not send the words back to whoever wrote them', () => {
    const letter = only(createdNotifications(created({ text: 'buy my pills' })));
    expect(letter.text + letter.html).not.toContain('pills');
  });

  it('is not acknowledged to machines, nor to nobody', () => {
    expect(createdNotifications(created({ acknowledge: false }))).toEqual([]);
    const reporter = { personId: null, name: 'Unknown sender', email: null };
    expect(createdNotifications(created({ ticket: { reporter } }))).toEqual([]);
  });

  it('greets without a name where there is none', () => {
    const reporter = { personId: null, name: 'zoe@customer.test', email: 'zoe@customer.test' };
    expect(only(createdNotifications(created({ ticket: { reporter } }))).text).toContain('Hello,\n');
  });

  it('is told with its text to the employees concerned', () => {
    const letter = only(createdNotifications(created({ acknowledge: false, recipients: [team, zoe] })));
    expect(letter).toMatchObject({ template: 'opened', automatic: 'auto-generated' });
    expect(letter.text).toContain('Zoë Müller opened ticket #1042');
    expect(letter.text).toContain('The line is down.');
  });
});

describe('a public message', () => {
  it("brings a customer the answer's words and who wrote them, as a person's mail", () => {
    const letter = only(messageNotifications(messageAdded()));
    expect(letter).toMatchObject({ template: 'message', automatic: null, isAnswer: true });
    expect(letter.text).toContain('It works again.');
    expect(letter.text).toContain(EVA.name);
    expect(letter.text).not.toMatch(/Priority|Assignee/);
  });

  it('tells employees who wrote, what, and how the ticket stands', () => {
    const actor = { personId: null, name: zoe.name, email: zoe.email };
    const letter = only(messageNotifications(messageAdded({ recipients: [eva], actor, text: 'Still down!' })));
    expect(letter).toMatchObject({ automatic: 'auto-generated', isAnswer: true });
    expect(letter.text).toContain('Zoë Müller wrote on ticket #1042');
    expect(letter.text).toContain('Still down!');
    expect(letter.text).toContain('Priority: medium');
    expect(letter.text).toContain('kept as an internal note');
  });

  it.each([
    ['comment_added', null],
    ['resumed', 'work on it goes on now'],
    ['reopened', 'it is open again now'],
    ['assigned', 'now assigned to Eva Berg'],
  ] as const)('says to employees what it did: %s', (effect, words) => {
    const letter = only(messageNotifications(messageAdded({ recipients: [eva], effect, ticket: { assignee: EVA } })));
    if (words === null) expect(letter.text).not.toMatch(/The ticket (is|was)/);
    else expect(letter.text).toContain(words);
  });

  it('without words says so', () => {
    expect(only(messageNotifications(messageAdded({ text: ' \n' }))).text).toContain('(no text)');
    expect(only(messageNotifications(messageAdded({ text: null }))).text).toContain('(no text)');
  });

  it('reaches everybody concerned once', () => {
    const again = { ...participant, email: 'ZOE@customer.test' };
    expect(addresses(messageNotifications(messageAdded({ recipients: [zoe, again, participant, eva] })))).toEqual([
      zoe.email,
      participant.email,
      eva.email,
    ]);
  });
});

describe('an internal note', () => {
  it('is told to nobody, whoever is named', () => {
    const note = messageAdded({ visibility: 'internal', text: 'a secret', recipients: [zoe, eva, team] });
    expect(messageNotifications(note)).toEqual([]);
  });
});

describe('a change', () => {
  it('reaches customers in plain words, without the comment or who made it', () => {
    const [letter] = changeNotifications(updated({ recipients: [zoe] }));
    expect(letter).toMatchObject({ template: 'change', automatic: 'auto-generated', isAnswer: false });
    expect(letter!.text).toContain('Its priority is now high.');
    expect(letter!.text).toContain('settled by Tue 3 March 2026, 09:00 UTC');
    for (const part of [letter!.text, letter!.html]) {
      expect(part).not.toContain('The boss asked.');
      expect(part).not.toContain(EVA.name);
    }
  });

  it('does not bother customers with what means nothing to them', () => {
    const changes = [{ field: 'somethingNew', before: null, after: 'x' }];
    expect(addresses(changeNotifications(updated({ changes })))).toEqual([eva.email]);
  });

  it('reaches employees with every field, what followed, and the comment', () => {
    const fixes = ['suspended_time_defaulted', 'status_set_to_open'] as const;
    const letter = only(changeNotifications(updated({ recipients: [eva], fixes: [...fixes] })));
    expect(letter.text).toContain('- Priority: medium → high');
    expect(letter.text).toContain('usual time for its cause');
    expect(letter.text).toContain('went back to open');
    expect(letter.text).toContain('The boss asked.');
  });

  it('without fixes and comment has no empty headings', () => {
    const letter = only(changeNotifications(updated({ recipients: [eva], comment: null })));
    expect(letter.text).not.toMatch(/followed|Comment/);
  });

  it('tells an employee who reported the ticket what employees may know', () => {
    const reporter = { ...eva, role: 'reporter' as const };
    expect(only(changeNotifications(updated({ recipients: [reporter] }))).text).toContain('The boss asked.');
  });

  it('tells an address that is both customer and employee only what customers may know', () => {
    const both = { ...eva, email: zoe.email.toUpperCase() };
    const letter = only(changeNotifications(updated({ recipients: [both, zoe] })));
    expect(letter.recipient.kind).toBe('customer');
    expect(letter.text).not.toContain('The boss asked.');
  });
});

describe('a broken promise', () => {
  it.each([
    ['assign', 'assigned'],
    ['resolve', 'resolved'],
  ] as const)('is told with the instant that was promised: %s', (clock, word) => {
    const letter = only(breachNotifications(breached({ clock })));
    expect(letter).toMatchObject({ template: 'breach', automatic: 'auto-generated' });
    expect(letter.text).toContain(`was to be ${word} by Mon 2 March 2026, 13:00 UTC`);
    expect(letter.text).toContain('To be resolved by: Tue 3 March 2026, 09:00 UTC');
  });

  it('stays in the house', () => {
    expect(breachNotifications(breached({ recipients: [zoe] }))).toEqual([]);
  });
});

describe('time that runs out', () => {
  it('is told with the share and the due time, before a promise breaks', () => {
    const letter = only(warningNotifications(warned()));
    expect(letter).toMatchObject({ template: 'warning', automatic: 'auto-generated' });
    expect(letter.text).toContain('80 % of the time to assign ticket #1042, “Line down” is used up.');
    expect(letter.text).toContain('It is to be assigned by Mon 2 March 2026, 13:00 UTC.');
    expect(only(warningNotifications(warned({ clock: 'resolve' }))).text).toContain('by Tue 3 March 2026, 09:00 UTC');
  });

  it('is told again while a promise stays broken', () => {
    const letter = only(overdueNotifications(overdue()));
    expect(letter).toMatchObject({ template: 'overdue', automatic: 'auto-generated' });
    expect(letter.text).toContain('“Line down” is not assigned, 4 h 30 min after it was due.');
  });

  it('stays in the house', () => {
    expect(warningNotifications(warned({ recipients: [zoe] }))).toEqual([]);
    expect(overdueNotifications(overdue({ recipients: [zoe] }))).toEqual([]);
  });
});

describe('every letter', () => {
  it('is never sent to the support address itself', () => {
    const ours = ['Support@Helpdesk.test', 'support+1042.abc@helpdesk.test'].map((email) => ({ ...team, email }));
    expect(breachNotifications(breached({ recipients: ours, thread: { mailbox: MAILBOX, references: [] } }))).toEqual(
      [],
    );
  });

  it('says the same in text and HTML, and HTML from outside is only words', () => {
    const text = '<script>alert("x")</script>\n& <b>bold</b>';
    const actor = { personId: null, name: 'Eve <eve@evil.test>', email: null };
    const { html, text: plain } = only(
      messageNotifications(messageAdded({ text, actor, recipients: [eva], ticket: { subject: '<img src=x>' } })),
    );
    expect(plain).toContain(text);
    expect(html).not.toMatch(/<(script|b|img)\b|<eve/);
    expect(html).toContain('&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;<br>\n&amp; &lt;b&gt;bold&lt;/b&gt;');
    expect(html).toContain('“&lt;img src=x&gt;”');
  });

  it('keeps a hostile subject or name on its line', () => {
    const reporter = { personId: null, name: 'Zoe\r\nBcc: a', email: zoe.email };
    const { text } = only(createdNotifications(created({ ticket: { reporter, subject: 'hi\r\nBcc: c@d.test' } })));
    expect(text).toContain('Hello Zoe Bcc: a,');
    expect(text).toContain('“hi Bcc: c@d.test”');
  });
});
