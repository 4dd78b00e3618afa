/** Changing a ticket over HTTP: an employee's own forecast, the infrastructure, previews, and two writers at once. */
import type { TicketView, TimelineEntryView, UpdatePreview, UpdateResult } from '#contracts';
import pg from 'pg';
import { Api, ApiError } from '../../tools/demo/api.js';
import { ACCOUNTS } from '../../tools/demo/directory.js';
import { startWorld, stopWorld, type World } from '../harness/stack.js';

const HOUR_MS = 3_600_000;

let world: World;
let database: pg.Pool;
let employee: Api;
let customer: Api;
const infrastructures = new Map<string, string>();

beforeAll(async () => {
  world = await startWorld({ only: ['tickets', 'gateway'], env: { tickets: { TEST_CLOCK: 'true' } } });
  database = new pg.Pool({ connectionString: world.stack.databaseUrl });
  database.on('error', () => {}); // a closing connection may still hear that its server stops
  const logIn = ({ email }: { email: string }) =>
    Api.logIn(world.services.apiUrl, email, world.stack.accountPassword(email));
  [employee, customer] = await Promise.all([logIn(ACCOUNTS.erik), logIn(ACCOUNTS.zoe)]);
  const { rows } = await database.query('select id, name from tickets.infrastructure');
  for (const { id, name } of rows) infrastructures.set(name, id);
});

afterAll(async () => {
  await database?.end();
  await stopWorld(world);
});

async function newTicket(): Promise<TicketView> {
  const { ticket } = await customer.request<{ ticket: TicketView }>('POST', '/tickets', {
    subject: 'Line down',
    text: 'Since ten.',
  });
  return ticket;
}

async function history(api: Api, { id }: TicketView): Promise<TimelineEntryView[]> {
  return (await api.timeline(id)).items;
}

interface ToldChange {
  changes: { field: string; before: string | null; after: string | null }[];
  comment: string;
  recipients: { role: string; email: string }[];
}

/** What was told of changes of the ticket, oldest first. */
async function toldOf({ number }: TicketView): Promise<ToldChange[]> {
  const { rows } = await database.query<{ data: ToldChange }>(
    `select payload -> 'data' as data from tickets.outbox
     where payload ->> 'subject' = $1 and payload ->> 'type' = 'ticket.updated.v1' order by id`,
    [String(number)],
  );
  return rows.map(({ data }) => data);
}

/** @returns the status and the codes with their fields, in the order in which they came */
async function refusal(request: Promise<unknown>): Promise<{ status: number; codes: string[] }> {
  const outcome = await request.then(
    (answer) => ({ answer }),
    (error: unknown) => ({ error }),
  );
  if (!('error' in outcome)) throw new Error(`not refused: ${JSON.stringify(outcome.answer)}`);
  if (!(outcome.error instanceof ApiError)) throw outcome.error;
  const { errors } = outcome.error.problem as { errors: { field: string; code: string }[] };
  return { status: outcome.error.status, codes: errors.map(({ field, code }) => `${field} ${code}`) };
}

const reporter = { role: 'reporter', email: ACCOUNTS.zoe.email };

