/** Mailboxes over the REST API: what an employee does from the first try to the first ticket, and what others may not. */
import type { MailboxTest, MailboxView } from '#contracts';
import { fill } from '../../apps/mail-ingest/test/mailboxes.js';
import { Api, ApiError, eventually } from '../../tools/demo/api.js';
import { ACCOUNTS } from '../../tools/demo/directory.js';
import { Attack, ordinaryMail } from '../harness/hostile.js';

let attack: Attack;
beforeAll(async () => {
  attack = await Attack.begin();
});
afterAll(() => attack?.end());

it('are added, tested, corrected, paused and removed, and mail to them becomes tickets meanwhile', async () => {
  const { employee, database } = attack;
  const { stack } = attack.world;
  const box = await stack.addMailbox(`billing@${stack.domain}`);
  const settings = { address: box.address, host: stack.imap.host, port: stack.imap.port, tls: 'none' };
  const { id } = await employee.request<MailboxView>('POST', '/mailboxes', { ...settings, password: 'a wrong one' });
  const tried = await employee.request<MailboxTest>('POST', `/mailboxes/${id}/test`);
  expect(tried).toMatchObject({ ok: false, problem: { field: 'password', code: 'credentials_refused' } });
  const corrected = await employee.request<MailboxView>('PATCH', `/mailboxes/${id}`, { password: box.password });
  expect(JSON.stringify(corrected)).not.toContain(box.password);
  expect((await employee.request<MailboxTest>('POST', `/mailboxes/${id}/test`)).ok).toBe(true);
  await fill(stack, box, [ordinaryMail()]);
  const ticketTo = async () =>
    (await database.query('select id from tickets.ticket where mailbox = $1', [box.address])).rows[0];
  await eventually('a ticket', ticketTo);
  const paused = await employee.request<MailboxView>('POST', `/mailboxes/${id}/pause`);
  expect(paused.health.state).toBe('paused');
  await employee.request<MailboxView>('POST', `/mailboxes/${id}/resume`);
  const { items } = await employee.request<{ items: MailboxView[] }>('GET', '/mailboxes');
  expect(items.map(({ address }) => address)).toEqual(expect.arrayContaining([box.address, `support@${stack.domain}`]));
  const gone = await fetch(`${attack.world.services.apiUrl}/mailboxes/${id}`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${employee.token}` },
  });
  expect(gone.status).toBe(204);
  await expect(employee.request('GET', `/mailboxes/${id}`)).rejects.toMatchObject({ status: 404 });
});

it('are no business of customers', async () => {
  const { email } = ACCOUNTS.zoe;
  const { stack, services } = attack.world;
  const customer = await Api.logIn(services.apiUrl, email, stack.accountPassword(email));
  for (const [method, path] of [
    ['GET', '/mailboxes'],
    ['POST', '/mailboxes'],
  ] as const) {
    const body = method === 'POST' ? { address: 'a@b.example', host: 'imap.example' } : undefined;
    const refused = await customer.request(method, path, body).catch((error: ApiError) => error);
    expect(refused).toBeInstanceOf(ApiError);
    expect((refused as ApiError).status).toBe(403);
  }
});
