/**
 * Access tokens of mailboxes with OAuth 2.0. They are kept in the database, sealed, so that all instances use the same
 * one, and asked for by one at a time: a refresh token that is replaced by every use (rotation) would be lost otherwise.
 * The new refresh token is committed together with the access token that came with it.
 */
import { type HostPolicy, inTransaction, type SecretBox } from '#platform';
import type pg from 'pg';
import { lockTokens, type MailboxRow, saveTokens, type StoredTokens } from './mailbox.rows.js';
import { placeOf } from './secrets.js';
import { GrantRefused, requestTokens, type TokenGrant } from './token-endpoint.js';

/** A token is replaced so long before its end, or after half of a short life. */
const REFRESH_BEFORE_MS = 5 * 60_000;

type Account = Pick<MailboxRow, 'id' | 'tokenEndpoint' | 'clientId' | 'clientSecret' | 'scope'>;

export class AccessTokens {
  /** By mailbox: who comes meanwhile gets the same answer. */
  private readonly asking = new Map<string, Promise<string>>();

  constructor(
    private readonly pool: pg.Pool,
    private readonly box: SecretBox,
    private readonly policy: HostPolicy,
  ) {}

  /**
   * A token that is good for some minutes at least.
   * @param refused a token that the mail server has not accepted: another one is wanted
   * @throws GrantRefused, EndpointFailed, HostForbidden, SecretUnreadable, or an error of the lookup or the database
   */
  async get(account: Account, refused?: string): Promise<string> {
    const key = `${account.id} ${refused ?? ''}`;
    const asking = this.asking.get(key) ?? this.ask(account, refused).finally(() => this.asking.delete(key));
    this.asking.set(key, asking);
    return asking;
  }

  private ask(account: Account, refused: string | undefined): Promise<string> {
    const { box, policy, pool } = this;
    return inTransaction(pool, async (sql) => {
      const stored = await lockTokens(sql, account.id);
      if (!stored) throw new GrantRefused('the mailbox is removed');
      const known = this.present(account.id, stored);
      if (known !== null && known !== refused) return known;
      const open = (name: 'refreshToken' | 'clientSecret', sealed: string | null) =>
        sealed === null ? null : box.open(sealed, placeOf(name, account.id));
      const grant: TokenGrant = {
        tokenEndpoint: account.tokenEndpoint!,
        clientId: account.clientId!,
        clientSecret: open('clientSecret', account.clientSecret),
        refreshToken: open('refreshToken', stored.refreshToken),
        scope: account.scope,
      };
      const tokens = await requestTokens(grant, policy);
      const seal = (name: 'refreshToken' | 'accessToken', text: string) => box.seal(text, placeOf(name, account.id));
      await saveTokens(sql, account.id, stored, {
        refreshToken: tokens.refreshToken === null ? stored.refreshToken : seal('refreshToken', tokens.refreshToken),
        accessToken: seal('accessToken', tokens.accessToken),
        expiresAt: new Date(Date.now() + tokens.lifeMs - Math.min(REFRESH_BEFORE_MS, tokens.lifeMs / 2)),
      });
      return tokens.accessToken;
    });
  }

  /** The stored one, unless it is to be replaced. */
  private present(mailboxId: string, { accessToken, expiresAt }: StoredTokens): string | null {
    if (accessToken === null || expiresAt === null || expiresAt.getTime() <= Date.now()) return null;
    return this.box.open(accessToken, placeOf('accessToken', mailboxId));
  }
}
