import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from './ports.ts';
import { server, startOnFreePort } from './server.ts';

describe('a server process', () => {
  const directory = mkdtempSync(join(tmpdir(), 'server-spec-'));
  const { uid, gid, username } = userInfo();
  const logFile = join(directory, 'server.log');
  const lines: string[] = [];

  afterAll(() => rmSync(directory, { recursive: true }));

  const script = (source: string, isReady = async () => readFileSync(logFile, 'utf8').includes('ready')) =>
    server({
      name: 'script',
      command: process.execPath,
      args: ['-e', source],
      directory,
      user: { uid, gid, name: username, group: '' },
      logFile,
      isReady,
      onSpawn: () => undefined,
      log: (line) => lines.push(line),
    });

  const listener = (port: number) =>
    script(
      `require('net').createServer().listen(${port}, '127.0.0.1', () => console.log('ready', ${port}))`,
      async () => readFileSync(logFile, 'utf8').includes(`ready ${port}`),
    );

  it('gets another port when somebody was faster', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port: taken } = other.address() as AddressInfo;
    const ports = [taken, await freePort()];
    const started = await startOnFreePort(async () => ({ server: listener(ports.shift()!) }));
    expect(ports).toEqual([]);
    await started.server.stop();
    expect(started.server.pid).toBeUndefined();
    other.close();
  });

  it('says why it did not start', async () => {
    const broken = script(`console.error('FATAL: no such thing'); process.exit(3)`, async () => false);
    await expect(broken.start()).rejects.toThrow(/script did not start \(exit code 3\).*\n.*FATAL: no such thing/s);
  });

  it('does not end unnoticed', async () => {
    const frail = script(`console.log('ready'); setInterval(() => {}, 1000)`);
    await frail.start();
    process.kill(frail.pid!, 'SIGKILL');
    while (frail.pid !== undefined) await delay(10);
    expect(lines).toEqual([`script has ended unexpectedly (SIGKILL): see ${logFile}`]);
  });
});
