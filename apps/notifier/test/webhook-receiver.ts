/** An endpoint for webhooks that writes down what it gets and answers as a test says. */
import { createHmac } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedRequest {
  path: string;
  headers: Record<string, string>;
  body: string;
  /** Of the event's. */
  ticket: number;
  sequence: number;
}

export interface ReceiverAnswer {
  status: number;
  headers?: Record<string, string>;
}

export class WebhookReceiver {
  readonly received: ReceivedRequest[] = [];
  answer: (request: ReceivedRequest) => ReceiverAnswer | Promise<ReceiverAnswer> = () => ({ status: 204 });

  private constructor(private readonly server: Server) {}

  static async start(): Promise<WebhookReceiver> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const receiver = new WebhookReceiver(server);
    server.on('request', (request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      request.on('end', async () => {
        const { subject, sequence } = JSON.parse(body) as { subject?: string; sequence?: number };
        const headers = request.headers as Record<string, string>;
        const one = { path: request.url!, headers, body, ticket: Number(subject), sequence: sequence ?? 0 };
        receiver.received.push(one);
        const answer = await receiver.answer(one);
        response.writeHead(answer.status, answer.headers).end();
      });
    });
    return receiver;
  }

  url(path = '/'): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}${path}`;
  }

  of(path: string): ReceivedRequest[] {
    return this.received.filter((one) => one.path === path);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** Whether a receiver with this secret would take the request for genuine, as Standard Webhooks has it. */
export function isSignedBy({ headers, body }: ReceivedRequest, secret: string): boolean {
  const [, key] = secret.split('_') as [string, string];
  const content = [headers['webhook-id'], headers['webhook-timestamp'], body].join('.');
  const expected = `v1,${createHmac('sha256', Buffer.from(key, 'base64')).update(content).digest('base64')}`;
  const isRecent = Math.abs(Date.now() / 1_000 - Number(headers['webhook-timestamp'])) < 300;
  return isRecent && headers['webhook-signature']!.split(' ').includes(expected);
}
