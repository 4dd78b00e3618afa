import { randomUUID } from 'node:crypto';
import { globSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { checkOwner, giveTo, type Home, serverDirectory } from './home.ts';
import { freePort } from './ports.ts';
import { endProcesses, orphansIn } from './processes.ts';
import { server, type Server, startOnFreePort } from './server.ts';

export interface Dovecot {
  server: Server;
  imap: { host: string; port: number };
  /** Unix socket that takes mail by LMTP. */
  lmtpSocket: string;
  mailboxes: Mailboxes;
}

/**
 * Mail accounts: a passwd-file each, because Dovecot looks whether a passwd-file has changed only once a second, and a
 * new account has to work at once. The user name is the address in lower case; `user+detail@domain` is `user@domain`.
 */
export class Mailboxes {
  private readonly home: Home;
  private readonly directory: string;
  private readonly users: Set<string>;

  constructor(home: Home, directory: string) {
    this.home = home;
    this.directory = directory;
    this.users = new Set(readdirSync(directory));
  }

  /** @param settings of Dovecot, for this account alone */
  add(user: string, password: string, settings: Record<string, string> = {}): void {
    if (!/^[^\s:+@/\u0080-\uffff]+@[^\s:+@/\u0080-\uffff]+$/.test(user))
      throw new Error(`Not an address that can have a mailbox: ${user}`);
    if (this.users.has(user)) return;
    const file = join(this.directory, user);
    const own = Object.entries(settings).map(([name, value]) => `userdb_${name}=${value}`);
    writeFileSync(file, `${user}:{PLAIN}${password}::::::${own.join(' ')}\n`, { mode: 0o600 });
    giveTo(this.home.user, file);
    this.users.add(user);
  }

  /** Whether mail to that address has a mailbox to go to. */
  takes(address: string): boolean {
    return this.users.has(address.toLowerCase().replace(/\+[^@]*@/, '@'));
  }
}

/** Starts Dovecot for IMAP (loopback TCP, log-in in the clear) and LMTP (Unix socket), all of it as one user. */
export async function startDovecot(options: {
  home: Home;
  program: string;
  durable: boolean;
  /** Where access tokens are looked at (RFC 7662), for accounts that log in with one. */
  introspectionUrl?: string | undefined;
  logFile: string;
  onSpawn(pid: number): void;
  /** Called with a directory that is to be removed with the stack. */
  onDirectory(path: string): void;
  log(line: string): void;
}): Promise<Dovecot> {
  const { home, program, durable, introspectionUrl, logFile, onSpawn, log } = options;
  const directory = serverDirectory(home, 'dovecot');
  checkOwner(home, join(directory, 'mail'));
  serverDirectory(home, 'dovecot', 'mail');
  const sockets = socketDirectory(home, options.onDirectory);
  const configFile = join(directory, 'dovecot.conf');
  const mailboxes = new Mailboxes(home, serverDirectory(home, 'dovecot', 'users'));

  const dovecot = await startOnFreePort(async () => {
    const port = await freePort();
    // Another stack's Dovecot on that port must not pass for this one.
    const greeting = `Help desk mail ${randomUUID()}`;
    const text = config({ home, directory, sockets, port, greeting, durable });
    const oauth2 = introspectionUrl === undefined ? '' : oauth2Config(home, directory, introspectionUrl);
    writeFileSync(configFile, text + oauth2, { mode: 0o600 });
    giveTo(home.user, configFile);
    return {
      port,
      server: server({
        name: 'dovecot',
        command: program,
        args: ['-F', '-c', configFile],
        directory,
        user: home.user,
        logFile,
        prepare: async () => {
          // Helpers outlive a killed master for a moment. Its pid file names a pid that may be another's by now, and for
          // a lock file of the dead Dovecot waits, up to minutes.
          await endProcesses(orphansIn([directory, sockets]), 5_000);
          rmSync(join(sockets, 'master.pid'), { force: true });
          const locks = globSync(['state/*.lock', 'mail/*/*.lock', 'mail/*/.*/*.lock'], { cwd: directory });
          for (const lock of locks) rmSync(join(directory, lock));
        },
        isReady: () => greets(port, greeting),
        onSpawn,
        log,
      }),
    };
  });
  return {
    server: dovecot.server,
    imap: { host: '127.0.0.1', port: dovecot.port },
    lmtpSocket: join(sockets, 'lmtp'),
    mailboxes,
  };
}

/** The path of a Unix socket is at most 107 bytes long, and Dovecot's own names take up to 30 of them. */
function socketDirectory(home: Home, onDirectory: (path: string) => void): string {
  const near = join(home.data, 'dovecot', 'run');
  if (Buffer.byteLength(near) <= 70) return serverDirectory(home, 'dovecot', 'run');
  const short = mkdtempSync('/tmp/helpdesk-');
  onDirectory(short);
  giveTo(home.user, short);
  return short;
}

/** @see https://doc.dovecot.org/2.3/configuration_manual/howto/rootless/ */
function config(values: {
  home: Home;
  directory: string;
  sockets: string;
  port: number;
  greeting: string;
  durable: boolean;
}): string {
  const { home, directory, sockets, port, greeting, durable } = values;
  const { uid, gid, name, group } = home.user;
  return `base_dir = ${sockets}
state_dir = ${directory}/state
log_path = /dev/stderr
protocols = imap lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
login_greeting = ${greeting}

default_internal_user = ${name}
default_internal_group = ${group}
default_login_user = ${name}
default_process_limit = 1000
default_client_limit = 4000
default_vsz_limit = 1G
first_valid_uid = ${uid}
first_valid_gid = ${gid}

mail_location = maildir:${directory}/mail/%Lu
mail_uid = ${uid}
mail_gid = ${gid}
mail_fsync = ${durable ? 'optimized' : 'never'}
mail_max_userip_connections = 1000
lda_mailbox_autocreate = yes
recipient_delimiter = +
lmtp_save_to_detail_mailbox = no
namespace inbox {
  inbox = yes
  separator = /
}

auth_mechanisms = plain login
auth_username_chars =
auth_failure_delay = 0 secs
passdb {
  driver = passwd-file
  mechanisms = plain login
  args = username_format=%Lu ${directory}/users/%Lu
}
userdb {
  driver = passwd-file
  args = username_format=%Lu ${directory}/users/%Lu
  default_fields = uid=${uid} gid=${gid} home=${directory}/mail/%Lu
}

service imap-login {
  chroot =
  service_count = 0
  process_min_avail = 1
  inet_listener imap {
    port = ${port}
  }
  inet_listener imaps {
    port = 0
  }
}
service lmtp {
  process_min_avail = 1
  unix_listener lmtp {
    mode = 0600
  }
}
service anvil {
  chroot =
}
service stats {
  chroot =
}
`;
}

/** Log-in with access tokens besides passwords. */
function oauth2Config(home: Home, directory: string, introspectionUrl: string): string {
  const file = join(directory, 'oauth2.conf.ext');
  const settings = {
    introspection_url: introspectionUrl,
    introspection_mode: 'post',
    force_introspection: 'yes',
    username_attribute: 'username',
    active_attribute: 'active',
    active_value: 'true',
  };
  writeFileSync(
    file,
    Object.entries(settings)
      .map(([name, value]) => `${name} = ${value}\n`)
      .join(''),
    { mode: 0o600 },
  );
  giveTo(home.user, file);
  return `
auth_mechanisms = plain login xoauth2 oauthbearer
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = ${file}
}
`;
}

function greets(port: number, greeting: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1');
    const finish = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(5_000, () => finish(false));
    socket.once('error', () => finish(false));
    socket.once('close', () => finish(false));
    socket.once('data', (chunk) => finish(chunk.toString('utf8').includes(greeting)));
  });
}
