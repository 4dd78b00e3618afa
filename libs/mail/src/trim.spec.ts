import fc from 'fast-check';
import { REPLY_MARKER, visibleReply } from './trim.js';

const visible = (...lines: string[]) => visibleReply(lines.join('\n')).visible;

describe('what is new in a reply', () => {
  it.each([
    ['On Mon, 1 Jan 2024 at 10:00, Support <support@help.example> wrote:'],
    ['Am 01.01.2024 um 10:00 schrieb Support:'],
    ['Le lun. 1 janv. 2024 à 10:00, Support <support@help.example> a écrit :'],
    ['El lun, 1 ene 2024 a las 10:00, Support (<support@help.example>) escribió:'],
    ['Il giorno lun 1 gen 2024 alle ore 10:00 Support ha scritto:'],
    ['Op ma 1 jan. 2024 om 10:00 schreef Support <support@help.example>:'],
    ['Em seg., 1 de jan. de 2024 às 10:00, Support escreveu:'],
    ['Den mån 1 jan. 2024 kl 10:00 skrev Support <support@help.example>:'],
    ['W dniu 1.01.2024 o 10:00, Support napisał(a):'],
    ['пн, 1 янв. 2024 г. в 10:00, Support <support@help.example> пишет:'],
    ['2024年1月1日(月) 10:00 Support <support@help.example>:'],
    ['Support <support@help.example> wrote on Monday:'],
    ['-----Original Message-----'],
    ['-----Ursprüngliche Nachricht-----'],
    ['-------- Message original --------'],
  ])('ends at %j', (header) => {
    expect(visible('It works now.', '', header, '> quoted', '> more', '')).toBe('It works now.');
    expect(visible('It works now.', '', header, 'quoted without marks')).toBe('It works now.');
  });

  it('ends at an attribution over two lines', () => {
    expect(
      visible('Yes.', '', 'On Mon, 1 Jan 2024 at 10:00, Support', '<support@help.example> wrote:', '', '> q'),
    ).toBe('Yes.');
  });

  it('ends at a block of headers', () => {
    expect(
      visible(
        'Ja.',
        '________________________________',
        'Von: Support',
        'Gesendet: Montag',
        'An: Jane',
        'Betreff: x',
        '',
        'y',
      ),
    ).toBe('Ja.');
    expect(visible('Oui.', '', '*De :* Support', '*Envoyé :* lundi', '*À :* Jane', '*Objet :* x', 'y')).toBe('Oui.');
    expect(visible('From: my view it is', 'fine.')).toBe('From: my view it is\nfine.');
  });

  it('ends at our own marker, quoted or not', () => {
    expect(visible('Done.', '', REPLY_MARKER, 'our text')).toBe('Done.');
    expect(visible('Done.', '', 'On Monday Support <a@b.example> wrote:', `> ${REPLY_MARKER}`, '> ours')).toBe('Done.');
  });

  it('ends at the signature', () => {
    expect(visible('Done.', '-- ', 'Jane', 'ACME')).toBe('Done.');
    expect(visible('Done.', '--', 'Jane')).toBe('Done.');
    expect(visible('Done.', '', 'Sent from my iPhone', '', '> q')).toBe('Done.');
    expect(visible('Done.', '', 'Von meinem iPhone gesendet')).toBe('Done.');
  });

  it('ends at quotes that nothing follows', () => {
    expect(visible('Done.', '> q1', '', '> q2', '')).toBe('Done.');
  });
});

describe('what stays', () => {
  it('answers between and below quotes', () => {
    const interleaved = ['> Is it on?', 'Yes.', '> And green?', 'No.'];
    expect(visible(...interleaved)).toBe(interleaved.join('\n'));
    const below = ['On Monday, Support <a@b.example> wrote:', '> Is it on?', '', 'Yes it is.'];
    expect(visible(...below)).toBe(below.join('\n'));
  });

  it('the last quote below an interleaved answer goes', () => {
    expect(visible('> Is it on?', 'Yes.', '> bye', '> bye')).toBe('> Is it on?\nYes.');
  });

  it('everything, when nothing else would remain', () => {
    for (const text of ['> only a quote', '-- \nJane', '', '   ', `${REPLY_MARKER}\nx`]) {
      expect(visibleReply(text)).toEqual({ visible: text, hidden: '' });
    }
  });

  it('two dashes above a long text', () => {
    const text = ['one', '--', ...Array.from({ length: 40 }, (_, i) => `line ${i}`)];
    expect(visible(...text)).toBe(text.join('\n'));
  });

  it('sentences that only begin like an attribution', () => {
    const text = ['On Monday I wrote to you.', 'What he wrote:', 'nothing.', '> q', 'end'];
    expect(visible(...text)).toBe(text.join('\n'));
  });
});

it('never loses a word', () => {
  const line = fc.oneof(
    fc.constantFrom(
      '',
      '> q',
      '-- ',
      '--',
      REPLY_MARKER,
      'On Monday x wrote:',
      'From: a',
      'To: b',
      'Subject: c',
      '____________',
    ),
    fc.string({ maxLength: 20 }),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 30 }), (lines) => {
      const text = lines.join('\n');
      const { visible: shown, hidden } = visibleReply(text);
      const words = (value: string) => value.split(/\s+/).filter((word) => word !== '');
      expect(words(`${shown}\n${hidden}`)).toEqual(words(text));
      if (text.trim() !== '') expect(shown.trim()).not.toBe('');
    }),
  );
});

it('takes hostile text in linear time', () => {
  const started = performance.now();
  for (const unit of ['On ', 'On a wrote ', '> \n', '--\n', 'From: a\n', '-', '_', 'On Monday\n', ' \n', '*']) {
    visibleReply(unit.repeat(500_000 / unit.length));
  }
  expect(performance.now() - started).toBeLessThan(5_000);
});
