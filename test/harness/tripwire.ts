/**
 * Stands between a service and a server, and pulls a plug at an exact moment: when the service says certain words to the
 * server, or is about to hear the answer. Passes everything on as long as it is not armed.
 */
import { createConnection, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export interface Wire {
  /** What the service says on one connection, one after another; the last of them is the moment. */
  says: readonly RegExp[];
  /**
   * unheard: the server does not hear the last words any more
   * unanswered: it hears them, and the service does not hear the answer
   * halfheard: the service hears some of the answer, and the rest is lost
   */
  moment: 'unheard' | 'unanswered' | 'halfheard';
  /** The answer is what matches this; default anything. */
  answer?: RegExp;
}

/** Bytes of the answer that are still heard with `halfheard`. */
const HALF = 1_500;

export class Tripwire {
  private wire: Wire | null = null;
  private trip: () => void = () => {};
  private readonly open = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async before(target: { host: string; port: number }): Promise<Tripwire> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const tripwire = new Tripwire(server, (server.address() as AddressInfo).port);
    server.on('connection', (client) => tripwire.connect(client, createConnection(target)));
    return tripwire;
  }

  /** @returns a promise that is fulfilled at the moment, after `act` was called */
  arm(wire: Wire, act: () => void): Promise<void> {
    this.wire = wire;
    return new Promise((resolve) => {
      this.trip = () => {
        this.wire = null;
        act();
        for (const socket of this.open) socket.destroy();
        resolve();
      };
    });
  }

  async stop(): Promise<void> {
    for (const socket of this.open) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private connect(client: Socket, server: Socket): void {
    let said = 0;
    let heard = 0;
    client.on('data', (chunk) => {
      const words = chunk.toString('latin1');
      while (this.wire?.says[said]?.test(words)) said++;
      if (this.wire?.moment === 'unheard' && said === this.wire.says.length) return this.trip();
      server.write(chunk);
    });
    server.on('data', (chunk) => {
      const { wire } = this;
      const isAnswer = wire && said >= wire.says.length && (wire.answer?.test(chunk.toString('latin1')) ?? true);
      if (!isAnswer) return client.write(chunk);
      if (wire.moment === 'unanswered') return this.trip();
      client.write(chunk.subarray(0, Math.max(0, HALF - heard)));
      heard += chunk.length;
      // what is heard must have arrived before the plug is pulled
      if (heard >= HALF) setImmediate(() => this.wire && this.trip());
      return undefined;
    });
    for (const socket of [client, server]) {
      this.open.add(socket);
      socket.on('error', () => {}); // its end is what counts
      socket.on('close', () => {
        this.open.delete(socket);
        client.destroy();
        server.destroy();
      });
    }
  }
}
