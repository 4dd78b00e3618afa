/** The main job over all four processes: a customer's mail, an employee's answer, the customer's reply. */
import { startWorld, stopWorld, type World } from '../harness/stack.js';
import { Api, eventually } from '../../tools/demo/api.js';
import { ACCOUNTS } from '../../tools/demo/directory.js';
import { awaitMail, sendMail } from '../../tools/demo/mail.js';

const { erik, eva, zoe } = ACCOUNTS;
let world: World;
let employee: Api;
let customer: Api;

beforeAll(async () => {
  world = await startWorld();
  const logIn = ({ email }: { email: string }) =>
    Api.logIn(world.services.apiUrl, email, world.stack.accountPassword(email));
  [employee, customer] = await Promise.all([logIn(erik), logIn(zoe)]);
});

afterAll(() => stopWorld(world));

async function ticketAbout(subject: string) {
  return eventually(`a ticket about ${subject}`, async () =>
    (await employee.tickets('?limit=50')).items.find((ticket) => ticket.subject === subject),
  );
}

it('turns a mail into a ticket, an answer into a mail, and the reply into a part of the same ticket', async () => {
  const { stack } = world;
  const mailbox = await stack.addMailbox(zoe.email);
  const firstId = await sendMail(stack, {
    from: { name: zoe.name, address: zoe.email },
    to: stack.mailboxes[0]!.address,
    subject: 'Störung in Zürich',
    text: 'Nichts geht mehr.',
    attachments: [{ filename: 'Übersicht.txt', content: 'käse' }],
  });
  const ticket = await ticketAbout('Störung in Zürich');
  expect(ticket).toMatchObject({
    channel: 'email',
    reporter: { name: zoe.name, email: zoe.email },
    infrastructure: { name: 'zrh-core-1' },
    status: 'open',
  });
  await employee.reply(ticket.id, 'Wir sehen nach.');
  const answer = await awaitMail(stack, mailbox, (mail) => mail.text?.includes('Wir sehen nach.') ?? false);
  expect(answer.subject).toContain(`[#${ticket.number}]`);
  expect([answer.references ?? []].flat()).toContain(firstId);
  expect(answer.headers.has('auto-submitted')).toBe(false);
  expect(answer.html).toContain('Wir sehen nach.');
  const replyTo = answer.replyTo!.value[0]!.address!;
  expect(replyTo).toMatch(new RegExp(`^support\\+${ticket.number}\\.[a-z2-7]+@`));

  // the customer's program threads by the address alone: no In-Reply-To, no References, another subject
  await sendMail(stack, { from: zoe.email, to: replyTo, subject: 'Danke', text: 'Es geht wieder.' });
  await eventually('the reply on the ticket', async () =>
    (await customer.timeline(ticket.id)).items.find((entry) => entry.text?.includes('Es geht wieder.')),
  );
  const timeline = await customer.timeline(ticket.id);
  expect(timeline.items.filter((entry) => entry.kind === 'message').map((entry) => entry.text?.trim())).toEqual([
    'Nichts geht mehr.',
    'Wir sehen nach.',
    'Es geht wieder.',
  ]);
});

it('tells the reporter of a change without its comment, and the new assignee with it', async () => {
  const { stack } = world;
  const mailboxes = await Promise.all([zoe, eva].map(({ email }) => stack.addMailbox(email)));
  const { ticket } = await customer.request<{ ticket: { id: string; number: number } }>('POST', '/tickets', {
    subject: 'Reboot',
    text: 'Please.',
  });
  const people = await employee.request<{ items: { id: string; email: string }[] }>('GET', '/people?kind=employee');
  const evaId = people.items.find((person) => person.email === eva.email)!.id;
  await employee.update(ticket.id, { assignee: evaId, comment: 'This one shouts, be careful.' });
  const [toReporter, toAssignee] = await Promise.all(
    mailboxes.map((mailbox) =>
      awaitMail(stack, mailbox, (mail) => mail.subject?.includes(`#${ticket.number}`) ?? false),
    ),
  );
  expect(toReporter!.text).not.toContain('shouts');
  expect(toAssignee!.text).toContain('shouts');
  expect(toReporter!.headers.get('auto-submitted')).toBe('auto-generated');
});

it('never sends an internal note to anybody', async () => {
  const { stack } = world;
  const mailbox = await stack.addMailbox(zoe.email);
  const { ticket } = await customer.request<{ ticket: { id: string; number: number } }>('POST', '/tickets', {
    subject: 'Note test',
    text: 'Hello.',
  });
  await employee.request('POST', `/tickets/${ticket.id}/notes`, { text: 'INTERNAL-WORDS' });
  await employee.reply(ticket.id, 'Public words after the note.');
  const answer = await awaitMail(stack, mailbox, (mail) => mail.text?.includes('Public words') ?? false);
  expect(`${answer.text}${answer.html}`).not.toContain('INTERNAL-WORDS');
  expect(JSON.stringify(await customer.timeline(ticket.id))).not.toContain('INTERNAL-WORDS');
});

it('hands out the attachment and, to employees only, the raw mail', async () => {
  const { stack } = world;
  await sendMail(stack, {
    from: zoe.email,
    to: stack.mailboxes[0]!.address,
    subject: 'With a file',
    text: 'See file.',
    attachments: [{ filename: '../../evil "name".html', content: '<script>alert(1)</script>' }],
  });
  const ticket = await ticketAbout('With a file');
  const entry = (await customer.timeline(ticket.id)).items[0]!;
  const get = (api: Api, path: string) =>
    fetch(world.services.apiUrl + path, { headers: { authorization: `Bearer ${api.token}` } });
  const file = await get(customer, `/tickets/${ticket.id}/attachments/${entry.attachments[0]!.id}`);
  expect(await file.text()).toBe('<script>alert(1)</script>');
  expect(file.headers.get('content-disposition')).toMatch(/^attachment;/);
  expect(file.headers.get('content-disposition')).not.toContain('..');
  expect(file.headers.get('x-content-type-options')).toBe('nosniff');
  const raw = `/tickets/${ticket.id}/timeline/${entry.id}/raw`;
  expect((await get(customer, raw)).status).toBe(403);
  expect(await (await get(employee, raw)).text()).toContain('Subject: With a file');
});

it('ends each service within ten seconds of SIGTERM, and comes back', async () => {
  for (const instance of world.services.instances) {
    expect(await instance.end('SIGTERM')).toBeLessThan(10_000);
    await instance.start();
  }
});
