/**
 * An OAuth 2.0 authorisation server over HTTP: gives access tokens for refresh tokens (RFC 6749), each of which is good for
 * one use, and tells the mail server whose a token is (RFC 7662).
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export class AuthorisationServer {
  /** Token requests so far, with the status that they were answered. */
  readonly requests: number[] = [];
  lifeSeconds = 3_600;
  /** Answers every token request with this status instead. */
  failWith: number | null = null;
  private readonly accessTokens = new Map<string, { user: string; until: number }>();
  private readonly refreshTokens = new Map<string, string>();

  private constructor(private readonly server: Server) {}

  static async start(): Promise<AuthorisationServer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const authorisation = new AuthorisationServer(server);
    server.on('request', async (request, response) => {
      const { status, body } = await authorisation.answer(request);
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
    return authorisation;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** A new grant. @returns its refresh token */
  authorise(user: string): string {
    const token = `refresh-${randomUUID()}`;
    this.refreshTokens.set(token, user);
    return token;
  }

  /** The user's access tokens are good no more; with `grants` nothing of theirs is. */
  revoke(user: string, { grants } = { grants: false }): void {
    for (const [token, { user: owner }] of this.accessTokens) if (owner === user) this.accessTokens.delete(token);
    for (const [token, owner] of this.refreshTokens) if (grants && owner === user) this.refreshTokens.delete(token);
  }

  /** Everything that has opened something. */
  secrets(): string[] {
    return [...this.accessTokens.keys(), ...this.refreshTokens.keys()];
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async answer(request: IncomingMessage): Promise<{ status: number; body: object }> {
    const form = new URLSearchParams(await text(request));
    if (request.url === '/introspect') return { status: 200, body: this.introspect(form.get('token') ?? '') };
    const answer = this.failWith === null ? this.grant(form) : { status: this.failWith, body: {} };
    this.requests.push(answer.status);
    return answer;
  }

  private introspect(token: string): object {
    const known = this.accessTokens.get(token);
    return known && known.until > Date.now() ? { active: true, username: known.user } : { active: false };
  }

  private grant(form: URLSearchParams): { status: number; body: object } {
    const used = form.get('refresh_token') ?? '';
    const user = this.refreshTokens.get(used);
    const isKnown = form.get('client_id') === 'helpdesk' && form.get('client_secret') === 'client-secret';
    if (!isKnown || form.get('grant_type') !== 'refresh_token' || user === undefined) {
      return { status: 400, body: { error: 'invalid_grant', error_description: used } };
    }
    this.refreshTokens.delete(used);
    const accessToken = `access-${randomUUID()}`;
    this.accessTokens.set(accessToken, { user, until: Date.now() + this.lifeSeconds * 1_000 });
    const refresh = this.authorise(user);
    const body = {
      access_token: accessToken,
      token_type: 'Bearer',
      expires_in: this.lifeSeconds,
      refresh_token: refresh,
    };
    return { status: 200, body };
  }
}
