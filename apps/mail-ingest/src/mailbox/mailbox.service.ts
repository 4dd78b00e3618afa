/** What people do with mailboxes. All of it is a change of the table; the supervisors follow. */
import {
  isRefused,
  refuse,
  type CreateMailbox,
  type ListMailboxes,
  type MailboxActor,
  type MailboxChange,
  type MailboxList,
  type MailboxRemoved,
  type MailboxTest,
  type MailboxView,
  type Refused,
  type RemoveMailbox,
  type UpdateMailbox,
} from '#contracts';
import { type HostPolicy, inTransaction, LOGGER, type Logger, SecretBox, type Sql } from '#platform';
import { Inject, Injectable } from '@nestjs/common';
import pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { countWaiting } from '../intake/inbox.js';
import { AccessTokens } from './access-tokens.js';
import {
  insertMailbox,
  lockAddresses,
  type MailboxRow,
  readMailbox,
  readMailboxes,
  removeMailbox,
  takenAddresses,
  updateMailbox,
} from './mailbox.rows.js';
import {
  brokenRules,
  changed,
  fieldsOfEnvironment,
  isElsewhere,
  newSettings,
  type MailboxSettings,
  type Seal,
} from './mailbox.settings.js';
import { testConnection } from './mailbox-test.js';
import { viewOf } from './mailbox.view.js';
import { placeOf } from './secrets.js';

export const HOST_POLICY = Symbol('HOST_POLICY');

@Injectable()
export class MailboxService {
  constructor(
    @Inject(pg.Pool) private readonly pool: pg.Pool,
    @Inject(HOST_POLICY) private readonly policy: HostPolicy,
    @Inject(LOGGER) private readonly log: Logger,
    private readonly box: SecretBox,
    private readonly tokens: AccessTokens,
  ) {}

  async list({ address }: ListMailboxes): Promise<MailboxList> {
    const rows = (await readMailboxes(this.pool)).filter((row) => !row.removed);
    const wanted = address === undefined ? rows : rows.filter((row) => row.address === address.toLowerCase());
    return { items: await Promise.all(wanted.map((row) => this.view(row))) };
  }

  async get(id: string): Promise<MailboxView | Refused> {
    const row = await present(this.pool, id);
    return isRefused(row) ? row : this.view(row);
  }

  async create({ actor, mailbox }: CreateMailbox): Promise<MailboxView | Refused> {
    const { address, host, ...change } = mailbox;
    return this.changing(async (sql) => {
      const before = await readMailbox(sql, { address: address.toLowerCase() }, { lock: true });
      const id = before?.id ?? uuidv7();
      const settings = changed(newSettings(address, host, change), change, this.sealing(id));
      const refused =
        before && !before.removed ? taken('address', [settings.address]) : await this.broken(sql, id, settings);
      if (refused) return refused;
      if (!before) await insertMailbox(sql, id, settings, 'api');
      else {
        const elsewhere = before.host !== null && isElsewhere(before, settings);
        await updateMailbox(sql, id, settings, { origin: 'api', elsewhere, anew: true });
      }
      this.tell(actor, settings.address, 'added', Object.keys(mailbox));
      return id;
    });
  }

  async update({ actor, mailboxId: id, change }: UpdateMailbox): Promise<MailboxView | Refused> {
    return this.changing(async (sql) => {
      const before = await present(sql, id, { lock: true });
      if (isRefused(before)) return before;
      if (before.origin === 'environment') {
        const fields = fieldsOfEnvironment(change);
        if (fields.length > 0) return setByEnvironment(fields);
      }
      const settings = changed(before, change, this.sealing(id));
      const refused = await this.broken(sql, id, settings, before.origin === 'environment' ? change : undefined);
      if (refused) return refused;
      const { origin, paused } = before;
      const elsewhere = isElsewhere(before, settings);
      await updateMailbox(sql, id, settings, { origin, elsewhere, anew: paused && !settings.paused });
      this.tell(actor, before.address, 'changed', Object.keys(change));
      return id;
    });
  }

  async remove({ actor, mailboxId: id }: RemoveMailbox): Promise<MailboxRemoved | Refused> {
    return inTransaction(this.pool, async (sql) => {
      const before = await present(sql, id, { lock: true });
      if (isRefused(before)) return before;
      if (before.origin === 'environment') return setByEnvironment(['']);
      await removeMailbox(sql, id);
      this.tell(actor, before.address, 'removed', []);
      return { mailboxId: id };
    });
  }

  async test(id: string): Promise<MailboxTest | Refused> {
    const row = await present(this.pool, id);
    if (isRefused(row)) return row;
    const { box, tokens, policy } = this;
    return testConnection(row, { box, tokens, policy });
  }

  /** Somebody may add the same address at the same time: one after another. */
  private async changing(work: (sql: Sql) => Promise<string | Refused>): Promise<MailboxView | Refused> {
    const id = await inTransaction(this.pool, async (sql) => {
      await lockAddresses(sql);
      return work(sql);
    });
    return isRefused(id) ? id : this.get(id);
  }

  /** @param change the rules of what IMAP_MAILBOXES decides about are its own */
  private async broken(
    sql: Sql,
    id: string,
    settings: MailboxSettings,
    change?: MailboxChange,
  ): Promise<Refused | undefined> {
    const broken = brokenRules(settings, this.policy).filter(
      ({ field }) => !change || Object.hasOwn(change, field.split('.')[0]!),
    );
    if (broken.length > 0) return refuse(...broken);
    const own = await takenAddresses(sql, [settings.address], id);
    if (own.length > 0) return taken('address', own);
    const aliases = await takenAddresses(sql, settings.aliases, id);
    return aliases.length > 0 ? taken('aliases', aliases) : undefined;
  }

  private sealing(id: string): Seal {
    return (name, text) => this.box.seal(text, placeOf(name, id));
  }

  private async view(row: MailboxRow): Promise<MailboxView> {
    return viewOf(row, await countWaiting(this.pool, row.id));
  }

  /** Names of settings only: their values may open something. */
  private tell(actor: MailboxActor, mailbox: string, deed: string, fields: string[]): void {
    this.log.info({ mailbox, actor: actor.personId ?? actor.name, fields }, `mailbox ${deed}`);
  }
}

async function present(sql: Sql, id: string, options?: { lock: boolean }): Promise<MailboxRow | Refused> {
  const row = await readMailbox(sql, { id }, options);
  if (row && !row.removed) return row;
  return refuse({ field: 'mailboxId', code: 'mailbox_unknown', message: 'there is no such mailbox' });
}

function taken(field: string, addresses: string[]): Refused {
  const message = `${addresses.join(', ')}: another mailbox has this address`;
  return refuse({ field, code: 'address_taken', message });
}

function setByEnvironment(fields: string[]): Refused {
  const message = 'is decided by IMAP_MAILBOXES';
  return refuse(...fields.map((field) => ({ field, code: 'set_by_environment', message })));
}
