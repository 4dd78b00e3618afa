import { newSecret, signedHeaders } from './signature.js';

it('signs as the specification does in its example', () => {
  const headers = signedHeaders('msg_p5jXN8AQM9LWM0D4loKWxJek', 1_614_265_330, '{"test": 2432232314}', [
    'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  ]);
  expect(headers).toEqual({
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  });
});

it('signs with each secret while one is being replaced', () => {
  const [one, other] = [newSecret(), newSecret()];
  const signatureBy = (...secrets: string[]) => signedHeaders('id', 1, 'body', secrets)['webhook-signature'];
  expect(signatureBy(one, other)).toBe(`${signatureBy(one)} ${signatureBy(other)}`);
  expect(signatureBy(one)).not.toBe(signatureBy(other));
});

it('makes secrets of 256 bits', () => {
  expect(newSecret()).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
});
