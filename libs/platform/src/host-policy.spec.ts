import { addressesOf, HostForbidden, isLoopback, mayConnect } from './host-policy.js';

describe('connections', () => {
  it.each([
    '169.254.169.254',
    '169.254.0.1',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    '64:ff9b::169.254.169.254',
    '100.100.100.200',
    'fd00:ec2::254',
    'fe80::1',
    'fe80::1%eth0',
    '0.0.0.0',
    '::',
    '224.0.0.1',
    'ff02::1',
    '255.255.255.255',
    '168.63.129.16',
    '::169.254.169.254',
    '64:ff9b::a9fe:a9fe',
    'mail.example.net',
    '',
  ])('never go to %s', (address) => {
    expect(mayConnect(address, { allowPrivate: true })).toBe(false);
  });

  it.each([
    '10.1.2.3',
    '172.31.0.1',
    '192.168.1.1',
    '127.0.0.1',
    '100.64.0.1',
    '192.0.2.1',
    '198.19.0.1',
    '::1',
    'fd12::1',
    'fec0::1',
    '::ffff:10.0.0.1',
    '::127.0.0.1',
    '::ffff:0:127.0.0.1',
    '64:ff9b::10.0.0.1',
    '64:ff9b:1::10.0.0.1',
    '2002:7f00:1::1',
    '2001:0:53aa:64c:0:fbff:80ff:fffe',
    '2001:db8::1',
  ])('go to %s unless private networks are forbidden', (address) => {
    expect(mayConnect(address, { allowPrivate: true })).toBe(true);
    expect(mayConnect(address, { allowPrivate: false })).toBe(false);
  });

  it.each(['198.41.0.4', '172.32.0.1', '2001:500:2::c', '::ffff:198.41.0.4', '64:ff9b::198.41.0.4'])(
    'go to %s',
    (address) => {
      expect(mayConnect(address, { allowPrivate: false })).toBe(true);
    },
  );

  it('are refused by what the name stands for, however it is written', async () => {
    await expect(addressesOf('2852039166', { allowPrivate: true })).rejects.toThrow(HostForbidden);
    await expect(addressesOf('localhost', { allowPrivate: false })).rejects.toThrow(HostForbidden);
    expect(await addressesOf('127.0.0.1', { allowPrivate: true })).toEqual(['127.0.0.1']);
  });
});

it('knows this machine', () => {
  expect(['localhost', 'LOCALHOST', '127.0.0.1', '127.9.9.9', '::1'].every(isLoopback)).toBe(true);
  expect(['127.0.0.1.example.net', '10.0.0.1', 'localhost.example.net', '::'].some(isLoopback)).toBe(false);
});
