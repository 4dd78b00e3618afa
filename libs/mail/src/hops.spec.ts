import { arrivalsAt } from './hops.js';

const received = (...values: string[]) => ({ trace: values.map((value) => ({ name: 'received', value })) });
const FROM_OUTSIDE =
  'from mx.customer.test (mx.customer.test [198.51.100.7]) by mail.helpdesk.test (Postfix) with ESMTPS id 1';
const TO_SCANNER =
  'from mail.helpdesk.test ([127.0.0.1]) by localhost (mail.helpdesk.test [127.0.0.1]) (amavis, port 10024)';
const FROM_SCANNER = 'from localhost (localhost [127.0.0.1]) by mail.helpdesk.test (Postfix) with ESMTP id 2';
const TO_MAILBOX = 'from mail.helpdesk.test by mail.helpdesk.test with LMTP id 3; Mon, 23 Nov 2026 10:00:00 +0000';

it('counts one arrival, however many fields one delivery leaves', () => {
  const mail = received(TO_MAILBOX, FROM_SCANNER, TO_SCANNER, FROM_OUTSIDE);
  expect(arrivalsAt(mail, 'mail.helpdesk.test')).toBe(1);
});

it('counts every time that the mail comes back', () => {
  const back = 'from mx.customer.test ([198.51.100.7])\tBY Mail.Helpdesk.TEST. with ESMTP id 4';
  expect(arrivalsAt(received(TO_MAILBOX, back, FROM_OUTSIDE, FROM_OUTSIDE), 'mail.helpdesk.test')).toBe(3);
  expect(arrivalsAt(received(back, FROM_OUTSIDE), 'helpdesk.test')).toBe(0);
  expect(arrivalsAt(received(back, FROM_OUTSIDE), 'mx.customer.test')).toBe(0);
});

it('looks at nothing but Received, and takes no time over a hostile one', () => {
  const others = [{ name: 'x-spam-status', value: FROM_OUTSIDE }];
  expect(arrivalsAt({ trace: others }, 'mail.helpdesk.test')).toBe(0);
  const begun = performance.now();
  const hostile = received(' by'.repeat(300_000), `from a ${' '.repeat(500_000)}`, 'by '.repeat(300_000), '');
  expect(arrivalsAt(hostile, 'mail.helpdesk.test')).toBe(0);
  expect(performance.now() - begun).toBeLessThan(5_000);
});
