/**
 * Where connections may go that people ask for: the servers of mailboxes and token endpoints. Never to link-local
 * addresses, where clouds answer with credentials, nor to what is no host at all; to private networks unless a setting
 * forbids it, because a mail server in the house is normal.
 */
import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import type { MailIngestEnv } from '../env.js';

const NEVER = blockList([
  ['0.0.0.0', 8],
  ['169.254.0.0', 16], // link-local, RFC 3927; metadata of most clouds
  ['100.100.100.200', 32], // metadata
  ['224.0.0.0', 4], // multicast
  ['240.0.0.0', 4], // reserved, and broadcast
  ['::', 128],
  ['fe80::', 10], // link-local, RFC 4291
  ['fd00:ec2::254', 128], // metadata
  ['ff00::', 8], // multicast
]);

const PRIVATE = blockList([
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['100.64.0.0', 10], // shared by carriers, RFC 6598
  ['127.0.0.0', 8],
  ['::1', 128],
  ['fc00::', 7], // unique local, RFC 4193
  ['fec0::', 10],
]);

export interface HostPolicy {
  allowPrivate: boolean;
}

export function policyOf({ MAILBOX_PRIVATE_HOSTS }: Pick<MailIngestEnv, 'MAILBOX_PRIVATE_HOSTS'>): HostPolicy {
  return { allowPrivate: MAILBOX_PRIVATE_HOSTS };
}

/** The host stands for an address that connections may not go to. */
export class HostForbidden extends Error {
  constructor(address: string) {
    super(`connections to ${address} are not allowed`);
  }
}

export function mayConnect(address: string, { allowPrivate }: HostPolicy): boolean {
  const plain = embeddedV4(address) ?? address;
  const family = isIP(plain) === 6 ? 'ipv6' : 'ipv4';
  return isIP(plain) !== 0 && !NEVER.check(plain, family) && (allowPrivate || !PRIVATE.check(plain, family));
}

/** Only there may passwords go without encryption. */
export function isLoopback(host: string): boolean {
  return host.toLowerCase() === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/**
 * The addresses that a host stands for; whoever connects uses these and does not ask again.
 * @throws HostForbidden when one of them is not allowed, or the error of the lookup
 */
export async function addressesOf(host: string, policy: HostPolicy): Promise<string[]> {
  const addresses = (await lookup(host, { all: true })).map(({ address }) => address);
  const forbidden = addresses.find((address) => !mayConnect(address, policy));
  if (forbidden !== undefined) throw new HostForbidden(forbidden);
  return addresses;
}

/** An IPv4 address inside an IPv6 one: mapped (RFC 4291), or translated (RFC 6052). */
function embeddedV4(address: string): string | null {
  if (isIP(address) !== 6) return null;
  const groups = expand(address.replace(/%.*$/, ''));
  const prefix = groups.slice(0, 6).join(':');
  if (prefix !== '0:0:0:0:0:ffff' && prefix !== '64:ff9b:0:0:0:0') return null;
  const [high, low] = groups.slice(6).map((group) => Number.parseInt(group, 16)) as [number, number];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

/** The eight groups of an IPv6 address, without leading zeros. */
function expand(address: string): string[] {
  const hex = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_all, ...bytes: string[]) => {
    const [a, b, c, d] = bytes.map(Number) as [number, number, number, number];
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
  const [head, tail] = hex.split('::').map((half) => half.split(':').filter((group) => group !== ''));
  const zeros = Array.from({ length: tail ? 8 - head!.length - tail.length : 0 }, () => '0');
  return [...head!, ...zeros, ...(tail ?? [])].map((group) => Number.parseInt(group, 16).toString(16));
}

function blockList(subnets: [string, number][]): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of subnets) list.addSubnet(network, prefix, isIP(network) === 6 ? 'ipv6' : 'ipv4');
  return list;
}