describe("an employee's forecast", () => {
  it('is shown with its source, told with its reason, and taken back', async () => {
    const ticket = await newTicket();
    expect(ticket).toMatchObject({ resolutionEta: ticket.resolveDueAt, resolutionEtaSource: 'computed' });
    const forecast = new Date(Date.parse(ticket.createdAt) + 50 * HOUR_MS);
    const inBerlin = new Date(forecast.getTime() + HOUR_MS).toISOString().replace('.000Z', '+01:00');

    const set = await employee.update(ticket.id, { resolutionEta: inBerlin, comment: 'The part comes on Friday.' });
    expect(set).toMatchObject({ changed: true, fixes: [], ticket: { version: 2, resolutionEtaSource: 'employee' } });
    expect(Date.parse(set.ticket.resolutionEta!)).toBe(forecast.getTime());
    expect(set.ticket.resolveDueAt).toBe(ticket.resolveDueAt); // a forecast is no promise
    expect(await customer.ticket(ticket.id)).toMatchObject({ resolutionEtaSource: 'employee' });

    const back = await employee.update(ticket.id, { resolutionEta: null, comment: 'It came early.' });
    expect(back.ticket).toMatchObject({
      version: 3,
      resolutionEta: ticket.resolveDueAt,
      resolutionEtaSource: 'computed',
    });

    const told = (after: string | null, before: string | null) => [{ field: 'resolutionEta', before, after }];
    const iso = forecast.toISOString().replace('.000Z', 'Z');
    expect(await toldOf(ticket)).toMatchObject([
      { comment: 'The part comes on Friday.', changes: told(iso, null), recipients: [reporter] },
      { comment: 'It came early.', changes: told(null, iso), recipients: [reporter] },
    ]);
    const [, ...changes] = await history(employee, ticket);
    expect(changes).toMatchObject([
      { kind: 'change', text: 'The part comes on Friday.', changes: told(iso, null) },
      { kind: 'change', text: 'It came early.', changes: told(null, iso) },
    ]);
    const [, ...seenOutside] = await history(customer, ticket);
    expect(seenOutside.map(({ text, changes: shown }) => [text, shown.length])).toEqual([
      [null, 1],
      [null, 1],
    ]);
  });

  it('gives way to the computed one when it has passed', async () => {
    const ticket = await newTicket();
    const resolutionEta = new Date(Date.parse(ticket.createdAt) + HOUR_MS).toISOString();
    await employee.update(ticket.id, { resolutionEta, comment: 'Soon.' });
    await database.query(`update tickets.test_clock set shift = shift + interval '90 minutes'`);
    expect(await employee.ticket(ticket.id)).toMatchObject({
      resolutionEta: ticket.resolveDueAt,
      resolutionEtaSource: 'computed',
    });
  });

  it.each([
    ['no instant', () => 'tomorrow', 'resolution_eta_invalid'],
    ['a day that does not exist', () => '2031-02-30T10:00:00Z', 'resolution_eta_invalid'],
    ['a time of day without an offset', () => '2031-02-03T10:00:00', 'resolution_eta_invalid'],
    ['the past', (now: number) => new Date(now - HOUR_MS).toISOString(), 'resolution_eta_not_future'],
    ['eleven years', (now: number) => new Date(now + 11 * 366 * 24 * HOUR_MS).toISOString(), 'resolution_eta_too_late'],
  ])('is refused when it is %s', async (_, eta, code) => {
    const ticket = await newTicket();
    const resolutionEta = eta(Date.parse(ticket.createdAt));
    const refused = await refusal(employee.update(ticket.id, { resolutionEta, comment: 'Guess.' }));
    expect(refused).toEqual({ status: 422, codes: [`resolutionEta ${code}`] });
    expect(await employee.ticket(ticket.id)).toMatchObject({ version: 1, resolutionEtaSource: 'computed' });
  });

  it('needs a reason, an employee, and a ticket that is not resolved already', async () => {
    const ticket = await newTicket();
    const resolutionEta = new Date(Date.parse(ticket.createdAt) + 50 * HOUR_MS).toISOString();
    const by = (api: Api, change: object) => refusal(api.update(ticket.id, change));
    expect(await by(employee, { resolutionEta })).toEqual({ status: 422, codes: ['comment comment_required'] });
    expect((await by(customer, { resolutionEta, comment: 'Please.' })).status).toBe(403);
    const close = { status: 'closed', resolutionType: 'fixed', comment: 'Done.' };
    expect(await by(employee, { ...close, resolutionEta })).toEqual({
      status: 422,
      codes: ['resolutionEta resolution_eta_with_close'],
    });
    await employee.update(ticket.id, close);
    expect(await by(employee, { resolutionEta, comment: 'Late.' })).toEqual({
      status: 409,
      codes: ['resolutionEta ticket_closed'],
    });
  });
});

