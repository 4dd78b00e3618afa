/**
 * Where connections may go that people ask for: servers of mailboxes, token endpoints, webhooks. Never to link-local
 * addresses, where clouds answer with credentials, nor to what is no host at all; to private networks, and to what the
 * Internet does not route (RFC 6890), only where a setting allows it.
 */
import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';

const NEVER = blockList([
  ['0.0.0.0', 8],
  ['169.254.0.0', 16], // link-local, RFC 3927; metadata of most clouds
  ['100.100.100.200', 32], // metadata
  ['168.63.129.16', 32], // metadata
  ['224.0.0.0', 4], // multicast
  ['240.0.0.0', 4], // reserved, and broadcast
  ['::', 128],
  ['fe80::', 10], // link-local, RFC 4291
  ['fd00:ec2::254', 128], // metadata
  ['fd20:ce::254', 128], // metadata
  ['ff00::', 8], // multicast
]);

const PRIVATE = blockList([
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['100.64.0.0', 10], // shared by carriers, RFC 6598
  ['127.0.0.0', 8],
  ['192.0.0.0', 24], // protocol assignments
  ['192.0.2.0', 24], // documentation, RFC 5737, as the next two
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['192.88.99.0', 24], // relays of 6to4, RFC 7526
  ['198.18.0.0', 15], // measurements, RFC 2544
  ['2001::', 23], // protocol assignments, with Teredo
  ['2001:db8::', 32], // documentation
  ['2002::', 16], // 6to4, which hides an IPv4 address
  ['3fff::', 20], // documentation, RFC 9637
]);

/** All that the Internet routes of IPv6 is in here. */
const GLOBAL_UNICAST = blockList([['2000::', 3]]);

export interface HostPolicy {
  allowPrivate: boolean;
}

/** All addresses of a name, as dns.lookup finds them. */
export type Resolve = (host: string) => Promise<string[]>;

/** The host stands for an address that connections may not go to. */
export class HostForbidden extends Error {
  constructor(address: string) {
    super(`connections to ${address} are not allowed`);
  }
}

export function mayConnect(address: string, { allowPrivate }: HostPolicy): boolean {
  const plain = embeddedV4(address) ?? address;
  const version = isIP(plain);
  const family = version === 6 ? 'ipv6' : 'ipv4';
  if (version === 0 || NEVER.check(plain, family)) return false;
  return allowPrivate || (!PRIVATE.check(plain, family) && (version === 4 || GLOBAL_UNICAST.check(plain, family)));
}

/** Only there may passwords go without encryption. */
export function isLoopback(host: string): boolean {
  return host.toLowerCase() === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/**
 * The addresses that a host stands for; whoever connects uses these and does not ask again.
 * @throws HostForbidden when one of them is not allowed, or the error of the lookup
 */
export async function addressesOf(host: string, policy: HostPolicy, resolve: Resolve = resolveAll): Promise<string[]> {
  const addresses = isIP(host) === 0 ? await resolve(host) : [host];
  const forbidden = addresses.find((address) => !mayConnect(address, policy));
  if (forbidden !== undefined) throw new HostForbidden(forbidden);
  return addresses;
}

async function resolveAll(host: string): Promise<string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

/** An IPv4 address inside an IPv6 one: compatible and mapped (RFC 4291), or translated (RFC 6052, RFC 2765). */
function embeddedV4(address: string): string | null {
  if (isIP(address) !== 6) return null;
  const groups = expand(address.replace(/%.*$/, ''));
  const [high, low] = groups.slice(6).map((group) => Number.parseInt(group, 16)) as [number, number];
  if (!EMBEDDING.has(groups.slice(0, 6).join(':'))) return null;
  if (high === 0 && low <= 1 && groups[5] === '0') return null; // `::` and `::1`
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

const EMBEDDING = new Set(['0:0:0:0:0:0', '0:0:0:0:0:ffff', '0:0:0:0:ffff:0', '64:ff9b:0:0:0:0']);

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
