import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, realpathSync, rmdirSync, statSync } from 'node:fs';
import { readlinkSync, rmSync, symlinkSync, unlinkSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/**
 * Where a stack's files lie and who its servers run as.
 *
 * PostgreSQL refuses to run as root and Dovecot refuses to keep root's mail, so a stack started by root runs its servers
 * as `nobody`. Their files must then be reachable for `nobody`; below a private directory (/root, mktemp -d) nothing is,
 * and they are kept in /var/tmp instead, with a symbolic link to them.
 */
export interface Home {
  /** The data directory: secrets, register and logs, for the launcher's eyes only. */
  directory: string;
  /** The servers' own files, real path. */
  data: string;
  user: ServerUser;
}

export interface ServerUser {
  uid: number;
  gid: number;
  name: string;
  group: string;
}

export function openHome(directory: string): Home {
  if (process.platform !== 'linux')
    throw new Error('The stack launcher runs on Linux; elsewhere use "docker compose up"');
  const user = serverUser();
  const path = resolve(directory);
  if (!existsSync(path)) {
    mkdirSync(path, { recursive: true });
    chmodSync(path, isRoot() ? 0o711 : 0o700);
  }
  const real = realpathSync(path);
  mkdirSync(join(real, 'log'), { recursive: true, mode: 0o700 });
  return { directory: real, data: openData(real, user), user };
}

/** Makes a directory below the home's data that belongs to the servers' user alone. */
export function serverDirectory(home: Home, ...names: string[]): string {
  const path = join(home.data, ...names);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  giveTo(home.user, path);
  return path;
}

export function giveTo(user: ServerUser, path: string): void {
  if (isRoot()) chownSync(path, user.uid, user.gid);
}

/** Whether the servers' user can enter that directory and read what is in it. */
export function canReach(user: ServerUser, directory: string): boolean {
  const { uid, gid } = user;
  return spawnSync('/bin/sh', ['-c', 'cd "$1"', 'sh', directory], { uid, gid, cwd: '/', stdio: 'ignore' }).status === 0;
}

/** Ends the home: everything in it is lost. */
export function removeHome(home: Home): void {
  rmSync(home.data, { recursive: true, force: true });
  rmSync(home.directory, { recursive: true, force: true });
}

/** Empties the servers' data, which only root or the servers' user can do. */
export function clearData(home: Home): void {
  rmSync(home.data, { recursive: true, force: true });
  mkdirSync(home.data, { mode: 0o711 });
}

function openData(directory: string, user: ServerUser): string {
  const link = join(directory, 'data');
  const elsewhere = join(
    '/var/tmp',
    `helpdesk-stack-${createHash('sha256').update(directory).digest('hex').slice(0, 16)}`,
  );
  if (isLink(link)) {
    if (readlinkSync(link) === elsewhere) return openElsewhere(elsewhere);
    unlinkSync(link);
  }
  mkdirSync(link, { recursive: true, mode: 0o711 });
  if (canReach(user, link)) return link;
  try {
    rmdirSync(link);
  } catch {
    throw new Error(`${link} cannot be reached by user ${user.name}, who runs the servers: remove it or open its path`);
  }
  symlinkSync(elsewhere, link);
  return openElsewhere(elsewhere);
}

function openElsewhere(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o711 });
  // /var/tmp is everybody's: the directory must be one that this user made.
  const { uid } = lstatSync(path);
  if (isLink(path) || uid !== process.getuid?.()) throw new Error(`${path} belongs to somebody else: remove it`);
  return path;
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

function serverUser(): ServerUser {
  const who = isRoot() ? ['nobody'] : [];
  const ask = (option: string) => execFileSync('id', [option, ...who], { encoding: 'utf8' }).trim();
  return { uid: Number(ask('-u')), gid: Number(ask('-g')), name: ask('-un'), group: ask('-gn') };
}

/** Refuses data that another user's stack has made. */
export function checkOwner(home: Home, path: string): void {
  const owner = statSync(path, { throwIfNoEntry: false })?.uid;
  if (owner === undefined || owner === home.user.uid) return;
  throw new Error(`${dirname(path)} was made for another user (id ${owner}): start as that user again, or remove it`);
}
