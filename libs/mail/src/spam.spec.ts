import { parse } from './raw-mail.fixture.js';
import { isListed, spamSign } from './spam.js';

it.each([
  ['X-Spam-Flag: YES', 'x-spam-flag'],
  ['X-Spam-Status: Yes, score=7.1 required=5.0', 'x-spam-status'],
  ['X-SES-Spam-Verdict: FAIL', 'x-ses-spam-verdict'],
  ['X-MS-Exchange-Organization-SCL: 5', 'x-ms-exchange-organization-scl'],
  ['X-Rspamd-Action: add header', 'x-rspamd-action'],
  ['X-Spam-Flag: NO\r\nX-Spam-Status: Yes', 'x-spam-status'],
  ['X-Spam-Flag: NO', null],
  ['X-Spam-Status: No, score=1.1', null],
  ['X-SES-Spam-Verdict: PASS', null],
  ['X-MS-Exchange-Organization-SCL: 4', null],
  ['X-MS-Exchange-Organization-SCL: -1', null],
  ['X-Rspamd-Action: no action', null],
  ['X-Rspamd-Action: greylist', null],
  ['Subject: X-Spam-Flag: YES', null],
])('%s', async (header, sign) => {
  expect(spamSign(await parse('From: a@b.example', header, '', 'words'))).toBe(sign);
});

it('an address is listed by itself, its domain, or one above', () => {
  const list = ['Jane@A.example', '@b.example', 'c.example'];
  for (const address of ['jane@a.example', 'x@b.example', 'x@C.example', 'x@sub.c.example']) {
    expect(isListed(address, list)).toBe(true);
  }
  for (const address of ['ada@a.example', 'x@notc.example', 'c.example@d.example', '"x@c.example"@d.example']) {
    expect(isListed(address, list)).toBe(false);
  }
});
