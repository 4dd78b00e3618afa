import { readForward } from './forward.js';
import { parse, utf8 } from './raw-mail.fixture.js';

const OWN = ['erik@help.example'];
const JANE = { name: 'Jäne Dö', address: 'jane@customer.example' };

/** How mail programs write "forwarded", and From, Date, Subject and To, in their languages. */
const GMAIL: [language: string, marker: string, labels: [string, string, string, string]][] = [
  ['English', 'Forwarded message', ['From', 'Date', 'Subject', 'To']],
  ['German', 'Weitergeleitete Nachricht', ['Von', 'Datum', 'Betreff', 'An']],
  ['Norwegian', 'Videresendt melding', ['Fra', 'Dato', 'Emne', 'Til']],
  ['Swedish', 'Vidarebefordrat meddelande', ['Från', 'Datum', 'Ämne', 'Till']],
  ['Finnish', 'Välitetty viesti', ['Lähettäjä', 'Päivämäärä', 'Aihe', 'Vastaanottaja']],
  ['Dutch', 'Doorgestuurd bericht', ['Van', 'Datum', 'Onderwerp', 'Aan']],
  ['French', 'Message transféré', ['De', 'Date', 'Objet', 'À']],
  ['Spanish', 'Mensaje reenviado', ['De', 'Fecha', 'Asunto', 'Para']],
  ['Portuguese', 'Mensagem encaminhada', ['De', 'Data', 'Assunto', 'Para']],
  ['Italian', 'Messaggio inoltrato', ['Da', 'Data', 'Oggetto', 'A']],
  ['Polish', 'Wiadomość przekazana dalej', ['Od', 'Data', 'Temat', 'Do']],
  ['Russian', 'Пересылаемое сообщение', ['От', 'Дата', 'Тема', 'Кому']],
  ['Chinese', '转发的邮件', ['发件人', '日期', '主题', '收件人']],
];
const OUTLOOK: [language: string, labels: [string, string, string, string]][] = [
  ['English', ['From', 'Sent', 'To', 'Subject']],
  ['German', ['Von', 'Gesendet', 'An', 'Betreff']],
  ['Danish', ['Fra', 'Sendt', 'Til', 'Emne']],
  ['Swedish', ['Från', 'Skickat', 'Till', 'Ämne']],
  ['Finnish', ['Lähettäjä', 'Lähetetty', 'Vastaanottaja', 'Aihe']],
  ['Dutch', ['Van', 'Verzonden', 'Aan', 'Onderwerp']],
  ['French', ['De', 'Envoyé', 'À', 'Objet']],
  ['Spanish', ['De', 'Enviado el', 'Para', 'Asunto']],
  ['Portuguese', ['De', 'Enviada em', 'Para', 'Assunto']],
  ['Italian', ['Da', 'Inviato', 'A', 'Oggetto']],
  ['Polish', ['Od', 'Wysłano', 'Do', 'Temat']],
  ['Czech', ['Od', 'Odesláno', 'Komu', 'Předmět']],
  ['Hungarian', ['Feladó', 'Elküldve', 'Címzett', 'Tárgy']],
  ['Russian', ['От', 'Отправлено', 'Кому', 'Тема']],
  ['Ukrainian', ['Від', 'Надіслано', 'Кому', 'Тема']],
  ['Turkish', ['Kimden', 'Gönderildi', 'Kime', 'Konu']],
  ['Romanian', ['De la', 'Trimis', 'Către', 'Subiect']],
  ['Greek', ['Από', 'Στάλθηκε', 'Προς', 'Θέμα']],
  ['Japanese', ['差出人', '送信日時', '宛先', '件名']],
  ['Korean', ['보낸 사람', '보낸 날짜', '받는 사람', '제목']],
  ['Chinese, traditional', ['寄件者', '寄件日期', '收件者', '主旨']],
];

