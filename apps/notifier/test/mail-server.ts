/** A mail server for tests: keeps what it takes, and answers as the test says. */
import { simpleParser, type ParsedMail } from 'mailparser';
import { createServer } from 'node:net';
import { SMTPServer } from 'smtp-server';

export interface ReceivedMail {
  envelope: { from: string; to: string };
  mail: ParsedMail;
  header(name: string): string | undefined;
}

export class MailServer {
  readonly received: ReceivedMail[] = [];
  /** Called for each RCPT TO: an SMTP answer such as `550 5.1.1 no such user`, or null to take it. */
  answer: (recipient: string) => string | null = () => null;
  /** Called before a mail is kept and answered with 250. */
  beforeKeeping: () => Promise<void> = async () => {};
  private server?: SMTPServer;

  private constructor(readonly port: number) {}

  /** With a port of its own, not yet listening. */
  static async create(): Promise<MailServer> {
    const probe = createServer();
    await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
    const { port } = probe.address() as { port: number };
    await new Promise((resolve) => probe.close(resolve));
    return new MailServer(port);
  }

  get url(): string {
    return `smtp://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    this.server = new SMTPServer({
      disabledCommands: ['AUTH', 'STARTTLS'],
      disableReverseLookup: true,
      closeTimeout: 100,
      onRcptTo: ({ address }, _session, callback) => {
        const refusal = this.answer(address);
        if (refusal === null) return callback();
        callback(Object.assign(new Error(refusal.slice(4)), { responseCode: Number(refusal.slice(0, 3)) }));
      },
      onData: (stream, { envelope }, callback) => {
        const keep = async (): Promise<void> => {
          const mail = await simpleParser(stream);
          await this.beforeKeeping();
          const from = envelope.mailFrom === false ? '' : envelope.mailFrom.address;
          this.received.push({
            envelope: { from, to: envelope.rcptTo[0]!.address },
            mail,
            header: (name) => rawHeader(mail, name),
          });
        };
        keep().then(() => callback(), callback);
      },
    });
    this.server.on('error', () => {}); // connections that break are what some tests are about
    await new Promise<void>((resolve) => this.server!.listen(this.port, '127.0.0.1', resolve));
  }

  async stop(): Promise<void> {
    await new Promise<void>((resolve) => (this.server ? this.server.close(resolve) : resolve()));
  }

  /** The mails that an address got, in the order of arrival. */
  to(recipient: string): ReceivedMail[] {
    return this.received.filter((one) => one.envelope.to === recipient);
  }
}

/** A header as it was sent, unfolded. */
function rawHeader(mail: ParsedMail, name: string): string | undefined {
  const line = mail.headerLines.find((header) => header.key === name.toLowerCase())?.line;
  return line
    ?.slice(line.indexOf(':') + 1)
    .replace(/\r?\n\s+/g, ' ')
    .trim();
}
