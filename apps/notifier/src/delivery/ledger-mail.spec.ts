import { subjectLine, threadOf } from './ledger-mail.js';

describe('the subject line', () => {
  it.each([
    ['Line down', false, '[#1042] Line down'],
    ['Line down', true, 'Re: [#1042] Line down'],
    ['Re: AW: [#1042] Line down', true, 'Re: [#1042] Line down'],
    ['[#1042] Re: Line down', false, '[#1042] Line down'],
    ['Fwd: [#99] other ticket', false, '[#1042] [#99] other ticket'],
    ['Regarding: the line', false, '[#1042] Regarding: the line'],
    ['hi\r\nBcc: a@b.test\0', false, '[#1042] hi Bcc: a@b.test'],
    ['', false, '[#1042] (no subject)'],
    [' Re: ', true, 'Re: [#1042] (no subject)'],
  ])('%j, answer: %j', (subject, isAnswer, line) => {
    expect(subjectLine(subject, '[#1042]', isAnswer)).toBe(line);
  });

  it('is cut to a length that mail programs show, never within a character', () => {
    const line = subjectLine('a'.repeat(199) + '😀'.repeat(9), '[#1]', false);
    expect(line).toBe(`[#1] ${'a'.repeat(199)}…`);
  });
});

describe('the thread', () => {
  it('answers the last mail from outside and names all before it, then what the reader had from us', () => {
    expect(threadOf(['a', 'b'], ['n1', 'n2'])).toEqual({ inReplyTo: 'b', references: ['a', 'b', 'n1', 'n2'] });
  });

  it('of a ticket without mail hangs on our own last one', () => {
    expect(threadOf([], ['n1', 'n2'])).toEqual({ inReplyTo: 'n2', references: ['n1', 'n2'] });
    expect(threadOf([], [])).toEqual({ references: [] });
  });
});
