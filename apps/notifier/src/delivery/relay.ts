/** The mail server that takes our mail (SMTP, RFC 5321), over a pool of connections. */
import { createTransport, type NodemailerError, type SendMailOptions } from 'nodemailer';
import type { NotifierEnv } from '../env.js';

/**
 * - sent: 250, the server has the responsibility.
 * - refused: this mail will never be taken.
 * - deferred: not now. `unavailable`: nothing was said about this mail, the trouble is with the server or the way to it.
 */
export type SendResult =
  | { outcome: 'sent'; response: string }
  | { outcome: 'refused'; response: string | null; reason: string }
  | { outcome: 'deferred'; response: string | null; reason: string; unavailable: boolean };

/** How long a check of the server is good for. */
const CHECK_VALID_MS = 30_000;

export class Relay {
  private readonly transport;
  private checkedAt = 0;
  private checking: Promise<void> | undefined;

  constructor({ SMTP_URL, SMTP_CONCURRENCY }: Pick<NotifierEnv, 'SMTP_URL' | 'SMTP_CONCURRENCY'>) {
    this.transport = createTransport({
      url: SMTP_URL,
      pool: true,
      maxConnections: SMTP_CONCURRENCY,
      connectionTimeout: 10_000,
      greetingTimeout: 15_000,
      socketTimeout: 60_000,
      disableFileAccess: true,
      disableUrlAccess: true,
    });
  }

  async send(mail: SendMailOptions): Promise<SendResult> {
    try {
      const { response } = await this.transport.sendMail(mail);
      this.checkedAt = Date.now();
      return { outcome: 'sent', response: storable(response) };
    } catch (error) {
      const result = resultOf(error as NodemailerError);
      if (result.outcome === 'deferred' && result.unavailable) this.checkedAt = 0;
      return result;
    }
  }

  /** Connects, greets and logs in, unless that has just worked. Checks that are asked for together are one. */
  async check(): Promise<void> {
    if (Date.now() - this.checkedAt < CHECK_VALID_MS) return;
    this.checking ??= this.connect().finally(() => (this.checking = undefined));
    await this.checking;
  }

  /** Idle connections are closed at once. @param force cuts dialogues off, too */
  close(force = false): void {
    this.transport.close({ force });
  }

  private async connect(): Promise<void> {
    await this.transport.verify();
    this.checkedAt = Date.now();
  }
}

/** Codes of refusals that speak of our login and not of the mail (RFC 4954, 6): an operator can put that right. */
const LOGIN_CODES = new Set([530, 534, 535, 538]);

/**
 * A permanent answer (5yz) to MAIL, RCPT or DATA refuses the mail, and so does nodemailer when it finds an address or a
 * mail that cannot be sent at all. Everything else may be different next time.
 */
export function resultOf(error: NodemailerError): SendResult {
  const { code, responseCode, permanent = true } = error;
  const response = error.response === undefined ? null : storable(error.response);
  const reason = storable(error.message);
  const isAboutMail = (code === 'EENVELOPE' || code === 'EMESSAGE') && !LOGIN_CODES.has(responseCode ?? 0);
  if (isAboutMail && permanent) return { outcome: 'refused', response, reason };
  const isClosing = responseCode === 421; // RFC 5321, 3.8: in answer to whatever command
  return { outcome: 'deferred', response, reason, unavailable: !isAboutMail || isClosing };
}

/** What servers say is kept in PostgreSQL, which has no U+0000: one such answer would hold up all results beside it. */
function storable(text: string): string {
  return text.replaceAll('\0', '');
}
