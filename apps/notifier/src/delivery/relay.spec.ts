import type { NodemailerError } from 'nodemailer';
import { resultOf } from './relay.js';

const failure = (properties: Partial<NodemailerError>): NodemailerError =>
  Object.assign(new Error('it did not work'), properties);

describe('what a failure means', () => {
  it('refuses a mail for good that the server does not want, and keeps its answer', () => {
    const response = '550 5.1.1 no such user';
    const error = failure({ code: 'EENVELOPE', responseCode: 550, permanent: true, response });
    expect(resultOf(error)).toEqual({ outcome: 'refused', response, reason: 'it did not work' });
    expect(resultOf({ ...error, code: 'EMESSAGE', message: 'spam' })).toMatchObject({ outcome: 'refused' });
  });

  it('refuses an address that cannot be sent to at all', () => {
    expect(resultOf(failure({ code: 'EENVELOPE' }))).toMatchObject({ outcome: 'refused', response: null });
  });

  it('tries again after a temporary answer about the mail', () => {
    const error = failure({ code: 'EENVELOPE', responseCode: 451, permanent: false, response: '451 greylisted' });
    expect(resultOf(error)).toMatchObject({ outcome: 'deferred', unavailable: false, response: '451 greylisted' });
  });

  it.each<[string, Partial<NodemailerError>]>([
    ['a lost connection', { code: 'ECONNECTION' }],
    ['a refused connection', { code: 'ESOCKET' }],
    ['no answer', { code: 'ETIMEDOUT' }],
    ['a wrong password', { code: 'EAUTH', responseCode: 535, permanent: true }],
    ['a missing login', { code: 'EENVELOPE', responseCode: 530, permanent: true }],
    ['a server that is closing', { code: 'EENVELOPE', responseCode: 421, permanent: false }],
  ])('takes %s for trouble of the server, not of the mail', (_name, properties) => {
    expect(resultOf(failure(properties))).toMatchObject({ outcome: 'deferred', unavailable: true });
  });
});