describe('the infrastructure', () => {
  it('is changed and taken away, with its names in history and event', async () => {
    const ticket = await newTicket();
    const [zrh, ham] = [infrastructures.get('zrh-core-1')!, infrastructures.get('ham-edge-3')!];
    expect(ticket.infrastructure).toEqual({ id: zrh, name: 'zrh-core-1' });
    const moved = await employee.update(ticket.id, { infrastructure: ham, comment: 'It is the other end.' });
    expect(moved).toMatchObject({ changed: true, ticket: { version: 2, infrastructure: { name: 'ham-edge-3' } } });
    const gone = await employee.update(ticket.id, { infrastructure: null, comment: 'Neither of them.' });
    expect(gone).toMatchObject({ changed: true, ticket: { version: 3, infrastructure: null } });

    const [first, second] = [
      { field: 'infrastructure', before: zrh, after: ham, beforeName: 'zrh-core-1', afterName: 'ham-edge-3' },
      { field: 'infrastructure', before: ham, after: null, beforeName: 'ham-edge-3' },
    ];
    expect((await toldOf(ticket)).map(({ changes }) => changes)).toEqual([[first], [second]]);
    const [, ...changes] = await history(employee, ticket);
    expect(changes.map((entry) => entry.changes)).toEqual([[first], [second]]);
  });

  it.each(['00000000-0000-7000-8000-000000000000', 'zrh-core-1', ''])('is refused as "%s"', async (infrastructure) => {
    const ticket = await newTicket();
    const refused = await refusal(employee.update(ticket.id, { infrastructure, comment: 'There.' }));
    expect(refused).toEqual({ status: 422, codes: ['infrastructure infrastructure_not_registered'] });
    expect(await employee.ticket(ticket.id)).toMatchObject({ version: 1, infrastructure: { name: 'zrh-core-1' } });
  });
});

describe('a preview', () => {
  const preview = (api: Api, { id }: TicketView, change: object) =>
    api.request<UpdatePreview>('PATCH', `/tickets/${id}?dryRun=true`, change);

  it('shows both clocks before and after, whom it would tell, and changes nothing', async () => {
    const ticket = await newTicket();
    const asked = { priority: 'critical', assignee: (await employee.me()).id, comment: 'Core link.' };
    const shown = await preview(employee, ticket, asked);
    expect(shown).toMatchObject({
      accepted: true,
      changed: true,
      refusals: [],
      before: { version: 1, priority: 'medium', assignOutcome: null },
      after: { version: 2, priority: 'critical', assignOutcome: 'met', remainingResolveSeconds: 4 * 3600 },
      recipients: [reporter],
    });
    expect(shown.changes.map(({ field }) => field)).toEqual(['assignee', 'priority']);
    expect((await employee.ticket(ticket.id)).version).toBe(1);
    expect(await toldOf(ticket)).toEqual([]);
    expect(await history(employee, ticket)).toHaveLength(1);
  });

  it('names every refusal with 200, and is for employees', async () => {
    const ticket = await newTicket();
    const asked = { status: 'closed', suspendedSeconds: 5, colour: 'red' };
    const shown = await preview(employee, ticket, asked);
    expect(shown).toMatchObject({ accepted: false, changed: false, after: shown.before });
    const codes = shown.refusals.map(({ field, code }) => `${field} ${code}`);
    expect(codes.toSorted()).toEqual([
      'colour unknown_field',
      'comment comment_required',
      'resolutionType resolution_type_required',
      'suspendedSeconds suspended_time_without_suspension',
    ]);
    expect(await refusal(employee.update(ticket.id, asked))).toEqual({ status: 422, codes });
    expect((await refusal(preview(customer, ticket, asked))).status).toBe(403);
  });
});

it('gives two writers of one version a 200 and a 409', async () => {
  const ticket = await newTicket();
  const write = (priority: string) =>
    employee.request<UpdateResult>(
      'PATCH',
      `/tickets/${ticket.id}`,
      { priority, comment: 'Race.' },
      { 'if-match': '"1"' },
    );
  const outcomes = await Promise.allSettled([write('high'), write('low')]);
  const [done] = outcomes.filter((one) => one.status === 'fulfilled');
  const [conflict] = outcomes.filter((one) => one.status === 'rejected');
  expect(done!.value.ticket.version).toBe(2);
  expect(conflict!.reason).toMatchObject({ status: 409, problem: { currentVersion: 2 } });
  expect((await employee.ticket(ticket.id)).priority).toBe(done!.value.ticket.priority);
  expect(await toldOf(ticket)).toHaveLength(1);
});
