import { instantOfIso } from './instant.type.js';

describe('an instant that somebody sends', () => {
  it.each([
    ['2031-03-02T10:00:00Z', Date.UTC(2031, 2, 2, 10)],
    ['2031-03-02T10:00Z', Date.UTC(2031, 2, 2, 10)],
    ['2031-03-02T10:00:00.999+01:00', Date.UTC(2031, 2, 2, 9)],
    ['2031-03-02T00:30:00+0100', Date.UTC(2031, 2, 1, 23, 30)],
    ['2032-02-29T23:59:59-05:45', Date.UTC(2032, 2, 1, 5, 44, 59)],
  ])('%s is taken to the second', (text, milliseconds) => {
    expect(instantOfIso(text)).toBe(milliseconds / 1000);
  });

  it.each([
    'tomorrow',
    '',
    '2031-03-02',
    '2031-03-02T10:00:00',
    '2031-02-29T10:00:00Z',
    '2031-02-30T10:00:00Z',
    '2031-02-32T10:00:00Z',
    '2031-13-01T10:00:00Z',
    '2031-03-02T25:00:00Z',
    '2031-03-02T10:60:00Z',
    ' 2031-03-02T10:00:00Z',
    '+002031-03-02T10:00:00Z',
  ])('%j is none', (text) => {
    expect(instantOfIso(text)).toBeNaN();
  });

  it('may be taken back', () => {
    expect(instantOfIso(null)).toBeNull();
  });
});
