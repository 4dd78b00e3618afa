/** A small client of the gateway, as an employee's or customer's own program would have it. */
import type { MessageResult, TicketPage, TicketView, TimelinePage, UpdateResult } from '#contracts';

export class ApiError extends Error {
  readonly status: number;
  readonly problem: unknown;

  constructor(status: number, problem: unknown) {
    super(`HTTP ${status}: ${JSON.stringify(problem)}`);
    this.status = status;
    this.problem = problem;
  }
}

export class Api {
  private readonly baseUrl: string;
  readonly token: string;

  constructor(baseUrl: string, token: string) {
    this.baseUrl = baseUrl;
    this.token = token;
  }

  static async logIn(baseUrl: string, email: string, password: string): Promise<Api> {
    const anonymous = new Api(baseUrl, '');
    const { accessToken } = await anonymous.request<{ accessToken: string }>('POST', '/auth/token', {
      email,
      password,
    });
    return new Api(baseUrl, accessToken);
  }

  async request<Answer>(
    method: string,
    path: string,
    body?: object,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const response = await fetch(this.baseUrl + path, {
      method,
      headers: {
        ...(this.token && { authorization: `Bearer ${this.token}` }),
        ...(body && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    const answer: unknown = await response.json();
    if (!response.ok) throw new ApiError(response.status, answer);
    return answer as Answer;
  }

  me(): Promise<{ id: string; name: string }> {
    return this.request('GET', '/me');
  }

  async ticket(id: string): Promise<TicketView> {
    return (await this.request<{ ticket: TicketView }>('GET', `/tickets/${id}`)).ticket;
  }

  tickets(query = ''): Promise<TicketPage> {
    return this.request('GET', `/tickets${query}`);
  }

  update(id: string, change: object): Promise<UpdateResult> {
    return this.request('PATCH', `/tickets/${id}`, change);
  }

  reply(id: string, text: string): Promise<MessageResult> {
    return this.request('POST', `/tickets/${id}/replies`, { text });
  }

  timeline(id: string): Promise<TimelinePage> {
    return this.request('GET', `/tickets/${id}/timeline`);
  }
}

/** Asks again until the answer fits. @throws when it does not in time, with the last answer */
export async function eventually<T>(what: string, ask: () => Promise<T | undefined>, limitMs = 30_000): Promise<T> {
  const deadline = Date.now() + limitMs;
  let lastError: unknown;
  while (Date.now() < deadline) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      lastError = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what}: not within ${limitMs / 1000} s`, { cause: lastError });
}
