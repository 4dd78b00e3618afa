/** Stands between intake and the IMAP server, and cuts the line where a test wants it. */
import { createConnection, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export class ImapProxy {
  /** Connections so far. */
  connections = 0;
  /** Looks at what the client is about to say; true cuts the line before the server hears it. */
  cutBefore: (command: string) => boolean = () => false;
  /** Looks at what the client is about to say; the server hears it when the promise, if there is one, is fulfilled. */
  hold: (command: string) => Promise<unknown> | undefined = () => undefined;
  /** Looks at how much the server has said on one connection, in bytes; true cuts the line there. */
  cutAfter: (bytes: number) => boolean = () => false;
  /** What the client is told instead of what the server says; both are Latin-1. */
  reword: (words: string) => string = (words) => words;
  private readonly open = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async start(target: { host: string; port: number }): Promise<ImapProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const proxy = new ImapProxy(server, (server.address() as AddressInfo).port);
    server.on('connection', (client) => proxy.connect(client, target));
    return proxy;
  }

  /** Ends all present connections, as a server does whose patience or token has come to an end. */
  cut(): void {
    for (const socket of this.open) socket.destroy();
  }

  /** Connections that are open now. */
  get present(): number {
    return this.open.size / 2;
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private connect(client: Socket, target: { host: string; port: number }): void {
    this.connections += 1;
    const server = createConnection(target);
    const cut = () => {
      client.destroy();
      server.destroy();
    };
    let heard = 0;
    client.on('data', (chunk) => {
      const command = chunk.toString('latin1');
      if (this.cutBefore(command)) return cut();
      const held = this.hold(command);
      if (!held) return server.write(chunk);
      client.pause();
      const say = () => {
        client.resume();
        return server.write(chunk);
      };
      return held.then(say, cut);
    });
    server.on('data', (chunk) => {
      heard += chunk.length;
      if (this.cutAfter(heard)) cut();
      else client.write(Buffer.from(this.reword(chunk.toString('latin1')), 'latin1'));
    });
    for (const socket of [client, server]) {
      this.open.add(socket);
      socket.on('error', cut);
      socket.on('close', () => {
        this.open.delete(socket);
        cut();
      });
    }
  }
}