describe('a forwarded mail', () => {
  it.each(GMAIL)('as Gmail writes it: %s', (_language, marker, [from, date, subject, to]) => {
    const text = [
      'Please take this.',
      '',
      `---------- ${marker} ---------`,
      `${from}: Jäne Dö <jane@customer.example>`,
      `${date}: 1 May 2024, 10:00`,
      `${subject}: Router down`,
      `${to}: <erik@help.example>`,
      '',
      'It does not answer.',
    ].join('\n');
    const expected = {
      from: JANE,
      fromText: 'Jäne Dö <jane@customer.example>',
      subject: 'Router down',
      date: '1 May 2024, 10:00',
      comment: 'Please take this.',
      text: 'It does not answer.',
      style: 'gmail',
    };
    expect(readForward('Fwd: Router down', text, OWN)).toEqual(expected);
    expect(readForward('Another subject', text, OWN)).toEqual(expected);
  });

  it.each(OUTLOOK)('as Outlook writes it: %s', (_language, [from, date, to, subject]) => {
    const text = [
      'See below',
      '________________________________',
      `*${from}:* Jäne Dö [mailto:jane@customer.example]`,
      `${date}: Wednesday, 1 May 2024 10:00`,
      `${to}: Erik; Ola Nordmann <ola@help.example>;`,
      ' Kari <kari@help.example>',
      `${subject}: Router down`,
      '',
      'It does not answer.',
      'Jane',
    ].join('\n');
    expect(readForward('WG: Router down', text, OWN)).toEqual({
      from: JANE,
      fromText: 'Jäne Dö [mailto:jane@customer.example]',
      subject: 'Router down',
      date: 'Wednesday, 1 May 2024 10:00',
      comment: 'See below',
      text: 'It does not answer.\nJane',
      style: 'outlook',
    });
  });

  it('as Apple Mail quotes it, and as Thunderbird does', () => {
    const apple = [
      'Begin forwarded message:',
      '',
      '> From: Jäne Dö <jane@customer.example>',
      '> Subject: Router down',
      '> Date: 1 May 2024',
      '> To: erik@help.example',
      '>',
      '> It does not answer.',
      '>> quoted before',
    ];
    expect(readForward('Fwd: x', apple.join('\n'), OWN)).toMatchObject({
      from: JANE,
      comment: '',
      text: 'It does not answer.\n> quoted before',
      style: 'apple',
    });
    const thunderbird = [
      '-------- Forwarded Message --------',
      'Subject: \tRouter down',
      'Date: \tWed, 1 May 2024',
      'From: \tJäne Dö <jane@customer.example>',
      'To: \terik@help.example',
      '',
      'It does not answer.',
    ];
    expect(readForward('Fwd: x', thunderbird.join('\n'), OWN)).toMatchObject({ from: JANE, style: 'other' });
  });

  const forwardedFrom = (from: string, ...more: string[]) =>
    readForward(
      'Fwd: x',
      [`From: ${from}`, 'Date: today', 'Subject: s', 'To: x@y.example', '', 'text', ...more].join('\n'),
      OWN,
    );

  it('has no sender when only a name is there, several are, or it is the forwarder', () => {
    expect(forwardedFrom('Jäne Dö')).toMatchObject({ from: null, fromText: 'Jäne Dö', text: 'text' });
    expect(forwardedFrom('a@customer.example, b@customer.example')).toMatchObject({ from: null });
    expect(forwardedFrom('Erik <Erik@help.example>')).toMatchObject({ from: null });
  });

  it('has no sender when two mails of different people are in it', () => {
    const one = (from: string) => [
      '---------- Forwarded message ---------',
      `From: ${from}`,
      'Date: d',
      'Subject: s',
      '',
      'text',
    ];
    const two = (first: string, second: string) =>
      readForward('Fwd: x', [...one(first), ...one(second)].join('\n'), OWN);
    expect(two('a@customer.example', 'b@customer.example')).toMatchObject({ from: null });
    expect(two('a@customer.example', 'A@customer.example')).toMatchObject({ from: { address: 'a@customer.example' } });
  });

  it('has the sender of the mail that was passed on, not of those quoted in it', () => {
    const found = forwardedFrom(
      'jane@customer.example',
      'From: Other <other@customer.example>',
      'Sent: before',
      'Subject: s',
    );
    expect(found!.from!.address).toBe('jane@customer.example');
  });

  it.each([
    ['an answer', 'Re: Router', 'Thanks\n\nFrom: a@b.example\nSent: x\nTo: y\nSubject: s\n\ntext'],
    [
      'an answer to a forwarded mail',
      'Re: Fwd: Router',
      '---------- Forwarded message ---------\nFrom: a@b.example\nDate: x\nSubject: s\n\ntext',
    ],
    [
      'a mail that quotes without having been asked',
      'Router',
      'Look:\nFrom: a@b.example\nSent: x\nTo: y\nSubject: s\n\ntext',
    ],
    ['a mail that only says so', 'Fwd: Router', 'forwarded by hand: the router is down'],
    ['a list of words', 'Fwd: Router', 'From: Oslo\nto Bergen'],
  ])('is not %s', (_what, subject, text) => {
    expect(readForward(subject, text, OWN)).toBeNull();
  });

  it('is found in HTML alone', async () => {
    const mail = await parse(
      'From: Erik <erik@help.example>',
      'Subject: VB: Router down',
      'Content-Type: text/html; charset=utf-8',
      '',
      utf8(
        '<div>Ta den.</div><div><b>Från:</b> Jäne Dö &lt;<a href="mailto:jane@customer.example">jane@customer.example</a>&gt;<br><b>Skickat:</b> den 1 maj<br><b>Till:</b> Erik<br><b>Ämne:</b> Router down</div><p>It does not answer.</p>',
      ),
    );
    expect(mail.forwarded).toMatchObject({
      from: JANE,
      comment: 'Ta den.',
      text: 'It does not answer.',
      style: 'outlook',
    });
  });

  it('costs time by the length alone', () => {
    const hostile = [
      'From: '.repeat(80_000),
      'From: a\n'.repeat(60_000),
      `From: ${'*'.repeat(990)}x\n`.repeat(500),
      '---------- Forwarded message ---------\n'.repeat(12_000),
      `---------- Forwarded message ---------\nFrom: ${'<'.repeat(400_000)}\nDate: x\nSubject: y\n`,
      'x@y '.repeat(100_000),
    ];
    for (const text of hostile) {
      const started = performance.now();
      readForward('Fwd: x', text, OWN);
      expect(performance.now() - started).toBeLessThan(5_000);
    }
  });
});
