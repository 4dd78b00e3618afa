import { hostname } from 'node:os';
import { createConnection } from 'node:net';
import { Transform } from 'node:stream';
import SMTPConnection from 'nodemailer/lib/smtp-connection';
import { SMTPServer, type SMTPServerDataStream, type SMTPServerSession } from 'smtp-server';
import { freePort } from './ports.ts';

export interface Relay {
  host: string;
  port: number;
  close(): Promise<void>;
}

/** Largest message that is taken, in bytes. */
const SIZE_LIMIT = 60 * 1024 * 1024;

/** An answer other than "yes" to an SMTP client (RFC 5321, RFC 3463). */
class Refusal extends Error {
  readonly responseCode: number;

  constructor(responseCode: number, text: string) {
    super(text);
    this.responseCode = responseCode;
  }
}

/**
 * Starts a mail server on loopback that delivers to Dovecot's mailboxes and nowhere else. A message is answered with 250
 * when LMTP has taken it for every recipient, and streamed: it is never in memory whole.
 */
export async function startRelay(options: {
  lmtpSocket: string;
  takes(address: string): boolean;
  log(line: string): void;
}): Promise<Relay> {
  const deliveries = lmtpPool(options.lmtpSocket);
  const server = new SMTPServer({
    banner: 'help desk development relay',
    size: SIZE_LIMIT,
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    hideENHANCEDSTATUSCODES: false,
    closeTimeout: 1_000,
    logger: false,
    onRcptTo({ address }, _session, callback) {
      callback(options.takes(address) ? null : new Refusal(550, `5.1.1 <${address}>: no such mailbox`));
    },
    onData(stream, session, callback) {
      deliver(stream, session).then(() => callback(null), callback);
    },
  });
  // Clients that hang up are no concern of the relay's.
  server.on('error', () => undefined);

  async function deliver(stream: SMTPServerDataStream, session: SMTPServerSession): Promise<void> {
    const { mailFrom, rcptTo } = session.envelope;
    const from = mailFrom ? mailFrom.address : '';
    const to = rcptTo.map(({ address }) => address);
    const message = withTraceHeader(stream, session);
    try {
      await deliveries.send({ from, to }, message);
    } catch (error) {
      // The client is still talking: what it says has to be heard before it can be answered.
      message.destroy();
      stream.unpipe();
      stream.resume();
      if (!stream.readableEnded) await new Promise((resolve) => stream.once('end', resolve).once('close', resolve));
      if (error instanceof Refusal) throw error;
      options.log(`The relay could not deliver to ${to.join(', ')}: ${(error as Error).message}`);
      throw new Refusal(451, '4.3.0 Not delivered, try again later');
    }
  }

  const port = await listen(server);
  return {
    host: '127.0.0.1',
    port,
    close: async () => {
      await new Promise<void>((resolve) => server.close(() => resolve()));
      deliveries.close();
    },
  };
}

/** The message with a Received line on top (RFC 5321, 4.4); it fails when it grows over the limit. */
function withTraceHeader(stream: SMTPServerDataStream, session: SMTPServerSession): Transform {
  const client = session.hostNameAppearsAs || '[127.0.0.1]';
  const head =
    `Received: from ${client} ([${session.remoteAddress}])\r\n` +
    `\tby ${hostname()} with ${session.transmissionType} id ${session.id};\r\n` +
    `\t${new Date().toUTCString().replace('GMT', '+0000')}\r\n`;
  const message = new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      if (stream.sizeExceeded) callback(new Refusal(552, '5.3.4 Message too big'));
      else callback(null, chunk);
    },
  });
  message.write(head);
  return stream.pipe(message);
}

/** LMTP connections, kept open from one message to the next. */
function lmtpPool(socketPath: string) {
  const idle: SMTPConnection[] = [];

  function connect(): Promise<SMTPConnection> {
    return new Promise((resolve, reject) => {
      const connection = new SMTPConnection({
        lmtp: true,
        ignoreTLS: true,
        connection: createConnection(socketPath),
        name: 'relay',
      });
      const forget = () => {
        const place = idle.indexOf(connection);
        if (place >= 0) idle.splice(place, 1);
      };
      connection.on('error', (error) => {
        forget();
        reject(error);
      });
      connection.once('end', forget);
      connection.connect(() => resolve(connection));
    });
  }

  /** @throws Refusal as Dovecot has answered, or the error of the connection or of the stream */
  async function send(envelope: { from: string; to: string[] }, message: Transform): Promise<void> {
    const connection = idle.pop() ?? (await connect());
    try {
      await new Promise<void>((resolve, reject) => {
        message.once('error', reject);
        connection.send(envelope, message, (error, info) => {
          const refused = error ?? info.rejectedErrors?.[0];
          if (!refused) resolve();
          else if (refused.responseCode) reject(new Refusal(refused.responseCode, answerOf(refused)));
          else reject(refused);
        });
      });
    } catch (error) {
      // Its state is unknown; closing it before the final dot also drops a message cut short.
      connection.close();
      throw error;
    }
    idle.push(connection);
  }

  return {
    send,
    close: () => {
      for (const connection of idle.splice(0)) connection.close();
    },
  };
}

/** What LMTP has said, without the code that SMTP puts before it again. */
function answerOf(error: SMTPConnection.SMTPError): string {
  return (error.response ?? error.message).replace(/^\d{3}[ -]/, '');
}

async function listen(server: SMTPServer): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const isTaken = await new Promise<boolean>((resolve, reject) => {
      const onError = (error: NodeJS.ErrnoException) => (error.code === 'EADDRINUSE' ? resolve(true) : reject(error));
      server.server.once('error', onError);
      server.listen(port, '127.0.0.1', () => {
        server.server.off('error', onError);
        resolve(false);
      });
    });
    if (!isTaken) return port;
    if (attempt === 5) throw new Error('The mail relay found no free port');
  }
}
