import fc from 'fast-check';
import { readCalendar } from './calendar.js';
import { parse, utf8 } from './raw-mail.fixture.js';

const REQUEST = [
  'BEGIN:VCALENDAR',
  'METHOD:REQUEST',
  'BEGIN:VTIMEZONE',
  'TZID:W. Europe Standard Time',
  'BEGIN:STANDARD',
  'DTSTART:16010101T030000',
  'END:STANDARD',
  'END:VTIMEZONE',
  'BEGIN:VEVENT',
  'UID:u-1@customer.example',
  'SUMMARY;LANGUAGE=nb:Vedlikehold\\, rute',
  ' r 5',
  'DTSTART;TZID="W. Europe Standard Time":20240501T100000',
  'DTEND:20240501T093000Z',
  'ORGANIZER;CN="Nordmann: Kari":MAILTO:kari@customer.example',
  'ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED;CN=Ola:mailto:ola@customer.example',
  'ATTENDEE:mailto:support@help.example',
  'BEGIN:VALARM',
  'SUMMARY:alarm',
  'END:VALARM',
  'END:VEVENT',
  'BEGIN:VEVENT',
  'UID:another',
  'END:VEVENT',
  'END:VCALENDAR',
];

describe('a calendar part', () => {
  it('says what, when and who, of its first event', () => {
    expect(readCalendar(REQUEST.join('\r\n'))).toEqual({
      method: 'request',
      isMessage: false,
      uid: 'u-1@customer.example',
      summary: 'Vedlikehold, ruter 5',
      start: { at: '2024-05-01T10:00:00', zone: 'W. Europe Standard Time' },
      end: { at: '2024-05-01T09:30:00Z', zone: null },
      organizer: { name: 'Nordmann: Kari', address: 'kari@customer.example' },
      attendees: [
        { name: 'Ola', address: 'ola@customer.example', status: 'accepted' },
        { name: null, address: 'support@help.example', status: null },
      ],
    });
  });

  it('of a whole day, without zone or without anything', () => {
    const event = (...lines: string[]) =>
      readCalendar(['BEGIN:VCALENDAR', 'BEGIN:VEVENT', ...lines, 'END:VEVENT', 'END:VCALENDAR'].join('\n'), 'Cancel');
    expect(event('DTSTART;VALUE=DATE:20240501', 'DTEND:20240501T1000')).toMatchObject({
      method: 'cancel',
      uid: null,
      start: { at: '2024-05-01', zone: null },
      end: { at: '2024-05-01T10:00:00', zone: null },
      organizer: null,
      attendees: [],
    });
    expect(event('DTSTART:soon')!.start).toBeNull();
    expect(readCalendar('no calendar')).toBeNull();
  });

  it.each([
    ['inline', ['Content-Type: text/calendar; method=REPLY; charset=utf-8'], 'invite.ics'],
    [
      'attached',
      ['Content-Type: application/octet-stream; name="meeting.ics"', 'Content-Disposition: attachment'],
      'meeting.ics',
    ],
  ])('is kept as an attachment: %s', async (_how, headers, name) => {
    const mail = await parse(
      'Content-Type: multipart/alternative; boundary=M',
      '',
      '--M',
      'Content-Type: text/plain',
      '',
      'Accepted',
      '--M',
      ...headers,
      '',
      ...REQUEST.filter((line) => !line.startsWith('METHOD')).map(utf8),
      '--M--',
    );
    expect(mail).toMatchObject({
      text: 'Accepted',
      attachments: [{ name }],
      calendar: { uid: 'u-1@customer.example' },
    });
    const isMessage = name === 'invite.ics';
    expect(mail.calendar).toMatchObject({ method: isMessage ? 'reply' : null, isMessage });
  });

  it('may be anything, in bounded time', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constantFrom(...REQUEST, ' ', ':', ';', '"', 'END:VCALENDAR'), fc.string())),
        (lines) => {
          const summary = readCalendar(`BEGIN:VCALENDAR\n${lines.join('\n')}`);
          expect(summary?.attendees.length ?? 0).toBeLessThanOrEqual(100);
        },
      ),
    );
    const hostile = [
      'BEGIN:VCALENDAR',
      'BEGIN:VEVENT',
      `SUMMARY:${'x'.repeat(200_000)}`,
      ...Array.from({ length: 20_000 }, () => 'ATTENDEE:x'),
    ];
    const started = performance.now();
    expect(readCalendar(hostile.join('\n'))!.attendees).toHaveLength(100);
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});
